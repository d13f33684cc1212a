"""The exchange algorithm: posteriors that are known, by exact and by moved inner draws, and what is refused."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.energies.ising import Ising as IsingEnergy
from credo.energies.ising import IsingModel
from credo.energies.model import EnergyModel
from credo.energies.polynomial import PolynomialModel
from credo.energies.samplers.auto import Auto
from credo.errors import ConfigError
from credo.inference.base import Inference, Listener
from credo.inference.mcmc.kernels.exchange import Exchange
from credo.inference.mcmc.mcmc import Mcmc
from credo.inference.result import Result
from credo.models.base import Model
from credo.models.ebm import Ebm
from credo.models.gaussian import Gaussian
from credo.models.problem import Problem
from credo.models.uniform import Uniform
from registry import values

pytestmark = pytest.mark.slow  # `make proofs` runs them

CONF = Path(__file__).parents[3] / "conf"
Z = Callable[..., np.ndarray]
Infer = Callable[..., Result]


def settings_of(path: str) -> dict[str, Any]:
    known: dict[str, Any] = values(CONF / path)
    return known


def exchange(**settings: Any) -> Mcmc:
    known = settings_of("inference/exchange.yaml")
    return Exchange.assemble(**(known | settings))


def run(of: Problem, quiet: Listener, **settings: Any) -> Result:
    chosen = exchange(**settings)
    chosen.check(of)
    return chosen.run(of, jax.random.PRNGKey(0), quiet)


def problem(energy: EnergyModel, y: np.ndarray, prior: Any, normaliser: str) -> Problem:
    data = xr.Dataset({"y": (("obs", "target")[: y.ndim], y)})
    (name,) = energy.used
    return Problem(Ebm({name: prior}, energy, Auto(1, 0.1), normaliser).fitted(data), data)


# ------------------------------------------------------------------------------------------------ E(x) = theta x^4


A, B, ROWS = 2.0, 1.0, 40


def quartic(normaliser: str = "auto") -> tuple[Problem, float, float]:
    """The problem, and the mean and deviation of its posterior.

    Z = 2 Gamma(5/4) theta^(-1/4), so that a prior Gamma(a, b) has the posterior Gamma(a + n / 4, b + sum y^4).
    theta y^4 ~ Gamma(1/4, 1): rows of theta = 1.5, with any signs.
    """
    rng = np.random.default_rng(0)
    y = rng.choice([-1.0, 1.0], ROWS) * (rng.gamma(0.25, 1.0, ROWS) / 1.5) ** 0.25
    shape, rate = A + ROWS / 4, B + (y**4).sum()
    of = problem(PolynomialModel((4,)), y, dist.Gamma(A, B), normaliser)
    return of, shape / rate, np.sqrt(shape) / rate


SHORT = {"warmup": 200, "draws": 500, "block": 700}


@pytest.mark.slow
def test_the_posterior_of_a_quartic_by_exact_draws(quiet: Listener, z_score: Z) -> None:
    """Two comparisons at 4 standard errors, false alarms 1e-4. No chain, no drift.

    Without the exchange it would be that of exp(-theta sum y^4) alone, Gamma(a, b + sum y^4), which is far away.
    """
    of, mean, sd = quartic()
    tree = run(of, quiet, **SHORT).tree
    draws, stats = tree["posterior"]["leading"], tree["sample_stats"]
    assert np.abs(z_score(draws, mean)) < 4
    assert np.abs(z_score(draws, sd, "sd")) < 4
    assert np.abs(z_score(draws, mean * A / (A + ROWS / 4))) > 20
    assert (stats["inner_drift"] == 0).all()
    assert 0.2 < stats["acceptance_rate"].mean().item() < 0.5


@pytest.mark.slow
def test_nuts_and_exchange_agree_with_the_closed_form(infer: Infer, quiet: Listener, z_score: Z) -> None:
    """Exchange also by chains of MALA that begin at the data. Six comparisons, false alarms 4e-4."""
    of, mean, sd = quartic()
    moved = quartic("none")[0]
    found = {
        "nuts": infer(of, "nuts", draws=4000),
        "exact draws": run(of, quiet, warmup=2000, draws=8000),
        "mala": run(moved, quiet, warmup=2000, draws=8000, transitions=100),
    }
    for word, result in found.items():
        draws = result.tree["posterior"]["leading"]
        assert np.abs(z_score(draws, mean)) < 4, word
        assert np.abs(z_score(draws, sd, "sd")) < 4, word
    drift = found["mala"].tree["sample_stats"]["inner_drift"].to_numpy()
    assert np.isfinite(drift).all()
    assert 0 < np.std(drift) < 1
    assert np.abs(drift.mean()) < 0.05


# ---------------------------------------------------------------------------------- the temperature of a lattice


def lattice(normaliser: str) -> tuple[Problem, float, float]:
    """3 x 3 spins, and the mean and deviation of the inverse temperature on a grid, Z by enumeration."""
    torus = IsingEnergy.lattice((3, 3))
    states = np.array(list(product([-1.0, 1.0], repeat=9)))
    energies = np.asarray(torus.batch(states))  # of inverse temperature 1
    weights = np.exp(-0.3 * energies)
    y = states[np.random.default_rng(1).choice(512, 15, p=weights / weights.sum())]
    beta = np.linspace(1e-4, 2, 4000)
    log_z = np.log(np.exp(-beta[:, None] * (energies - energies.min())).sum(1)) - beta * energies.min()
    log_p = -0.5 * beta**2 - beta * np.asarray(torus.batch(y)).sum() - 15 * log_z
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    mean = float(p @ beta)
    energy = IsingModel(**(settings_of("energy/ising.yaml") | {"shape": (3, 3)}))
    return problem(energy, y, dist.HalfNormal(1.0), normaliser), mean, float(np.sqrt(p @ (beta - mean) ** 2))


@pytest.mark.slow
@pytest.mark.parametrize(("normaliser", "draws"), [("auto", 2000), ("none", 2000)])
def test_the_posterior_of_a_temperature(normaliser: str, draws: int, quiet: Listener, z_score: Z) -> None:
    """By exact draws, and by Gibbs sampling from the data on. Two comparisons each, false alarms 1e-4."""
    of, mean, sd = lattice(normaliser)
    tree = run(of, quiet, **SHORT | {"draws": draws, "transitions": 40}).tree
    beta, drift = tree["posterior"]["inverse_temperature"], tree["sample_stats"]["inner_drift"].to_numpy()
    assert np.abs(z_score(beta, mean)) < 4
    assert np.abs(z_score(beta, sd, "sd")) < 4
    assert 0.05 < sd / mean < 1
    assert drift.shape == (4, draws)
    assert (drift == 0).all() == (normaliser == "auto")
    assert np.isfinite(drift).all()


@pytest.mark.slow
def test_inner_chains_are_told_by_their_drift(quiet: Listener) -> None:
    """Of few draws, by MALA: two transitions from the data are on their way, and the drift tells it."""
    of = quartic("none")[0]
    draws = {"warmup": 50, "draws": 100, "block": 150, "thinning": 1}
    drift = run(of, quiet, **draws, transitions=2).tree["sample_stats"]["inner_drift"].to_numpy()
    assert drift.shape == (4, 100)
    assert np.isfinite(drift).all()
    assert np.std(drift) > 0.05


# ------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "model", [Gaussian({"loc": dist.Normal(0.0, 1.0)}, 1.0, (0, 1)), Uniform({"theta": dist.Pareto(1.0, 2.0)})]
)
def test_other_models_are_refused(model: Model) -> None:
    of = Problem(model, xr.Dataset({"y": ("obs", [0.5, 1.0])}))
    with pytest.raises(ConfigError) as refused:
        exchange().check(of)
    assert str(refused.value) == (
        "inference=exchange draws data from a model whose Z is unknown, which only model=ebm has; use inference=mh"
    )


@pytest.mark.parametrize("word", ["nuts", "hmc", "mh", "mle", "map"])
def test_what_needs_z_is_refused_where_exchange_is_not(word: str, method: Callable[..., Inference]) -> None:
    of, *_ = quartic("none")
    exchange().check(of)
    with pytest.raises(ConfigError, match=rf"^inference={word}.*; use inference=exchange for the posterior"):
        method(word).check(of)
