"""Discrete latents against enumeration: every value of them by brute force, the continuous ones by exact integrals."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from scipy import stats

from credo.errors import ConfigError
from credo.inference.base import Inference
from credo.inference.result import Result, Status
from credo.models.gaussian import Gaussian
from credo.models.problem import Problem
from credo.models.regression import Regression

Infer = Callable[..., Result]
Z = Callable[..., np.ndarray]

Y = np.array([1.2, 0.7, -0.3, 2.1, 1.6, 0.9, 0.1, 1.4])
HYPOTHESES = (0.5, 1.1)
PROBS = 0.4
SPREAD = 2.0
"""Scale of the half-normal prior of sigma."""

SIGMA = np.exp(np.linspace(np.log(0.05), np.log(30.0), 2001))
"""Nodes in sigma, even in its logarithm, in which the integrands are smooth and vanish at both ends."""

WIDTH = SIGMA * np.log(SIGMA[1] / SIGMA[0])


def two_hypotheses(sigma: float | None) -> Problem:
    prior = {"loc": dist.BernoulliProbs(PROBS), "sigma": dist.HalfNormal(SPREAD)}
    return Problem(Gaussian(prior, sigma, HYPOTHESES), xr.Dataset({"y": ("obs", Y)}))


def probability_of_second(sigma: np.ndarray, weights: np.ndarray) -> float:
    """Of the second hypothesis, with sigma integrated over nodes."""
    likelihood = [np.prod(stats.norm(loc, sigma[:, None]).pdf(Y), axis=1) @ weights for loc in HYPOTHESES]
    return PROBS * likelihood[1] / (PROBS * likelihood[1] + (1 - PROBS) * likelihood[0])


# 1 + 2 + 2 * 8 comparisons in this file: with new seeds, a false alarm once in 800 times.
def test_mh_weighs_two_hypotheses(infer: Infer, z_score: Z) -> None:
    result = infer(two_hypotheses(1.0), "mh", warmup=100, draws=2000, thinning=2)
    exact = probability_of_second(np.array([1.0]), np.ones(1))
    posterior = result.tree["posterior"]
    assert np.abs(z_score(posterior["hypothesis"], exact)) < 4
    assert np.array_equal(posterior["loc"], np.where(posterior["hypothesis"] == 1, HYPOTHESES[1], HYPOTHESES[0]))


@pytest.mark.slow
@pytest.mark.parametrize("word", ["nuts", "mh"])
def test_two_hypotheses_with_unknown_sigma(word: str, infer: Infer, z_score: Z) -> None:
    posterior = infer(two_hypotheses(None), word, warmup=500, draws=2000).tree["posterior"]
    exact = probability_of_second(SIGMA, stats.halfnorm(scale=SPREAD).pdf(SIGMA) * WIDTH)
    assert np.abs(z_score(posterior["hypothesis"], exact)) < 4
    assert np.array_equal(posterior["loc"], np.where(posterior["hypothesis"] == 1, HYPOTHESES[1], HYPOTHESES[0]))


@pytest.mark.parametrize("problem", [two_hypotheses(1.0)], ids=["gaussian"])
@pytest.mark.parametrize("word", ["nuts", "map", "mle"])
def test_a_model_of_discrete_latents_only_is_refused(problem: Problem, word: str, infer: Infer) -> None:
    with pytest.raises(ConfigError, match=rf"inference={word} moves continuous latents.*use inference=mh"):
        infer(problem, word)


class SpikeAndSlab:
    """A regression with three indicators, and its posterior by enumeration of the eight subsets.

    Given a subset S and sigma, y ~ N(0, sigma^2 I + t^2 1 1' + s^2 X_S X_S'), and the coefficients are normal.
    """

    intercept, slab, include, sigma = 3.0, 0.8, 0.4, 2.0

    def __init__(self) -> None:
        random = np.random.default_rng(5)
        self.x = random.normal(size=(20, 3))
        self.y = 0.5 + self.x @ np.array([0.55, 0.3, 0.0]) + random.normal(size=20)
        self.subsets = np.array(list(product([0, 1], repeat=3)))

    @property
    def problem(self) -> Problem:
        prior = {
            "intercept": dist.Normal(0.0, self.intercept),
            "beta": dist.Normal(0.0, self.slab),
            "sigma": dist.HalfNormal(self.sigma),
            "inclusion": dist.BernoulliProbs(self.include),
        }
        data = xr.Dataset({"y": ("obs", self.y), "x": (("obs", "feature"), self.x)}, {"feature": ["a", "b", "c"]})
        return Problem(Regression(prior, "gaussian"), data)

    def exact(self) -> dict[str, Any]:
        """The probability of each inclusion, and the means of sigma, the intercept and the coefficients that count."""
        weights, means = zip(*[self._given(subset) for subset in self.subsets], strict=True)
        density = np.array(weights) * stats.halfnorm(scale=self.sigma).pdf(SIGMA) * WIDTH
        density /= density.sum()
        intercept, effect = np.split(np.einsum("sn,snp->p", density, np.array(means)), [1])
        return {
            "inclusion": density.sum(1) @ self.subsets,
            "sigma": density.sum(0) @ SIGMA,
            "intercept": intercept,
            "effect": effect,
        }

    def _given(self, subset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Per node of sigma: p(y, subset | sigma), and the mean of intercept and coefficients [nodes, 4]."""
        columns = np.column_stack([np.ones(20), self.x * subset]) * [self.intercept, *3 * [self.slab]]
        values, vectors = np.linalg.eigh(columns @ columns.T)
        variances, rotated = values + SIGMA[:, None] ** 2, vectors.T @ self.y
        log_density = -0.5 * np.sum(rotated**2 / variances + np.log(2 * np.pi * variances), axis=1)
        prior = np.prod(np.where(subset == 1, self.include, 1 - self.include))
        mean = (rotated / variances) @ vectors.T @ columns * [self.intercept, *3 * [self.slab]]
        return prior * np.exp(log_density), mean

    def log_joint(self, subset: np.ndarray, intercept: float, beta: np.ndarray, sigma: float) -> float:
        """What depends on the subset."""
        likelihood = stats.norm(intercept + self.x @ (beta * subset), sigma).logpdf(self.y).sum()
        return float(likelihood + np.log(np.where(subset == 1, self.include, 1 - self.include)).sum())


