"""The comparison itself, from runs to numbers: `compare(runs)`. It writes nothing and prints nothing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import pandas as pd

from credo.errors import ConfigError
from credo.report.comparison import leave_one_out, notes, observations
from credo.report.comparison.configurations import Configuration, distinguish, named
from credo.report.comparison.evidence import Weighed, weighed
from credo.report.comparison.leave_one_out import LeftOut
from credo.report.comparison.posteriors import Distance, distances
from credo.report.comparison.runs import Run

ALIKE = 4.0
"""Nats: below such a difference, models predict about equally well, and its standard error is too small (Sivula,
Magnusson, Matamoros and Vehtari 2025, "Uncertainty in Bayesian leave-one-out cross-validation based model
comparison", Bayesian Analysis)."""


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        lines: one per configuration, the best first where they were compared by leave-one-out.
        left_out: the predictive densities of each line that has them, by its label.
        loo: by label `elpd_diff`, `dse` and `weight`, the best first; empty where no two lines could be compared.
        notes: what a reader must know, in sentences.
        other_sites: whether the lines observe different sites, so that no score of theirs can be compared.
    """

    lines: tuple[Configuration, ...]
    left_out: Mapping[str, LeftOut]
    loo: pd.DataFrame
    notes: tuple[str, ...]
    other_sites: bool = False

    @property
    def finished(self) -> tuple[Configuration, ...]:
        """The lines that have answers."""
        return tuple(line for line in self.lines if line.is_finished)

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs."""
        return tuple(run for line in self.lines for run in line.runs)

    @property
    def headline(self) -> str:
        """What came out, in one sentence."""
        if self.loo.empty:
            return self._by_held_out()
        near = near_best(self.loo)
        if len(near) == len(self.finished):
            return "No clear winner: all predict about equally well"
        if len(near) > 1:
            return f"No clear winner: {named(near)} predict about equally well"
        return f"{near[0]} predicts best{_but(self.lines[0])}"

    def _by_held_out(self) -> str:
        scored = [
            (nll, line) for line in self.finished if (nll := line.mean("nll_test")) is not None and not math.isnan(nll)
        ]
        if len(scored) < 2 or self.other_sites:
            return "There is no common score to say which is best"
        _, best = min(scored, key=lambda one: one[0])
        return f"{best.label} has the lowest held-out NLL{_but(best)}"

    @cached_property
    def evidence(self) -> Mapping[str, Weighed]:
        """Log evidence, Bayes factors and probabilities of those lines that have them, by label."""
        return weighed(self.finished, other_sites=self.other_sites)

    @cached_property
    def distances(self) -> tuple[Distance, ...]:
        """Between the posteriors that several lines have, read from their draws."""
        return distances(self.finished)


def compare(runs: Sequence[Run]) -> Comparison:
    """Compare runs on the same data; those that have not finished are named, and left out of the numbers.

    Raises:
        ConfigError: fewer than two have finished, or two have different data or observe different values.
    """
    if sum(run.is_finished for run in runs) < 2:
        raise ConfigError(_too_few(runs))
    lines = distinguish(runs)
    finished = [line for line in lines if line.is_finished]
    _require_same_data(finished)
    observations.require_same(finished)
    left_out = {line.label: found for line in finished if (found := leave_one_out.of(line.runs)) is not None}
    other_sites = observations.other_sites(finished) or observations.other_measures(finished)
    other_sites = other_sites or notes.of_sites(finished, left_out)
    hindrance = other_sites or notes.of_splits(finished, left_out)
    known = len(left_out) > 1 and not hindrance
    loo = leave_one_out.compare(left_out) if known else pd.DataFrame(columns=["elpd_diff", "dse", "weight"])
    order = {str(label): place for place, label in enumerate(loo.index)}
    lines.sort(key=lambda line: (not line.is_finished, order.get(line.label, len(order))))
    remarks = [*notes.of_lines(lines, left_out), hindrance, *notes.of_differences(loo, left_out)]
    remarks += [*notes.of_seeds(finished), *notes.of_unknown(observations.unknown(finished))]
    return Comparison(tuple(lines), left_out, loo, tuple(remark for remark in remarks if remark), bool(other_sites))


def near_best(loo: pd.DataFrame) -> list[str]:
    """The best, and those whose difference to it is small or within two of its standard errors."""
    near = (loo["elpd_diff"] > -ALIKE) | (loo["elpd_diff"] > -2 * loo["dse"])
    return [str(label) for label in loo.index[near]]


def _but(line: Configuration) -> str:
    return ", but its verdict failed" if line.failed else ""


def _too_few(runs: Sequence[Run]) -> str:
    states = [f"{run.folder} is {run.state.lower()}" for run in runs if not run.is_finished]
    found = f"; {', '.join(states)}" if states else ""
    return f"credo compare: expected at least two finished runs, but got {len(runs) - len(states)}{found}"


def _require_same_data(lines: Sequence[Configuration]) -> None:
    """Runs of one seed and fold have one data set, since these may draw or split it; two configurations share one."""
    every = [(line, run) for line in lines for run in line.runs]
    of_part: dict[tuple[int, int | None], tuple[Configuration, Run]] = {}
    for line, run in every:
        first = of_part.setdefault(run.part, (line, run))
        if first[1].data_hash != run.data_hash:
            raise _different(first, (line, run))
    hashes = [({run.data_hash for run in line.runs}, line) for line in lines if not line.repeats]
    for (one, line), (other, another) in combinations(hashes, 2):
        if not one & other:
            raise _different((line, line.runs[0]), (another, another.runs[0]))


def _different(one: tuple[Configuration, Run], other: tuple[Configuration, Run]) -> ConfigError:
    first, second = (f"{line.label} ({run.folder})" for line, run in (one, other))
    return ConfigError(
        f"credo compare: expected runs on the same data, but {first} and {second} have different data or different "
        "held-out rows"
    )
