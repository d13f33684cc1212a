"""Is log p(data) known, and do all ways to it agree?"""

import json
import math
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import pandas as pd

from credo.diagnostics.answers import not_checked
from credo.diagnostics.base import Check
from credo.inference.evidence import table
from credo.inference.kind import Of, of
from credo.inference.result import Result
from credo.ranges import Positive

ERRORS = 3.0
"""Standard errors of a difference: two right ways differ by more in 1 of 370 runs."""


@dataclass(frozen=True)
class Evidence:
    """The standard error of log p(data), in nats, and the differences between the ways to it.

    Attributes:
        threshold: the largest standard error that passes.
    """

    threshold: Positive

    of: ClassVar[Of] = of(groups=(table.GROUP,))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge all results that have it."""
        ways = table.found(result.tree)
        recorded = result.tree[table.GROUP].attrs.get("without")  # where all ways were asked for
        others = " ".join(f"Not by {way}: {why}." for way, why in json.loads(recorded or "{}").items())
        if not ways:
            return None if recorded is None else not_checked("evidence", self.threshold, others)
        seen = f"{table.in_words(ways)}. {others}".strip().removesuffix(".")
        error = next(iter(ways.values()))[1]
        for (one, (a, error_a)), (other, (b, error_b)) in combinations(ways.items(), 2):
            if not abs(a - b) <= ERRORS * math.hypot(error_a, error_b):
                advice = (
                    f"The ways to log p(data) disagree: {seen}. {one} and {other} are further apart than their errors "
                    "allow, so at least one of them misses a part of the posterior. Trust neither; try more draws."
                )
                return Check("evidence", "failed", abs(a - b), ERRORS * math.hypot(error_a, error_b), advice)
        if not error <= self.threshold:
            advice = f"Log p(data) is {seen}: hardly known. Make more draws, or try another way to it."
            return Check("evidence", "failed", error, self.threshold, advice)
        if recorded is not None and len(ways) == 1:
            reason = f"Log p(data) is {seen}. There is no second way to it with which to compare it."
            return not_checked("evidence", self.threshold, reason)
        if factors := result.tree[table.GROUP].attrs.get("factors"):
            care = (
                f"Log p(data) is {seen}, if the factors of the model ({factors}) are normalised densities of data, "
                "which credo cannot know; else it is the log of an integral that depends on how they are scaled."
            )
            return Check("evidence", "note", error, self.threshold, care)
        return Check("evidence", "passed", error, self.threshold, f"Log p(data) is {seen}.")
