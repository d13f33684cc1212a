"""How much the data say of each latent: KL(posterior || prior), in nats.

It is E[ln p(x | data) - ln p(x)] over the draws. The density of the posterior is that of the nearest draws
(`information.neighbours`), that of the prior its own (`inference.prior_density`); the standard error is that of the
mean of autocorrelated draws. What the data do not tell apart from its prior is no fault of the inference: it is noted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Shaped

from credo.diagnostics.answers import group, has_data, not_checked, some
from credo.diagnostics.base import Check
from credo.diagnostics.summary import labels, scalars
from credo.inference.base import Inference
from credo.inference.convergence import constant, effective, mixing
from credo.inference.kind import Kind, Of, of
from credo.inference.prior_density import BATCHES, is_elementwise, log_prior_densities
from credo.inference.result import Result
from credo.information.neighbours import log_density_at_draws
from credo.models.problem import Problem
from credo.ranges import NonNegative

GROUP = "gain"
"""The group of a result: dim `scalar`, `value` and `error` in nats; dim `point`: `at`, and the density `prior`."""

MOST, LARGEST = 20, 256
"""Scalars in all, and elements of a site at most."""

POINTS = 256
"""At which the density of a prior is computed; between them its logarithm is linear."""

FEWEST_DRAWS = 100

KINDS = (Kind.CHAINS, Kind.INDEPENDENT, Kind.WEIGHTED)


class _Scalars(NamedTuple):
    """The scalars of a site that are looked at."""

    site: str
    names: list[str]
    draws: Shaped[np.ndarray, "scalar chain draw"]
    size: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Information:
    """Whether the data say something of every latent, up to 20 scalars, those of one value first.

    Attributes:
        threshold: nats, below which a latent is named; 0.005 is a normal mean whose standard deviation shrank by 10 %.
    """

    threshold: NonNegative

    derives: ClassVar[str] = "information"
    of: ClassVar[Of] = of(*KINDS, groups=(GROUP,))

    def require(self, problem: Problem, method: Inference) -> None:
        """Nothing: where the prior has no density, nothing is said."""

    def derived(self, problem: Problem, method: Inference, result: Result, key: jax.Array) -> Result:  # noqa: ARG002
        """The result with the group `gain`, where priors have densities and there are enough draws."""
        if result.kind not in KINDS or problem.improper or problem.earlier is not None or not has_data(result):
            return result
        posterior = group(result, "posterior")
        if posterior.sizes.get("chain", 0) * posterior.sizes.get("draw", 0) < FEWEST_DRAWS:
            return result
        found = list(_looked_at(problem, result))
        if found:
            result.tree[GROUP] = xr.DataTree(_gained(problem, result, found, key))
        return result

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Name what the data say nothing of."""
        found = group(result, GROUP)
        if not found.sizes.get("scalar"):
            return None
        value, error = found["value"].to_numpy(), found["error"].to_numpy()
        if not np.isfinite([value, error]).all():
            return not_checked("information", self.threshold, "What the data say of the latents is not known.")
        least = float(value.min())
        little = found["scalar"].to_numpy()[value + 2 * error < self.threshold]
        if not len(little):
            return Check("information", "passed", least, self.threshold, "The data say something of every latent.")
        advice = (
            f"The data say next to nothing of {some(little)}: the posterior is the prior. Justify the prior, or fix "
            "what the data cannot tell."
        )
        return Check("information", "note", least, self.threshold, advice)


def _looked_at(problem: Problem, result: Result) -> Iterator[_Scalars]:
    """The first scalars: of sites of one value before those of many, the effects of groups last.

    What is only a parametrisation of other sites is asked nothing.
    """
    posterior, room = group(result, "posterior"), MOST
    sites = [site for site in problem.latents if not site.param and not site.imputed and site.group == "posterior"]
    sites = [site for site in sites if site.effect in ("", site.name)]
    for site in sorted(sites, key=lambda site: (site.local, np.prod(site.shape))):
        name = problem.names.variable(site.name)
        size = int(np.prod(site.shape))
        if not room or size > LARGEST or name not in posterior or name not in result.sampled:
            continue
        if not is_elementwise(problem.bound, site.name):
            continue
        names, draws = labels(posterior[name])[:room], scalars(posterior[name])[:room]
        yield _Scalars(site.name, names, draws, size, site.shape)
        room -= len(names)


