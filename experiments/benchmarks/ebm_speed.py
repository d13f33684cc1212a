"""How fast energies are sampled, beside plain NumPy and hand-written JAX; writes `ebm_speed.md` beside this file.

    python experiments/benchmarks/ebm_speed.py

Ising: 1,000 chains of a periodic 64 x 64 model at the critical temperature, chequerboard Gibbs sampling. By hand there
are two programs in JAX: the one of two lines, with rolled arrays and a mask; and one that keeps the two colours apart,
so that it draws no more random numbers than it needs, with couplings that are all alike.

Langevin: 10,000 unadjusted chains on a network of two inputs and two hidden layers of 64 with Mish. NumPy has its
gradient by hand; JAX by hand is matrix products and `jax.grad`.

All in float32. Programs take turns, so that each round compares them at the same moment; the numbers are medians over
rounds, and the ratios medians of each round's ratio. Passed: ours at least 0.95 as fast as the fastest in JAX by hand.
"""

import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import log
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.nn import sigmoid
from posteriors import HERE

from credo.energies.base import Energy
from credo.energies.ising import Ising
from credo.energies.samplers.gibbs import Gibbs
from credo.energies.samplers.langevin import Langevin
from credo.experiment import device
from credo.networks.mlp import MLP

ROUNDS = 15
SIDE, ISING_CHAINS, SWEEPS = 64, 1_000, 5
K = np.float32(log(1 + 2**0.5) / 2)
LANGEVIN_CHAINS, STEPS, EPS = 10_000, 20, np.float32(0.1)
ROWS, COLUMNS = np.indices((SIDE, SIDE))
BLACK = (ROWS + COLUMNS) % 2 == 0
Program = Callable[[int], Any]


class Neural(Energy):
    """A network's output as an energy of two numbers.

    Attributes:
        network: 2-64-64-1.
    """

    network: MLP

    @property
    def dim(self) -> int:
        """Two."""
        return 2

    def __call__(self, x: Array) -> Array:
        """E(x) [] of x [2]."""
        return self.network(x)[0]


def main() -> None:
    """Time all, print and write the table."""
    device.start("cpu", "float32", None, "~/.cache/credo")
    lines, good = [], True
    spins = ISING_CHAINS * SIDE**2 * SWEEPS
    for title, unit, work, programs in (
        ("Ising 64 x 64, 1,000 chains", "million spin updates", spins / 1e6, ising()),
        ("Langevin, 10,000 chains", "million chain updates", LANGEVIN_CHAINS * STEPS / 1e6, langevin()),
    ):
        passed, more = table(title, unit, work, programs)
        good = good and passed
        lines += more
    text = page(lines)
    (HERE / "ebm_speed.md").write_text(text)
    print(text)  # noqa: T201 - a script's output
    sys.exit(not good)


def table(title: str, unit: str, work: float, programs: dict[str, Program]) -> tuple[bool, list[str]]:
    """Whether ours is fast enough, and a line for each program; the first one is ours."""
    seconds = timed(programs)
    ours = seconds["credo"]
    ratios = {name: float(np.median(each / ours)) for name, each in seconds.items()}
    passed = min(ratio for name, ratio in ratios.items() if name.startswith("JAX")) >= 0.95
    head = f"| {title} | {unit} per second | credo is faster by |"
    rows = [f"| {name} | {work / np.median(each):.3g} | {ratios[name]:.2f} |" for name, each in seconds.items()]
    return passed, ["", head, "| --- " * 3 + "|", *rows, "", f"Passed: {'yes' if passed else 'NO'}."]


