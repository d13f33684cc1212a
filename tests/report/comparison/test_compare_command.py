"""`credo compare` as it is typed, and what it leaves: a table, a page, and lines on the terminal."""

import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fake_runs import begun, config, draws, finished

from console import credo
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status
from credo.report.comparison import page, plots, runs
from credo.report.comparison.compare import Comparison, compare
from credo.report.terminal import comparison as terminal
from credo.report.terminal.screen import Screen
from credo.runs.job import Job


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two configurations with two seeds each, one of which has no answer."""
    folder = tmp_path / "multirun" / "sweep"
    for number, (scale, seed) in enumerate([(0.1, 0), (0.1, 1), (10.0, 0)]):
        run = finished(folder / str(number), config(scale, seed), draws(scale, seed), failed=("r_hat",) * (scale > 1))
        (run / "report.html").write_text("")
    begun(folder / "3", config(10.0, 1), Job((), "FAILED", 1, "no <finite> start"))
    return folder


def of(*folders: Path) -> Comparison:
    return compare(runs.find(folders))


def lines(comparison: Comparison, width: int) -> list[str]:
    file = io.StringIO()
    terminal.show(comparison, (Path("a.html"), Path("a.csv")), Screen(file=file, width=width, highlight=False))
    return file.getvalue().splitlines()


def test_a_sweep_has_its_comparison_in_its_own_folder(sweep: Path) -> None:
    said = credo("compare", "multirun/sweep", cwd=sweep.parents[1])
    assert (said.code, said.err) == (0, "")
    assert "multirun/sweep/comparison.html" in said.out
    table = pd.read_csv(sweep / "comparison.csv")
    assert table["state"].tolist() == ["FINISHED", "FINISHED", "FAILED"]
    assert credo("compare", sweep, cwd=sweep).code == 0, "the sweep's own comparison is made anew"


def test_runs_have_their_comparison_in_a_new_folder(sweep: Path, tmp_path: Path) -> None:
    words = ("compare", sweep / "0", sweep / "2")
    assert credo(*words, cwd=tmp_path).code == 0
    assert len(list(tmp_path.glob("comparisons/*/*/comparison.csv"))) == 1
    assert credo(*words, "--out", "mine", cwd=tmp_path).code == 0
    before = (tmp_path / "mine" / "comparison.html").read_bytes()
    again = credo(*words, "--out=mine", cwd=tmp_path)
    assert (again.code, "has a comparison.html already" in again.err) == (2, True)
    assert (tmp_path / "mine" / "comparison.html").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "expected runs or a sweep"),
        (("0", "2", "--output", "x"), "expected runs or a sweep"),
        (("0", "2", "--out"), "expected runs or a sweep"),
        (("0",), "at least two finished runs, but got 1"),
        (("0", "absent"), "absent does not exist"),
        (("0", "2", "--out", "2/report.html"), "expected a folder, and this is a file"),
    ],
)
def test_a_mistake_is_one_sentence(sweep: Path, words: tuple[str, ...], sentence: str) -> None:
    said = credo("compare", *words, cwd=sweep)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert sentence in said.err
    assert not list(sweep.glob("compar*"))


def test_all_numbers_are_in_the_table(sweep: Path) -> None:
    credo("compare", sweep, cwd=sweep)
    table = pd.read_csv(sweep / "comparison.csv", index_col="label")
    found = of(sweep)
    for label, row in found.loo.iterrows():
        assert table.loc[label, ["elpd_diff", "dse", "weight"]].tolist() == pytest.approx(row.tolist(), rel=1e-14)
    assert {"prior_sensitivity", "gradients", "seconds/total", "ess_per_second", "pareto_k_high"} <= set(table.columns)


class _Page(HTMLParser):
    """Every address in a page, and whether its tags are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        self.open += [tag] if tag not in ("meta", "img", "br") else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone(sweep: Path) -> None:
    text = page.render(of(sweep), sweep.parent / "elsewhere", "credo compare sweep", sweep)
    read = _Page()
    read.feed(text)
    assert read.open == []
    links = [address for address in read.addresses if not address.startswith("data:image/png;base64,")]
    assert sorted(links) == [f"../sweep/{number}/report.html" for number in (0, 1, 2)]
    assert not re.search(r"https?://|@import|url\(|<script", text)
    assert "no &lt;finite&gt; start" in text


def test_the_page_marks_what_is_not_to_be_believed(sweep: Path) -> None:
    text = str(page.sections(of(sweep), sweep))
    row = next(
        row
        for row in text.split("<tr>")
        if "loc.scale=10<" in row or ">loc.scale=10 " in row or ">loc.scale=10\n" in row
    )
    assert '<span class="pill">failed</span>' in row
    assert text.startswith("<section")
    assert "<html" not in text


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_says_all_at_any_width(sweep: Path, width: int) -> None:
    said = lines(of(sweep), width)
    assert max(map(len, said)) <= width
    titles = {word for line in said for word in line.split()}
    assert {"verdict", "elpd_loo", "elpd_diff", "dse", "weight", "gradients", "time"} <= titles
    rows = [[line.startswith(label) for line in said].count(True) for label in ("loc.scale=0.1  ", "loc.scale=10  ")]
    assert rows[0] == rows[1] > 0
    assert sum(line.startswith("loc.scale=10 (failed)") for line in said) == 1
    assert any(line.startswith("! loc.scale=10 (failed): no answer (failed): no <finite> start") for line in said)


def test_a_wider_terminal_has_fewer_tables(sweep: Path) -> None:
    found = of(sweep)
    heads = [sum(line.startswith("loc.scale=0.1  ") for line in lines(found, width)) for width in (60, 80, 240)]
    assert heads[0] > heads[1] > heads[2] == 1


def test_names_from_outside_are_shown_as_they_are(tmp_path: Path) -> None:
    names = ("<b>bold</b>", "[red]red[/red]")
    places = [finished(tmp_path / str(i), config(i + 1.0, name=name), draws(i + 1.0)) for i, name in enumerate(names)]
    found = of(*places)
    assert "<b>" not in str(page.sections(found, tmp_path)).replace('<b class="toned">', "")
    assert any(line.startswith("[red]red[/red]") for line in lines(found, 100))


def vector(size: int) -> Result:
    """A posterior with a scalar and a vector."""
    random = np.random.default_rng(size)
    posterior = {
        "mu": (("chain", "draw"), random.normal(size=(2, 50))),
        "theta": (("chain", "draw", "unit"), random.normal(size=(2, 50, size))),
    }
    tree = {"posterior": xr.Dataset(posterior), "sample_stats": xr.Dataset()}
    return Result(
        xr.DataTree.from_dict(tree), Status.DONE, Cost({"sampling": 1.0}), "nuts", Kind.CHAINS, ("mu", "theta")
    )


def test_only_shared_variables_are_side_by_side(tmp_path: Path) -> None:
    sizes = {1.0: 40, 2.0: 40, 3.0: 5}
    places = {scale: finished(tmp_path / f"{scale}", config(scale), vector(size)) for scale, size in sizes.items()}
    found = of(*places.values())
    drawing = plots.forest(found)
    assert drawing is not None
    assert "Shown are 30 of 41 shared scalars." in drawing.caption
    shared = plots._shared({line.label: plots._summary(line) for line in found.lines})
    assert {name: set(of) for name, (_, of) in shared.items()} == {
        "mu": {"loc.scale=1", "loc.scale=2", "loc.scale=3"},
        "theta": {"loc.scale=1", "loc.scale=2"},
    }
    assert plots.differences(found) is None
