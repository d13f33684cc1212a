"""The verdict in words."""

from credo.diagnostics.base import Check, Verdict
from credo.report.drawing.numbers import counted, number

ORDER = ("failed", "not checked", "note", "passed")
"""What needs a reader first comes first."""

HEADLINES = {
    "passed": "This answer passed its checks",
    "failed": "This answer failed its checks: do not rely on it yet",
    "not checked": "This answer could not be checked in full",
}


def ended(verdict: Verdict, status: str) -> list[Check]:
    """The checks that ended in one way."""
    return [check for check in verdict.checks if check.status == status]


def counts(verdict: Verdict) -> str:
    """How many checks ended how: `1 failed, 11 passed, 1 note`."""
    parts = [(len(ended(verdict, status)), status) for status in ("failed", "not checked", "passed")]
    words = [f"{count} {status}" for count, status in parts if count]
    if notes := len(ended(verdict, "note")):
        words.append(counted(notes, "note"))
    return ", ".join(words) or "no check applied"


def measured(check: Check) -> str:
    """A check's number and its threshold: `1.043 (threshold 1.01)`; empty where there is none."""
    if check.value is None:
        return ""
    bar = "" if check.threshold is None else f" (threshold {number(check.threshold, 4)})"
    return f"{number(check.value, 4)}{bar}"