def timed(programs: dict[str, Program]) -> dict[str, np.ndarray]:
    """The seconds of each program [round], which take turns in an order that turns round."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for program in programs.values():
        jax.block_until_ready(program(0))
    for number in range(ROUNDS):
        for name in list(programs)[:: 1 if number % 2 else -1]:
            begin = time.perf_counter()
            jax.block_until_ready(programs[name](number))
            seconds[name].append(time.perf_counter() - begin)
    return {name: np.array(each) for name, each in seconds.items()}


def ising() -> dict[str, Program]:
    """Programs of some sweeps each."""
    torus = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), Ising.lattice((SIDE, SIDE), inverse_temperature=K))
    start = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), (ISING_CHAINS, SIDE**2))
    x, sampler = jnp.asarray(start), Gibbs(SWEEPS)
    ours = jax.jit(lambda energy, x, key: sampler.run(energy, sampler.start(energy, x), key)[0].x)
    masked, parted = jax.jit(ising_masked), jax.jit(ising_parted)
    programs: dict[str, Program] = {
        "credo": lambda seed: ours(torus, x, jax.random.PRNGKey(seed)),
        "JAX by hand, masked": lambda seed: masked(x, jax.random.PRNGKey(seed)),
        "JAX by hand, colours apart": lambda seed: parted(x, jax.random.PRNGKey(seed)),
        "NumPy": lambda seed: ising_numpy(start, np.random.default_rng(seed)),
    }
    check_ising(programs)
    return programs


def check_ising(programs: dict[str, Program]) -> None:
    """All of them align neighbours by the same number, within five standard errors of the difference."""
    found = {}
    for name, program in programs.items():
        s = np.asarray(program(0)).reshape(-1, SIDE, SIDE)
        each = (s * np.roll(s, 1, 2)).mean((1, 2))
        found[name] = each.mean(), each.std() / np.sqrt(ISING_CHAINS)
    mean, error = found["NumPy"]
    if any(abs(m - mean) > 5 * np.hypot(error, e) + 1e-9 for m, e in found.values()):
        raise AssertionError(f"the programs do not do the same: {found}")


def ising_masked(x: Array, key: Array) -> Array:
    """Sweeps of spins x [chain, site] in two lines."""

    def sweep(s: Array, key: Array) -> tuple[Array, None]:
        for mask, colour_key in zip((BLACK, ~BLACK), jax.random.split(key), strict=True):
            field = jnp.roll(s, 1, 1) + jnp.roll(s, -1, 1) + jnp.roll(s, 1, 2) + jnp.roll(s, -1, 2)
            up = jax.random.uniform(colour_key, s.shape) < sigmoid(2 * K * field)
            s = jnp.where(mask, jnp.where(up, 1.0, -1.0), s)
        return s, None

    s, _ = lax.scan(sweep, x.reshape(-1, SIDE, SIDE), jax.random.split(key, SWEEPS))
    return s.reshape(x.shape)


def ising_parted(x: Array, key: Array) -> Array:
    """Sweeps of spins x [chain, site], kept as [row, half a row, chain] of each colour."""
    turned = x.T.reshape(SIDE, SIDE // 2, 2, -1)
    even = (np.arange(SIDE) % 2 == 0)[:, None, None]
    black, white = (jnp.where(even == first, turned[:, :, 0], turned[:, :, 1]) for first in (True, False))

    def moved(other: Array, shifted: np.ndarray, key: Array) -> Array:
        beside = jnp.where(shifted, jnp.roll(other, 1, 1), jnp.roll(other, -1, 1))
        field = other + beside + jnp.roll(other, 1, 0) + jnp.roll(other, -1, 0)
        return jnp.where(jax.random.uniform(key, field.shape) < sigmoid(2 * K * field), 1.0, -1.0)

    def sweep(colours: tuple[Array, Array], key: Array) -> tuple[tuple[Array, Array], None]:
        black_key, white_key = jax.random.split(key)
        black = moved(colours[1], even, black_key)
        return (black, moved(black, ~even, white_key)), None

    (black, white), _ = lax.scan(sweep, (black, white), jax.random.split(key, SWEEPS))
    pairs = jnp.stack([jnp.where(even, black, white), jnp.where(even, white, black)], 2)
    return pairs.reshape(SIDE**2, -1).T


def ising_numpy(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sweeps of spins x [chain, site]."""
    s = x.reshape(-1, SIDE, SIDE)
    for _ in range(SWEEPS):
        for mask in (BLACK, ~BLACK):
            field = np.roll(s, 1, 1) + np.roll(s, -1, 1) + np.roll(s, 1, 2) + np.roll(s, -1, 2)
            up = rng.random(s.shape, np.float32) < 1 / (1 + np.exp(-2 * K * field))
            s = np.where(mask, np.where(up, np.float32(1), np.float32(-1)), s)
    return s.reshape(x.shape)


