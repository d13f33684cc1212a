"""A restricted Boltzmann machine that learns another one from its states; writes `rbm.md` beside it.

    python experiments/benchmarks/rbm.py

The other one has 10 visible and 8 hidden units, W, b and c ~ N(0, 0.5) by NumPy's generator of seed 1; 20,000 of its
states are drawn exactly. KL(it || the trained one) is a sum over all 1,024 visible states. What 98 numbers estimated
from so many states leave of it on average is 98 / 40,000 = 0.0025.

Passed: below 0.01 by the exact likelihood, below 0.05 by persistent contrastive divergence.
"""

import importlib.metadata
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpyro import handlers
from posteriors import HERE, Quiet
from uci import composed

from credo.experiment import device
from credo.experiment.parts import build
from credo.inference.base import NO_CHECKPOINTER

VISIBLE, HIDDEN, ROWS = 10, 8, 20_000
STATES = np.array(list(product([0.0, 1.0], repeat=VISIBLE)))
SHARED = ("data=digits", "model=ebm", "energy=rbm", f"energy.hidden={HIDDEN}", "inference=mle")
PLANS: dict[str, tuple[float, tuple[str, ...]]] = {
    "exact": (0.01, ("training=exact", "training.epochs=100", "training.learning_rate=0.01")),
    "pcd": (0.05, ("training=pcd", "sampler.steps=5", "training.epochs=100", "training.learning_rate=0.01")),
    "cd": (np.inf, ("training=cd", "sampler.steps=1", "training.epochs=100", "training.learning_rate=0.01")),
}
"""The most that passes, and the words of each training."""
SEEDS = (0, 1, 2)


class Given:
    """Data that is there."""

    def __init__(self, y: np.ndarray) -> None:
        self.y = y

    def load(self, *_: Any) -> xr.Dataset:
        """The states as observations."""
        return xr.Dataset({"y": (("obs", "target"), self.y)})


def main() -> None:
    """Train, print and write the table."""
    device.start("cpu", "float32", None, "~/.cache/credo")
    log_p = machine()
    chosen = np.random.default_rng(0).choice(len(STATES), ROWS, p=np.exp(log_p))
    lines, passed = [], True
    for name, (needed, words) in PLANS.items():
        found = np.array([trained(STATES[chosen], log_p, words, seed) for seed in SEEDS])
        worst = found[:, 0].max()
        good = bool(worst < needed)
        passed = passed and good
        each = " | ".join(f"{value:.4f}" for value in found[:, 0])
        said = "yes" if good else "NO"
        bar = f"{needed}" if np.isfinite(needed) else "not asked"
        lines.append(f"| {name} | {each} | {bar} | {found[:, 1].mean():.0f} | {said if np.isfinite(needed) else '-'} |")
        print(lines[-1], flush=True)  # noqa: T201 - a script's output
    (HERE / "rbm.md").write_text(page(lines))
    sys.exit(not passed)


def machine() -> np.ndarray:
    """The log probabilities of all visible states."""
    rng = np.random.default_rng(1)
    weights, b, c = (rng.normal(0, 0.5, size) for size in ((VISIBLE, HIDDEN), VISIBLE, HIDDEN))
    logs = STATES @ b + np.logaddexp(0, STATES @ weights + c).sum(1)
    return logs - np.logaddexp.reduce(logs)


def trained(y: np.ndarray, log_p: np.ndarray, words: tuple[str, ...], seed: int) -> tuple[float, float]:
    """Train a machine: the divergence of the other one from it, and seconds."""
    parts = replace(build(composed(*SHARED, *words)), source=Given(y))
    problem, _ = parts.problem(seed)
    parts.inference.check(problem)
    begun = time.perf_counter()
    result = parts.inference.run(problem, jax.random.PRNGKey(seed), Quiet(), NO_CHECKPOINTER)
    seconds = time.perf_counter() - begun
    posterior = result.tree["posterior"].data_vars
    theta = {str(name): jnp.asarray(value)[0, 0] for name, value in posterior.items()}
    seeded = handlers.seed(problem.bound, jax.random.PRNGKey(0))
    energy = handlers.trace(handlers.substitute(seeded, data=theta)).get_trace()["y"]["fn"].energy
    log_q = -np.asarray(energy.batch(jnp.asarray(STATES, jnp.float32))).astype(float)
    log_q -= np.logaddexp.reduce(log_q)
    return float((np.exp(log_p) * (log_p - log_q)).sum()), seconds


def page(lines: list[str]) -> str:
    """The table in markdown."""
    names = ("credo", "numpyro", "jax", "equinox", "optax")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    words = (
        f"KL(true || trained) in nats over all {len(STATES):,} visible states, of three seeds of the training; the "
        "most that passes; seconds of a training, with its compilation, on 2 cores. "
        f"{ROWS:,} exact states, of which 10 % "
        "choose the weights."
    )
    plans = "\n".join(f"- {name}: `{' '.join(words)}`" for name, (_, words) in PLANS.items())
    head = f"| training | {' | '.join(f'seed {seed}' for seed in SEEDS)} | needed | seconds | passed |"
    begin = f"# A machine that learns another one\n\n{datetime.now(UTC):%Y-%m-%d}; {versions}; "
    begin += f"`python experiments/benchmarks/rbm.py`; `{' '.join(SHARED[1:])}`, and"
    return "\n".join([begin, "", plans, "", words, "", head, "| --- " * 7 + "|", *lines, ""])


if __name__ == "__main__":
    main()
