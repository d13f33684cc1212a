"""Priors that shrink all coefficients: the same program by hand, posteriors by quadrature, where they may stand."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
import xarray as xr
from numpyro.infer.util import log_density
from scipy import stats

from arviz_arrays import array_stats
from credo.data.formula.arranged import arranged
from credo.errors import ConfigError
from credo.experiment.parts import make_model
from credo.inference.result import Result
from credo.models.gaussian import Gaussian
from credo.models.problem import Problem
from credo.models.regression import Regression
from credo.models.shrinkage import Horseshoe, R2d2, RegularisedHorseshoe, Shrinkage
from registry import compose

ROWS, COLUMNS = 60, 8
RNG = np.random.default_rng(4)
X = RNG.normal(size=(ROWS, COLUMNS))
TRUTH = np.array([2.0, -1.5, 1.0, *[0.0] * (COLUMNS - 3)])
Y = X @ TRUTH + RNG.normal(size=ROWS)
PRIORS: dict[str, Any] = {"intercept": dist.Normal(0.0, 1.0), "sigma": dist.HalfNormal(2.0)}
SHRINKAGES: dict[str, Shrinkage] = {
    "horseshoe": Horseshoe(0.1),
    "regularised_horseshoe": RegularisedHorseshoe(0.1, 2.0, 4.0),
    "r2d2": R2d2(0.5, 2.0, 0.5),
}


def problem(name: str, y: np.ndarray, x: np.ndarray, **priors: Any) -> Problem:
    data = xr.Dataset({"y": ("row", y), "x": (("row", "feature"), x)})
    return Problem(Regression(PRIORS | {"beta": SHRINKAGES[name]} | priors, "gaussian"), data)


def scales(name: str, count: int) -> Any:
    """The scales of the coefficients, as NumPyro's users write them."""
    if name == "r2d2":
        r2 = numpyro.sample("r2[beta]", dist.Beta(1.0, 1.0))
        shares = numpyro.sample("shares[beta]", dist.Dirichlet(0.5 * jnp.ones(count)))
        return jnp.sqrt(shares * r2 / (1 - r2))
    slab2 = numpyro.sample("slab2[beta]", dist.InverseGamma(2.0, 8.0)) if name == "regularised_horseshoe" else None
    tau = numpyro.sample("global[beta]", dist.HalfCauchy(0.1))
    lam = numpyro.sample("local[beta]", dist.HalfCauchy(1.0).expand((count,)).to_event(1))
    return tau * lam if slab2 is None else tau * lam * jnp.sqrt(slab2 / (slab2 + tau**2 * lam**2))


def by_hand(name: str, y: np.ndarray, x: np.ndarray, centre: Any = 0.0, unit: Any = 1.0, at: str = "intercept") -> None:
    count = x.shape[1]
    sigma = numpyro.sample("sigma", dist.HalfNormal(2.0)) if name == "r2d2" else None
    intercept = numpyro.sample(at, dist.Normal(0.0, 1.0))
    scale = scales(name, count)
    z = numpyro.sample("z[beta]", dist.Normal(0.0, 1.0).expand((count,)).to_event(1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(2.0)) if sigma is None else sigma
    beta = scale * z * (sigma if name == "r2d2" else 1.0) * unit
    numpyro.sample("y", dist.Normal(intercept + (x - centre) @ beta, sigma), obs=y)


def somewhere(program: Callable[[], None]) -> dict[str, Any]:
    def draw() -> dict[str, Any]:
        with numpyro.handlers.seed(rng_seed=3), numpyro.handlers.trace() as sites:
            program()
        return {n: s["value"] for n, s in sites.items() if s["type"] == "sample" and not s["is_observed"]}

    return jax.jit(draw)()


@pytest.mark.parametrize("name", SHRINKAGES)
def test_the_density_is_that_of_the_program_by_hand(name: str) -> None:
    values = somewhere(lambda: by_hand(name, Y, X))
    ours = jax.jit(lambda values: log_density(problem(name, Y, X).bound, (), {}, values)[0])(values)
    hand = jax.jit(lambda values: log_density(by_hand, (name, Y, X), {}, values)[0])(values)
    assert float(ours) == pytest.approx(float(hand), rel=1e-12)


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=() if one == "horseshoe" else pytest.mark.slow) for one in SHRINKAGES]
)
def test_with_a_formula_coefficients_are_in_units_of_their_columns(name: str) -> None:
    """Of the target, too, unless they are in those of the noise."""
    table = pd.DataFrame({"y": Y, "a": 3 * X[:, 0] + 1, "b": X[:, 1]})
    model = Regression(PRIORS | {"beta": SHRINKAGES[name]}, "gaussian", formula="y ~ a + b", autoscale=True)
    data = arranged(table, model.rows)
    x = table[["a", "b"]].to_numpy()
    unit = (1.0 if name == "r2d2" else Y.std()) / x.std(0)
    values = somewhere(lambda: by_hand(name, Y, x, x.mean(0), unit, "intercept_at_mean"))
    ours = Problem(model.fitted(data), data).bound.at(values)
    hand = numpyro.handlers.trace(numpyro.handlers.substitute(by_hand, data=values))
    sites = hand.get_trace(name, Y, x, x.mean(0), unit, "intercept_at_mean")
    np.testing.assert_allclose(ours["y"]["fn"].loc, sites["y"]["fn"].loc, rtol=1e-10)
    assert SHRINKAGES[name].words in model.fitted(data).mathematics


