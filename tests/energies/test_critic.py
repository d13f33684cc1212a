"""Energies of pairs: scores and energies agree, similarities mean what they say, and what is refused."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from credo.energies.base import Given
from credo.energies.critic import SIMILARITIES, Critic, Joint, Separable
from credo.errors import ConfigError

KEY = jax.random.key(0)
RNG = np.random.default_rng(1)
X, Y = jnp.asarray(RNG.normal(size=(5, 3))), jnp.asarray(RNG.normal(size=(5, 2)))
SETTINGS: dict[str, Any] = {"temperature": 0.5, "dtype": jnp.float64, "key": KEY}

CRITICS: dict[str, Callable[[], Critic]] = {
    **{
        word: lambda word=word: Separable(3, 2, (8,), embedding=4, similarity=word, **SETTINGS)  # type: ignore[misc]
        for word in SIMILARITIES
    },
    "joint": lambda: Joint(3, 2, (8, 8), **SETTINGS),
}


@pytest.fixture(params=CRITICS)
def critic(request: pytest.FixtureRequest) -> Critic:
    return CRITICS[request.param]()


def test_scores_are_minus_the_energies(critic: Critic) -> None:
    scores = eqx.filter_jit(lambda one: one.scores(X, Y[:4]))(critic)
    given = eqx.filter_jit(lambda one: (Given(one, (X,)).table(Y[:4]), Given(one, (X[:4],)).batch(Y[:4])))(critic)
    np.testing.assert_allclose(given[0], -scores, rtol=1e-12)
    np.testing.assert_allclose(given[1], -jnp.diagonal(scores), rtol=1e-12)
    assert critic(Y[1], X[2]) == pytest.approx(-float(scores[2, 1]), rel=1e-12)
    assert critic.dim == 2


def test_gradients(critic: Critic) -> None:
    assert all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(critic))
    check_grads(lambda y, x: critic(y, x), (Y[0], X[0]), order=1, modes=["rev"])
    slopes = jax.grad(lambda one: one(Y[0], X[0]))(critic)
    assert (slopes.log_temperature != 0) == critic.learn_temperature


def test_similarities_by_hand() -> None:
    dot, cosine, bilinear = (CRITICS[word]() for word in SIMILARITIES)
    assert isinstance(dot, Separable)
    assert isinstance(bilinear, Separable)
    g, h = jax.vmap(dot.of_x)(X), jax.vmap(dot.of_y)(Y)
    np.testing.assert_allclose(dot.scores(X, Y), 2 * g @ h.T, rtol=1e-12)
    lengths = jnp.linalg.norm(g, axis=1)[:, None] * jnp.linalg.norm(h, axis=1)
    np.testing.assert_allclose(cosine.scores(X, Y), 2 * g @ h.T / lengths, rtol=1e-12)
    np.testing.assert_allclose(bilinear.scores(X, Y), dot.scores(X, Y), rtol=1e-12)
    w = RNG.normal(size=(4, 4))
    turned = eqx.tree_at(lambda one: one.weight, bilinear, jnp.asarray(w))
    np.testing.assert_allclose(turned.scores(X, Y), 2 * g @ w @ h.T, rtol=1e-12)


def test_a_fixed_temperature_has_no_gradient() -> None:
    fixed = Separable(3, 2, (8,), learn_temperature=False, **SETTINGS)
    assert fixed.temperature == pytest.approx(0.5)
    assert jax.grad(lambda one: one(Y[0], X[0]))(fixed).log_temperature == 0


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Separable(3, 2, (8,), similarity="l2", key=KEY), r"^energy\.similarity: .*'l2'"),
        (lambda: Separable(3, 2, (8,), temperature=0.0, key=KEY), r"^energy\.temperature: .* positive number.* 0\.0$"),
        (lambda: Joint(3, 2, (8,), temperature=float("nan"), key=KEY), r"^energy\.temperature"),
        (lambda: Separable(3, 2, (8,), embedding=0, key=KEY), r"^energy\.x: expected outputs of at least 1"),
        (lambda: Separable(3, 0, (8,), key=KEY), r"^energy\.y: expected inputs of at least 1"),
        (lambda: Joint(0, 2, (8,), key=KEY), r"^energy: expected features of at least 1"),
        (lambda: CRITICS["joint"]()(Y, X), r"batches go through jax\.vmap"),
        (lambda: CRITICS["joint"]()(X[0], Y[0]), r"^energy: expected a state of shape \(2,\), but got \(3,\)"),
        (lambda: CRITICS["dot"]().scores(X[0], Y), r"^energy: expected rows x of shape \(K, 3\), but got \(3,\)$"),
        (lambda: CRITICS["joint"]().scores(X, X), r"^energy: expected rows y of shape \(K, 2\), but got \(5, 3\)$"),
    ],
)
def test_refusals(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call()
