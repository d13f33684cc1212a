"""InfoNCE: its formula, its ends, and the best critic's value."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from credo.errors import ConfigError
from credo.information.mutual_information import infonce

RNG = np.random.default_rng(5)
K = 128


def test_by_hand() -> None:
    scores = RNG.normal(size=(6, 6))
    rows = np.mean(np.log(np.exp(np.diag(scores)) / np.exp(scores).mean(1)))
    columns = np.mean(np.log(np.exp(np.diag(scores)) / np.exp(scores).mean(0)))
    assert float(infonce(jnp.asarray(scores))) == pytest.approx(rows, rel=1e-12)
    assert float(infonce(jnp.asarray(scores), symmetric=True)) == pytest.approx((rows + columns) / 2, rel=1e-12)
    shifted = scores + RNG.normal(size=(6, 1))
    assert float(infonce(jnp.asarray(shifted))) == pytest.approx(rows, rel=1e-12)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_never_above_ln_k(dtype: Any) -> None:
    sure = 1e4 * jnp.eye(K, dtype=dtype)
    assert infonce(sure) <= dtype(np.log(K))
    assert infonce(sure) == pytest.approx(np.log(K), rel=1e-6)
    assert infonce(jnp.zeros((K, K), dtype)) == pytest.approx(0, abs=1e-6)
    assert np.isfinite(infonce(-sure))
    assert infonce(jnp.zeros((1, 1), dtype)) == 0


@pytest.mark.parametrize("mi", [2, 6])
def test_the_best_critic_reaches_the_reference(mi: int, reference: Callable[[str], Any]) -> None:
    """200 batches against the reference's own mean and error; 4 standard errors of both, missed once in 16,000."""
    known = reference("closed_forms.json")["infonce_20d_correlated_gaussian"][f"MI{mi}"]
    rho, (mean, error) = known["rho"], known["InfoNCE_optimal_K128"]

    def one(key: jax.Array) -> jax.Array:
        x, e = jax.random.normal(key, (2, K, 20))
        y = rho * x + jnp.sqrt(1 - rho**2) * e
        square = -0.5 * ((y[None] - rho * x[:, None]) ** 2).sum(-1) / (1 - rho**2) + 0.5 * (y**2).sum(-1)
        return infonce(square)

    values = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 200)))
    assert values.max() <= known["logK_128"]
    assert abs(values.mean() - mean) < 4 * np.hypot(values.std() / np.sqrt(len(values)), error)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 0), (2, 2, 2)])
def test_scores_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"^infonce\.scores: expected all pairs of K, of shape \(K, K\), but got"):
        infonce(jnp.zeros(shape))
