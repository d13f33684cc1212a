"""A ladder of methods that climbs on evidence alone (`inference=auto`): the first whose own checks pass is the answer.

Approximations come before chains, as they cost a hundredth. They are believed only where every check that would judge
the answer passes, those included that ask whether starts in different places agree and whether chains that begin at the
draws stay there; k alone is blind to modes that no start reached. Besides, Pareto's k must be below one half, where the
weights have a finite variance and their means the usual error (Vehtari, Simpson, Gelman, Yao and Gabry 2024, JMLR
25(72)); up to 0.7 an approximation may pass by itself, but chains are more accurate.

Chains that agree, but of which trajectories diverged, run again with smaller steps. Where these disagree, as chains do
that are stuck where their steps must be small, the climb goes on.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import xarray as xr
from jaxtyping import PRNGKeyArray

from credo.config.naming import Named
from credo.diagnostics import verdict as verdicts
from credo.diagnostics.base import Verdict
from credo.diagnostics.summary import summarise
from credo.errors import ConfigError, RunError
from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Inference, Listener, Snapshot
from credo.inference.kind import Kind
from credo.inference.result import Result
from credo.inference.variational import importance
from credo.models.problem import Problem

GROUP = "climb"
COLUMNS = ("rung", "verdict", "reason")
"""The group of a result that says which rungs were climbed, and its columns, which are words."""

IMPOSSIBLE = "not possible"
"""The verdict on a rung that has no answer."""

SMALL_STEPS = "small_steps"
"""The word of the rung of that key."""


class Auto(Named, eqx.Module):
    """The ladder.

    Attributes:
        rungs: methods by their words, from the cheapest to the one that copes with most; `None` leaves one out.
        checks: those by which a rung is judged, which are those of the verdict.
        pareto_k: of a weighted approximation; from it on the climb goes on though all checks pass.
        small_steps: the method that runs where the climb would end at chains of which trajectories diverged; `None` for
            no other try.
    """

    rungs: dict[str, Any]
    checks: dict[str, Any]
    pareto_k: float = 0.5
    small_steps: Any = None

    def __check_init__(self) -> None:
        if not any(self.rungs.values()):
            raise ConfigError("rungs: expected at least one method, but there is none")

    def check(self, problem: Problem) -> None:
        """Refuse what no rung can do, and a climb without checks."""
        if problem.training is not None:
            raise ConfigError(
                "inference=auto climbs from approximations to chains, but networks are trained; use inference=map"
            )
        if not self.checks:
            raise ConfigError("inference=auto climbs by the checks, but diagnostics=none has none; use inference=nuts")
        refused = [error for method in self._methods.values() if (error := _refusal(method, problem)) is not None]
        if len(refused) == len(self._methods):
            raise ConfigError(f"inference=auto has no rung for this model: {refused[-1]}")

    @property
    def in_turn(self) -> bool:
        """Whether a rung has chains whose draws are the same on any number of devices."""
        return any(getattr(method, "in_turn", False) for method in (*self._methods.values(), self.small_steps))

    @property
    def _methods(self) -> Mapping[str, Inference]:
        return {word: method for word, method in self.rungs.items() if method is not None}

    def run(
        self, problem: Problem, key: PRNGKeyArray, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Result:
        """Climb until the checks pass.

        Raises:
            RunError: no rung has an answer.
        """
        climb = _Climb(self.checks, self.pareto_k, problem, key, listener, checkpointer)
        left, small = list(self._methods.items()), self.small_steps
        while left:
            goes_on = climb.goes_on(*left.pop(0))
            if climb.has_diverged and small is not None and not (goes_on and left):
                goes_on, small = climb.goes_on(SMALL_STEPS, small), None
            if not goes_on:
                break
        answers, climbed = climb.answers, climb.rungs
        if not answers:
            raise RunError(f"inference=auto found no answer: {'; '.join(why for _, _, why in climbed)}")
        return _of(answers, climbed)


class _Climb:
    """The way up.

    Attributes:
        answers: of the rungs that had one.
        rungs: the rows of `COLUMNS`.
        has_diverged: whether the last answer is that of chains of which trajectories diverged.
    """

    def __init__(
        self,
        checks: Mapping[str, Any],
        pareto_k: float,
        problem: Problem,
        key: PRNGKeyArray,
        listener: Listener,
        checkpointer: Checkpointer,
    ) -> None:
        self._checks, self._pareto_k, self._problem, self._key = checks, pareto_k, problem, key
        self._listener, self._checkpointer = listener, checkpointer
        self.answers: list[Result] = []
        self.rungs: list[tuple[str, str, str]] = []
        self.has_diverged = False

    def goes_on(self, word: str, method: Inference) -> bool:
        """Try a rung; whether the next one could do better."""
        key = jax.random.fold_in(self._key, len(self.rungs))
        try:
            method.check(self._problem)
            result = method.run(self._problem, key, self._listener, _Rung(self._checkpointer, word))
        except (ConfigError, RunError) as error:
            self.rungs.append((word, IMPOSSIBLE, str(error)))
            return True
        verdict = verdicts.judge(self._checks, result, summarise(result))
        self.answers.append(result)
        wrong, k = _wrong(verdict), _pareto_k(result)
        self.has_diverged = result.kind is Kind.CHAINS and "divergences" in wrong
        if verdict.status == "passed" and k >= self._pareto_k:
            self.rungs.append((word, "not accurate enough", f"pareto_k {k:.3g}"))
            return True
        self.rungs.append((word, verdict.status, _reason(verdict)))
        return verdict.status != "passed" and _climbs(result, wrong)


class _Rung:
    """A run's checkpointer as one rung sees it: a snapshot of another rung is none of its own."""

    def __init__(self, inner: Checkpointer, word: str) -> None:
        self._inner, self._word = inner, word
        self.is_due, self.spill = inner.is_due, inner.spill

    def load(self) -> Snapshot | None:
        """The snapshot, where this rung saved it."""
        snapshot = self._inner.load()
        return snapshot if snapshot is not None and snapshot.numbers.get(GROUP) == self._word else None

    def save(self, snapshot: Snapshot) -> None:
        """Save a snapshot with the rung's word."""
        self._inner.save(self._marked(snapshot))

    def done(self, snapshot: Snapshot) -> None:
        """Hear how the rung ended."""
        self._inner.done(self._marked(snapshot))

    def _marked(self, snapshot: Snapshot) -> Snapshot:
        return replace(snapshot, numbers={**snapshot.numbers, GROUP: self._word})


