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


DIGITS, MOST_DIGITS = 4, 12
"""Significant digits of a check's number: as a rule, and where it takes more to tell it from its threshold."""


def counts(verdict: Verdict) -> str:
    """How many checks ended how: `1 failed, 11 passed, 1 note`."""
    parts = [(len(ended(verdict, status)), status) for status in ("failed", "not checked", "passed")]
    words = [f"{count} {status}" for count, status in parts if count]
    if notes := len(ended(verdict, "note")):
        words.append(counted(notes, "note"))
    return ", ".join(words) or "no check applied"


def measured(check: Check) -> str:
    """A check's number and its threshold: `1.043 (threshold 1.01)`; empty where there is none.

    A number beyond its threshold has as many digits as it takes to see that.
    """
    if check.value is None:
        return ""
    if check.threshold is None:
        return number(check.value, DIGITS)
    bar, texts = number(check.threshold, DIGITS), [number(check.value, digits) for digits in range(DIGITS, MOST_DIGITS)]
    text = next((text for text in texts if text != bar or check.value == check.threshold), texts[-1])
    return f"{text} (threshold {bar})"
