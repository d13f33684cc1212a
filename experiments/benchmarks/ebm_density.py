"""Energies trained in the plane, against the entropy of what they were trained on; writes `ebm_density.md` beside it.

    python experiments/benchmarks/ebm_density.py [--only nce pcd ...] [--data two_moons ...]

A network of the preset, 10,000 points less 10 % that choose the weights. The negative log likelihood is of 100,000 new
points; its Z is a sum over 500 x 500 midpoints of a square around them, beside which the run's own log Z is shown.

Lines that are not asked for stay as they are in the table.

Passed: at most 0.10 nat above the entropy, 0.15 of the chequerboard.
"""

import argparse
import importlib.metadata
import sys
import time
from datetime import UTC, datetime
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpyro import handlers
from posteriors import HERE, Quiet
from uci import composed

from credo.data.plane import DENSITIES, Plane
from credo.diagnostics.summary import summarise
from credo.diagnostics.verdict import judge
from credo.experiment import device
from credo.experiment.parts import Parts, build
from credo.inference.base import NO_CHECKPOINTER
from credo.inference.result import Result
from credo.models.ebm_derived import add_energy
from credo.models.problem import Problem

NEEDED = {"two_moons": 0.10, "eight_gaussians": 0.10, "checkerboard": 0.15}
HALF = {"two_moons": 5.0, "eight_gaussians": 8.0, "checkerboard": 10.0}
"""Half of the side of the square over which Z is summed."""
POINTS, NEW = 500, 100_000
SHARED = ("model=ebm", "energy=neural", "inference=mle", "data.rows=10000", "data.test_fraction=0")
STEPS = ("training.learning_rate=0.003", "training.epochs=300")
TRAININGS: dict[str, tuple[str, ...]] = {
    "nce": ("training=nce", "training.epochs=100"),
    "pcd": ("training=pcd", "sampler=mala", "sampler.steps=5", "training.chains=512", *STEPS),
    "langevin": ("training=langevin", "training.adjusted=true", "training.steps=5", *STEPS),
    "score_matching": ("training=score_matching", "training.epochs=100"),
}
"""The words of each training."""
ALSO: dict[tuple[str, str], tuple[str, ...]] = {
    ("checkerboard", "score_matching"): ("training.sigma=0.04", "energy.tail=1.0", *STEPS),
}
"""Further words of a training on some data."""


ORDER = [(data, name) for data in NEEDED for name in TRAININGS]


class Found(NamedTuple):
    """Of one training: nats, and seconds."""

    nll: float
    error: float
    log_z_grid: float
    log_z: float
    seconds: float
    verdict: str


