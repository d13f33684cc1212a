"""Would the model produce such data? Draws of replicated data are compared with what was observed.

Posterior predictive p-values P(T(y_rep) >= T(y)) of the mean, standard deviation, smallest and largest value, and of
the number of distinct values where these are few, ties counted half: Gelman, Carlin, Stern, Dunson, Vehtari and Rubin
(2013), "Bayesian Data Analysis", section 6.3. Near 0 or 1 the model does not fit in that respect. The inference is no
worse for it: a misfit is noted, not failed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Int, Shaped

from credo.diagnostics.answers import group, has_data, left_out, not_checked, some
from credo.diagnostics.base import Check
from credo.inference.assemble import CENSORED
from credo.inference.kind import Kind, Of, of
from credo.inference.pointwise import of_same_rows, places
from credo.inference.result import Result
from credo.ranges import Share


def _distinct(values: Shaped[np.ndarray, "..."], axis: int = -1) -> Int[np.ndarray, "..."]:
    """How many distinct values there are."""
    return (np.diff(np.sort(values, axis), axis=axis) > 0).sum(axis) + 1


TESTS: dict[str, Callable[..., np.ndarray]] = {
    "mean": np.mean,
    "sd": np.std,
    "min": np.min,
    "max": np.max,
    "distinct values": _distinct,
}
ROUNDING = 1e-12
"""Statistics are equal up to this share of the largest number: the spread of equal numbers is not quite 0."""

COARSE = 0.5
"""Observed values are as good as continuous where the least gap between them is below this share of their spread."""

MOST_NUMBERS = 2_000_000
"""Replicated numbers that are looked at per variable: of larger data, evenly spaced draws."""

FEWEST_DRAWS = 400
"""So many draws are looked at whatever the size of the data, to resolve a tail probability of 0.01."""


@dataclass(frozen=True)
class PosteriorPredictive:
    """The smallest tail probability, min(p, 1 - p), of all test statistics of all observed variables.

    Attributes:
        threshold: the smallest probability that passes.
    """

    threshold: Share

    of: ClassVar[Of] = of(Kind.CHAINS, Kind.INDEPENDENT, Kind.WEIGHTED)

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge draws; one draw of a point estimate has no distribution."""
        observed, replicated = group(result, "observed_data"), group(result, "posterior_predictive")
        if not observed.data_vars or not has_data(result):
            return None
        if (missing := left_out(result, "posterior_predictive", self.threshold, "posterior_predictive")) is not None:
            return missing
        if bounds := [str(name) for name, values in observed.data_vars.items() if CENSORED in values.attrs]:
            reason = f"{some(bounds)} is censored: a bound is no draw of the model, and is not compared with any."
            return Check("posterior_predictive", "not checked", None, self.threshold, reason, decides=False)
        names = [name for name in observed.data_vars if name in replicated]
        if not names:
            return not_checked("posterior_predictive", self.threshold, "There is no replicated data.")
        found = {str(name): dict(p_values(observed[name], replicated[name])) for name in names}
        tails = {
            f"{test} of {name} (p = {p:.2g})": min(p, 1 - p) for name, of in found.items() for test, p in of.items()
        }
        looked_at = " ".join(filter(None, (_looked_at(observed[name], replicated[name]) for name in names)))
        return self._judge(tails, {name: tuple(of) for name, of in found.items() if of}, looked_at)

    def _judge(self, tails: dict[str, float], tested: Mapping[str, tuple[str, ...]], looked_at: str) -> Check:
        if not tails or np.isnan(list(tails.values())).any():
            reason = "The observed or the replicated data is not finite."
            return not_checked("posterior_predictive", self.threshold, reason)
        worst = min(tails.values())
        if worst >= self.threshold:
            seen = f"The observed data looks like replicated data in the {_told(tested)}. {looked_at}"
            return Check("posterior_predictive", "passed", worst, self.threshold, seen.rstrip())
        odd = sorted((name for name in tails if tails[name] < self.threshold), key=lambda name: tails[name])
        advice = f"The model hardly reproduces the {some(odd)}. See the predictive plot, and try another likelihood."
        return Check("posterior_predictive", "note", worst, self.threshold, f"{advice} {looked_at}".rstrip())


def _looked_at(observed: xr.DataArray, replicated: xr.DataArray) -> str:
    """Of how many rows there are draws, where not of all."""
    rows = places(replicated)
    return "" if rows is None else f"{len(rows):,} of {observed.size:,} rows of {observed.name} were looked at."


def _told(tested: Mapping[str, tuple[str, ...]]) -> str:
    """`mean and sd of y; mean of z`; names of the same tests stand together."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, tests in tested.items():
        alike.setdefault(tests, []).append(name)
    return "; ".join(f"{_and(tests)} of {some(names)}" for tests, names in alike.items())


def _and(words: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def p_values(observed: xr.DataArray, replicated: xr.DataArray) -> Iterator[tuple[str, float]]:
    """The p-value of each test statistic; NaN if a replicated number is not finite.

    Missing observations are left out. Where both are binary the mean says everything. Whether values are few is a
    question of data that are coarse, such as counts and ratings, which a density does not reproduce.

    Args:
        observed: [obs, ...].
        replicated: [chain, draw, obs, ...], or of some of the observations.
    """
    observed = of_same_rows(observed, replicated)
    y = np.ravel(observed.values).astype(float)
    present = np.isfinite(y)
    if not present.any():
        return
    draws = replicated.transpose("chain", "draw", *observed.dims).values.reshape(-1, y.size)
    step = max(1, min(-(-draws.size // MOST_NUMBERS), len(draws) // FEWEST_DRAWS))
    y, draws = y[present], draws[::step, present].astype(float)
    rounding = ROUNDING * max(np.abs(y).max(), np.abs(draws).max())
    for name in _tests(y, draws):
        above = TESTS[name](draws, axis=1) - TESTS[name](y)
        p = np.mean(above > rounding) + np.mean(np.abs(above) <= rounding) / 2
        yield name, float(p) if np.isfinite(above).all() else np.nan


def _tests(y: Shaped[np.ndarray, "obs"], draws: Shaped[np.ndarray, "draw obs"]) -> Iterator[str]:
    """Which tests tell anything of observations and replications."""
    yield "mean"
    values = np.unique(y)
    if len(values) <= 2 and len(np.union1d(values, draws)) <= 2:
        return
    yield from ("sd", "min", "max")
    gaps = np.diff(values)
    if gaps.size and gaps.min() >= COARSE * y.std():
        yield "distinct values"
