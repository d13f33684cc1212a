"""The path from the prior to the posterior: both parts of the density, draws of the prior, and what has no path."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from scipy import stats

from credo.errors import ConfigError
from credo.inference.density import potential, prior_and_likelihood
from credo.inference.smc.path import draw, flat
from credo.models import priors
from credo.models.gaussian import Gaussian
from credo.models.problem import Problem
from credo.models.program import Program

Y = [1.2, 0.7, -0.3, 2.1]


def rows(y=Y):
    return xr.Dataset({"y": ("obs", np.asarray(y, float))})


def of_program(function, y=Y):
    return Problem(Program(f"{__name__}:{function.__name__}", {}), rows(y))


def with_factor(y):
    sigma = numpyro.sample("sigma", dist.HalfNormal(2.0))
    numpyro.factor("more", -3.0 * sigma)
    numpyro.sample("y", dist.Normal(0.0, sigma), obs=y)


def with_gaps(y):
    known = np.array([True, False, True, False])
    numpyro.sample("y", dist.Normal(5.0 * jnp.ones(4), 0.1), obs=y, obs_mask=known)


def half_hidden(y):
    with numpyro.handlers.mask(mask=np.array([True, False])):
        x = numpyro.sample("x", dist.Normal(0.0, 1.0).expand([2]))
    numpyro.sample("y", dist.Normal(x.sum(), 1.0), obs=y)


def weighted(y):
    with numpyro.handlers.scale(scale=2.0):
        x = numpyro.sample("x", dist.Normal(0.0, 1.0))
    numpyro.sample("y", dist.Normal(x, 1.0), obs=y)


def test_the_parts_are_prior_with_jacobian_and_likelihood_with_factors():
    problem, z = of_program(with_factor), {"sigma": jnp.asarray(0.4)}
    log_prior, log_likelihood = prior_and_likelihood(problem.bound, z)
    sigma = np.exp(0.4)
    assert float(log_prior) == pytest.approx(stats.halfnorm(scale=2).logpdf(sigma) + 0.4, abs=1e-6)
    assert float(log_likelihood) == pytest.approx(stats.norm(0, sigma).logpdf(Y).sum() - 3 * sigma, abs=1e-5)
    assert float(log_prior + log_likelihood) == pytest.approx(-float(potential(problem.bound)(z)), abs=1e-5)


def test_a_draw_has_the_law_of_its_density_where_entries_are_padding():
    keys = jax.random.split(jax.random.PRNGKey(0), 2000)
    z = np.asarray(jax.vmap(lambda key: draw(of_program(with_gaps).bound, key)["y_unobserved"])(keys))
    assert stats.kstest(z[:, 0], stats.norm(0, 1).cdf).pvalue > 1e-3
    assert stats.kstest(z[:, 1], stats.norm(5, 0.1).cdf).pvalue > 1e-3


def test_a_flat_draw_has_all_scalars():
    problem = Problem(Gaussian({"loc": dist.Normal(0.0, 2.0), "sigma": dist.HalfNormal(1.0)}, None, (0.0, 1.0)), rows())
    assert flat(problem.bound, jax.random.PRNGKey(0)).shape == (2,)


@pytest.mark.parametrize("word", ["smc", "tempering", "nested"])
@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (lambda: of_program(half_hidden), "that of x is masked or scaled, so that its .* use inference=nuts"),
        (lambda: of_program(weighted), "that of x is masked or scaled, so that its .* use inference=nuts"),
        (
            lambda: Problem(Gaussian({"loc": priors.flat("real")}, 1.0, (0.0, 1.0)), rows()),
            "that of loc is improper; give it a proper one, or use inference=nuts",
        ),
        (
            lambda: Problem(Gaussian({"loc": dist.Bernoulli(0.5)}, 1.0, (0.0, 1.0)), rows()),
            "moves continuous latents only, but hypothesis is discrete; use inference=mh",
        ),
    ],
)
def test_what_has_no_path_is_refused(word, problem, sentence, method):
    with pytest.raises(ConfigError, match=f"^inference={word} .*{sentence}$"):
        method(word).check(problem())
