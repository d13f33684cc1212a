"""Log Z by bridge sampling: closed forms, calibrated errors of independent and dependent draws, and what is refused.

The mean square of the standard scores of 64 seeds is within 0.5 and 1.75: of 64 normal scores it has the standard
deviation 0.18. The seeds are fixed.
"""

from math import log

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from jax import Array, lax
from scipy.special import expit

from credo.energies.normaliser import bridge
from credo.energies.polynomial import Polynomial
from credo.energies.quadratic import Quadratic
from credo.energies.samplers.mala import Mala
from credo.errors import ConfigError

SEEDS = 64


def test_double_well_by_mala() -> None:
    well, sampler = Polynomial([1.0, -2.0, 1.0], (0, 2, 4)), Mala(2, 0.5)
    start = sampler.start(well, jax.random.normal(jax.random.PRNGKey(0), (20, 1)))

    @eqx.filter_jit
    def draws(key: Array) -> Array:
        walkers, _ = sampler.run(well, start, key, 200, adapt=True)
        return sampler.draws(well, walkers, key, 500)[1].swapaxes(0, 1)

    x = draws(jax.random.PRNGKey(1))
    flat = x.reshape(-1, 1)
    beside = dist.MultivariateNormal(flat.mean(0), jnp.atleast_2d(jnp.cov(flat, rowvar=False)))
    found = bridge.log_z(well, beside, x, jax.random.PRNGKey(2))
    assert found.error < 0.03
    assert abs(found.log_z - log(1.9737321500898242)) < 4.5 * found.error


@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_errors_are_calibrated(rho: float) -> None:
    """Draws of a normal distribution, independent or of an autoregression, and a density beside it."""
    energy = Quadratic([0.5, 0.0], [[1.0, 0.3], [0.3, 2.0]])
    factor = jnp.linalg.cholesky(jnp.linalg.inv(energy.precision))
    density = dist.MultivariateNormal(jnp.zeros(2), jnp.eye(2))

    def one(key: Array) -> bridge.Bridge:
        draw_key, key = jax.random.split(key)
        z = jax.random.normal(draw_key, (500, 4, 2))

        def step(x: Array, z: Array) -> tuple[Array, Array]:
            x = rho * x + np.sqrt(1 - rho**2) * z
            return x, x

        _, x = lax.scan(step, z[0], z)
        return bridge.log_z(energy, density, energy.mu + x.swapaxes(0, 1) @ factor.T, key, count=1000)

    found = jax.jit(jax.vmap(one))(jax.random.split(jax.random.PRNGKey(4), SEEDS))
    scores = (found.log_z - energy.log_z()) / found.error
    assert 0.5 < np.mean(np.square(scores)) < 1.75
    assert abs(np.mean(scores)) < 4 / np.sqrt(SEEDS)


def test_a_density_that_is_the_target_has_no_error() -> None:
    energy = Quadratic([0.0], [[4.0]])
    density = dist.Normal(jnp.zeros(1), 0.5).to_event(1)
    x = density.sample(jax.random.PRNGKey(0), (2, 50))
    found = bridge.log_z(energy, density, x, jax.random.PRNGKey(1))
    assert found.log_z == pytest.approx(float(energy.log_z()), abs=1e-12)
    assert found.error == pytest.approx(0.0, abs=1e-12)


def test_the_fixed_point_of_meng_and_wong() -> None:
    rng = np.random.default_rng(3)
    l_g, l_p = rng.normal(1.0, 1.0, 300), rng.normal(2.0, 1.0, 200)
    found = bridge.ratio(jnp.asarray(l_g), jnp.asarray(l_p))
    c = 0.0
    for _ in range(200):
        # numerator and denominator of their equation (4.1), with s_1 = 200 / 500 for the target
        up, down = 0.4 * np.exp(l_g) + 0.6 * np.exp(c), 0.4 * np.exp(l_p) + 0.6 * np.exp(c)
        c = np.log(np.mean(np.exp(l_g) / up) / np.mean(1 / down))
    assert found.log_z == pytest.approx(c, rel=1e-10)
    m = np.log(200 / 300)
    g, p = expit(l_g - c + m), expit(c - l_p - m)
    expected = g.var() / g.mean() ** 2 / 300 + p.var() / p.mean() ** 2 / 200
    assert found.error == pytest.approx(np.sqrt(expected), rel=1e-10)


def test_draws_outside_of_the_support_count_as_such() -> None:
    # half of the density's draws are where exp(-E) is 0
    l_g = jnp.where(jnp.arange(1000) < 500, -jnp.inf, 0.0)
    assert bridge.ratio(l_g, jnp.zeros(1000)).log_z == pytest.approx(log(0.5), abs=1e-6)


def test_correlation_time_of_an_autoregression() -> None:
    rng = np.random.default_rng(0)
    x, values = rng.normal(size=50), []
    for _ in range(2000):
        x = 0.8 * x + 0.6 * rng.normal(size=50)
        values.append(x)
    assert bridge.correlation_time(jnp.asarray(values).T) == pytest.approx(9.0, rel=0.1)
    assert bridge.correlation_time(jnp.ones((4, 100))) == 1


def test_draws_of_another_shape_are_refused() -> None:
    energy = Quadratic([0.0], [[4.0]])
    with pytest.raises(ConfigError, match=r"evidence\.draws: expected .* \[chain, draw, 1\], but got \(5, 1\)"):
        bridge.log_z(energy, dist.Normal(jnp.zeros(1), 1).to_event(1), jnp.zeros((5, 1)), jax.random.PRNGKey(0))