def _refusal(method: Inference, problem: Problem) -> ConfigError | None:
    try:
        method.check(problem)
    except ConfigError as error:
        return error
    return None


def _wrong(verdict: Verdict) -> set[str]:
    """The checks that keep the verdict from passing."""
    return {check.name for check in verdict.checks if check.status in ("failed", "not checked") and check.decides}


def _climbs(result: Result, wrong: set[str]) -> bool:
    """Whether the next rung could do better: beyond chains only where these disagree, as they do between modes."""
    return "r_hat" in wrong if result.kind is Kind.CHAINS else bool(wrong - {"observed"})


def _pareto_k(result: Result) -> float:
    """Of the weights of an approximation; NaN where it has none."""
    group = result.tree.children.get(importance.GROUP)
    return math.nan if group is None else float(group.attrs.get("pareto_k", math.nan))


def _reason(verdict: Verdict) -> str:
    """The checks that were not passed, with their numbers."""
    wrong = [check for check in verdict.checks if check.status == "failed"]
    wrong = wrong or [check for check in verdict.checks if check.status == "not checked" and check.decides]
    return ", ".join(
        f"{check.name} {check.value:.3g}" if check.value is not None and math.isfinite(check.value) else check.name
        for check in wrong
    )


def _of(answers: list[Result], climbed: list[tuple[str, str, str]]) -> Result:
    """The answer of the last rung that had one, as the climb ends at the first that is good enough; the cost of all."""
    result = answers[-1]
    word = next(word for word, verdict, _ in reversed(climbed) if verdict != IMPOSSIBLE)
    columns = zip(COLUMNS, zip(*climbed, strict=True), strict=True)
    table = xr.Dataset({name: ("rung", list(values)) for name, values in columns})
    table.attrs["answer"] = result.method
    result.tree[GROUP] = xr.DataTree(table)
    result.tree.attrs[verdicts.SETTINGS] = f"inference.{word if word == SMALL_STEPS else f'rungs.{word}'}"
    return replace(result, cost=sum((one.cost for one in answers[1:]), answers[0].cost))
