"""What `training=infonce` finds of the mutual information of Gaussians; writes `infonce_training.md` beside it.

    python experiments/benchmarks/infonce_training.py

x and y have 20 dimensions and a mutual information of 2 or 6 nats; batches of K = 128 pairs. All of it is the
framework's own: data, model, training, inference, and `add_information` on held-out rows. `infonce.py` beside this file
judges the critics alone, on new pairs in every step.

Passed: 95 % (2 nats) and 90 % (6 nats) of the best critic's value, and no batch above ln 128. The line with 16,000
training pairs is the preset as it stands.
"""

import argparse
import importlib.metadata
import sys
import time
from datetime import UTC, datetime
from math import log
from typing import NamedTuple

import jax
import numpy as np
from posteriors import HERE, Quiet
from uci import composed

from credo.experiment import device
from credo.experiment.parts import build
from credo.inference.base import NO_CHECKPOINTER
from credo.inference.training.infonce import add_information

K = 128
BEST = {2: 1.8902561, 6: 4.2001530}
"""The best critic's value, by mutual information (`closed_forms.json`)."""
NEEDED = {2: 0.95, 6: 0.90}

SHARED = (
    "data=correlated_gaussians",
    "model=ebm",
    "energy=critic",
    "training=infonce",
    "inference=mle",
    f"training.batch_size={K}",
)
MANY = ("data.rows=260000", "data.test_fraction=0.1", "training.validation=0.02")
FEW = ("data.rows=48000", "data.test_fraction=0.66666")


class Plan(NamedTuple):
    """A line of the table: its name, and what it says beyond `SHARED`."""

    name: str
    words: tuple[str, ...]


PLANS = (
    Plan("separable, dot", (*MANY, "training.epochs=2")),
    Plan("separable, bilinear", (*MANY, "training.epochs=2", "energy.similarity=bilinear")),
    Plan("separable, cosine", (*MANY, "training.epochs=2", "energy.similarity=cosine")),
    Plan("separable, dot, symmetric", (*MANY, "training.epochs=2", "training.symmetric=true")),
    Plan("joint", (*MANY, "training.epochs=1", "energy.kind=joint", "energy.activation=relu")),
    Plan("separable, dot", FEW),
)


class Found(NamedTuple):
    """What a run found, in nats, and what it took."""

    value: float
    error: float
    batches: np.ndarray
    train: int
    epochs: int
    seconds: float


def main() -> None:
    """Run what was asked for, print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", type=int, default=list(range(len(PLANS))), help="lines, from 0")
    parser.add_argument("--mi", nargs="*", type=int, default=list(BEST), choices=list(BEST))
    parser.add_argument("--words", nargs="*", default=[], help="overrides of all; the table is not written")
    asked = parser.parse_args()
    device.start("cpu", "float32", None, "~/.cache/credo")
    lines, passed = [], True
    for mi in asked.mi:
        for i in asked.only:
            found = trained(PLANS[i], mi, asked.words)
            good = found.value >= NEEDED[mi] * BEST[mi] and found.batches.max() <= log(K)
            passed = passed and good
            lines.append(line(mi, PLANS[i].name, found, good))
            print(lines[-1], flush=True)  # noqa: T201 - a script's output
    if not asked.words and len(asked.only) == len(PLANS) and len(asked.mi) == len(BEST):
        (HERE / "infonce_training.md").write_text(page(lines))
    sys.exit(not passed)


def trained(plan: Plan, mi: int, words: list[str]) -> Found:
    """Train a critic and judge it on the held-out rows."""
    parts = build(composed(*SHARED, f"data.mi={mi}", *plan.words, *words))
    problem, _ = parts.problem(0)
    parts.inference.check(problem)
    begun = time.perf_counter()
    result = parts.inference.run(problem, jax.random.PRNGKey(0), Quiet(), NO_CHECKPOINTER)
    seconds = time.perf_counter() - begun
    information = add_information(problem, result).tree["information"].to_dataset()
    curves = result.tree["training"].to_dataset()
    return Found(
        float(information["value"].mean()),
        float(information["error"].mean()),
        information["group"].to_numpy(),
        problem.data.sizes["obs"],
        curves.sizes["epoch"],
        seconds,
    )


def line(mi: int, name: str, found: Found, good: bool) -> str:
    """A line of the table."""
    share = f"{found.value / BEST[mi]:.1%}"
    numbers = f"{found.value:.4f} ± {found.error:.4f} | {found.batches.size} | {found.batches.max():.4f} | {share}"
    said = "yes" if good else "NO"
    return f"| {mi} | {name} | {found.train:,} | {found.epochs} | {numbers} | {found.seconds:.0f} | {said} |"


def page(lines: list[str]) -> str:
    """The table in markdown."""
    names = ("credo", "numpyro", "jax", "equinox", "optax")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    words = (
        f"InfoNCE in nats: mean ± standard error over batches of {K} held-out pairs, how many there are, and the "
        f"largest; ln {K} = {log(K):.4f}. Share: of the best critic's value, "
        f"{' and '.join(f'{value:.4f}' for value in BEST.values())}. Seconds: of the training, with its compilation, "
        f"on 2 cores. `{' '.join(SHARED[:-1])}`; otherwise as in `conf` but for what `PLANS` says."
    )
    head = "| MI | critic | training pairs | epochs | InfoNCE | batches | largest | share | seconds | passed |"
    begin = f"# Training by InfoNCE\n\n{datetime.now(UTC):%Y-%m-%d}; {versions}; "
    begin += "`python experiments/benchmarks/infonce_training.py`."
    return "\n".join([begin, "", words, "", head, "| --- " * 10 + "|", *lines, ""])


if __name__ == "__main__":
    main()
