"""An earlier posterior as a prior: a density, a distribution that is drawn from, and the place in a program."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from scipy.stats import multivariate_normal

from credo.inference.density import potential
from credo.inference.mixture_fit import Components, fit, log_density, nearness
from credo.models.earlier import Earlier, Mixture
from credo.models.problem import Problem
from credo.models.program import Program

SITES = (("mu", 1), ("scale", 1), ("share", 2))


def three(y):
    """Latents on three supports; the second depends on the first, and the last is a simplex."""
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    numpyro.sample("scale", dist.LogNormal(mu, 1.0))
    numpyro.sample("share", dist.Dirichlet(jnp.ones(3)))
    with numpyro.plate("rows", len(y)):
        numpyro.sample("y", dist.Normal(0.0, 1.0), obs=y)


@pytest.fixture(scope="module")
def mixture():
    random = np.random.default_rng(0)
    scales = np.tril(random.normal(size=(2, 4, 4)) / 4) + np.eye(4)
    return Components(np.log([0.3, 0.7]), np.array([[-1.0, 0.0, 1.0, 0.0], [2.0, 1.0, 0.0, -1.0]]), scales)


@pytest.fixture(scope="module")
def problem(mixture):
    model = Program(f"{__name__}:three", {})
    return Problem(model, xr.Dataset({"y": ("obs", [0.0])}), earlier=Earlier(Mixture(*mixture, SITES), {}))


def test_the_density_of_a_program_is_that_of_the_mixture_and_the_data(problem, mixture):
    log_joint = jax.jit(lambda z: -potential(problem.bound)(z))
    for z in np.random.default_rng(1).normal(size=(5, 4)):
        at = {"mu": z[0], "scale": z[1], "share": z[2:]}
        components = zip(*mixture, strict=True)
        expected = np.logaddexp(
            *(w + multivariate_normal.logpdf(z, mean, scale @ scale.T) for w, mean, scale in components)
        )
        assert float(log_joint(at)) == pytest.approx(expected - np.log(2 * np.pi) / 2)
        assert log_density(mixture, z[None])[0] == pytest.approx(expected)


def test_draws_of_the_prior_have_the_moments_of_the_mixture(problem, mixture):
    """Of 4000 draws, each moment is within four standard errors, but once in 16,000 times."""

    def one(key):
        from numpyro import handlers

        found = handlers.trace(handlers.seed(problem.bound, key)).get_trace()
        share = dist.biject_to(dist.constraints.simplex).inv(found["share"]["value"])
        return jnp.concatenate([jnp.stack([found["mu"]["value"], jnp.log(found["scale"]["value"])]), share])

    z = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.PRNGKey(0), 4000)))
    weights = np.exp(mixture.log_weights)
    mean = weights @ mixture.means
    second = sum(w * (s @ s.T + np.outer(m, m)) for w, m, s in zip(weights, mixture.means, mixture.scales, strict=True))
    errors = 4 * z.std(axis=0) / np.sqrt(len(z))
    assert (abs(z.mean(axis=0) - mean) < errors).all()
    products = z[:, :, None] * z[:, None, :]
    assert (abs(products.mean(axis=0) - second) < 4 * products.std(axis=0) / np.sqrt(len(z))).all()


def test_sites_keep_their_shapes_and_supports_and_have_a_proper_prior(problem):
    plain = Problem(problem.model, problem.data)
    for one, other in zip(problem.latents, plain.latents, strict=True):
        assert (one.name, one.shape, one.dims, one.support) == (other.name, other.shape, other.dims, other.support)
        assert one.distribution == "EarlierPosterior"
        assert not one.improper


def test_as_many_components_are_fitted_as_held_out_draws_ask_for():
    random = np.random.default_rng(0)
    normal = random.normal(size=(2000, 2))
    assert len(fit(normal).means) == 1
    two = np.concatenate([normal[:1000] / 5, 3 + normal[1000:]])
    random.shuffle(two)
    found = fit(two)
    assert len(found.means) >= 2
    np.testing.assert_allclose(np.exp(found.log_weights).sum(), 1)


def test_a_mixture_that_is_not_near_is_told():
    random = np.random.default_rng(0)
    z = random.standard_t(3, size=(4000, 1))
    log_p = -2 * np.log1p(z[:, 0] ** 2 / 3)
    narrow = Components(np.zeros(1), np.zeros((1, 1)), np.ones((1, 1, 1)))
    assert nearness(log_density(narrow, z), log_p)["divergence"] > 0.05
    wide = narrow._replace(scales=np.full((1, 1, 1), 20.0))
    assert nearness(log_density(wide, z[:, :1] / 9), -(z[:, 0] ** 2))["pareto_k"] > 0.7
    normal = random.normal(size=(4000, 1))
    close = nearness(log_density(fit(normal), normal), -(normal[:, 0] ** 2) / 2)
    assert close["pareto_k"] < 0.5
    assert 0 <= close["divergence"] < 0.01
    assert np.isnan(nearness(log_density(narrow, z), None)["pareto_k"])
