"""Record PyTorch's answers to what credo's networks are built of, for tests/networks: values, and gradients of inputs.

PyTorch is no dependency of credo. Make an environment that is thrown away afterwards, of a Python that PyTorch has
wheels for, and run this script in it from the repository:

    env=$(mktemp -d) && python3 -m venv $env && $env/bin/pip install torch numpy
    $env/bin/python tools/record_pytorch.py

The file has three arrays and no pickled object. `cases` is JSON: one entry per question, with the operation, its
settings, and the shapes of inputs, value and gradients. `numbers` has these arrays one after another, in single
precision: the inputs, a random projection as large as the value, the value, and the gradient of sum(projection * value)
with respect to each input. `nearest` has the old pixel of each new one where n pixels are resized to m, for all n and m
up to 40, n first.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

FILE = Path(__file__).resolve().parents[1] / "tests" / "networks" / "pytorch.npz"
MOST_PIXELS = 40

Case = tuple[str, dict[str, Any], list[np.ndarray]]

OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "mish": functional.mish,
    "relu": functional.relu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "tanh": torch.tanh,
    "softmax": lambda x, axis: functional.softmax(x, dim=axis),
    "masked_softmax": lambda x, mask: functional.softmax(x.masked_fill(~torch.tensor(mask), -torch.inf), dim=-1),
    "group_norm": lambda x, weight, bias, groups: functional.group_norm(x, groups, weight, bias),
    "layer_norm": lambda x, weight, bias: functional.layer_norm(x, weight.shape, weight, bias),
    "conv2d": functional.conv2d,
    "interpolate": lambda x, size, mode, align_corners: functional.interpolate(
        x, size, mode=mode, align_corners=align_corners if mode in ("bilinear", "bicubic") else None
    ),
    "pad": functional.pad,
    "normalize": lambda x, p, axis: functional.normalize(x, p, axis),
    "matmul": torch.matmul,
    "cumprod": lambda x, axis: torch.cumprod(x, axis),
    "unbind": lambda x, axis: torch.stack(torch.unbind(x, axis)),
}


def elementwise(rng: np.random.Generator) -> Iterator[Case]:
    """Activations on odd sizes, zeros and large values, and softmax also where elements or rows are masked."""
    extremes = np.array([0.0, -0.0, 1e-6, -1e-6, 20.0, -20.0, 90.0, -90.0, 1e4, -1e4, 1e30])
    for activation in ("mish", "relu", "gelu", "silu", "tanh"):
        yield activation, {}, [3 * rng.normal(size=(3, 7))]
        yield activation, {}, [extremes]
    for axis in (0, 1, -1):
        yield "softmax", {"axis": axis}, [rng.normal(size=(3, 5, 7))]
    for scale in (0.0, 1e4, 1e30):
        yield "softmax", {"axis": -1}, [scale * rng.normal(size=(3, 5))]
    for kept in (0.7, 0.3):
        mask = rng.random((5, 7)) < kept
        mask[:, 3] = True
        yield "masked_softmax", {"mask": mask.tolist()}, [10 * rng.normal(size=(5, 7))]


def norms(rng: np.random.Generator) -> Iterator[Case]:
    """Group and layer norms, of zeros, tiny and large numbers; vectors by their norm, some of them zero."""
    for shape in ((3, 6, 5, 7), (2, 6, 3), (3, 6)):
        for groups in (1, 2, 3):
            affine = [rng.normal(size=6), rng.normal(size=6)]
            yield "group_norm", {"groups": groups}, [rng.normal(size=shape), *affine]
    for scale in (0.0, 1e-4, 1e4):
        # The slope at zero is weight / sqrt(eps): with larger weights, single precision has not enough digits for it.
        affine = [0.1 * rng.normal(size=6), rng.normal(size=6)]
        yield "group_norm", {"groups": 3}, [scale * rng.normal(size=(2, 6, 3, 5)), *affine]
        yield "layer_norm", {}, [scale * rng.normal(size=(3, 6)), *affine]
    yield "layer_norm", {}, [rng.normal(size=(5, 7)), rng.normal(size=7), rng.normal(size=7)]
    for p in (0.5, 1.0, 1.5, 2.0, 3.0, float("inf")):
        for axis in (0, 1, -1):
            yield "normalize", {"p": p, "axis": axis}, [rng.normal(size=(3, 5, 7))]
        rows = rng.normal(size=(4, 5))
        rows[0], rows[1, ::2], rows[2], rows[3] = 0.0, 0.0, 1e4 * rows[2], 1e-14 * rows[3]
        yield "normalize", {"p": p, "axis": 1}, [rows]


def convolutions(rng: np.random.Generator) -> Iterator[Case]:
    """All of stride, padding, dilation and groups, square and not; zeros; large numbers of one sign."""
    settings: list[dict[str, Any]] = [
        {},
        {"stride": 2, "padding": 1},
        {"stride": (2, 1), "padding": (0, 2), "dilation": (1, 2)},
        {"dilation": 2, "padding": 2},
        {"stride": 3, "groups": 2},
        {"padding": 1, "groups": 4},
    ]
    for setting in settings:
        for kernel in ((3, 3), (2, 3), (1, 1)):
            weight = rng.normal(size=(4, 4 // setting.get("groups", 1), *kernel))
            yield "conv2d", setting, [rng.normal(size=(2, 4, 7, 5)), weight, rng.normal(size=4)]
    weight, bias = rng.random((4, 2, 3, 3)), rng.random(4)
    for image in (np.zeros((1, 2, 5, 7)), 1e4 * rng.random((1, 2, 5, 7))):
        yield "conv2d", {"padding": 1}, [image, weight, bias]


def sizes(rng: np.random.Generator) -> Iterator[Case]:
    """Resizing up and down in all modes, and padding of all kinds, cropping included."""
    for mode, align in (
        ("nearest", False),
        ("area", False),
        ("bilinear", False),
        ("bilinear", True),
        ("bicubic", False),
        ("bicubic", True),
    ):
        for size in ((3, 4), (11, 13), (1, 1), (5, 7), (10, 14), (9, 3)):
            setting = {"size": size, "mode": mode, "align_corners": align}
            yield "interpolate", setting, [rng.normal(size=(1, 2, 5, 7))]
        yield "interpolate", {"size": (3, 2), "mode": mode, "align_corners": align}, [rng.normal(size=(1, 1, 1, 1))]
        yield "interpolate", {"size": (7, 4), "mode": mode, "align_corners": align}, [1e4 * rng.random((1, 1, 5, 6))]
    for widths in ((1, 2), (0, 3, 2, 1), (1, 0, 2, 3, 0, 1), (-1, 2, 3, -2), (-2, -1)):
        yield "pad", {"pad": widths, "mode": "constant", "value": 0.5}, [rng.normal(size=(2, 3, 5, 7))]
    for mode in ("reflect", "replicate", "circular"):
        for widths in ((1, 2, 4, 3), (0, 4, 1, 0), (-1, 2, 3, -1)):
            yield "pad", {"pad": widths, "mode": mode}, [rng.normal(size=(1, 2, 5, 7))]
        yield "pad", {"pad": (4, 3), "mode": mode}, [1e4 * rng.normal(size=(1, 2, 5))]
    yield "pad", {"pad": (5, 5), "mode": "circular"}, [rng.normal(size=(1, 2, 5))]
    yield "pad", {"pad": (9, 8), "mode": "replicate"}, [rng.normal(size=(1, 2, 5))]


def products(rng: np.random.Generator) -> Iterator[Case]:
    """Batched matrix products, cumulative products with zeros among the factors, and unbinding."""
    yield "matmul", {}, [rng.normal(size=(3, 5, 7)), rng.normal(size=(3, 7, 2))]
    yield "matmul", {}, [rng.normal(size=(4, 1, 5, 7)), rng.normal(size=(3, 7, 1))]
    yield "matmul", {}, [np.zeros((2, 1, 3)), rng.normal(size=(2, 3, 5))]
    yield "matmul", {}, [1e4 * rng.random((2, 3, 5)), rng.random((2, 5, 3))]
    for axis in (0, 1, -1):
        yield "cumprod", {"axis": axis}, [rng.normal(size=(3, 5, 7))]
    zeros = rng.normal(size=(4, 7))
    zeros[0, 2], zeros[1, [1, 5]], zeros[2] = 0.0, 0.0, 0.0
    yield "cumprod", {"axis": 1}, [zeros]
    yield "cumprod", {"axis": 1}, [100 * rng.random((2, 9))]
    for axis in (0, 1, -1):
        yield "unbind", {"axis": axis}, [rng.normal(size=(3, 5, 7))]


def answer(case: Case, rng: np.random.Generator) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The entry of a case, and its arrays: inputs, projection, value, gradients."""
    operation, settings, inputs = case
    tensors = [torch.tensor(x, dtype=torch.float32, requires_grad=True) for x in inputs]
    value = OPERATIONS[operation](*tensors, **settings)
    projection = torch.tensor(rng.uniform(0.5, 1.5, tuple(value.shape)), dtype=torch.float32)
    gradients = torch.autograd.grad((projection * value).sum(), tensors)
    arrays = [x.detach().numpy() for x in (*tensors, projection, value, *gradients)]
    return {"operation": operation, "settings": settings, "shapes": [x.shape for x in arrays]}, arrays


def nearest() -> np.ndarray:
    """The old pixel of each new one, for all pairs of sizes."""
    pixels = range(1, MOST_PIXELS + 1)
    ramps = (torch.arange(n, dtype=torch.float32)[None, None] for n in pixels)
    return np.concatenate([functional.interpolate(ramp, m)[0, 0].numpy() for ramp in ramps for m in pixels]).astype(
        np.uint8
    )


def main() -> None:
    """Write the file."""
    rng = np.random.default_rng(20_18)
    parts = (elementwise, norms, convolutions, sizes, products)
    entries, arrays = zip(*(answer(case, rng) for part in parts for case in part(rng)), strict=True)
    numbers = np.concatenate([array.ravel() for several in arrays for array in several])
    cases = json.dumps({"pytorch": torch.__version__, "cases": entries})
    np.savez_compressed(FILE, cases=np.array(cases), numbers=numbers, nearest=nearest())
    print(f"{len(entries)} cases, {FILE.stat().st_size / 1e3:.0f} kB, PyTorch {torch.__version__}")  # noqa: T201


if __name__ == "__main__":
    main()