def test_a_categorical_regression_shrinks_every_contrast() -> None:
    table = pd.DataFrame({"y": list("abc") * 4, "x": np.arange(12.0), "w": np.arange(12.0) ** 2})
    for one in SHRINKAGES.values():
        model = Regression({"intercept": dist.Normal(0.0, 1.0), "beta": one}, "categorical", formula="y ~ x + w")
        data = arranged(table, model.rows)
        sites = {site.name: site.shape for site in Problem(model.fitted(data), data).sites}
        assert sites["beta"] == sites["z[beta]"] == (2, 2)


def test_shares_add_up_to_what_is_explained() -> None:
    sites = {site.name: site for site in problem("r2d2", Y, X).sites}
    assert sites["share[beta]"].dims == sites["beta"].dims == ("feature",)
    assert sites["shares[beta]"].internal
    drawn = numpyro.handlers.trace(numpyro.handlers.seed(problem("r2d2", Y, X).bound, 0)).get_trace()
    assert float(drawn["share[beta]"]["value"].sum()) == pytest.approx(1.0)


@pytest.mark.slow
def test_a_coefficient_of_the_horseshoe_has_its_density_at_the_median_scale() -> None:
    """P(|beta| < 1) of normal x half-Cauchy x half-Cauchy by quadrature over the two scales."""
    program = problem("horseshoe", Y[:1], X[:1, :1]).bound

    def one(key: Any) -> Any:
        with numpyro.handlers.seed(rng_seed=key), numpyro.handlers.trace() as sites:
            program()
        return sites["beta"]["value"][0]

    draws = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.PRNGKey(0), 20_000)))
    quantiles = stats.halfcauchy.ppf((np.arange(2000) + 0.5) / 2000)
    scale = 0.1 * np.multiply.outer(quantiles, quantiles)
    for bound in (0.01, 0.1, 1.0):
        exact = np.mean(stats.norm.cdf(bound / scale) * 2 - 1)
        found = np.mean(np.abs(draws) < bound)
        assert abs(found - exact) < 4 * np.sqrt(exact * (1 - exact) / len(draws)) + 1e-3  # one false alarm in 5,000


@pytest.mark.parametrize("word", SHRINKAGES)
def test_such_a_prior_stands_at_coefficients_alone(word: str) -> None:
    said = rf"^prior.loc: a {word} is a prior of all coefficients of a regression, and loc is none; choose another"
    with pytest.raises(ConfigError, match=said):
        Gaussian({"loc": SHRINKAGES[word]}, 1.0, (0.0, 1.0))


def test_no_term_has_a_prior_of_its_own_beside_it() -> None:
    table = pd.DataFrame({"y": Y, "a": X[:, 0], "b": X[:, 1]})
    priors = PRIORS | {"beta": SHRINKAGES["horseshoe"], "a": dist.Normal(0.0, 1.0)}
    model = Regression(priors, "gaussian", formula="y ~ a + b")
    with pytest.raises(ConfigError, match=r"^model.prior.a: the prior at model.prior.beta is one of all coefficients"):
        model.fitted(arranged(table, model.rows))


def test_r2d2_needs_noise_of_one_size() -> None:
    table = pd.DataFrame({"y": Y, "a": X[:, 0]})
    priors = (
        PRIORS | {"beta": SHRINKAGES["r2d2"]} | dict.fromkeys(("sigma_intercept", "sigma_beta"), PRIORS["intercept"])
    )
    model = Regression(priors, "gaussian", formula="y ~ a", formula_sigma="sigma ~ a")
    with pytest.raises(ConfigError, match=r"^model.formula_sigma: the prior at model.prior.beta is in units of sigma"):
        model.fitted(arranged(table, model.rows))


@pytest.mark.parametrize("word", SHRINKAGES)
@pytest.mark.parametrize("value", [-1.0, 0.0])
def test_a_scale_that_is_not_positive_is_refused(word: str, value: float) -> None:
    key = "precision" if word == "r2d2" else "scale"
    typed = (f"prior@model.prior.beta={word}", f"model.prior.beta.{key}={value}")
    with pytest.raises(ConfigError, match=rf"^model.prior.beta.{key}: expected a positive number, but got {value}$"):
        make_model(compose("model=regression", *typed))


