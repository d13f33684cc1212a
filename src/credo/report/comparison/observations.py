"""Do runs observe the same values? A log density of log y and one of y differ by a Jacobian, so that none is better.

A run leaves the hash of what each site observed (`archive.observations`); where two differ, their values are compared,
because a run in single precision observes the same numbers rounded.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from credo.errors import ConfigError
from credo.report.comparison.configurations import Configuration
from credo.report.comparison.runs import Run

ROUNDING = 1e-5
"""Relative difference up to which numbers are the same, in single and in double precision."""

ADVICE = (
    "elpd_loo, NLL and evidence of other values cannot be compared; observe the same ones, as y ~ LogNormal does where "
    "log(y) ~ Normal does not"
)


def require_same(lines: Sequence[Configuration]) -> None:
    """Refuse to compare runs on the same data whose sites of one name observe different values.

    Raises:
        ConfigError: two do; the sentence names the site and says why.
    """
    of_data: dict[str, tuple[Configuration, Run]] = {}
    for line, run in _known(lines):
        first_line, first = of_data.setdefault(run.data_hash, (line, run))
        for site in (site for site in _sites(first) if site in _sites(run)):
            one, other = (f"{site} of {of.label} ({its.folder})" for of, its in ((first_line, first), (line, run)))
            if how := _difference(first, run, site):
                raise ConfigError(
                    f"credo compare: expected runs that observe the same values, but {one} and {other} {how}; {ADVICE}"
                )


def other_sites(lines: Sequence[Configuration]) -> str:
    """Why no score is compared, where runs on the same data observe sites of other names; empty where they do not."""
    for (one, first), (other, second) in pairwise(_known(lines)):
        if first.data_hash == second.data_hash and set(_sites(first)) != set(_sites(second)):
            parts = (
                f"{line.label} observes {', '.join(_sites(run)) or 'nothing'}"
                for line, run in ((one, first), (other, second))
            )
            return f"No score is compared: {', and '.join(parts)}."
    return ""


def other_measures(lines: Sequence[Configuration]) -> str:
    """Why no likelihood is compared, where one is of a mass and another of a density; empty where they are alike."""
    found: dict[str, Configuration] = {}
    for line, run in _known(lines):
        for site in _sites(run).values():
            if measure := site.get("measure"):
                found.setdefault(str(measure), line)
    if len(found) < 2:
        return ""
    (one, first), (other, second) = list(found.items())[:2]
    return (
        f"Neither elpd_loo nor nll_test is compared: that of {first.label} is of a {one}, and that of {second.label} "
        f"of a {other}. A density depends on the target's unit, a mass does not. Compare CRPS."
    )


def unknown(lines: Sequence[Configuration]) -> list[str]:
    """The labels of runs of a user's own models that did not leave what they observed: earlier versions did not."""
    runs = ((line, run) for line in lines for run in line.runs if run.observed is None)
    return list(dict.fromkeys(line.label for line, run in runs if _may_transform(run)))


def _known(lines: Sequence[Configuration]) -> Iterator[tuple[Configuration, Run]]:
    """The runs that left what they observed."""
    return ((line, run) for line in lines for run in line.runs if run.observed is not None)


def _sites(run: Run) -> Mapping[str, Mapping[str, Any]]:
    return run.observed or {}


def _may_transform(run: Run) -> bool:
    """Whether its model is a user's own: those of credo observe the data as it is."""
    target = str((run.config.get("model") or {}).get("_target_", ""))
    return not target.startswith("credo.models.") or target.startswith("credo.models.program.")


def _difference(one: Run, other: Run, site: str) -> str:
    """How the values that two runs observed at a site differ, as a predicate; empty where they do not."""
    if _sites(one)[site]["hash"] == _sites(other)[site]["hash"]:
        return ""
    values, others = one.values(site), other.values(site)
    return "differ" if values is None or others is None else how(values, others)


def how(one: np.ndarray, other: np.ndarray) -> str:
    """How values differ that two runs observed, with the Jacobian where it is known; empty where they do not.

    Args:
        one: of the first run; NaN where nothing was observed.
        other: of the second.
    """
    if one.shape != other.shape:
        return f"have the shapes {list(one.shape)} and {list(other.shape)}"
    there = np.isfinite(one)
    if (there != np.isfinite(other)).any():
        return "leave out other observations"
    x, y = one[there].astype(float), other[there].astype(float)
    if _same(x, y):
        return ""
    if _same(np.sort(x), np.sort(y)):
        return "have the same values in another order"
    for words, nats in _transformations(x, y).items():
        return f"{words}, so that their log densities differ by a Jacobian of {nats:.1f} nats in all"
    return "differ"


def _same(x: np.ndarray, y: np.ndarray) -> bool:
    return bool(np.allclose(x, y, rtol=ROUNDING, atol=ROUNDING * float(np.max(np.abs(x), initial=0.0))))


def _transformations(x: np.ndarray, y: np.ndarray) -> Mapping[str, float]:
    """The transformation that leads from one to the other, if it is a common one, and its log Jacobian."""
    for base, changed in ((x, y), (y, x)):
        if (base > 0).all() and _same(np.log(base), changed):
            return {"are each other's logarithms": float(np.abs(np.log(base).sum()))}
    if len(x) > 2 and np.ptp(x) > 0 and np.ptp(y) > 0:
        scale, shift = np.polyfit(x, y, 1)
        if _same(scale * x + shift, y):
            return {"are on another scale": abs(len(x) * math.log(abs(scale)))}
    return {}
