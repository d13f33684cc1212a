"""What the networks are built of gives PyTorch's answers, as recorded by tools/record_pytorch.py."""

import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from credo.networks import convolution, functional, resize

pytestmark = pytest.mark.slow  # `make proofs` runs them

FILE = np.load(Path(__file__).with_name("pytorch.npz"), allow_pickle=False)
CASES = json.loads(str(FILE["cases"]))["cases"]
NUMBERS = FILE["numbers"]
STARTS = np.cumsum([0, *(sum(int(np.prod(shape)) for shape in case["shapes"]) for case in CASES)])
TOLERANCE = 1e-5


def conv2d(x: Array, weight: Array, bias: Array, **settings: Any) -> Array:
    """`eqx.nn.Conv2d` with these weights for images [batch, channels, height, width]."""
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    height, width = weight.shape[2:]
    window = convolution.Window((height, width), **({"padding": 0} | settings))
    layer = eqx.nn.Conv2d(x.shape[1], weight.shape[0], *window, dtype=x.dtype, key=jax.random.key(0))
    y = jax.vmap(eqx.tree_at(lambda c: [c.weight, c.bias], layer, [weight, bias[:, None, None]]))(x)
    assert y.shape[2:] == convolution.conv_size((x.shape[2], x.shape[3]), window, layer="conv")
    return y


def group_norm(x: Array, weight: Array, bias: Array, groups: int) -> Array:
    layer = functional.group_norm(groups, x.shape[1], x[0, 0].size, dtype=x.dtype, layer="norm")
    return jax.vmap(eqx.tree_at(lambda n: [n.weight, n.bias], layer, [weight, bias]))(x)


def layer_norm(x: Array, weight: Array, bias: Array) -> Array:
    layer = eqx.nn.LayerNorm(weight.shape, dtype=x.dtype)
    return jax.vmap(eqx.tree_at(lambda n: [n.weight, n.bias], layer, [weight, bias]))(x)


OPERATIONS: dict[str, Callable[..., Array]] = {
    **{word: functional.ACTIVATIONS[word] for word in ("mish", "relu", "gelu", "silu", "tanh")},
    "softmax": jax.nn.softmax,
    "masked_softmax": lambda x, mask: jax.nn.softmax(jnp.where(jnp.array(mask), x, -jnp.inf)),
    "group_norm": group_norm,
    "layer_norm": layer_norm,
    "conv2d": conv2d,
    "interpolate": lambda x, size, **settings: resize.interpolate(x, tuple(size), **settings),
    "pad": lambda x, pad, **settings: resize.pad(x, pad, **settings),
    "normalize": functional.normalize,
    "matmul": jnp.matmul,
    "cumprod": jnp.cumprod,
    "unbind": lambda x, axis: jnp.stack(jnp.unstack(x, axis=axis)),
}


def recorded(number: int) -> list[np.ndarray]:
    arrays, start = [], STARTS[number]
    for shape in CASES[number]["shapes"]:
        end = start + int(np.prod(shape))
        arrays.append(NUMBERS[start:end].reshape(shape))
        start = end
    return arrays


def differences(number: int) -> list[float]:
    """The largest differences of the value and of each gradient, relative to max(1, |PyTorch's|)."""
    case, arrays = CASES[number], recorded(number)
    count = len(arrays) // 2 - 1
    inputs, (projection, value), gradients = arrays[:count], arrays[count : count + 2], arrays[count + 2 :]
    operation = partial(OPERATIONS[case["operation"]], **case["settings"])

    @jax.jit
    def answers(projection: Array, *inputs: Array) -> tuple[Array, ...]:
        value, pullback = jax.vjp(operation, *inputs)
        return value, *pullback(projection)

    worst = []
    for a, b in zip(answers(projection, *inputs), (value, *gradients), strict=True):
        assert (a.dtype, a.shape) == (jnp.float32, b.shape)
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        worst.append(float(np.max(np.abs(a - b) / np.maximum(1.0, np.abs(b)))))
    return worst


def tried() -> list[Any]:
    """All cases, of which the first two of every operation are tried every time, and the others are proofs."""
    seen, cases = Counter[str](), []
    for number, case in enumerate(CASES):
        seen[case["operation"]] += 1
        cases.append(pytest.param(number, marks=pytest.mark.slow if seen[case["operation"]] > 2 else ()))
    return cases


@pytest.mark.parametrize("number", tried(), ids=lambda n: f"{n}-{CASES[n]['operation']}")
def test_value_and_gradients_are_pytorch_s(number: int) -> None:
    assert max(differences(number)) <= TOLERANCE, CASES[number]


def test_every_operation_was_recorded() -> None:
    assert {case["operation"] for case in CASES} == set(OPERATIONS)


def test_nearest_takes_the_same_pixels_for_all_sizes() -> None:
    answers, most = FILE["nearest"], 40
    assert len(answers) == most * most * (most + 1) // 2
    start = 0
    for n in range(1, most + 1):
        for m in range(1, most + 1):
            ours = resize._resizing(n, m, "nearest", False) @ np.arange(n)
            np.testing.assert_array_equal(ours, answers[start : start + m])
            start += m
