"""An epoch of training beside a hand-written loop; writes `mdn_speed.md` beside this file.

    make benchmark NAME=mdn_speed

10,000 rows of five inputs, batches of 256, a network of 2 x 64 Mish units, five Gaussian components, Adam, float32, no
validation. The loop by hand is plain JAX: `lax.scan` over the same batches with the same optimiser, the density written
out. Both run in this process, alternating; seconds per epoch are the medians, compilation apart.
"""

import importlib.metadata
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import optax
import xarray as xr
from omegaconf import OmegaConf

from credo.experiment import device
from credo.inference.point.mle import Mle
from credo.inference.training import descent
from credo.inference.training.likelihood import Likelihood
from credo.models.mdn import Mdn
from credo.models.problem import Problem

HERE = Path(__file__).parent
CONF = HERE.parents[1] / "conf"
ROWS, INPUTS, BATCH, COMPONENTS, EPOCHS, REPEATS = 10_000, 5, 256, 5, 20, 25
WIDTHS = (64, 64)


def main() -> None:
    """Measure, print and write the table."""
    device.start("cpu", "float32", None, None)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(ROWS, INPUTS))
    y = np.sin(x[:, 0]) * np.sign(generator.normal(size=ROWS)) + 0.1 * generator.normal(size=ROWS)
    ours, by_hand = credo(x, y), hand(x, y)
    compiled = [timed(one) for one in (ours, by_hand)]
    times = np.array([[timed(one) for one in (ours, by_hand)] for _ in range(REPEATS)]) / EPOCHS
    medians = np.median(times, axis=0)
    ratios = times[:, 0] / times[:, 1]
    least = times.min(axis=0)
    text = page(compiled, medians, least, ratios)
    (HERE / "mdn_speed.md").write_text(text)
    print(text)  # noqa: T201 - a script's output


def credo(x: np.ndarray, y: np.ndarray) -> Callable[[], Any]:
    """Ten epochs of the framework's compiled loop."""
    known: dict[str, Any] = dict(OmegaConf.load(CONF / "model" / "mdn.yaml"))
    settings: dict[str, Any] = dict(OmegaConf.load(CONF / "training" / "likelihood.yaml"))
    prior = {name: dist.Normal(0.0, 1.0) for name in ("weight", "bias")}
    del known["defaults"], settings["defaults"]
    data = xr.Dataset({"y": ("obs", y), "x": (("obs", "feature"), x)})
    model = Mdn(**(known | {"prior": prior, "components": COMPONENTS, "hidden": WIDTHS})).fitted(data)
    changes = {"batch_size": BATCH, "validation": 0.0, "epochs": 1_000, "schedule": "constant", "clip": None}
    training = Likelihood(**(settings | changes))
    problem = Problem(model, data, None, training)
    method: dict[str, Any] = dict(OmegaConf.load(CONF / "inference" / "mle.yaml"))
    del method["defaults"], method["checkpoint"]
    return descent.epochs(training, Mle(**method), problem, jax.random.PRNGKey(0), EPOCHS)


def hand(x: np.ndarray, y: np.ndarray) -> Callable[[], Any]:
    """Ten epochs of the loop by hand."""
    seen = jnp.asarray((x - x.mean(0)) / x.std(0), jnp.float32)
    target = jnp.asarray(y, jnp.float32)
    optimiser = optax.adam(0.003)
    sizes = (INPUTS, *WIDTHS, 3 * COMPONENTS)
    keys = jax.random.split(jax.random.PRNGKey(0), len(sizes) - 1)
    layers = [
        (jax.random.uniform(k, (n, m), minval=-1, maxval=1) / np.sqrt(n), jnp.zeros(m))
        for k, n, m in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]

    def loss(layers: Any, x: Any, y: Any) -> Any:
        h = x
        for w, b in layers[:-1]:
            h = jax.nn.mish(h @ w + b)
        raw = h @ layers[-1][0] + layers[-1][1]
        weight, loc, scale = jnp.split(raw, 3, axis=1)
        sd = 1e-5 + jax.nn.softplus(scale)
        z = (y[:, None] - loc) / sd
        each = jax.nn.log_softmax(weight) - 0.5 * z**2 - jnp.log(sd) - 0.5 * jnp.log(2 * jnp.pi)
        return -jax.nn.logsumexp(each, axis=1).mean()

    def step(carry: Any, rows: Any) -> Any:
        layers, state = carry
        value, gradient = jax.value_and_grad(loss)(layers, seen[rows], target[rows])
        updates, state = optimiser.update(gradient, state)
        return (optax.apply_updates(layers, updates), state), value

    def epoch(carry: Any, key: Any) -> Any:
        batches = ROWS // BATCH
        order = jax.random.permutation(key, ROWS)[: batches * BATCH].reshape(batches, BATCH)
        return jax.lax.scan(step, carry, order)

    @jax.jit
    def run(layers: Any, state: Any, key: Any) -> Any:
        return jax.lax.scan(epoch, (layers, state), jax.random.split(key, EPOCHS))

    return partial(run, layers, optimiser.init(layers), jax.random.PRNGKey(1))


def timed(run: Callable[[], Any]) -> float:
    """Seconds until the results are there."""
    began = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - began


def page(compiled: list[float], medians: np.ndarray, least: np.ndarray, ratios: np.ndarray) -> str:
    """The table in markdown."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("credo", "numpyro", "jax", "optax"))
    words = (
        f"10,000 rows, batch 256, MLP 2 x 64, K = 5, float32; {REPEATS} alternating measurements of {EPOCHS} epochs. "
        f"Ratio pair by pair: median {np.median(ratios):.3f} (quartiles {np.quantile(ratios, 0.25):.2f} and "
        f"{np.quantile(ratios, 0.75):.2f}); of the least times {least[0] / least[1]:.3f}. At most 1.1 is passed: "
        f"{'yes' if np.median(ratios) <= 1.1 else 'NO'}."
    )
    names = ("credo", "plain JAX, by hand")
    return "\n".join(
        [
            "# An epoch of a mixture density network",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}; {versions}; {os.cpu_count()} cores; `make benchmark NAME=mdn_speed`.",
            "",
            words,
            "",
            "| | ms per epoch, median | least | first call, compilation included, s |",
            "| --- | --- | --- | --- |",
            *(
                f"| {n} | {1e3 * m:.1f} | {1e3 * best:.1f} | {c:.1f} |"
                for n, m, best, c in zip(names, medians, least, compiled, strict=True)
            ),
            "",
        ]
    )


if __name__ == "__main__":
    main()