def _gained(problem: Problem, result: Result, found: list[_Scalars], key: jax.Array) -> xr.Dataset:
    points = {each.site: _points(each.draws) for each in found}
    given = {each.site: jnp.asarray(_of_site(points[each.site], each)) for each in found}
    priors = log_prior_densities(problem.bound, tuple(given), given, key)
    names: list[str] = []
    numbers: list[tuple[float, float]] = []
    curves: list[tuple[np.ndarray, np.ndarray]] = []
    for each in found:
        prior = np.asarray(priors[each.site], float).reshape(BATCHES, POINTS, -1)
        for i, (name, draws) in enumerate(zip(each.names, each.draws, strict=True)):
            value, error = _gain(result, draws, points[each.site][i], prior[:, :, i])
            if np.isfinite([value, error]).all():
                names.append(name)
                numbers.append((value, error))
                curves.append((points[each.site][i], np.exp(prior[:, :, i]).mean(axis=0)))
    columns = np.array(numbers).reshape(-1, 2)
    lines = np.array(curves, float).reshape(-1, 2, POINTS)
    return xr.Dataset(
        {"value": ("scalar", columns[:, 0]), "error": ("scalar", columns[:, 1])}
        | {name: (("scalar", "point"), lines[:, i]) for i, name in enumerate(("at", "prior"))},
        {"scalar": ("scalar", names)},
    )


def _points(draws: Shaped[np.ndarray, "scalar chain draw"]) -> Shaped[np.ndarray, "scalar point"]:
    """Some of the draws of each scalar in order, the least and the largest among them, half of them spread evenly."""
    flat = np.sort(draws.reshape(len(draws), -1), axis=1)
    by_rank = flat[:, np.linspace(0, flat.shape[1] - 1, POINTS // 2).round().astype(int)]
    even = np.linspace(flat[:, 0], flat[:, -1], POINTS // 2, axis=1)
    if draws.dtype.kind != "f":
        even = even.round()
    return np.sort(np.concatenate([by_rank, even], axis=1), axis=1).astype(draws.dtype)


def _of_site(points: Shaped[np.ndarray, "scalar point"], each: _Scalars) -> Shaped[np.ndarray, "point ..."]:
    """The points in the shape of a site; the elements that are not looked at have those of the first."""
    rest = np.repeat(points[:1], each.size - len(points), axis=0)
    return np.concatenate([points, rest]).T.reshape(POINTS, *each.shape)


def _gain(
    result: Result,
    draws: Shaped[np.ndarray, "chain draw"],
    points: Shaped[np.ndarray, "point"],
    log_prior: Float[np.ndarray, "batch point"],
) -> tuple[float, float]:
    """KL(posterior || prior) of a scalar and its standard error, in nats."""
    if constant(draws):
        return np.nan, np.nan
    flat = draws.ravel().astype(float)
    mean = np.logaddexp.reduce(log_prior, axis=0) - np.log(BATCHES)
    prior = np.interp(flat, points, mean)
    ratios = (_log_posterior(draws, flat) - prior).reshape(1, *draws.shape)
    each = np.array([np.interp(flat, points, batch).mean() for batch in log_prior])
    of_prior = each.std(ddof=1) / np.sqrt(BATCHES)
    return float(ratios.mean()), float(np.hypot(_error(result, ratios), of_prior))


def _log_posterior(
    draws: Shaped[np.ndarray, "chain draw"], flat: Float[np.ndarray, "value"]
) -> Float[np.ndarray, "value"]:
    if draws.dtype.kind == "f":
        return log_density_at_draws(flat)
    values, which, counts = np.unique(flat, return_inverse=True, return_counts=True)
    size = max(float(effective(draws[None].astype(float))[0]), 1.0)
    return np.log(counts / len(flat))[which] - (len(values) - 1) / (2 * size)  # Miller 1955


def _error(result: Result, ratios: Float[np.ndarray, "1 chain draw"]) -> float:
    """The standard error of a mean, by the kind of the result."""
    if result.kind is Kind.INDEPENDENT:
        size = float(group(result, "importance").attrs.get("effective", np.nan))
        return float(ratios.std() / np.sqrt(size if np.isfinite(size) else ratios.size))
    error = float(mixing(ratios, ("mcse_mean",), result.grouping)["mcse_mean"][0])
    if result.kind is Kind.WEIGHTED and (repeats := ratios.shape[1]) > 1:
        error = max(error, float(ratios.mean(axis=2).std(ddof=1) / np.sqrt(repeats)))
    return error
