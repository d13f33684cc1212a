"""The verdict: whether the answer may be believed."""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any, get_args

import pandas as pd

from credo.diagnostics.answers import not_checked
from credo.diagnostics.base import Check, CheckStatus, Deriving, Diagnostic, Particular, Verdict, put
from credo.errors import ConfigError
from credo.inference.base import Inference
from credo.inference.result import Result
from credo.models.problem import Problem

SETTINGS = "settings"
"""An attribute of a result's tree: where the settings of the method are that gave the answer, if not at `inference`."""


def require_possible(checks: Mapping[str, Diagnostic], problem: Problem, method: Inference) -> None:
    """Ask those checks that name parts of the model, or derive something of their own, whether they can.

    Raises:
        ConfigError: names the check's key.
    """
    for name, check in checks.items():
        try:
            if isinstance(check, Particular):
                check.check(problem)
            if isinstance(check, Deriving):
                check.require(problem, method)
        except ConfigError as error:
            raise ConfigError(f"diagnostics.checks.{name}.{error}") from error


def judge(checks: Mapping[str, Diagnostic], result: Result, summary: pd.DataFrame) -> Verdict:
    """Put every check to a result.

    Args:
        checks: the checks by name; the names are those in the verdict.
        result: the answer.
        summary: `summarise(result)`.

    Returns:
        `failed` if any check failed; `passed` if at least one passed and all others that decide passed or are notes;
        otherwise `not checked`. A check that raises an exception is `not checked`, with the exception's text. What
        could not be derived from the answer is `not checked` by the name of that part.
    """
    answers = [_ask(name, check, result, summary) for name, check in checks.items()]
    given = [answer for answer in answers if answer is not None]
    parts = {
        why: part for part, why in reversed(tuple(result.missing.items()))
    }  # the first where several have one reason
    given = [_at(result.tree.attrs.get(SETTINGS, "inference"), answer) for answer in given]
    names = {answer.name for answer in given}
    given += [lacking(part, why) for why, part in reversed(tuple(parts.items())) if part not in names]
    found = {answer.status for answer in given if answer.decides or answer.status == "failed"}
    if "failed" in found:
        return Verdict("failed", tuple(given))
    return Verdict("passed" if "passed" in found <= {"passed", "note"} else "not checked", tuple(given))


def lacking(part: str, why: str) -> Check:
    """A part of the answer that there is not; what there is is judged without it."""
    return Check(part, "not checked", None, None, why, decides=False)


def to_json(verdict: Verdict) -> dict[str, Any]:
    """The verdict as plain containers, for `verdict.json`; a number that JSON lacks (NaN, infinity) is `None`."""
    checks = [dataclasses.asdict(check) for check in verdict.checks]
    for check in checks:
        del check["decides"]
        for number in ("value", "threshold"):
            if check[number] is not None and not math.isfinite(check[number]):
                check[number] = None
    return {"status": verdict.status, "checks": checks}


def _at(place: str, answer: Check) -> Check:
    """A check whose advice names the settings of the method where they are."""
    return dataclasses.replace(answer, advice=re.sub(r"\binference\.(?=[a-z_]+\b)", f"{place}.", answer.advice))


def _ask(name: str, check: Diagnostic, result: Result, summary: pd.DataFrame) -> Check | None:
    settings = getattr(check, "__dict__", {})
    if unknown := [key for key, value in settings.items() if isinstance(value, float) and math.isnan(value)]:
        return not_checked(name, None, f"Its {unknown[0]} is NaN, to which nothing can be compared.")
    try:
        answer = put(check, result, summary)
        if answer is None:
            return None
        if answer.status not in get_args(CheckStatus):
            return not_checked(name, answer.threshold, f"It answered {answer.status!r}, which is no status of a check.")
        if answer.status == "passed" and answer.value is not None and math.isnan(answer.value):
            return not_checked(name, answer.threshold, "It passed a NaN, which is no answer.")
        return dataclasses.replace(answer, name=name)
    except Exception as error:  # noqa: BLE001  (a user's check must not cost the run, and must not pass either)
        return not_checked(name, None, f"The check itself broke: {type(error).__name__}: {error}")
