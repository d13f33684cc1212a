"""How much does the answer depend on the prior, and on the likelihood? Both are raised to powers near 1.

Kallioinen, Paananen, Bürkner and Vehtari (2024), "Detecting and diagnosing prior and likelihood sensitivity with
power-scaling", Statistics and Computing 34, 57: draws are reweighted by importance sampling, and the change of each
marginal is its cumulative Jensen-Shannon distance, per doubling of the power, as in ArviZ. An answer that depends on
the prior is no fault of the inference, so it is noted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from credo import chain_stats, pareto
from credo.config.nearest import nearest
from credo.cores import each
from credo.diagnostics.answers import group, has_data, left_out, not_checked, some
from credo.diagnostics.base import Check
from credo.diagnostics.summary import moving, scalars
from credo.errors import ConfigError
from credo.inference import pointwise
from credo.inference.convergence import TAILS, constant
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.models.problem import Problem
from credo.ranges import NonNegative

ALPHAS = (0.99, 1.01)
FAR = 1.0
"""A sensitivity that priors of the right scale do not reach: that of a normal mean moved by about six of its standard
deviations when the power is doubled."""

MOST_AT_ONCE = 2**18
"""Draws that are worked on at once."""

FEWEST_DRAWS = 25
"""A Pareto tail is a fifth of the draws and needs five."""


@dataclass(frozen=True)
class PriorSensitivity:
    """The largest sensitivity to the prior of all scalars that are sampled.

    Attributes:
        threshold: the sensitivity from which on a scalar is named; 0.05 is that of a normal mean moved by about 0.3
            of its standard deviations when the power is doubled.
        sites: the latents whose priors are scaled, or `None` for all. In a hierarchical model name the topmost ones:
            the lower ones are part of the model.
    """

    threshold: NonNegative
    sites: list[str] | None = None

    def check(self, problem: Problem) -> None:
        """Refuse sites that have no prior of their own."""
        known = [problem.names.variable(site.name) for site in problem.latents if not site.local]
        for site in self.sites or ():
            if site not in known:
                raise ConfigError(f"sites: there is no prior of {site!r}; {nearest(site, known)}")

    of: ClassVar[Of] = of(Kind.CHAINS, Kind.INDEPENDENT, Kind.WEIGHTED)

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge draws of a model with data."""
        if not has_data(result):
            return None
        if (
            missing := left_out(result, "prior_sensitivity", self.threshold, "log_likelihood", "log_prior")
        ) is not None:
            return missing
        prior, likelihood = group(result, "log_prior"), pointwise.total(result.tree)
        if self.sites is not None:
            if unknown := sorted(set(self.sites) - set(prior)):
                reason = f"There is no log prior of {some(unknown)}."
                return not_checked("prior_sensitivity", self.threshold, reason)
            prior = prior[list(self.sites)]
        if not prior.data_vars or likelihood is None:
            return not_checked("prior_sensitivity", self.threshold, "The log prior or the log likelihood is not known.")
        return self._judge(sensitivity(result, total(prior)), sensitivity(result, likelihood))

    def _judge(self, prior: pd.Series, likelihood: pd.Series) -> Check:
        if prior.empty or prior.isna().any() or likelihood.isna().any():
            reason = "The draws or their log densities are not finite or too few, or nothing moves."
            return not_checked("prior_sensitivity", self.threshold, reason)
        worst = float(prior.max())
        sensitive = prior[~(prior < self.threshold)].sort_values(ascending=False).index
        if sensitive.empty:
            seen = "Changing the priors a little changes no marginal much."
            return Check("prior_sensitivity", "passed", worst, self.threshold, seen)
        conflict = [name for name in sensitive if likelihood[name] >= self.threshold]
        strong = [name for name in sensitive if likelihood[name] < self.threshold]
        parts = [f"prior and data may disagree about {some(conflict)}"] if conflict else []
        parts += [f"the prior rather than the data decides {some(strong)}"] if strong else []
        advice = f"The answer depends on the prior: {'; '.join(parts)}. Justify the prior, or compare others."
        if far := [name for name in conflict if prior[name] >= FAR]:
            advice += (
                f" {some(far)} lie{'s' if len(far) == 1 else ''} so far from the prior that it decides as much as the "
                "data, as where these are on another scale: standardise them (data.standardise=true), or widen priors."
            )
        return Check("prior_sensitivity", "note", worst, self.threshold, advice)


