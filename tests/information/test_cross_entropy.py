"""Cross entropies by hand, at the ends of the numbers, and entropies by every way to compute them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.special import expit, softmax

from credo.errors import ConfigError
from credo.information.cross_entropy import binary, categorical, entropy

pytestmark = pytest.mark.slow  # `make proofs` runs them

RNG = np.random.default_rng(3)


def test_binary_by_hand() -> None:
    t, logits = RNG.uniform(size=20), RNG.normal(size=20)
    p = expit(logits)
    by_hand = -t * np.log(p) - (1 - t) * np.log(1 - p)
    np.testing.assert_allclose(binary(t, logits=logits), by_hand, rtol=1e-12)
    np.testing.assert_allclose(binary(t, probs=p), by_hand, rtol=1e-12)
    np.testing.assert_array_equal(binary(np.array([0, 1, True]), probs=[0.5, 0.5, 1.0]), [np.log(2), np.log(2), 0])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_binary_at_the_ends(dtype: Any) -> None:
    logits = jnp.array([1e4, -1e4, 1e4, -1e4], dtype)
    t = jnp.array([1, 0, 0, 1], dtype)
    np.testing.assert_array_equal(binary(t, logits=logits), [0, 0, 1e4, 1e4])
    np.testing.assert_array_equal(jax.grad(lambda x: binary(t, logits=x).sum())(logits), [0, 0, 1, -1])
    sure = jnp.array([1.0, 0.0], dtype)
    np.testing.assert_array_equal(binary(sure, probs=sure), [0, 0])
    np.testing.assert_array_equal(jax.grad(lambda p: binary(sure, probs=p).sum())(sure), [-1, 1])
    np.testing.assert_array_equal(binary(1 - sure, probs=sure), [np.inf, np.inf])
    np.testing.assert_array_equal(binary([1.0, 0.0], logits=[np.inf, -np.inf]), [0, 0])


def test_categorical_by_hand() -> None:
    logits, t = RNG.normal(size=(5, 4)), RNG.dirichlet(np.ones(4), 5)
    p = softmax(logits, axis=-1)
    np.testing.assert_allclose(categorical(t, logits=logits), -(t * np.log(p)).sum(-1), rtol=1e-12)
    np.testing.assert_allclose(categorical(t, probs=p), -(t * np.log(p)).sum(-1), rtol=1e-12)
    labels = np.array([0, 3, 1, 2, 2])
    np.testing.assert_allclose(categorical(labels, logits=logits), -np.log(p[np.arange(5), labels]), rtol=1e-12)
    both = binary(t[:, 0], logits=logits[:, 0])
    pair = np.stack([logits[:, 0], np.zeros(5)], axis=1)
    np.testing.assert_allclose(categorical(np.stack([t[:, 0], 1 - t[:, 0]], axis=1), logits=pair), both, rtol=1e-12)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_categorical_at_the_ends(dtype: Any) -> None:
    logits = jnp.array([[1e4, -1e4, 0.0], [1e4, -1e4, -jnp.inf]], dtype)
    np.testing.assert_array_equal(categorical(jnp.array([0, 1]), logits=logits), [0, 2e4])
    slope = jax.grad(lambda x: categorical(jnp.array([0, 1]), logits=x).sum())(logits[:, :2])
    np.testing.assert_array_equal(slope, [[0, 0], [1, -1]])
    sure = jnp.array([0.0, 1.0], dtype)
    assert categorical(sure, probs=sure) == 0
    np.testing.assert_array_equal(jax.grad(lambda p: categorical(sure, probs=p))(sure), [0, -1])


@pytest.mark.parametrize(
    ("make", "exact"),
    [
        (lambda: dist.Normal(0, 2), 0.5 * np.log(2 * np.pi * np.e * 4)),
        (lambda: dist.Bernoulli(0.3), -0.3 * np.log(0.3) - 0.7 * np.log(0.7)),
        (lambda: dist.Bernoulli(1.0), 0.0),
        (lambda: dist.HalfNormal(1.0), 0.5 * np.log(np.pi * np.e / 2)),
        (lambda: dist.Kumaraswamy(1.0, 1.0), 0.0),
        (lambda: dist.Normal(jnp.zeros(3), 1).to_event(1), 1.5 * np.log(2 * np.pi * np.e)),
    ],
)
def test_entropy(make: Callable[[], Any], exact: float) -> None:
    found = entropy(make())
    assert float(found.value) == pytest.approx(exact, abs=1e-9)
    assert float(found.error) < 1e-9


def test_entropy_by_monte_carlo() -> None:
    """Three peaks far apart in three dimensions; 4 standard errors, which right draws miss once in 16,000 times."""
    peaks = dist.Normal(100 * jnp.eye(3), 1.0).to_event(1)
    p = dist.MixtureSameFamily(dist.Categorical(jnp.full(3, 1 / 3)), peaks)
    value, error = entropy(p, key=jax.random.key(0))
    assert abs(value - (np.log(3) + 1.5 * np.log(2 * np.pi * np.e))) < 4 * error
    assert error == pytest.approx(np.sqrt(1.5 / 10_000), rel=0.1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: binary([1.0]), r"^cross_entropy: expected either logits or probs"),
        (lambda: binary([1.0], logits=[0.0], probs=[0.5]), r"^cross_entropy: expected either"),
        (lambda: categorical([[0.5, 0.5]], logits=[[0.0, 0.0, 0.0]]), r"^cross_entropy\.targets: .* \(1, 3\), but got"),
        (lambda: categorical([0.5], logits=[[0.0, 0.0]]), r"^cross_entropy\.targets: .* float64 of shape \(1,\)$"),
    ],
)
def test_refusals(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call()
