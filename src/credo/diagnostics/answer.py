"""From a problem and a method to an answer that has been judged. Pure: no files, no configuration, no tracker."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace

import jax
import pandas as pd
import xarray as xr

from credo.config.failure import in_words
from credo.diagnostics import collect
from credo.diagnostics import verdict as verdicts
from credo.diagnostics.base import Deriving, Diagnostic, Verdict
from credo.diagnostics.loo import add_leave_one_out
from credo.diagnostics.summary import summarise
from credo.errors import CredoError, Interrupted, RunError
from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Inference, Listener
from credo.inference.evidence import table
from credo.inference.evidence.base import Evidence
from credo.inference.result import Result
from credo.models.problem import Problem

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What a method found, and whether it may be believed.

    Attributes:
        result: the draws or estimates, and all that was derived from them.
        summary: one row per scalar (see `summary.summarise`).
        verdict: of all checks.
        metrics: numbers by name (see `metrics.METRICS`).
    """

    result: Result
    summary: pd.DataFrame
    verdict: Verdict
    metrics: Mapping[str, float]


class Failures:
    """Parts that come after the inference and may fail by themselves: the draws are there by then.

    Attributes:
        reasons: by the part's name, in a sentence.
        watched: what goes on around a part while it is made, by its name.
    """

    def __init__(self, watched: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext()) -> None:
        self.reasons: dict[str, str] = {}
        self.watched = watched

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Go on where a part fails; but not where the run was stopped, or wrongly configured."""
        try:
            with self.watched(part):
                yield
        except (CredoError, KeyboardInterrupt, Interrupted):
            raise
        except Exception as error:
            log.debug("%s failed", part, exc_info=True)
            self.reasons[part] = f"The {part} could not be made: {_reason(error)}."

    def added_to(self, verdict: Verdict) -> Verdict:
        """The verdict with these parts as not checked."""
        known = {check.advice for check in verdict.checks}
        more = [verdicts.lacking(part, why) for part, why in self.reasons.items() if why not in known]
        return replace(verdict, checks=(*verdict.checks, *more))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        name = str(error.filename).rpartition("/")[2]
        return f"{name} could not be written ({error.strerror})"
    return in_words(error)


def answer(
    problem: Problem,
    method: Inference,
    checks: Mapping[str, Diagnostic],
    key: jax.Array,
    listener: Listener,
    checkpointer: Checkpointer = NO_CHECKPOINTER,
    evidence: Evidence | None = None,
) -> Answer:
    """Infer the latents of a problem and judge what was found.

    Args:
        problem: a model with its data.
        method: how.
        checks: by name.
        key: of all that is random.
        listener: hears of the progress.
        checkpointer: keeps the state.
        evidence: the way to log p(data).

    Raises:
        ConfigError: the method cannot do this problem.
        RunError: the inference failed.
    """
    method.check(problem)
    if evidence is not None:
        evidence.check(problem, method)
    failures = Failures()
    result = derived(problem, method.run(problem, key, listener, checkpointer), key, failures, evidence)
    result = refined(checks, problem, method, result, key, failures)
    summary = summarise(result)
    verdict = verdicts.judge(checks, result, summary)
    numbers = metrics(result, summary, failures)
    return Answer(result, summary, failures.added_to(verdict), numbers)


def derived(
    problem: Problem, result: Result, key: jax.Array, failures: Failures, evidence: Evidence | None = None
) -> Result:
    """The result with what the model, its training and the way to log p(data) add to it.

    Args:
        problem: what was asked.
        result: as the method left it; its tree gains groups.
        key: of the run.
        failures: gets the parts that could not be derived; they are named in `result.missing`, too.
        evidence: the way to log p(data).
    """
    if problem.earlier is not None:
        near = {name: problem.earlier.about[name] for name in ("pareto_k", "divergence")}
        result.tree["prior_from"] = xr.DataTree(xr.Dataset(near))
    for part in (problem.model, problem.training):
        if part is not None:
            with failures(part.derives):
                result = part.derived(problem, result, key)
    if evidence is not None:
        with failures(evidence.derives):
            try:
                result = evidence.derived(problem, result, key)
            except RunError as error:  # the draws are there all the same
                failures.reasons[evidence.derives] = f"{error}."
    if table.GROUP in result.tree.children and (factors := problem.named("factor")):
        result.tree[table.GROUP].attrs["factors"] = ", ".join(site.name for site in factors)
    with failures("leave-one-out"):
        result = add_leave_one_out(result)
    if failures.reasons:
        result.tree.attrs["missing"] = json.dumps({**result.missing, **failures.reasons})
    return result


def refined(
    checks: Mapping[str, Diagnostic],
    problem: Problem,
    method: Inference,
    result: Result,
    key: jax.Array,
    failures: Failures,
) -> Result:
    """The result with what the checks derive from it themselves.

    Args:
        checks: by name.
        problem: what was asked.
        method: how it was answered.
        result: as `derived` left it; its tree gains groups.
        key: of the run.
        failures: gets what could not be derived.
    """
    for check in checks.values():
        if isinstance(check, Deriving):
            with failures(check.derives):
                try:
                    result = check.derived(problem, method, result, key)
                except RunError as error:  # the draws are there all the same
                    failures.reasons[check.derives] = f"{error}."
    return result


def metrics(result: Result, summary: pd.DataFrame, failures: Failures) -> dict[str, float]:
    """The metrics; those that fail are left out."""
    numbers: dict[str, float] = {}
    for part, numbers_of in collect.PARTS.items():
        with failures(f"metrics of {part}"):
            numbers |= numbers_of(result, summary)
    return numbers