def main() -> None:
    """Train what was asked for, print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", default=list(TRAININGS), choices=list(TRAININGS))
    parser.add_argument("--data", nargs="*", default=list(NEEDED), choices=list(NEEDED))
    parser.add_argument("--words", nargs="*", default=[], help="overrides of all; the table is not written")
    asked = parser.parse_args()
    device.start("cpu", "float32", None, "~/.cache/credo")
    lines, passed = {} if asked.words else kept(), True
    for data in asked.data:
        for name in asked.only:
            words = (f"data={data}", *SHARED, *TRAININGS[name], *ALSO.get((data, name), ()), *asked.words)
            parts = build(composed(*words))
            source: Any = parts.source
            found = trained(parts, data)
            above = found.nll - source.entropy
            good = above <= NEEDED[data]
            passed = passed and good
            lines[data, name] = line(data, name, found, above, good)
            print(lines[data, name], flush=True)  # noqa: T201 - a script's output
            if not asked.words:
                (HERE / "ebm_density.md").write_text(page([lines[key] for key in ORDER if key in lines]))
    sys.exit(not passed)


def kept() -> dict[tuple[str, str], str]:
    """The lines of the table as it is, by data and training."""
    file = HERE / "ebm_density.md"
    lines = [line for line in file.read_text().splitlines() if line.startswith("| ")] if file.exists() else []
    cells = {tuple(cell.strip() for cell in line.split("|")[1:3]): line for line in lines}
    return {(data, name): line for (data, name), line in cells.items() if (data, name) in ORDER}


def trained(parts: Parts, data: str) -> Found:
    """Train an energy and judge it on new points."""
    problem, _ = parts.problem(0)
    parts.inference.check(problem)
    begun = time.perf_counter()
    result = parts.inference.run(problem, jax.random.PRNGKey(0), Quiet(), NO_CHECKPOINTER)
    seconds = time.perf_counter() - begun
    result = add_energy(problem, result, jax.random.PRNGKey(1))
    verdict = judge(parts.diagnostics, result, summarise(result))
    failed = ", ".join(check.name for check in verdict.checks if check.status == "failed")
    source: Any = parts.source
    energies = energy_of(problem, result)
    log_z = summed(energies, HALF[data])
    nll = energies(new(source)) + log_z
    error = float(nll.std() / np.sqrt(len(nll)))
    own = float(result.tree["normaliser"]["value"][0])
    return Found(float(nll.mean()), error, log_z, own, seconds, f"{verdict.status} {failed}".strip())


def new(source: Plane) -> np.ndarray:
    """Points that no training has seen."""
    return DENSITIES[source.density](np.random.default_rng(12345), NEW, source.noise)


def energy_of(problem: Problem, result: Result) -> Any:
    """E of points [point, 2], at the trained weights."""
    theta = {str(name): jnp.asarray(value)[0, 0] for name, value in result.tree["network"].data_vars.items()}
    trace = handlers.trace(handlers.substitute(handlers.seed(problem.bound, jax.random.PRNGKey(0)), data=theta))
    energy = trace.get_trace()["y"]["fn"].energy

    @jax.jit
    def of_block(points: Array) -> Array:
        return energy.batch(points)

    def of(points: np.ndarray) -> np.ndarray:
        blocks = [np.asarray(of_block(block)) for block in np.array_split(points.astype(np.float32), 50)]
        return np.concatenate(blocks).astype(float)

    return of


def summed(energies: Any, half: float) -> float:
    """Log Z by the midpoints of 500 x 500 cells of a square about 0."""
    side = 2 * half / POINTS
    middles = -half + side * (np.arange(POINTS) + 0.5)
    grid = np.stack(np.meshgrid(middles, middles), -1).reshape(-1, 2)
    logs = -energies(grid)
    return float(logs.max() + np.log(np.exp(logs - logs.max()).sum()) + 2 * np.log(side))


def line(data: str, name: str, found: Found, above: float, good: bool) -> str:
    """A line of the table."""
    z = f"{found.log_z_grid:.4f} | {found.log_z:.4f}"
    numbers = f"{found.nll:.4f} ± {found.error:.4f} | {above:+.4f} | {z} | {found.seconds:.0f}"
    return f"| {data} | {name} | {numbers} | {found.verdict} | {'yes' if good else 'NO'} |"


def page(lines: list[str]) -> str:
    """The table in markdown."""
    names = ("credo", "numpyro", "jax", "equinox", "optax")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    words = (
        "Nats: negative log likelihood ± standard error of 100,000 new points; above the entropy of the density "
        f"(`closed_forms.json`; passed up to {', '.join(f'{need:.2f} of {data}' for data, need in NEEDED.items())}); "
        "log Z by 500 x 500 midpoints, and by the run itself. Seconds: of the training, with its compilation, on 2 "
        "cores. Verdict: of the run, with the checks that failed."
    )
    plans = "\n".join(f"- {name}: `{' '.join(words)}`" for name, words in TRAININGS.items())
    plans += "".join(f"\n- {name} of {data}, also: `{' '.join(words)}`" for (data, name), words in ALSO.items())
    head = "| data | training | NLL | above the entropy | log Z by grid | log Z | seconds | verdict | passed |"
    begin = f"# Energies in the plane\n\n{datetime.now(UTC):%Y-%m-%d}; {versions}; "
    begin += f"`python experiments/benchmarks/ebm_density.py`; `{' '.join(SHARED)}`, and"
    return "\n".join([begin, "", plans, "", words, "", head, "| --- " * 9 + "|", *lines, ""])


if __name__ == "__main__":
    main()
