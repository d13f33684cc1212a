"""`report=html`: the page, as a reader and a browser get it."""

import dataclasses
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import xarray as xr
from fake_results import DRAWS, curve, make, predictive, training

from credo.diagnostics.base import Verdict
from credo.errors import ConfigError
from credo.inference.kind import Kind
from credo.report import plots
from credo.report.run.html import HtmlReport
from credo.report.run.page import origin

PLOTS = ["posterior", "predictive", "trace", "rank", "pairs", "energy", "starts"]
VOID = {"meta", "img", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """Text, tags and attributes of a page whose tags must nest."""

    def __init__(self, source: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.text = ""
        self.feed(source)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "href", "srcset", "data", "action"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += " " + data.strip()


@pytest.fixture
def write(record, verdict, summary):
    """Write the report of a result and read its page."""

    def written(result, record=record, verdict=verdict, words=PLOTS, most=12, asked=False):
        record = replace(record, overrides=("report.plots=[...]",)) if asked else record
        report = HtmlReport(plots=words, max_variables=most, dpi=60)
        path = report.write(record, result, summary(result), verdict, {"r_hat_max": 1.04321})
        assert path == record.folder / "report.html"
        return path.read_text(encoding="utf-8")

    return written


def images(folder: Path) -> set[str]:
    found = list((folder / "plots").glob("*.png"))
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in found)
    return {path.stem for path in found}


def test_page_tells_the_verdict_first_and_everything_in_order(write, schools):
    source = write(schools)
    assert "This answer failed its checks" in Page(source).text
    order = ["verdict", "question", "answer", "checks", "cost", "reproduce"]
    places = [source.index(f'<section id="{section}"') for section in order]
    assert places == sorted(places)


def test_verdict_names_failures_before_notes_and_folds_what_passed(write, schools):
    source = write(schools)
    verdict = source[source.index('id="verdict"') : source.index('id="question"')]
    reasons = ["The chains disagree about tau. Draw more.", "Pareto k could not", "leans on the prior", "<details>"]
    places = [verdict.index(reason) for reason in reasons]
    assert places == sorted(places)
    assert verdict.index("4 chains started") > verdict.index("<details>")
    assert "1 failed, 1 not checked, 1 passed, 1 note" in verdict
    assert "1.043 (threshold 1.01)" in verdict


def test_page_needs_nothing_from_outside(write, schools):
    source = write(schools)
    page = Page(source)
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert not page.tags & {"script", "link", "iframe", "object"}
    assert "url(" not in source
    assert "@import" not in source
    assert "default-src 'none'" in source


def test_all_plots_of_draws_exist_and_are_on_the_page(write, schools, record):
    assert "nuts is no optimiser" not in write(schools)  # nobody asked for it
    page = Page(write(schools, asked=True))
    assert images(record.folder) == set(PLOTS) - {"starts"}
    assert len(page.addresses) == len(PLOTS) - 1
    assert "could not be drawn" not in page.text
    assert "nuts is no optimiser" in page.text


def test_plots_that_need_what_a_method_has_not_say_so(write, binary, record):
    text = Page(write(binary, asked=True)).text
    assert images(record.folder) == {"posterior", "predictive", "trace", "rank", "pairs"}
    assert "The method mh has no energy." in text
    assert "ones as often as predicted" in text


def test_point_estimate_shows_estimates_errors_and_starts(write, point, record):
    text = Page(write(point, asked=True)).text
    assert images(record.folder) == {"posterior", "predictive", "starts"}
    assert "The optimiser stopped before it converged." in text
    assert "standard error" in text
    assert "-2.25" in text
    assert "A point estimate has no chains." in text
    assert "R-hat" not in text


def test_conditional_predictions_are_answers_and_their_calibration_is_a_check(write, record):
    groups = {"curve": curve(), "predictive": predictive(), "training": training()}
    result = make({"posterior": xr.Dataset({"w": (DRAWS, [[1.0]])})} | groups, method="map", kind=Kind.POINT)
    words = ["learning", "conditional", "weights", "pit", "calibration"]
    source = write(result, words=words)
    assert images(record.folder) == set(words)
    answer, checks = source[source.index('id="answer"') :].split('id="checks"')
    assert answer.count("<img") == 2
    assert checks.count("<img") == 3


def test_scalars_without_room_are_named(write, schools):
    text = Page(write(schools, most=3)).text
    assert text.count("Left out of this plot (report.max_variables):") == 2  # trace and rank
    left_out = text[text.index("Left out of this plot") :]
    shown = [name for name in ("mu", "tau") if f" {name}," in left_out[:400]]
    assert not shown
    assert sum(f"theta[{school}]" in left_out[:400] for school in ("Choate", "Deerfield", "Hotchkiss")) >= 2


def test_very_many_scalars_without_room_are_counted_by_variable():
    from credo.report.drawing.picture import left_out_words

    names = [*(f"w[{i}]" for i in range(1000)), "b"]
    assert "1,000 elements of w, 1 element of b" in left_out_words(names)


def test_names_from_outside_are_escaped(write, record):
    evil = "<script>alert(1)"
    result = make({"posterior": xr.Dataset({evil: (DRAWS, [[1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 5.0]])})})
    data = xr.Dataset({f"<img onerror={evil}>": ("x", [1.0])})
    told = dataclasses.replace(
        record, name=evil, data=data, description={"model": evil, "latents": [{"name": evil}]}, overrides=(evil,)
    )
    source = write(result, record=told)
    assert not Page(source).tags & {"script"}
    assert "<script" not in source
    assert "<img onerror" not in source
    assert "&lt;script&gt;alert(1)" in source


def test_code_and_device_are_told_in_words():
    facts = {"code": {"files": {"gp.py": "1"}, "packages": {}, "values": {"gp.model": "2"}, "unknown": []}}
    facts |= {"device": {"platform": "cpu", "devices": 2, "precision": "float64"}, "observed": {"y": {"count": 3}}}
    assert origin(facts) == [("code", "gp.py"), ("device", "cpu, 2 devices, float64")]
    assert origin({"code": {"files": {}, "packages": {}, "values": {}}}) == [("code", "credo's alone")]


def test_question_and_reproduction(write, schools):
    text = Page(write(schools)).text
    assert "y_j ~ N(theta_j, sigma_j)" in text
    assert "mu ~ gaussian(loc=0, scale=5)" in text
    assert "not in this model" not in text
    assert "school 8" in text
    assert "-3 to 28, mean 8.75" in text
    assert "(not taken by the model)" in text
    assert "(generated the data; kept from the model)" in text
    assert "3 rows held out." in text
    assert "credo data=eight_schools 'data.path=my data.csv'" in text
    assert "c0ffee" * 6 + " with changes that are not committed" in text
    assert "5e1f" * 16 in text
    assert "63,450" in text


def test_choices_are_those_of_the_experiment(record):
    from credo.report.run.page import choices

    assert list(choices(record).items()) == [("data", "eight_schools"), ("inference", "nuts"), ("report", "html")]


def test_summary_marks_numbers_beyond_their_threshold(write, schools, verdict):
    strict = [dataclasses.replace(check, threshold=0.5) if check.name == "r_hat" else check for check in verdict.checks]
    assert 'class="beyond"' in write(schools, verdict=Verdict("failed", tuple(strict)))
    lenient = [
        dataclasses.replace(check, threshold=2.0) if check.name == "r_hat" else check for check in verdict.checks
    ]
    assert 'class="beyond"' not in write(schools, verdict=Verdict("failed", tuple(lenient)))


def test_verdict_without_any_check(write, schools):
    text = Page(write(schools, verdict=Verdict("not checked", ()))).text
    assert "could not be checked in full" in text
    assert "no check applied" in text


def test_plot_that_breaks_does_not_cost_the_page(write, schools, monkeypatch, caplog):
    def broken(word, evidence):
        raise RuntimeError("no ink")

    monkeypatch.setattr(plots.Plot, "draw", broken)
    assert "This plot could not be drawn: RuntimeError: no ink" in Page(write(schools)).text
    assert "could not be drawn" in caplog.text


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"plots": ["trase"]}, "report.plots: there is no plot 'trase'; did you mean 'trace'"),
    ],
)
def test_impossible_settings_are_refused(settings, sentence):
    with pytest.raises(ConfigError, match=sentence.replace(".", r"\.")):
        HtmlReport(**({"plots": ["trace"], "max_variables": 3, "dpi": 60} | settings))