@pytest.fixture(scope="module")
def regression() -> SpikeAndSlab:
    return SpikeAndSlab()


@pytest.mark.slow
@pytest.mark.parametrize("word", ["nuts", "mh"])
def test_spike_and_slab(word: str, regression: SpikeAndSlab, infer: Infer, z_score: Z) -> None:
    exact = regression.exact()
    assert np.all((exact["inclusion"] > 0.1) & (exact["inclusion"] < 0.9))  # the chains cross often
    tree = infer(regression.problem, word, warmup=1000, draws=2000).tree
    posterior = tree["posterior"]
    assert posterior["inclusion"].dims == ("chain", "draw", "feature")
    assert "inclusion_0" not in posterior
    z = [z_score(posterior[name], exact[name]) for name in ("inclusion", "sigma", "intercept")]
    z.append(z_score(posterior["beta"] * posterior["inclusion"], exact["effect"]))
    assert np.max(np.abs(np.concatenate(z))) < 4


@pytest.mark.slow
def test_map_recovers_the_most_probable_indicators(regression: SpikeAndSlab, infer: Infer) -> None:
    result = infer(regression.problem, "map", starts=4)
    found = {name: v.to_numpy()[0, 0] for name, v in result.tree["posterior"].data_vars.items()}
    beside = (found["intercept"], found["beta"], found["sigma"])
    best = max(regression.subsets, key=lambda subset: regression.log_joint(subset, *beside))
    assert result.status is Status.DONE
    assert found["inclusion"].tolist() == best.tolist()
    summed = np.logaddexp.reduce([regression.log_joint(subset, *beside) for subset in regression.subsets])
    prior = (
        stats.norm(0, regression.intercept).logpdf(found["intercept"])
        + stats.norm(0, regression.slab).logpdf(found["beta"]).sum()
        + stats.halfnorm(scale=regression.sigma).logpdf(found["sigma"])
    )
    assert result.tree["optimisation"]["objective"].max().item() == pytest.approx(summed + prior, abs=1e-9)


