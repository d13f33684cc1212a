"""Hostile names stand as text, wherever they are shown: the note in MLflow, the pages, the terminal."""

import dataclasses
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from markdown_it import MarkdownIt
from rich.text import Text

from credo.diagnostics.base import Check, Verdict
from credo.diagnostics.summary import summarise
from credo.escape import fenced, link, markdown, visible
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status
from credo.report.comparison import page as comparison_page
from credo.report.comparison.compare import compare
from credo.report.comparison.runs import Run
from credo.report.run import description
from credo.report.run.page import render
from credo.report.sweep import page as sweep_page
from credo.report.sweep.summary import SweepSummary
from credo.report.terminal.run import show_answer, show_places
from credo.report.terminal.screen import Screen
from credo.runs.record import RunRecord

HOSTILE = [
    "![x](http://evil.example/x.png)",
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "[a](javascript:alert(1))",
    "[a]: http://evil.example",
    "<http://evil.example>",
    "http://evil.example/x.png www.evil.example",
    "```\n![x](http://evil.example/x.png)\n```",
    "a\n\n# b\n![x](http://evil.example/x.png)",
    "`x` *b* _i_ __s__ ~~d~~ a|b \\![x](y) &lt;img&gt; {{ 7 * 7 }} {% raw %}",
    "\x1b[31mred\x1b]0;title\x07 \x9b2J \u202egnp.exe",
    "- one",
    "1. one",
    "    code",
]
INERT = ("p", "code", "pre", "strong", "ul", "li", "table", "thead", "tbody", "tr", "th", "td")
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


