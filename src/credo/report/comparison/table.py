"""The comparison itself, from runs to numbers: `compare(runs)`. It writes nothing and prints nothing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from credo.errors import ConfigError
from credo.inference.kind import Kind
from credo.report.comparison import leave_one_out, observations
from credo.report.comparison.configurations import Configuration, distinguish
from credo.report.comparison.leave_one_out import LeftOut
from credo.report.comparison.runs import Run

EVIDENCE = "log_evidence"
"""The metric that is the log marginal likelihood. `log_z` of an energy is a normaliser: it makes no Bayes factor."""

ALIKE = 4.0
"""Nats: below such a difference, models predict about equally well, and its standard error is too small (Sivula,
Magnusson, Matamoros and Vehtari 2025, "Uncertainty in Bayesian leave-one-out cross-validation based model
comparison", Bayesian Analysis)."""

FEW = 100
"""With fewer observations the standard error of a difference is too small (ibid.)."""

MANY = 11
"""Of more models than this, the best one may be so by chance (McLatchie and Vehtari 2024, Statistics and Computing
34, 132)."""


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
        scored = [(nll, line) for line in self.finished if not math.isnan(nll := _or_nan(line.mean("nll_test")))]
        if len(scored) < 2 or self.other_sites:
            return "There is no common score to say which is best"
        _, best = min(scored, key=lambda one: one[0])
        return f"{best.label} has the lowest held-out NLL{_but(best)}"

    def evidence(self, line: Configuration) -> tuple[float, float] | None:
        """Log evidence, and the log Bayes factor of this line to the one with the most; `None` where it is unknown.

        The factor is NaN where the lines observe different sites.
        """
        known = [value for one in self.finished if (value := one.mean(EVIDENCE)) is not None]
        own = line.mean(EVIDENCE)
        return None if own is None else (own, math.nan if self.other_sites else own - max(known))


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
    other_sites = other_sites or _other_sites(finished, left_out)
    hindrance = other_sites or _of_splits(finished, left_out)
    known = len(left_out) > 1 and not hindrance
    loo = leave_one_out.compare(left_out) if known else pd.DataFrame(columns=["elpd_diff", "dse", "weight"])
    order = {str(label): place for place, label in enumerate(loo.index)}
    lines.sort(key=lambda line: (not line.is_finished, order.get(line.label, len(order))))
    notes = [*_notes(lines, left_out), hindrance, *_of_differences(loo, left_out), *_of_seeds(finished)]
    notes += _of_unknown(observations.unknown(finished))
    return Comparison(tuple(lines), left_out, loo, tuple(note for note in notes if note), bool(other_sites))


def _of_unknown(labels: Sequence[str]) -> list[str]:
    """What cannot be said of runs that did not leave what they observed."""
    if not labels:
        return []
    doubt = "made by an earlier version, which did not record what a model observes"
    return [f"{named(labels)}: {doubt}; if one transforms its response, as in obs=log(y), do not compare its scores."]


def _but(line: Configuration) -> str:
    return ", but its verdict failed" if any(map(is_failed, line.runs)) else ""


def is_failed(run: Run) -> bool:
    """Whether its verdict failed."""
    return run.verdict is not None and run.verdict.status == "failed"


def near_best(loo: pd.DataFrame) -> list[str]:
    """The best, and those whose difference to it is small or within two of its standard errors."""
    near = (loo["elpd_diff"] > -ALIKE) | (loo["elpd_diff"] > -2 * loo["dse"])
    return [str(label) for label in loo.index[near]]


def _too_few(runs: Sequence[Run]) -> str:
    states = [f"{run.folder} is {run.state.lower()}" for run in runs if not run.is_finished]
    found = f"; {', '.join(states)}" if states else ""
    return f"credo compare: expected at least two finished runs, but got {len(runs) - len(states)}{found}"


def _require_same_data(lines: Sequence[Configuration]) -> None:
    """Runs of one seed have one data set, since a seed may draw or split it; any two configurations share one."""
    every = [(line, run) for line in lines for run in line.runs]
    of_seed: dict[int, tuple[Configuration, Run]] = {}
    for line, run in every:
        first = of_seed.setdefault(run.seed, (line, run))
        if first[1].data_hash != run.data_hash:
            raise _different(first, (line, run))
    hashes = [({run.data_hash for run in line.runs}, line) for line in lines if set(line.differs) != {"seed"}]
    for (one, line), (other, another) in combinations(hashes, 2):
        if not one & other:
            raise _different((line, line.runs[0]), (another, another.runs[0]))


def _different(one: tuple[Configuration, Run], other: tuple[Configuration, Run]) -> ConfigError:
    first, second = (f"{line.label} ({run.folder})" for line, run in (one, other))
    return ConfigError(
        f"credo compare: expected runs on the same data, but {first} and {second} have different data or different "
        "held-out rows"
    )


def _of_splits(lines: Sequence[Configuration], left_out: Mapping[str, LeftOut]) -> str:
    """Why the predictive densities of the same sites are not compared; empty where they are."""
    known = [line for line in lines if line.label in left_out]
    if len({run.data_hash for line in known for run in line.runs}) > 1:
        return "Seeds draw or split the data anew, so that elpd_loo is not compared: its observations differ."
    return ""


def _other_sites(lines: Sequence[Configuration], left_out: Mapping[str, LeftOut]) -> str:
    """Why no score is compared, where the lines observe different sites; empty where they do not."""
    known = [line for line in lines if line.label in left_out]
    if len({run.data_hash for line in known for run in line.runs}) > 1:
        return ""
    for line in known:
        sites, theirs = left_out[known[0].label].sites, left_out[line.label].sites
        if sites != theirs:
            return (
                f"No score is compared: {known[0].label} observes {_sites(sites)}, and {line.label} observes "
                f"{_sites(theirs)}."
            )
    return ""


def _sites(sites: Mapping[str, int]) -> str:
    return ", ".join(f"{name} [{count}]" for name, count in sites.items())


def _notes(lines: Sequence[Configuration], left_out: Mapping[str, LeftOut]) -> list[str]:
    """What must be known of the lines; those of which the same is true are named together."""
    said: dict[str, list[str]] = {}
    high = [found for found in left_out.values() if found.high_k]
    unreliable = [_unreliable(high)] if high else []
    for line in lines:
        found = left_out.get(line.label)
        for doubt in [*_doubts(line, found), *(unreliable if found is not None and found.high_k else [])]:
            said.setdefault(doubt, []).append(line.label)
    everything = [line.label for line in lines]
    whose = {
        doubt: "All" if everything == labels != everything[:1] else named(labels) for doubt, labels in said.items()
    }
    return [f"{whose[doubt]}: {doubt}" for doubt in said]


def _doubts(line: Configuration, found: LeftOut | None) -> list[str]:
    """Why the numbers of a line may not be taken as they stand."""
    if not line.is_finished:
        found_out = {f"no answer ({run.state.lower()}){f': {run.reason}' if run.reason else ''}" for run in line.runs}
        return [f"{said.rstrip('.')}." for said in sorted(found_out)]
    doubts = [_failure(line)] if any(map(is_failed, line.runs)) else []
    if found is None:
        doubts.append(f"no elpd_loo, since {_why_none(line)}.")
    return doubts


def _unreliable(found: Sequence[LeftOut]) -> str:
    """What is wrong with those that have large Pareto k."""
    bars, counts, sizes = (
        _range([value(one) for one in found])
        for value in (lambda one: one.good_k, lambda one: one.high_k, lambda one: len(one.elpd))
    )
    return (
        f"elpd_loo is not reliable, as Pareto k is above {bars} for {counts} of {sizes} observations; compare by "
        "held-out data."
    )


def _range(values: Sequence[float]) -> str:
    ends = [f"{end:.2g}" if isinstance(end, float) else str(end) for end in (min(values), max(values))]
    return " to ".join(dict.fromkeys(ends))


def _failure(line: Configuration) -> str:
    checks = {
        check.name for run in line.runs if run.verdict for check in run.verdict.checks if check.status == "failed"
    }
    count = sum(map(is_failed, line.runs))
    of = "" if count == len(line.runs) else f" of {count} of {len(line.runs)} runs"
    return f"the verdict{of} failed ({', '.join(sorted(checks))}); do not rely on these numbers yet."


def _why_none(line: Configuration) -> str:
    match line.kind:
        case Kind.POINT:
            return "a point estimate is one draw, which cannot be reweighted to leave an observation out"
        case Kind.TRAINED:
            return "a trained network has no posterior draws"
    return "the log likelihood is not known or not finite"


def _of_seeds(lines: Sequence[Configuration]) -> list[str]:
    """Where the seeds, rather than the configurations, may make the difference."""
    if all(set(line.differs) <= {"seed"} for line in lines):
        return ["All runs have the same configuration, so that it is the runs themselves that are compared."]
    first = seeds(lines[0])
    other = next((line for line in lines if seeds(line) != first), None)
    if other is None or all(len(line.runs) == 1 for line in lines):
        return []
    return [f"Not all have the same seeds: {lines[0].label} has {first}, and {other.label} has {seeds(other)}."]


def named(labels: Sequence[str], most: int = 3) -> str:
    """The first labels, which may have commas, and how many more there are: `a and b`, `a; b; c and 2 more`."""
    if len(labels) == 2:
        return " and ".join(labels)
    rest = len(labels) - most
    return "; ".join(labels[:most]) + (f" and {rest} more" if rest > 0 else "")


def seeds(line: Configuration) -> str:
    """Its seeds, in order."""
    return ", ".join(map(str, sorted({run.seed for run in line.runs})))


def _of_differences(loo: pd.DataFrame, left_out: Mapping[str, LeftOut]) -> list[str]:
    """How far the differences can be trusted."""
    if loo.empty:
        return []
    count = len(left_out[str(loo.index[0])].elpd)
    few = f"elpd_loo rests on {count} observations; below {FEW}, dse is too small, so read it with care."
    many = f"Of {len(loo)} configurations the best may be so by chance; trust the weights rather than it."
    return [few] * (count < FEW) + [many] * (len(loo) > MANY)


def frame(comparison: Comparison) -> pd.DataFrame:
    """All numbers in full, one row per line.

    Returns:
        `label`, `config.KEY` of what distinguishes it, `state`, `runs`, `seeds`, `verdict`; `elpd_loo`, `elpd_loo_se`,
        `p_loo`, `pareto_k_max`, `pareto_k_high`, `elpd_diff`, `dse`, `weight`; `log_bayes_factor` where evidence is
        known; `prior_sensitivity`; all metrics but the posterior's; `NAME_sd` over seeds; `reason` and `folder`.
    """
    return pd.DataFrame([_row(comparison, line) for line in comparison.lines])


def _row(comparison: Comparison, line: Configuration) -> dict[str, Any]:
    numbers: dict[str, float] = {}
    names = dict.fromkeys(name for run in line.runs for name in run.metrics if not name.startswith("posterior/"))
    for name in names:
        numbers[name] = _or_nan(line.mean(name))
        numbers |= {f"{name}_sd": _or_nan(line.sd(name))} if len(line.runs) > 1 else {}
    if (evidence := comparison.evidence(line)) is not None:
        numbers["log_bayes_factor"] = evidence[1]
    checks = [check for run in line.runs if (check := run.check("prior_sensitivity")) is not None]
    numbers["prior_sensitivity"] = max((_or_nan(check.value) for check in checks), default=math.nan)
    return {
        "label": line.label,
        **{f"config.{key}": word for key, word in line.differs.items()},
        "state": ", ".join(dict.fromkeys(run.state for run in line.runs)),
        "runs": len(line.runs),
        "seeds": seeds(line),
        "verdict": verdict(line),
        **numbers,
        **_of_left_out(comparison, line.label),
        "reason": "; ".join(dict.fromkeys(run.reason for run in line.runs if run.reason)),
        "folder": " ".join(str(run.folder) for run in line.runs),
    }


def _of_left_out(comparison: Comparison, label: str) -> dict[str, float]:
    found = comparison.left_out.get(label)
    if found is None:
        return {}
    numbers = {
        "elpd_loo": float(found.elpd.sum()),
        "elpd_loo_se": found.se,
        "p_loo": float(found.p.sum()),
        "pareto_k_max": float(found.pareto_k.max()),
        "pareto_k_high": float(found.high_k),
    }
    compared = comparison.loo.loc[label].to_dict() if label in comparison.loo.index else {}
    return numbers | {str(name): float(value) for name, value in compared.items()}


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def verdict(line: Configuration) -> str:
    """The verdict of its runs: one word where all agree, else `1 of 3 failed`; the state where there is none."""
    given = [run.verdict.status for run in line.runs if run.verdict is not None]
    if not given:
        return ", ".join(dict.fromkeys(run.state.lower() for run in line.runs))
    worst = next(word for word in ("failed", "not checked", "passed") if word in given)
    return worst if len(set(given)) == 1 else f"{given.count(worst)} of {len(given)} {worst}"
