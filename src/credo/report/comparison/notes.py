"""What a reader of a comparison must know, in sentences: why numbers are missing or may not be relied on."""

from collections.abc import Mapping, Sequence

import pandas as pd

from credo.inference.kind import Kind
from credo.report.comparison.configurations import Configuration, named
from credo.report.comparison.leave_one_out import LeftOut

FEW = 100
"""With fewer observations the standard error of a difference is too small (ibid.)."""

MANY = 11
"""Of more models than this, the best one may be so by chance (McLatchie and Vehtari 2024, Statistics and Computing
34, 132)."""


def of_lines(lines: Sequence[Configuration], left_out: Mapping[str, LeftOut]) -> list[str]:
    """What must be known of the lines; those of which the same is true are named together."""
    labels_of: dict[str, list[str]] = {}
    high = [found for found in left_out.values() if found.high_k]
    unreliable = [_unreliable(high)] if high else []
    for line in lines:
        found = left_out.get(line.label)
        for doubt in [*_doubts(line, found), *(unreliable if found is not None and found.high_k else [])]:
            labels_of.setdefault(doubt, []).append(line.label)
    everything = [line.label for line in lines]
    whose = {
        doubt: "All" if everything == labels != everything[:1] else named(labels) for doubt, labels in labels_of.items()
    }
    return [f"{whose[doubt]}: {doubt}" for doubt in labels_of]


def _doubts(line: Configuration, found: LeftOut | None) -> list[str]:
    """Why the numbers of a line may not be taken as they stand."""
    if not line.is_finished:
        found_out = {f"no answer ({run.state.lower()}){f': {run.reason}' if run.reason else ''}" for run in line.runs}
        return [f"{reason.rstrip('.')}." for reason in sorted(found_out)]
    doubts = [_failure(line)] if line.failed else []
    if found is None:
        doubts.append(f"no elpd_loo, since {_why_none(line)}.")
    return doubts


def _unreliable(found: Sequence[LeftOut]) -> str:
    """What is wrong with those that have large Pareto k."""
    bars, counts, sizes = (
        _range([value(one) for one in found])
        for value in (lambda one: one.good_k, lambda one: one.high_k, lambda one: len(one.pareto_k))
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
    count = len(line.failed)
    of = "" if count == len(line.runs) else f" of {count} of {len(line.runs)} runs"
    return f"the verdict{of} failed ({', '.join(sorted(checks))}); do not rely on these numbers yet."


def _why_none(line: Configuration) -> str:
    match line.kind:
        case Kind.POINT:
            return "a point estimate is one draw, which cannot be reweighted to leave an observation out"
        case Kind.INDEPENDENT:
            return "draws of an approximation are weighted, and are not weighted once more to leave an observation out"
        case Kind.WEIGHTED:
            return "particles descend from each other, and are not weighted once more to leave an observation out"
        case Kind.TRAINED:
            return "a trained network has no posterior draws"
    return "the log likelihood is not known or not finite"


def of_seeds(lines: Sequence[Configuration]) -> list[str]:
    """Where the seeds, rather than the configurations, may make the difference."""
    if all(line.repeats or not line.differs for line in lines):
        return ["All runs have the same configuration, so that it is the runs themselves that are compared."]
    first = lines[0].seeds
    other = next((line for line in lines if line.seeds != first), None)
    if other is None or all(len(line.runs) == 1 for line in lines):
        return []
    return [f"Not all have the same seeds: {lines[0].label} has {first}, and {other.label} has {other.seeds}."]


def of_differences(loo: pd.DataFrame, left_out: Mapping[str, LeftOut]) -> list[str]:
    """How far the differences can be trusted."""
    if loo.empty:
        return []
    count = len(left_out[str(loo.index[0])].elpd)
    few = f"elpd_loo rests on {count} observations; below {FEW}, dse is too small, so read it with care."
    many = f"Of {len(loo)} configurations the best may be so by chance; trust the weights rather than it."
    drawn = [
        f"Of the {n:,} observations of {site}, {len(off):,} that are drawn by the hash of the data are left out; se "
        "and dse have what this adds."
        for site, (n, off) in left_out[str(loo.index[0])].drawn.items()
    ]
    return [few] * (count < FEW) + [many] * (len(loo) > MANY) + drawn


def of_unknown(labels: Sequence[str]) -> list[str]:
    """Runs that did not record what they observed, so that their scores may not be comparable."""
    if not labels:
        return []
    doubt = "made by an earlier version, which did not record what a model observes"
    return [f"{named(labels)}: {doubt}; if one transforms its response, as in obs=log(y), do not compare its scores."]


def of_splits(lines: Sequence[Configuration], left_out: Mapping[str, LeftOut]) -> str:
    """Why the predictive densities of the same sites are not compared; empty where they are."""
    known = [line for line in lines if line.label in left_out]
    if len({run.data_hash for line in known for run in line.runs}) > 1:
        return (
            "Seeds draw or split the data anew, or folds do, so that elpd_loo is not compared: its observations differ."
        )
    return ""


def of_sites(lines: Sequence[Configuration], left_out: Mapping[str, LeftOut]) -> str:
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