def test_nuts_refuses_a_discrete_latent_without_end(method: Callable[..., Inference]) -> None:
    from credo.models.program import Program

    with pytest.raises(ConfigError, match=r"count \(Poisson\) has no finite support; use inference=mh"):
        method("nuts").check(Problem(Program(f"{__name__}:counts", {}), xr.Dataset()))


def counts() -> None:
    import numpyro
    import numpyro.distributions as dist

    rate = numpyro.sample("rate", dist.Exponential(1.0))
    numpyro.sample("count", dist.Poisson(rate))


STATES = np.array([-1.2, -0.8, -1.5, 0.9, 1.3, 0.2, 1.8, -0.3, -1.1, -2.0, -0.6, 1.2])
"""What a hidden Markov model of two states observed."""


def forward(stay: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Log p(y | stay, mu) by the forward algorithm, the state before the first being the first; elementwise."""
    emission = [stats.norm(mu, 1.0).pdf(one) for one in STATES for mu in (low, high)]
    total, first, second = np.zeros(np.shape(stay)), np.ones(np.shape(stay)), np.zeros(np.shape(stay))
    for at_low, at_high in zip(emission[::2], emission[1::2], strict=True):
        joint_low = at_low * (first * stay + second * (1 - stay))
        joint_high = at_high * (first * (1 - stay) + second * stay)
        both = joint_low + joint_high
        total, first, second = total + np.log(both), joint_low / both, joint_high / both
    return total


def hidden_markov() -> Problem:
    from credo.models.program import Program

    return Problem(Program("programs:with_hidden_states", {}), xr.Dataset({"y": ("obs", STATES)}))


# 3 comparisons at 4 standard errors: with another seed, a false alarm once in 5,000 times.
def test_nuts_on_hidden_states_under_scan(infer: Infer, z_score: Z) -> None:
    grid = np.meshgrid(
        (np.arange(80) + 0.5) / 80, np.linspace(-3.5, 1.5, 81), np.linspace(-1.5, 3.5, 81), indexing="ij"
    )
    stay, low, high = grid
    prior = stats.beta(8, 2).logpdf(stay) + stats.norm(-1, 0.5).logpdf(low) + stats.norm(1, 0.5).logpdf(high)
    weights = np.exp(prior + forward(*grid))
    exact = [float(np.sum(weights * one) / np.sum(weights)) for one in grid]
    result = infer(hidden_markov(), "nuts", warmup=200, draws=400)
    posterior = result.tree["posterior"]
    z = [z_score(posterior["stay"], exact[0]), z_score(posterior["mu"], np.array(exact[1:]))]
    assert np.max(np.abs(np.concatenate([np.ravel(one) for one in z]))) < 4
    assert "state" not in posterior
    assert result.missing["discrete_latents"].startswith("state cannot be recovered")


@pytest.mark.slow
def test_mle_on_hidden_states_under_scan(infer: Infer) -> None:
    from scipy.optimize import minimize

    def loss(x: np.ndarray) -> float:
        return -float(forward(np.array(1 / (1 + np.exp(-x[0]))), np.array(x[1]), np.array(x[2])))

    starts = product((-1.0, 1.0), (-1.5, 0.5), (-0.5, 1.5))
    found = [minimize(loss, start, method="BFGS", options={"gtol": 1e-9}) for start in starts]
    best = min(found, key=lambda one: float(one.fun)).x
    posterior = infer(hidden_markov(), "mle").tree["posterior"]
    assert posterior["stay"].item() == pytest.approx(1 / (1 + np.exp(-best[0])), abs=1e-3)
    assert posterior["mu"].to_numpy()[0, 0] == pytest.approx(best[1:], abs=1e-3)