def total(component: xr.Dataset) -> Float[np.ndarray, "chain draw"]:
    """The sum of all log densities of a group."""
    return np.sum([scalars(variable).sum(axis=0, dtype=float) for variable in component.data_vars.values()], axis=0)


def sensitivity(result: Result, component: Float[np.ndarray, "chain draw"]) -> pd.Series:
    """The power-scaling sensitivity of each scalar that is sampled and moves, by its label; NaN if it is not known.

    Args:
        result: draws.
        component: the log density that is scaled.
    """
    known = component.size >= FEWEST_DRAWS and np.isfinite(component).all()
    weights = [_weights(component, alpha) for alpha in ALPHAS] if known else []
    parts = [pd.Series(dtype=float)]
    for names, draws in moving(result):
        values = np.full(len(names), np.nan)
        if known and np.isfinite(draws).all():
            values = _sensitive(draws.reshape(len(draws), -1), weights)
        parts.append(pd.Series(values, index=names))
    return pd.concat(parts[1:] or parts)


def _sensitive(
    draws: Float[np.ndarray, "scalar draw"], weights: Sequence[Float[np.ndarray, "draw"]]
) -> Float[np.ndarray, "scalar"]:
    """The distance of each marginal from the reweighted one, per doubling of the power, a mean over the powers."""
    found = np.empty(len(draws))
    step = max(MOST_AT_ONCE // draws.shape[1], 1)

    def some(first: int) -> None:
        part = draws[first : first + step]
        order = np.argsort(part, axis=1)
        width = np.diff(np.take_along_axis(part, order, axis=1), axis=1)
        distances = [_distance(width, one[order]) for one in weights]
        found[first : first + step] = np.mean(np.divide(distances, np.abs(np.log2(ALPHAS))[:, None]), axis=0)

    each(some, range(0, len(draws), step))
    return found


def _distance(
    width: Float[np.ndarray, "scalar gap"], weight: Float[np.ndarray, "scalar draw"]
) -> Float[np.ndarray, "scalar"]:
    """The cumulative Jensen-Shannon distance of draws from weighted ones, the larger of both directions.

    Args:
        width: the gaps between the draws in their order.
        weight: of the draws in their order, with the sum 1.
    """
    share = np.linspace(1 / weight.shape[1], 1 - 1 / weight.shape[1], width.shape[1])
    up = _divergence(width, share, np.cumsum(weight, axis=1)[:, :-1])
    down = _divergence(width[:, ::-1], share, np.cumsum(weight[:, ::-1], axis=1)[:, :-1])
    return np.maximum(up, down)


def _divergence(
    width: Float[np.ndarray, "scalar gap"], p: Float[np.ndarray, "gap"], q: Float[np.ndarray, "scalar gap"]
) -> Float[np.ndarray, "scalar"]:
    """The distance of two distribution functions that are constant between draws (Kallioinen et al. 2024, eq. 8)."""
    of_p, of_q = width @ p, (width * q).sum(axis=1)
    middle, apart = np.log2((p + q) / 2), (of_q - of_p) / 2 / np.log(2)
    one = (width * p * (np.log2(p) - middle)).sum(axis=1) + apart
    other = (width * q * (np.log2(np.where(q > 0, q, 1)) - middle)).sum(axis=1) - apart
    return np.sqrt((np.maximum(one, 0) + np.maximum(other, 0)) / (of_p + of_q))


def _weights(component: Float[np.ndarray, "chain draw"], alpha: float) -> Float[np.ndarray, " weight"]:
    """Importance weights for the component to the power alpha, the largest smoothed by a Pareto tail."""
    log_weights = (alpha - 1) * component.ravel()
    if not constant(component):
        count = component.size
        worth = [chain_stats.of(component.reshape(1, 1, -1), partial(chain_stats.ess_quantile, prob=p)) for p in TAILS]
        tail = max(min(pareto.length(count, float(np.min(worth)) / count), count // 2), pareto.SHORTEST)
        log_weights = pareto.smooth(log_weights[None], tail).log_weight[0]
    weights = np.exp(log_weights - log_weights.max())
    return np.asarray(weights / weights.sum())