def moments(name: str, y: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """The posterior mean and standard deviation of one coefficient, by quadrature over the scales and sigma."""
    grid = (np.arange(160) + 0.5) / 160
    whole, local = 0.1 * stats.halfcauchy.ppf(grid), stats.halfcauchy.ppf(grid)
    if name == "r2d2":
        spread = np.sqrt(grid / (1 - grid))
    elif name == "horseshoe":
        spread = np.quantile(np.multiply.outer(whole, local), grid)
    else:
        slab = stats.invgamma(2.0, scale=8.0).ppf((np.arange(60) + 0.5) / 60)
        free = np.multiply.outer(whole, local).ravel()[:, None]
        spread = np.quantile(free / np.sqrt(1 + free**2 / slab), (np.arange(400) + 0.5) / 400)
    weights, means, squares = [], [], []
    for sigma in 2 * stats.halfnorm.ppf((np.arange(200) + 0.5) / 200):
        unit = spread * (sigma if name == "r2d2" else 1.0)
        design = np.column_stack([np.ones_like(y), x])
        for scale in unit:
            prior = np.diag([1.0, scale**-2])
            precision = prior + design.T @ design / sigma**2
            mean = np.linalg.solve(precision, design.T @ y / sigma**2)
            log_evidence = 0.5 * (mean @ precision @ mean - y @ y / sigma**2) - len(y) * np.log(sigma)
            log_evidence += 0.5 * (np.linalg.slogdet(prior)[1] - np.linalg.slogdet(precision)[1])
            weights.append(log_evidence)
            means.append(mean[1])
            squares.append(np.linalg.inv(precision)[1, 1] + mean[1] ** 2)
    probabilities = np.exp(np.array(weights) - max(weights))
    probabilities /= probabilities.sum()
    mean = float(probabilities @ means)
    return mean, float(np.sqrt(probabilities @ squares - mean**2))


@pytest.mark.slow
@pytest.mark.parametrize("name", SHRINKAGES)
def test_the_posterior_is_that_of_quadrature(
    name: str, infer: Callable[..., Result], z_score: Callable[..., Any]
) -> None:
    y, x = Y[:12] - X[:12, 1:] @ TRUTH[1:] - 1.6 * X[:12, 0], X[:12, :1]  # a coefficient of about 0.4
    mean, sd = moments(name, y, x)
    beta = infer(problem(name, y, x), "nuts", draws=5000, target_accept=0.99).tree["posterior"]["beta"].isel(feature=0)
    assert abs(z_score(beta, mean)) < 4
    assert float(beta.std()) == pytest.approx(sd, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHRINKAGES)
def test_a_sparse_problem_has_the_answer_of_the_program_by_hand(name: str, infer: Callable[..., Result]) -> None:
    """Means within 4 joint Monte Carlo errors, of chains that NumPyro runs by itself; the zeros are shrunk."""
    ours = infer(problem(name, Y, X), "nuts", draws=2000, target_accept=0.95).tree["posterior"]["beta"]
    kernel = numpyro.infer.NUTS(by_hand, target_accept_prob=0.95)
    way = {"num_chains": 4, "chain_method": "sequential", "progress_bar": False}
    chains = numpyro.infer.MCMC(kernel, num_warmup=1000, num_samples=2000, **way)
    chains.run(jax.random.PRNGKey(1), name, Y, X)
    found = chains.get_samples()
    unit = found["sigma"][:, None] if name == "r2d2" else 1.0
    theirs = np.asarray(unit * found["z[beta]"] * scales_of(name, found)).reshape(4, 2000, COLUMNS)
    for j in range(COLUMNS):
        own, other = _mean_and_error(ours[..., j].to_numpy()), _mean_and_error(theirs[..., j])
        assert abs(own[0] - other[0]) < 4 * np.hypot(own[1], other[1])
    means = ours.mean(("chain", "draw")).to_numpy()
    least_squares = np.linalg.lstsq(np.column_stack([np.ones(ROWS), X]), Y, rcond=None)[0][1:]
    assert np.abs(means[3:]).sum() < 0.9 * np.abs(least_squares[3:]).sum()
    assert np.abs(means[:3] - least_squares[:3]).max() < 0.1


def scales_of(name: str, found: dict[str, Any]) -> Any:
    if name == "r2d2":
        r2 = found["r2[beta]"][:, None]
        return jnp.sqrt(found["shares[beta]"] * r2 / (1 - r2))
    free = found["global[beta]"][:, None] * found["local[beta]"]
    return free / jnp.sqrt(1 + free**2 / found["slab2[beta]"][:, None]) if name == "regularised_horseshoe" else free


def _mean_and_error(draws: np.ndarray) -> tuple[float, float]:
    return float(draws.mean()), float(array_stats.mcse(draws, method="mean"))