class Tags(HTMLParser):
    """The tags of a page, and what its attributes load or run."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.runs: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "data", "srcset")]
        self.runs += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_shows_a_name_as_it_is(name):
    found = Tags(MARKDOWN.render(f"- **{markdown(name)}** failed: {markdown(name)}"))
    assert set(found.tags) <= {"ul", "li", "strong"}
    shown = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", name).split())
    assert shown in " ".join(found.text.split())


def test_markdown_leaves_plain_words_alone():
    said = "r_hat failed 1.05 (> 1.01): the chains disagree about beta.age_2; run longer, or set model.a=1 - 2."
    assert markdown(said) == said


@pytest.mark.parametrize("name", HOSTILE)
def test_a_fence_holds_whatever_is_in_it(name):
    found = Tags(MARKDOWN.render("\n".join(fenced(f"credo {name}\n{name}"))))
    assert found.tags == ["pre", "code"]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_steers_the_terminal(name):
    screen = Screen(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    screen.print(Text(f"{name}"), soft_wrap=True)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", screen.file.getvalue())
    assert visible(visible(name)) == visible(name)


def test_a_link_is_one_within_the_folder(tmp_path):
    assert link(tmp_path / "javascript:alert(1)" / "report.html", tmp_path) == "javascript%3Aalert%281%29/report.html"
    assert link(tmp_path / "a#b?c" / "report.html", tmp_path / "d") == "../a%23b%3Fc/report.html"


@pytest.fixture(scope="module")
def record(tmp_path_factory) -> RunRecord:
    folder = tmp_path_factory.mktemp("run")
    names = [*HOSTILE]
    data = xr.Dataset({"x": (("obs", "feature"), np.ones((2, len(names))))}, {"feature": names})
    return RunRecord(
        name=" ".join(HOSTILE),
        config={"name": HOSTILE[0], "data": {"path": HOSTILE[1], "features": names}, "model": {HOSTILE[2]: HOSTILE[3]}},
        choices={"data": HOSTILE[4], "model": HOSTILE[1], "inference": HOSTILE[0]},
        overrides=tuple(f"name='{name}'" for name in HOSTILE),
        folder=folder / "<b>",
        start_folder=folder,
        provenance={"command": HOSTILE, "git": {"branch": HOSTILE[1]}, "user": HOSTILE[2], "versions": {}, "seed": 1},
        description={"model": "\n".join(HOSTILE), "data": {"left_out": HOSTILE[1]}, "observed": [], "latents": []},
        data=data,
    )


@pytest.fixture(scope="module")
def result() -> Result:
    random = np.random.default_rng(0)
    posterior = xr.Dataset(
        {"beta": (("chain", "draw", "feature"), random.normal(size=(2, 50, len(HOSTILE))))}, {"feature": HOSTILE}
    )
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": xr.Dataset()})
    return Result(tree, Status.DONE, Cost({"sampling": 0.5}), "nuts", Kind.CHAINS, ("beta",))


VERDICT = Verdict(
    "failed",
    tuple(Check(name, status, 2.0, 1.0, f"It is {name}.") for name in HOSTILE for status in ("failed", "not checked")),
)


def test_the_note_in_mlflow(record, result):
    found = Tags(MARKDOWN.render(description.write(record, result, summarise(result), VERDICT)))
    assert set(found.tags) <= set(INERT)
    assert not found.loads


def test_the_terminal(record, result):
    screen = Screen(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    show_answer(record, result, summarise(result), VERDICT, console=screen)
    show_places(record, {HOSTILE[10]: Path(HOSTILE[10])}, {HOSTILE[10]: HOSTILE[10]}, HOSTILE, console=screen)
    assert "\x1b" not in screen.file.getvalue()


def require_inert(text: str) -> None:
    """Nothing on a page is loaded but pictures that it has itself, and nothing runs."""
    found = Tags(text)
    assert not {"script", "iframe", "object", "embed", "base", "form"} & set(found.tags)
    assert not found.runs
    loads = [place for place in found.loads if not place.startswith(("data:image/png;base64,", "#"))]
    assert all(re.fullmatch(r"[\w%/-]+/report\.html", place) for place in loads), loads  # has no scheme
    assert HOSTILE[1] in found.text


def test_the_report(record, result):
    require_inert(render(record, result, summarise(result), VERDICT, dict.fromkeys(HOSTILE, 1.0), []))


def test_the_page_and_the_note_of_a_sweep(tmp_path):
    rows = len(HOSTILE)
    table = pd.DataFrame({"job": range(rows), "state": "FAILED", "verdict": "failed", "exit_code": 1, "seconds": 1.0})
    folders = [str(tmp_path / "javascript:alert(1)" / str(job)) for job in range(rows)]
    table = table.assign(objective=None, reason=HOSTILE, folder=folders, **{"model.a": HOSTILE, HOSTILE[1]: HOSTILE})
    for folder in folders:
        Path(folder).mkdir(parents=True)
        (Path(folder) / "report.html").touch()
    files = (tmp_path / "sweep.csv", tmp_path / "report.html")
    summary = SweepSummary(tmp_path, " ".join(HOSTILE), ("model.a", HOSTILE[1]), table.to_dict("records"), files)
    require_inert(sweep_page.render(summary))
    found = Tags(MARKDOWN.render(summary.description))
    assert set(found.tags) <= set(INERT)
    assert not found.loads


def test_the_page_of_a_comparison(tmp_path, result):
    runs = []
    for number, name in enumerate(HOSTILE):
        folder = tmp_path / f"{number} javascript:alert(1) <b>"
        folder.mkdir()
        (folder / "report.html").touch()
        summarise(result).to_csv(folder / "summary.csv", index=False)
        model = {"_target_": "credo.models.gaussian.Gaussian", "word": name}
        config = {"name": name, "seed": 0, "data": {"path": name}, "model": model, "inference": {"_target_": "x.Y"}}
        choices = {"data": name, "model": name, "inference": name}
        runs.append(Run(folder, config, choices, "FAILED", name))
    finished = dataclasses.replace(
        runs[0], state="FINISHED", reason="", data_hash="0", observed={}, verdict=VERDICT, metrics={"log_density": 1.0}
    )
    comparison = compare([finished, dataclasses.replace(finished, config=runs[1].config), *runs[1:]])
    require_inert(comparison_page.render(comparison, tmp_path, " ".join(HOSTILE), tmp_path))
