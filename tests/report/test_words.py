"""Numbers, tables and letters."""

import math

import pandas as pd
import pytest

from credo.diagnostics.base import Check, Verdict
from credo.inference.kind import Kind
from credo.report.drawing import lettering
from credo.report.drawing.numbers import counted, fixed, number, places, seconds
from credo.report.run import table
from credo.report.run.checks import counts, measured


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.0000000, "1"),
        (0.0, "0"),
        (-0.0, "0"),
        (1234567.0, "1,234,567"),
        (1234.5678, "1,235"),
        (0.0123456, "0.0123"),
        (0.5, "0.5"),
        (-2.5, "-2.5"),
        (1.23456e-7, "1.23e-7"),
        (5.0e12, "5e12"),
        (999.96, "1,000"),
        (math.nan, "–"),
        (None, "–"),
        (-math.inf, "-inf"),
    ],
)
def test_number(value, words):
    assert number(value) == words


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (4.41234, 0.052, "4.41"),
        (4.41234, 0.0099, "4.412"),
        (123456.7, 31, "123,460"),
        (-0.001, 0.1, "0.0"),
        (2.5, 0, "2.5"),
    ],
)
def test_digits_follow_the_error(value, error, words):
    assert fixed(value, places(error)) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.012, "0.01 s"), (0.43, "0.43 s"), (12.2, "12 s"), (185.0, "3 min 5 s"), (7450.0, "2 h 4 min")],
)
def test_seconds(value, words):
    assert seconds(value) == words


def test_counted():
    assert (counted(1, "check"), counted(1200, "check")) == ("1 check", "1,200 checks")


def row(**numbers) -> dict[str, float]:
    usual = {"mean": 4.41234, "sd": 3.2, "q5": -1, "q50": 4.4, "q95": 9.7, "mcse_mean": 0.052}
    return usual | {"ess_bulk": 1234.4, "ess_tail": 2000, "r_hat": 1.00049} | numbers


def test_cells_of_draws():
    cells = [table.cell(row(), column, Kind.CHAINS) for column in table.columns(Kind.CHAINS)]
    assert cells == ["4.41", "3.20", "-1.00", "4.40", "9.70", "0.052", "1,234", "2,000", "1.000"]


def test_cells_of_a_constant_and_of_a_point():
    constant = row(sd=0.0, mcse_mean=math.nan, ess_bulk=math.nan, r_hat=math.nan)
    assert [table.cell(constant, c, Kind.CHAINS) for c in table.columns(Kind.CHAINS)][-3:] == ["–", "2,000", "–"]
    assert [table.cell(row(), c, Kind.POINT) for c in table.columns(Kind.POINT)] == ["4.4", "3.2", "-1.0", "9.7"]


def test_rows_beyond_a_threshold_are_kept_first_then_scalars():
    names = ["v[0]", "v[1]", "v[2]", "b"]
    summary = pd.DataFrame([{"variable": name} | row(r_hat=1.5 if name == "v[2]" else 1.0) for name in names])
    kept = [r["variable"] for r in table.records(summary, 2, {"r_hat": 1.01})]
    assert kept == ["v[2]", "b"]
    assert [r["variable"] for r in table.records(summary, 9, {})] == names


def test_rows_of_a_parametrisation_are_counted_and_not_shown():
    names = ["mu", "z[A]", "z[B]", "theta[A]", "theta[B]"]
    summary, aside = (
        pd.DataFrame([{"variable": name} | row() for name in names]),
        dict.fromkeys(("z[A]", "z[B]"), "the parametrisation (z)"),
    )
    assert [r["variable"] for r in table.records(summary, 9, {}, aside)] == ["mu", "theta[A]", "theta[B]"]
    assert table.left_out(summary, 3, aside) == "2 of the parametrisation (z)"
    assert table.left_out(summary, 1, aside) == "2 more rows and 2 of the parametrisation (z)"
    both = {**aside, "theta[A]": "the indicators (theta)"}
    assert table.left_out(summary, 2, both) == "2 of the parametrisation (z) and 1 of the indicators (theta)"
    assert not table.left_out(summary, 5, {})


def test_counts(verdict):
    assert counts(verdict) == "1 failed, 1 not checked, 1 passed, 1 note"
    assert counts(Verdict("not checked", ())) == "no check applied"
    assert [measured(check) for check in verdict.checks][2:] == ["1.043 (threshold 1.01)", ""]


def test_a_number_just_beyond_its_threshold_does_not_look_like_it():
    assert measured(Check("r_hat", "failed", 1.01004, 1.01, "")) == "1.01004 (threshold 1.01)"
    assert measured(Check("r_hat", "passed", 1.01, 1.01, "")) == "1.01 (threshold 1.01)"


def test_letters_are_as_wide_as_matplotlib_sets_them():
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    words = "theta[Choate] 1.002"
    width, _, _ = text_to_path.get_text_width_height_descent(words, FontProperties(family="DejaVu Sans", size=8), False)
    # Matplotlib kerns and does not count the margins of the outer letters: less than half a point.
    assert lettering.width(words, 8) == pytest.approx(width, abs=0.5)


def test_words_are_cut_to_their_room():
    assert lettering.shortened("theta", 100, 8) == "theta"
    cut = lettering.shortened("theta[Phillips Andover]", 60, 8)
    assert cut.endswith("…")
    assert lettering.width(cut, 8) <= 60
