"""What the ranks of all replications say together: calibrated, not calibrated in what, or too few to know."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from credo.diagnostics.sbc.uniform import ALARMS, TESTS, alarms, enough, judged

MOST_FAILED = 0.02
"""The share of replications without an answer up to which the others are judged alone."""

_NAMED = 4
"""Scalars that a sentence names."""

Status = Literal["calibrated", "not calibrated", "too few replications"]


@dataclass(frozen=True)
class Calibrated:
    """The verdict on a model and a method.

    Attributes:
        status: in the words of a person.
        sentence: why.
        table: one row per scalar (see `uniform.judged`), with its name and the tests that alarm.
        replications: how many have an answer.
        failed: how many have none.
        needed: how many replications would be enough.
    """

    status: Status
    sentence: str
    table: pd.DataFrame
    replications: int
    failed: int
    needed: int


def verdict(
    names: list[str],
    u: Float[np.ndarray, "replication scalar"],
    z: Float[np.ndarray, "replication scalar"],
    failed: int,
) -> Calibrated:
    """Judge the ranks of all replications.

    Args:
        names: of the scalars.
        u: ranks in (0, 1) of the replications with an answer.
        z: errors in posterior standard deviations.
        failed: replications without an answer.
    """
    needed, count = enough(len(names)), len(u)
    if not count:
        reason = f"None of {failed} replications has an answer."
        return Calibrated("too few replications", reason, pd.DataFrame({"scalar": names}), 0, failed, needed)
    table = judged(u)
    found = alarms(table)
    table.insert(0, "scalar", names)
    with np.errstate(all="ignore"):
        table["mean_z"], table["sd_z"] = z.mean(axis=0), z.std(axis=0)
    table["alarms"] = [" ".join(test for test, on in zip(TESTS, row, strict=True) if on) for row in found]
    status, sentence = _status(table, found, count, failed, needed)
    return Calibrated(status, sentence, table, count, failed, needed)


def _status(
    table: pd.DataFrame, found: Bool[np.ndarray, "scalar test"], count: int, failed: int, needed: int
) -> tuple[Status, str]:
    chance = f"The chance of any false alarm is {ALARMS:.0%}."
    if found.any():
        wrong = table[found.any(axis=1)].copy()
        wrong["p"] = wrong[[f"p_{test}" for test in TESTS]].min(axis=1)
        rows = wrong.sort_values("p", kind="stable").head(_NAMED).to_dict("records")
        more = f", and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        return "not calibrated", f"Not calibrated in {'; '.join(map(_words, rows))}{more}. {chance}"
    if failed > MOST_FAILED * (count + failed):
        return (
            "too few replications",
            f"{failed} of {count + failed} replications have no answer, and the others may be the easy ones.",
        )
    if count < needed:
        return (
            "too few replications",
            f"No alarm, but {count} replications would miss a bias of 0.3 posterior sd too often; {needed} are enough.",
        )
    return "calibrated", f"All {len(table)} scalars have uniform ranks in {count} replications. {chance}"


def _words(row: dict[str, object]) -> str:
    """What is wrong with a scalar."""
    bias, spread, tests = float(str(row["bias"])), float(str(row["spread"])), str(row["alarms"]).split()
    words = []
    if "bias" in tests:
        words.append(f"draws {abs(bias):.2g} sd too {'high' if bias > 0 else 'low'}")
    if "spread" in tests:
        words.append(f"{spread:.2g} times the right width")
    return f"{row['scalar']} ({' and '.join(words) or 'ranks of another shape'})"
