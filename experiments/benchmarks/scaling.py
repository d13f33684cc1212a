"""How time and memory grow with the rows, the latents and the draws, from shell to last file; writes `scaling.md`.

    make benchmark NAME=scaling
    python experiments/benchmarks/scaling.py --only rows --most 100000 --limit 600

Each point is a process of its own with a limit in seconds; what does not end in time is said so. A rise is the power of
the size by which CPU seconds, or those per gradient, grow between neighbouring points; 1 is linear.
"""

import argparse
import contextlib
import importlib.metadata
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PROGRAMS = """
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist


def logistic(x, y=None):
    beta = numpyro.sample("beta", dist.Normal(0, 1).expand([x.shape[1]]).to_event(1))
    with numpyro.plate("obs", len(x)):
        numpyro.sample("y", dist.Bernoulli(logits=x @ beta), obs=y)


def normals(y, latents=10):
    theta = numpyro.sample("theta", dist.Normal(0, jnp.linspace(0.5, 2, latents)).to_event(1))
    numpyro.sample("y", dist.Normal(theta.mean(), 1), obs=y)
"""
SHORT = "inference.warmup=200 inference.draws=200"


@dataclass(frozen=True)
class Curve:
    """What grows.

    Attributes:
        title: of the table.
        sizes: the points.
        words: of the command, with the size in braces.
    """

    title: str
    sizes: tuple[int, ...]
    words: str


CURVES = {
    "rows": Curve(
        "Rows of a logistic regression with 20 columns, 4 x (200 + 200)",
        (1_000, 10_000, 100_000, 1_000_000),
        f"data=npz data.path=rows_{{}}.npz model=program model.function=programs:logistic {SHORT}",
    ),
    "latents": Curve(
        "Normal latents, 4 x (200 + 200)",
        (10, 100, 1_000, 10_000),
        "data=inline data.values=[1.0] model=program model.function=programs:normals "
        f"+model.arguments.latents={{}} {SHORT}",
    ),
    "draws": Curve(
        "Draws of each of four chains, eight schools",
        (1_000, 10_000, 100_000),
        "experiment=eight_schools inference.draws={}",
    ),
}


@dataclass(frozen=True)
class Point:
    """What a process used: CPU seconds, seconds, GiB, and how many gradients; NaN where it did not end."""

    size: int
    cpu: float
    passed: float
    peak: float
    gradients: float
    inference: float


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=CURVES, nargs="+", default=list(CURVES))
    parser.add_argument("--most", type=int, default=1_000_000, help="the largest size")
    parser.add_argument("--limit", type=int, default=1800, help="seconds of each point")
    asked = parser.parse_args()
    tables = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "programs.py").write_text(PROGRAMS)
        for word in asked.only:
            curve, points = CURVES[word], []
            for size in (size for size in curve.sizes if size <= asked.most):
                if word == "rows":
                    write_rows(folder / f"rows_{size}.npz", size)
                points.append(measured(folder, curve.words.format(size), f"{word}_{size}", size, asked.limit))
                print(word, points[-1], flush=True)  # noqa: T201 - a script's output
            tables += ["", f"## {curve.title}", "", *table(points)]
    names = ("credo", "numpyro", "jax")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    typed = " ".join(["python experiments/benchmarks/scaling.py", *sys.argv[1:]])
    load = f"load {os.getloadavg()[2]:.0f} over the last 15 minutes"
    begin = f"{datetime.now(UTC):%Y-%m-%d}; {versions}; {os.cpu_count()} cores, {load}; `{typed}`, float64."
    words = (
        "Whole processes with the report and without MLflow; CPU seconds count where the machine is shared. Inference: "
        "the share of the time that is no evaluation or compilation. Peak: resident memory. Rise: the power of the "
        "size by which CPU seconds, and those per gradient, grow since the row above."
    )
    (HERE / "scaling.md").write_text("\n".join(["# Scaling", "", begin, "", words, *tables, ""]))


def write_rows(file: Path, count: int) -> None:
    """Rows of a logistic regression with 20 columns."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 20))
    y = (rng.random(count) < 1 / (1 + np.exp(-x @ np.linspace(-1, 1, 20)))).astype(int)
    np.savez(file, x=x, y=y)


def measured(folder: Path, words: str, name: str, size: int, limit: int) -> Point:
    """One run of credo, from the shell, which is ended at its limit."""
    command = [str(Path(sys.executable).parent / "credo"), *words.split(), "tracking=none", f"hydra.run.dir={name}"]
    began = time.monotonic()
    with (folder / f"{name}.txt").open("w") as said:
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said)  # noqa: S603 - our own command
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            if time.monotonic() - began > limit:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
                ended = os.wait4(process.pid, 0)
                break
            time.sleep(0.2)
    passed, usage = time.monotonic() - began, ended[2]
    cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20
    file = folder / name / "metrics.json"
    if not file.exists():
        print((folder / f"{name}.txt").read_text()[-2000:])  # noqa: T201 - why there is no answer
        return Point(size, math.nan, passed, peak, math.nan, math.nan)
    known = json.loads(file.read_text())
    inference = (known["seconds/warmup"] + known["seconds/sampling"]) / known["seconds/total"]
    return Point(size, cpu, passed, peak, known["gradients"], inference)


def table(points: Sequence[Point]) -> list[str]:
    """One line per point."""
    lines = [
        "| size | CPU s | wall s | peak GiB | gradients | inference | rise of CPU | of CPU per gradient |",
        "| --- " * 8 + "|",
    ]
    for before, point in pairwise([None, *points]):
        if math.isnan(point.cpu):
            lines.append(f"| {point.size:,} | not in {point.passed:.0f} s | | {point.peak:.2f} | | | | |")
            continue
        of_cpu, of_gradient = "", ""
        if before is not None and not math.isnan(before.cpu):
            step = math.log(point.size / before.size)
            rise = math.log(point.cpu / before.cpu) / step
            of_cpu, of_gradient = f"{rise:.2f}", f"{rise - math.log(point.gradients / before.gradients) / step:.2f}"
        lines.append(
            f"| {point.size:,} | {point.cpu:.1f} | {point.passed:.0f} | {point.peak:.2f} | {point.gradients:,.0f} | "
            f"{point.inference:.0%} | {of_cpu} | {of_gradient} |"
        )
    return lines


if __name__ == "__main__":
    main()
