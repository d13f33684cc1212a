"""Hierarchical models against quadrature over their scales: given those, all is normal. Both forms have one law."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from scipy import stats

from credo.inference.result import Result
from credo.models.hierarchical import Hierarchical
from credo.models.problem import Problem

Infer = Callable[..., Result]
Z = Callable[..., np.ndarray]

MU, TAU, SIGMA = 10.0, 5.0, 3.0
"""Scales of the priors: mu ~ N(0, 10), tau ~ half-Cauchy(5), sigma ~ half-normal(3)."""

SETTINGS = {"warmup": 500, "draws": 1000}


def hierarchical(centred: bool, mu: float = MU) -> Hierarchical:
    prior = {"mu": dist.Normal(0.0, mu), "tau": dist.HalfCauchy(TAU), "sigma": dist.HalfNormal(SIGMA)}
    return Hierarchical(prior, centred)


def log_nodes(low: float, high: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes even in the logarithm, and their widths."""
    nodes = np.exp(np.linspace(np.log(low), np.log(high), count))
    return nodes, nodes * np.log(nodes[1] / nodes[0])


def given_scales(y: np.ndarray, group: np.ndarray, tau: np.ndarray, variances: np.ndarray) -> tuple[Any, Any]:
    """With y ~ N(0, V), V = MU^2 + tau^2 [same group] + diag(variances [node, row]): log p(y) and the means.

    Returns:
        Log densities [node], and the means of mu and theta [node, 1 + groups].
    """
    member = group == np.arange(group.max() + 1)[:, None]
    same = (member.T @ member.astype(float)) * tau[:, None, None] ** 2
    cov = MU**2 + same + variances[:, :, None] * np.eye(len(y))
    solved = np.linalg.solve(cov, np.broadcast_to(y[:, None], (len(tau), len(y), 1)))[..., 0]
    log_density = -0.5 * (solved @ y + np.linalg.slogdet(cov)[1] + len(y) * np.log(2 * np.pi))
    mu = MU**2 * solved.sum(-1, keepdims=True)
    return log_density, np.concatenate([mu, mu + tau[:, None] ** 2 * (solved @ member.T)], axis=1)


def averaged(log_density: np.ndarray, weights: np.ndarray, **values: np.ndarray) -> dict[str, np.ndarray]:
    """Posterior means of what is known per node."""
    density = np.exp(log_density - log_density.max()) * weights
    return {name: density @ value / density.sum() for name, value in values.items()}


class Estimates:
    """Eight estimates with errors that are small against their spread."""

    y = np.array([5.2, -1.4, 3.3, 8.9, 0.6, 6.1, 2.4, 4.0])
    sigma = np.array([0.5, 0.8, 0.6, 0.5, 0.7, 0.9, 0.5, 0.6])

    def problem(self, centred: bool) -> Problem:
        return Problem(hierarchical(centred), xr.Dataset({"y": ("obs", self.y), "sigma": ("obs", self.sigma)}))

    def exact(self) -> dict[str, np.ndarray]:
        tau, width = log_nodes(0.01, 1000.0, 1001)
        log_density, means = given_scales(self.y, np.arange(8), tau, np.tile(self.sigma**2, (len(tau), 1)))
        weights = stats.halfcauchy(scale=TAU).pdf(tau) * width
        found = averaged(log_density, weights, tau=tau, means=means)
        return {"tau": found["tau"], "mu": found["means"][0], "theta": found["means"][1:]}


class Groups:
    """Five groups of four rows, the error's scale unknown."""

    group = np.arange(20) % 5
    y = np.array([2.0, -1.0, 4.0, 0.5, 3.0])[group] + np.random.default_rng(2).normal(size=20)

    def problem(self, centred: bool) -> Problem:
        data = {"y": ("obs", self.y), "group": ("obs", self.group)}
        return Problem(hierarchical(centred), xr.Dataset(data, {"group_name": list("abcde")}))

    def exact(self) -> dict[str, np.ndarray]:
        (tau, tau_width), (sigma, sigma_width) = log_nodes(0.01, 300.0, 121), log_nodes(0.2, 8.0, 61)
        each_tau, each_sigma = (nodes.ravel() for nodes in np.meshgrid(tau, sigma, indexing="ij"))
        log_density, means = given_scales(self.y, self.group, each_tau, np.tile(each_sigma[:, None] ** 2, (1, 20)))
        prior = stats.halfcauchy(scale=TAU).pdf(each_tau) * stats.halfnorm(scale=SIGMA).pdf(each_sigma)
        weights = prior * np.outer(tau_width, sigma_width).ravel()
        found = averaged(log_density, weights, tau=each_tau, sigma=each_sigma, means=means)
        return {"tau": found["tau"], "sigma": found["sigma"], "mu": found["means"][0], "theta": found["means"][1:]}


# 36 comparisons: with new seeds, a false alarm once in 400 times.
@pytest.mark.parametrize(
    ("data", "centred"),
    [
        (Estimates(), False),
        pytest.param(Estimates(), True, marks=pytest.mark.slow),
        pytest.param(Groups(), False, marks=pytest.mark.slow),
        pytest.param(Groups(), True, marks=pytest.mark.slow),
    ],
    ids=["estimates", "estimates, centred", "groups", "groups, centred"],
)
def test_posterior_means(data: Estimates | Groups, centred: bool, infer: Infer, z_score: Z) -> None:
    posterior = infer(data.problem(centred), "nuts", **SETTINGS).tree["posterior"]
    z = [z_score(posterior[name], exact) for name, exact in data.exact().items()]
    assert np.max(np.abs(np.concatenate(z))) < 4


@pytest.mark.slow
def test_groups_are_labelled(infer: Infer) -> None:
    posterior = infer(Groups().problem(True), "nuts", **SETTINGS).tree["posterior"]
    assert posterior["theta"].dims == ("chain", "draw", "group_name")
    assert posterior["group_name"].to_numpy().tolist() == list("abcde")


# 23 comparisons: with new seeds, a false alarm once in 700 times.
def test_eight_schools(reference: Callable[[str], Any], infer: Infer, z_score: Z) -> None:
    """Rubin's data; mu ~ N(0, 5), tau ~ half-Cauchy(5); the exact answers by quadrature."""
    data = reference("posteriordb/eight_schools-eight_schools_noncentered/data.json")
    exact = reference("closed_forms.json")["eight_schools"]
    schools = xr.Dataset(
        {"y": ("school", np.array(data["y"], float)), "sigma": ("school", np.array(data["sigma"], float))}
    )
    posterior = infer(Problem(hierarchical(False, mu=5.0), schools), "nuts", **SETTINGS).tree["posterior"]
    assert posterior["theta"].dims == ("chain", "draw", "school")
    z = [z_score(posterior["theta"], exact["theta_mean"]), z_score(posterior["theta"], exact["theta_sd"], "sd")]
    for name in ("mu", "tau"):
        z += [z_score(posterior[name], exact[name][0]), z_score(posterior[name], exact[name][1], "sd")]
    for quantile, prob in zip(exact["tau_q"], (0.05, 0.5, 0.95), strict=True):
        z.append(z_score(posterior["tau"], quantile, "quantile", prob))
    assert np.max(np.abs(np.concatenate(z))) < 4
