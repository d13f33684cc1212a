"""The cases that others stumbled on: what `make cases` expects is what formulas, grids and SciPy say."""

import json
from pathlib import Path
from typing import Any

import pytest

from cases.answers import ANSWERS

CASES = sorted(folder for folder in (Path(__file__).parent / "cases").iterdir() if (folder / "cmd.txt").exists())
OUTCOME = {
    *("exit", "verdict", "values", "within", "sd_within", "quantile_within", "unknown", "checks"),
    *("says", "never", "files", "rows", "runs", "recorded", "same_as", "of"),
}


def expected(case: Path) -> list[list[dict[str, Any]]]:
    return list(json.loads((case / "expect.json").read_text())["calls"])


def values(case: str) -> list[dict[str, dict[str, float]]]:
    calls = expected(Path(__file__).parent / "cases" / case)
    return [outcome["values"] for outcomes in calls for outcome in outcomes if "values" in outcome]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_call_of_a_case_has_an_outcome_that_can_be_missed(case: Path) -> None:
    for outcomes in expected(case):
        assert outcomes
        for outcome in outcomes:
            assert set(outcome) <= OUTCOME
            assert set(outcome) - {"exit"} or outcome["exit"] == [0]


@pytest.mark.parametrize("asked", ANSWERS)
def test_the_numbers_of_a_case_are_those_that_are_computed_without_credo(asked: str) -> None:
    """To seven digits; a scalar of a case may have another name there (`beta[sqm]` for a slope)."""
    found = ANSWERS[asked]()
    given = [number for one in values(asked.split()[0]) for scalar in one.values() for number in scalar.values()]
    for name, scalar in found.items():
        if name != "intercept":  # of case 51 the slope is asked alone
            for number in scalar.values():
                assert any(number == pytest.approx(other, rel=1e-7, abs=1e-12) for other in given), (name, number)
