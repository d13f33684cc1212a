"""The comparison itself, from runs to numbers: `compare(runs)`. It writes nothing and prints nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import pandas as pd

from credo.errors import ConfigError
from credo.report.comparison import held_out, leave_one_out, notes, observations
from credo.report.comparison.configurations import Configuration, distinguish, named
from credo.report.comparison.evidence import Weighed, weighed
from credo.report.comparison.leave_one_out import LeftOut
from credo.report.comparison.posteriors import Distance, distances
from credo.report.comparison.runs import Run
from credo.report.drawing.numbers import number

ALIKE = 4.0
"""Nats: below such a difference, models predict about equally well, and its standard error is too small (Sivula,
Magnusson, Matamoros and Vehtari 2025, "Uncertainty in Bayesian leave-one-out cross-validation based model
comparison", Bayesian Analysis)."""


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        lines: one per configuration, the best first, by the score that can be believed.
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
    def candidates(self) -> tuple[Configuration, ...]:
        """The lines that may be best: those that have answers and not a failed verdict in each of their runs."""
        return tuple(line for line in self.finished if len(line.failed) < len(line.runs))

    @property
    def headline(self) -> str:
        """What came out, in one sentence. It is of the score that can be believed, and of runs that can be."""
        if not self.candidates:
            return "No verdict is other than failed, so that no run can be called the best"
        return f"{self._best()}{self._without()}"

    def _best(self) -> str:
        """Who predicts best, by leave-one-out where that is reliable, else by held-out rows."""
        if len(self.candidates) == 1:
            return f"{self.candidates[0].label} alone has no failed verdict"
        loo, held_out = self.loo[self.loo.index.isin(self._labels)], self.held_out
        if self.by_held_out:
            return _by_held_out(held_out)
        if len(loo) < 2:
            return "There is no common score to say which is best"
        doubt = ", though elpd_loo is not reliable here" if self.is_loo_doubtful else ""
        near = near_best(loo.assign(elpd_diff=loo["elpd_diff"] - loo["elpd_diff"].max()))
        if len(near) == len(self.candidates):
            return f"No clear winner: all predict about equally well{doubt}"
        if len(near) > 1:
            return f"No clear winner: {named(near)} predict about equally well{doubt}"
        return f"{near[0]} predicts best{doubt}"

    def _without(self) -> str:
        """Who is no candidate."""
        out = [line.label for line in self.finished if line not in self.candidates]
        return f"; {named(out)} failed {'its' if len(out) == 1 else 'their'} verdict" if out else ""

    @property
    def _labels(self) -> set[str]:
        return {line.label for line in self.candidates}

    @property
    def is_loo_doubtful(self) -> bool:
        """Whether leave-one-out of a candidate has observations whose Pareto k is too large."""
        return any(self.left_out[label].high_k for label in self._labels & set(self.left_out))

    @property
    def by_held_out(self) -> bool:
        """Whether held-out rows say which is best: there are scores of them, and none by leave-one-out to rely on."""
        compared = self.loo.index.isin(self._labels).sum() > 1
        return len(self.held_out) > 1 and (self.is_loo_doubtful or not compared)

    @cached_property
    def held_out(self) -> pd.DataFrame:
        """Scores of held-out rows of the candidates, with paired differences to the best (see `held_out.compare`)."""
        return held_out.compare(() if self.other_sites else self.candidates)

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
    remarks = [*notes.of_lines(lines, left_out), hindrance, *notes.of_differences(loo, left_out)]
    remarks += [*notes.of_seeds(finished), *notes.of_unknown(observations.unknown(finished))]
    lines.sort(key=lambda line: (not line.is_finished, order.get(line.label, len(order))))
    kept = tuple(remark for remark in remarks if remark)
    comparison = Comparison(tuple(lines), left_out, loo, kept, bool(other_sites))
    return replace(comparison, lines=_sorted(comparison)) if comparison.by_held_out else comparison


def _sorted(found: Comparison) -> tuple[Configuration, ...]:
    """The lines by their held-out scores, where these say which is best; those without behind."""
    order = {str(label): place for place, label in enumerate(found.held_out.index)}
    return tuple(sorted(found.lines, key=lambda line: (not line.is_finished, order.get(line.label, len(order)))))


def _by_held_out(table: pd.DataFrame) -> str:
    best, *others = map(str, table.index)
    near = held_out.near_best(table)[1:]
    first = f"{best} has the best held-out score (NLL {number(float(table['nll'].iloc[0]), 4)} per row)"
    if table["se"].isna().any():
        return first
    if not near:
        return f"{first}, by more than two standard errors"
    whose = "the others" if len(near) == len(others) > 1 else named(near)
    verb = "is" if len(near) == 1 else "are"
    return f"{first}, but {whose} {verb} within two standard errors of it"


def near_best(loo: pd.DataFrame) -> list[str]:
    """The best, and those whose difference to it is small or within two of its standard errors."""
    near = (loo["elpd_diff"] > -ALIKE) | (loo["elpd_diff"] > -2 * loo["dse"])
    return [str(label) for label in loo.index[near]]


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