def langevin() -> dict[str, Program]:
    """Programs of some steps each."""
    energy = Neural(MLP(2, 1, (64, 64), key=jax.random.PRNGKey(0)))
    start = np.random.default_rng(1).normal(size=(LANGEVIN_CHAINS, 2)).astype(np.float32)
    x, sampler = jnp.asarray(start), Langevin(STEPS, float(EPS))
    weights = [(layer.weight, layer.bias) for layer in (*energy.network.layers, energy.network.head)]
    plain = [(np.asarray(weight), np.asarray(bias)) for weight, bias in weights]
    ours = eqx.filter_jit(lambda energy, x, key: sampler.run(energy, sampler.start(energy, x), key)[0].x)
    by_hand = jax.jit(langevin_jax)
    np.testing.assert_allclose(network_slope(plain, start), jax.grad(network)(x, weights), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(energy.batch(x).sum(), network(x, weights), rtol=1e-4)
    return {
        "credo": lambda seed: ours(energy, x, jax.random.PRNGKey(seed)),
        "JAX by hand": lambda seed: by_hand(x, weights, jax.random.PRNGKey(seed)),
        "NumPy": lambda seed: langevin_numpy(start, plain, np.random.default_rng(seed)),
    }


def network(x: Array, weights: list[tuple[Array, Array]]) -> Array:
    """The sum [] of the energies of x [chain, 2]."""
    for weight, bias in weights[:-1]:
        x = x @ weight.T + bias
        x = x * jnp.tanh(jax.nn.softplus(x))
    return (x @ weights[-1][0].T + weights[-1][1]).sum()


def langevin_jax(x: Array, weights: list[tuple[Array, Array]], key: Array) -> Array:
    """Steps of x [chain, 2]."""

    def step(x: Array, key: Array) -> tuple[Array, None]:
        slope = jax.grad(network)(x, weights)
        return x - 0.5 * EPS**2 * slope + EPS * jax.random.normal(key, x.shape), None

    return lax.scan(step, x, jax.random.split(key, STEPS))[0]


def langevin_numpy(x: np.ndarray, weights: list[tuple[np.ndarray, np.ndarray]], rng: np.random.Generator) -> np.ndarray:
    """Steps of x [chain, 2]."""
    for _ in range(STEPS):
        x = x - 0.5 * EPS**2 * network_slope(weights, x) + EPS * rng.standard_normal(x.shape, np.float32)
    return x


def network_slope(weights: list[tuple[np.ndarray, np.ndarray]], x: np.ndarray) -> np.ndarray:
    """The gradient of the energies of x [chain, 2], forwards and backwards."""
    derivatives = []
    for weight, bias in weights[:-1]:
        x = x @ weight.T + bias
        # tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2)
        e = np.exp(np.minimum(x, 20))
        n = e * (e + 2)
        t = n / (n + 2)
        derivatives.append(t + x * (1 - t * t) * e / (1 + e))
        x = x * t
    slope = np.broadcast_to(weights[-1][0], x.shape)
    for (weight, _), derivative in zip(weights[-2::-1], derivatives[::-1], strict=True):
        slope = (slope * derivative) @ weight
    return slope


def page(lines: list[str]) -> str:
    """The tables in markdown."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("credo", "jax", "numpy"))
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    begin = f"{datetime.now(UTC):%Y-%m-%d}; {versions}; {machine}; `python experiments/benchmarks/ebm_speed.py`."
    words = f"Float32; medians of {ROUNDS} rounds in which the programs take turns; all of them compute the same."
    return "\n".join(["# The speed of sampling energies", "", begin, "", words, *lines, ""])


if __name__ == "__main__":
    main()
