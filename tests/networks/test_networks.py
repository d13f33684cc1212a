"""Networks: shapes, weights, what FiLM leaves alone, and what is refused."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from credo.errors import ConfigError
from credo.networks import convolution, functional, resize
from credo.networks.conv import Encoder
from credo.networks.convolution import Window
from credo.networks.film import FiLM
from credo.networks.mlp import MLP, NORMS
from credo.networks.unet import UNet

pytestmark = pytest.mark.slow  # `make proofs` runs them

KEY = jax.random.key(0)

WINDOWS = {
    "same": Window(),
    "one pixel": Window(1, 1, 0),
    "strided": Window((3, 5), (2, 1), (2, 1), (1, 2)),
    "groups": Window(3, 1, 1, groups=2),
}


@pytest.mark.parametrize("word", WINDOWS)
@pytest.mark.parametrize("bias", [True, False])
def test_small_convolutions_as_products(word: str, bias: bool) -> None:
    layer = eqx.nn.Conv2d(4, 6, *WINDOWS[word], use_bias=bias, dtype=float, key=KEY)
    x = jax.random.normal(KEY, (4, 9, 10))
    np.testing.assert_allclose(convolution.convolved(layer, x), layer(x), rtol=1e-12, atol=1e-12)


NETWORKS: dict[str, tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...]]] = {
    "mlp": (lambda **dtype: MLP(3, 2, (8, 5), key=KEY, **dtype), (3,), (2,)),
    "mlp, layer norm, residual": (
        lambda **dtype: MLP(3, 2, (8, 8, 8), norm="layer", residual=True, activation="tanh", key=KEY, **dtype),
        (3,),
        (2,),
    ),
    "mlp, group norm": (
        lambda **dtype: MLP(3, 2, (6, 9), norm="group", groups=3, activation="relu", key=KEY, **dtype),
        (3,),
        (2,),
    ),
    "encoder": (lambda **dtype: Encoder((1, 9, 7), 4, (4, 6), norm_groups=2, key=KEY, **dtype), (1, 9, 7), (4,)),
    "encoder, resized, strided": (
        lambda **dtype: Encoder(
            (2, 5, 3),
            3,
            (4, 4),
            Window((3, 2), (2, 1), (0, 1), groups=2),
            norm_groups=4,
            pool=1,
            resize=(11, 8),
            activation="gelu",
            key=KEY,
            **dtype,
        ),
        (2, 5, 3),
        (3,),
    ),
    "unet": (
        lambda **dtype: UNet((2, 9, 7), 1, (4, 6, 8), norm_groups=2, activation="silu", key=KEY, **dtype),
        (2, 9, 7),
        (1, 9, 7),
    ),
    "unet of one level": (lambda **dtype: UNet((1, 3, 3), 2, (4,), kernel=1, key=KEY, **dtype), (1, 3, 3), (2, 3, 3)),
}


def numbers(*shape: int, dtype: Any = jnp.float32, seed: int = 1) -> Array:
    return jax.random.normal(jax.random.key(seed), shape, dtype)


LONG = ("encoder, resized, strided", "unet")
"""Networks that take long to compile, which are proofs."""


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in NETWORKS])
def network(request: pytest.FixtureRequest) -> tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...]]:
    return NETWORKS[request.param]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_every_leaf_is_an_array_of_one_dtype_and_so_is_the_output(network: Any, dtype: Any) -> None:
    make, shape, out = network
    net = make(dtype=dtype)
    assert {leaf.dtype for leaf in jax.tree.leaves(net)} == {jnp.dtype(dtype)}
    value = eqx.filter_jit(net)(numbers(*shape, dtype=dtype))
    assert (value.shape, value.dtype) == (out, dtype)
    assert make() == make()


def test_single_precision_is_the_default(network: Any) -> None:
    make, _, _ = network
    assert {leaf.dtype for leaf in jax.tree.leaves(make())} == {jnp.dtype(jnp.float32)}


def test_film_starts_as_the_trunk_to_the_bit(network: Any) -> None:
    make, shape, _ = network
    trunk = make()
    film = FiLM(trunk, 3, (5,), key=KEY)
    x, context = numbers(17, *shape), 100 * numbers(17, 3, seed=2)
    for gamma, beta in film.films(context[0]):
        assert np.all(np.asarray(gamma) == 1)
        assert np.all(np.asarray(beta) == 0)
    np.testing.assert_array_equal(film(x[0], context[0]), trunk(x[0]))
    together = jax.jit(lambda film, x, c: jax.vmap(film)(x, c))(film, x, context)
    np.testing.assert_array_equal(together, jax.jit(lambda trunk, x: jax.vmap(trunk)(x))(trunk, x))


def test_film_learns_from_the_first_step_and_then_differs_by_context(network: Any) -> None:
    make, shape, _ = network
    film, x = FiLM(make(), 2, (5,), key=KEY), numbers(*shape)
    slopes = jax.jit(jax.grad(lambda film: jnp.sum(film(x, numbers(2)) ** 2)))(film)
    moved = jax.tree.map(lambda weight, slope: weight - 0.1 * slope, film, slopes)
    for gamma, beta in moved.films(numbers(2)):
        assert np.any(np.asarray(gamma) != 1)
        assert np.any(np.asarray(beta) != 0)
    call = eqx.filter_jit(moved)
    assert not np.array_equal(call(x, numbers(2)), call(x, -numbers(2)))


def test_film_scales_and_shifts_each_channel() -> None:
    x, gamma, beta = numbers(3, 4, 5), numbers(3, seed=2), numbers(3, seed=3)
    expected = np.stack([g * a + b for a, g, b in zip(x, gamma, beta, strict=True)])
    np.testing.assert_allclose(functional.film(x, gamma, beta), expected, rtol=1e-6)


def test_gradients_are_finite_at_a_zero_input(network: Any) -> None:
    make, shape, _ = network
    slopes = jax.jit(jax.grad(lambda net, x: jnp.sum(net(x)), (0, 1)))(make(), jnp.zeros(shape, jnp.float32))
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(slopes))


def test_masked_rows_change_nothing(network: Any) -> None:
    make, shape, _ = network
    net, x, mask = make(), numbers(6, *shape), np.array([True, False, True, True, False, True])

    @jax.jit
    def slopes(net: Any, x: Array, mask: Array) -> Any:
        def loss(net: Any) -> Array:
            each = jax.vmap(lambda row: jnp.sum(net(row) ** 2))(x)
            return jnp.sum(jnp.where(mask, each, 0))

        return jax.value_and_grad(loss)(net)

    other = jnp.where(mask.reshape(-1, *[1] * len(shape)), x, 1e4)
    ours, others = slopes(net, x, mask), slopes(net, other, mask)
    alone = slopes(net, x[mask], jnp.ones(4, bool))
    for a, b, c in zip(*map(jax.tree.leaves, (ours, others, alone)), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, c, rtol=1e-4, atol=1e-4)


def test_softmax_of_masked_rows() -> None:
    x, mask = numbers(3, 5), np.array([[1, 1, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]], bool)
    chances = np.asarray(jax.nn.softmax(x, where=jnp.asarray(mask)))
    np.testing.assert_array_equal(chances[~mask], 0)
    np.testing.assert_allclose(chances[:2].sum(1), 1, rtol=1e-6)
    slopes = jax.grad(lambda x: jnp.sum(jax.nn.softmax(x, where=jnp.asarray(mask))[:, 0] * jnp.arange(3.0)))(x)
    assert np.all(np.isfinite(slopes))


def test_a_perceptron_is_its_formula() -> None:
    net, x = MLP(3, 2, (4, 4), norm="layer", residual=True, activation="tanh", key=KEY), np.asarray(numbers(3))
    (w1, b1), (w2, b2), (w, b) = (
        (np.asarray(layer.weight), np.asarray(layer.bias)) for layer in (*net.layers, net.head)
    )
    first = np.tanh(normalised(w1 @ x + b1))
    second = first + np.tanh(normalised(w2 @ first + b2))
    np.testing.assert_allclose(net(jnp.asarray(x)), w @ second + b, rtol=1e-5, atol=1e-6)


def normalised(h: np.ndarray) -> np.ndarray:
    return (h - h.mean()) / np.sqrt(h.var() + 1e-5)


@pytest.mark.parametrize("setting", [{"widths": ()}, {"widths": (4, 4), "activation": "identity"}])
def test_a_perceptron_can_be_linear(setting: dict[str, Any]) -> None:
    net = MLP(3, 2, **setting, dtype=jnp.float64, key=KEY)
    x, y = numbers(2, 3, dtype=jnp.float64)
    np.testing.assert_allclose(net(x) + net(y), net(x + y) + net(0 * x), rtol=1e-12)


def test_all_words_make_a_network() -> None:
    for activation in functional.ACTIVATIONS:
        for norm in NORMS:
            net = MLP(3, 2, (6, 6), activation=activation, norm=norm, groups=2, key=KEY)
            assert np.all(np.isfinite(net(numbers(3))))


def test_an_encoder_of_one_pixel_is_not_asked_for_more() -> None:
    net = Encoder((3, 1, 1), 2, (4,), pool=1, key=KEY)
    assert net(numbers(3, 1, 1)).shape == (2,)


REFUSED: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "activation": (lambda: MLP(3, 2, (4,), activation="swish", key=KEY), ("mlp.activation", "silu", "swish")),
    "norm": (lambda: MLP(3, 2, (4,), norm="batch", key=KEY), ("mlp.norm", "layer", "batch")),
    "width": (lambda: MLP(3, 2, (4, 0), key=KEY), ("mlp", "widths", "0")),
    "groups of a layer": (
        lambda: MLP(3, 2, (4, 5), norm="group", groups=2, key=KEY),
        ("mlp.norms[1]", "5 channels", "2 equal groups"),
    ),
    "a norm of one": (lambda: MLP(3, 2, (1,), norm="layer", key=KEY), ("mlp.norms[0]", "one number")),
    "a group of one": (lambda: MLP(3, 2, (4,), norm="group", groups=4, key=KEY), ("mlp.norms[0]", "one number")),
    "input": (lambda: MLP(3, 2, (4,), key=KEY)(numbers(5, 3)), ("mlp", "(3,)", "(5, 3)", "vmap")),
    "image": (lambda: UNet((1, 4, 4), 1, (4,), key=KEY)(numbers(1, 4, 5)), ("unet", "(1, 4, 4)", "(1, 4, 5)")),
    "kernel": (
        lambda: Encoder((1, 5, 9), 2, (4, 4), Window(4, padding=0), pool=1, key=KEY),
        (
            "encoder.blocks[1]",
            "floor((H + 2p - d(k-1) - 1)/s + 1)",
            "floor((2 + 2*0 - 1*(4-1) - 1)/1 + 1) = -1",
        ),
    ),
    "dilation": (
        lambda: Encoder((1, 9, 6), 2, (4,), Window(3, dilation=(1, 5)), key=KEY),
        ("encoder.blocks[0]", "dilation 5", "floor((6 + 2*1 - 5*(3-1) - 1)/1 + 1) = -2"),
    ),
    "stride": (lambda: Encoder((1, 5, 5), 2, (4,), Window(3, stride=0), key=KEY), ("encoder.blocks[0]", "stride")),
    "padding": (lambda: Encoder((1, 5, 5), 2, (4,), Window(3, padding=-1), key=KEY), ("encoder.blocks[0]", "padding")),
    "groups of inputs": (
        lambda: Encoder((3, 5, 5), 2, (4,), Window(groups=2), key=KEY),
        ("encoder.blocks[0].groups", "3 channels", "2 equal groups"),
    ),
    "groups of outputs": (
        lambda: Encoder((2, 5, 5), 2, (5,), Window(groups=2), key=KEY),
        ("encoder.blocks[0].groups", "5 channels", "2 equal groups"),
    ),
    "groups of a norm": (
        lambda: Encoder((1, 8, 8), 2, (4, 6), norm_groups=4, key=KEY),
        ("encoder.blocks[1].norm_groups", "6 channels", "4 equal groups"),
    ),
    "pooling": (lambda: Encoder((1, 5, 5), 2, (4, 4, 4), key=KEY), ("encoder.blocks[2]", "pooling", "(1, 1)")),
    "no blocks": (lambda: Encoder((1, 5, 5), 2, (), key=KEY), ("encoder", "blocks")),
    "levels": (lambda: UNet((1, 3, 8), 1, (4, 4, 4), key=KEY), ("unet.down[2]", "(1, 4)")),
    "even kernel": (lambda: UNet((1, 8, 8), 1, (4, 4), kernel=2, key=KEY), ("unet.kernel", "odd", "2")),
    "nothing to modulate": (lambda: FiLM(MLP(3, 2, (), key=KEY), 2, (4,), key=KEY), ("film", "no hidden layer")),
    "resizing": (
        lambda: resize.interpolate(numbers(3, 3), (2, 2), "linear"),
        ("interpolate", "bilinear", "linear"),
    ),
    "aligned area": (
        lambda: resize.interpolate(numbers(3, 3), (2, 2), "area", align_corners=True, layer="up"),
        ("up", "align_corners", "area"),
    ),
    "empty image": (lambda: resize.interpolate(numbers(3, 3), (0, 2)), ("interpolate", "(0, 2)")),
    "padding word": (lambda: resize.pad(numbers(3), (1, 1), "edge"), ("pad", "replicate", "edge")),
    "odd widths": (lambda: resize.pad(numbers(3), (1, 1, 1)), ("pad", "two widths")),
    "reflect": (lambda: resize.pad(numbers(2, 3), (3, 0), "reflect", layer="edge"), ("edge", "at most 2", "got 3")),
    "circular": (lambda: resize.pad(numbers(2, 3), (0, 0, 0, 3), "circular"), ("pad", "at most 2", "got 3")),
    "cropped away": (lambda: resize.pad(numbers(3), (-1, -2)), ("pad", "(-1, -2)", "nothing")),
    "p": (lambda: functional.normalize(numbers(2, 3), p=0), ("normalize", "p > 0")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_by_name(name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(ConfigError) as refusal:
        make()
    assert str(refusal.value).startswith(words[0])
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize("p", [0.5, 1.0, 1.5, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-6, 1.0, 1e30])
def test_normalize_and_its_gradient_are_finite(p: float, scale: float) -> None:
    x = scale * jnp.concatenate([jnp.zeros((1, 5), jnp.float32), jnp.eye(2, 5, dtype=jnp.float32), numbers(2, 5)])
    value, slopes = jax.value_and_grad(lambda x: jnp.sum(functional.normalize(x, p)))(x)
    assert np.isfinite(value)
    assert np.all(np.isfinite(slopes))
    if scale >= 1e-6:
        norms = jnp.linalg.norm(functional.normalize(x, p).astype(jnp.float64), p, axis=1)
        np.testing.assert_allclose(norms, [0, 1, 1, 1, 1], rtol=1e-5)


def test_slope_of_normalize_at_large_numbers_is_that_of_ordinary_ones() -> None:
    x = numbers(3, 5)
    ordinary, large = (
        jax.grad(lambda x: jnp.sum(functional.normalize(x) * numbers(3, 5, seed=2)))(c * x) for c in (1.0, 2.0**90)
    )
    np.testing.assert_allclose(2.0**90 * large, ordinary, rtol=1e-5, atol=1e-6)
