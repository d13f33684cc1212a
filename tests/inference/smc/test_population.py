"""Temperatures, weights, resampling and ancestors of particles against exact numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from credo.inference.smc.population import effective, founders, next_beta, resampled, spread


def test_equal_weights_are_all_effective():
    assert float(effective(jnp.full(8, -3.0))) == pytest.approx(8)
    assert float(effective(jnp.array([0.0, -jnp.inf, -jnp.inf]))) == pytest.approx(1)


def test_the_next_temperature_leaves_the_share_that_was_asked_for():
    log_likelihood = -0.5 * jax.random.normal(jax.random.PRNGKey(0), (1000,)) ** 2 * 1e6
    beta = next_beta(log_likelihood, jnp.zeros(()), jnp.asarray(0.6))
    assert 0 < float(beta) < 1
    assert float(effective(beta * log_likelihood)) == pytest.approx(600, rel=1e-3)


def test_particles_without_a_likelihood_do_not_count():
    log_likelihood = jnp.where(jnp.arange(100) < 10, 0.0, -jnp.inf)
    assert float(next_beta(log_likelihood, jnp.zeros(()), jnp.asarray(0.5))) == 1


def test_resampling_takes_each_as_often_as_its_weight_says():
    weight = np.array([0.5, 0.25, 0.125, 0.125] * 2) / 2
    chosen = np.asarray(resampled(jnp.log(weight) + 7.0, jax.random.PRNGKey(1)))
    assert np.all(np.abs(np.bincount(chosen, minlength=8) - 8 * weight) < 1)


def test_a_spread_is_a_root_of_the_covariance():
    z = jax.random.normal(jax.random.PRNGKey(0), (50_000, 2)) @ jnp.array([[1.0, 0.9], [0.0, 0.1]])
    root = spread(z, jnp.zeros(len(z)))
    assert np.asarray(root @ root.T) == pytest.approx(np.cov(z.T), rel=2e-2)


def test_particles_on_a_line_have_a_diagonal_spread():
    z = jnp.tile(jnp.array([1.0, 2.0]), (10, 1))
    assert np.isfinite(np.asarray(spread(z, jnp.zeros(10)))).all()


def test_founders_count_those_from_which_all_descend():
    assert float(founders(jnp.arange(10))) == pytest.approx(10)
    assert float(founders(jnp.zeros(10, int))) == pytest.approx(1)
    assert float(founders(jnp.array([0, 0, 1, 1]))) == pytest.approx(2)
