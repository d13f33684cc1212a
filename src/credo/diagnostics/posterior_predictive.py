"""Would the model produce such data? Draws of replicated data are compared with what was observed.

Posterior predictive p-values P(T(y_rep) >= T(y)) of the mean, standard deviation, smallest and largest value, ties
counted half: Gelman, Carlin, Stern, Dunson, Vehtari and Rubin (2013), "Bayesian Data Analysis", section 6.3. Near 0
or 1 the model does not fit in that respect. The inference is no worse for it: a misfit is noted, not failed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from credo.contracts import Check
from credo.diagnostics.answers import group, left_out, not_checked, some
from credo.result import Result

TESTS: dict[str, Callable[..., np.ndarray]] = {"mean": np.mean, "sd": np.std, "min": np.min, "max": np.max}
BINARY_TESTS = ("mean",)
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

    threshold: float

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge draws; one draw of a point estimate has no distribution."""
        observed, replicated = group(result, "observed_data"), group(result, "posterior_predictive")
        if result.kind != "draws" or not observed.data_vars:
            return None
        if (missing := left_out(result, "posterior_predictive", self.threshold, "posterior_predictive")) is not None:
            return missing
        names = [name for name in observed.data_vars if name in replicated]
        if not names:
            return not_checked("posterior_predictive", self.threshold, "There is no replicated data.")
        tails = {
            f"{test} of {name} (p = {p:.2g})": min(p, 1 - p)
            for name in names
            for test, p in p_values(observed[name], replicated[name])
        }
        return self._judge(tails)

    def _judge(self, tails: dict[str, float]) -> Check:
        if not tails or np.isnan(list(tails.values())).any():
            reason = "The observed or the replicated data is not finite."
            return not_checked("posterior_predictive", self.threshold, reason)
        worst = min(tails.values())
        if worst >= self.threshold:
            seen = "The observed data looks like replicated data in its mean, spread and range."
            return Check("posterior_predictive", "passed", worst, self.threshold, seen)
        odd = sorted((name for name in tails if tails[name] < self.threshold), key=lambda name: tails[name])
        advice = f"The model hardly reproduces the {some(odd)}. See the predictive plot, and try another likelihood."
        return Check("posterior_predictive", "note", worst, self.threshold, advice)


def p_values(observed: xr.DataArray, replicated: xr.DataArray) -> Iterator[tuple[str, float]]:
    """The p-value of each test statistic; NaN if a replicated number is not finite.

    Missing observations are left out. Of binary data the mean says everything.

    Args:
        observed: [obs, ...].
        replicated: [chain, draw, obs, ...].
    """
    y = np.ravel(observed.values).astype(float)
    present = np.isfinite(y)
    if not present.any():
        return
    draws = replicated.transpose("chain", "draw", *observed.dims).values.reshape(-1, y.size)
    step = max(1, min(-(-draws.size // MOST_NUMBERS), len(draws) // FEWEST_DRAWS))
    y, draws = y[present], draws[::step, present].astype(float)
    for name in BINARY_TESTS if np.isin(y, (0, 1)).all() else TESTS:
        expected, seen = TESTS[name](draws, axis=1), TESTS[name](y)
        p = np.mean(expected > seen) + np.mean(expected == seen) / 2
        yield name, float(p) if np.isfinite(expected).all() else np.nan
