"""One sweep by every launcher, beside single runs; writes `sweeps.md` beside this file.

    python experiments/benchmarks/sweeps.py [--scales 16] [--only near] [--many 100] [--then .../bin/credo]

The logistic regression of the breast-cancer data (455 rows for training, 31 parameters), 4 chains, for 16 scales of the
prior. CPU seconds are those of the command and of all processes that it waited for. `single` is the median of three
runs of one scale, `fresh` the sum of as many commands as there are scales.

Passed: `compiled` takes at most a tenth of the CPU seconds of `fresh`, and at most twice those of `single`.

`near` has scales from 0.5 to 5, the default of 1000 + 1000 draws, and what jobs give each other: `warm` is `compiled`
with `sweep.warm_start=true`, `reuse` with `sweep.reuse=importance`; `then` is `compiled` by the credo of 2026-11-25
(7436fbf, in an environment of its own), which could do neither. Passed: `warm` takes at most 0.61 and `reuse` at most
0.39 times the seconds of `then` (25 and 16 of 41), every mean is within 4 joint standard errors of that of the job that
`compiled` made, and of `--many` scales at most 8 are fitted by chains.
"""

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
CREDO = Path(sys.executable).parent / "credo"
NUTS = ("experiment=breast_cancer", "inference.warmup=500", "inference.draws=500")
MH = (
    "experiment=breast_cancer",
    "inference=mh",
    "inference.warmup=5000",
    "inference.draws=1000",
    "inference.thinning=10",
)
BARE = ("tracking=none", "report=none", "sweep.compare=false")
LAUNCHERS = {
    "basic": (),
    "compiled": ("hydra/launcher=compiled",),
    "joblib": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
    "warm": ("hydra/launcher=compiled", "sweep.warm_start=true"),
    "reuse": ("hydra/launcher=compiled", "sweep.reuse=importance"),
    "then": ("hydra/launcher=compiled",),
}
EVERY = ("single", "fresh", "basic", "compiled", "joblib")
NEAR = ("experiment=breast_cancer",)


class Way(NamedTuple):
    """What every launcher is asked to do."""

    name: str
    words: tuple[str, ...]
    launchers: tuple[str, ...]
    told: str


WAYS = (
    Way("all", NUTS, EVERY, "NUTS, 500 + 500 draws, with report, comparison and MLflow; programs are in the cache"),
    Way("cold", (*NUTS, "device.compilation_cache=null"), ("single", "fresh", "compiled"), "`all` without that cache"),
    Way("bare", (*NUTS, *BARE), EVERY[:4], f"`all` with `{' '.join(BARE)}`"),
    Way("mh", MH, ("single", "basic", "compiled"), "as `all`, by Metropolis-Hastings, 5,000 + 10,000 steps"),
)


class Cost(NamedTuple):
    """CPU and wall seconds of a command."""

    cpu: float
    wall: float


def main() -> None:
    """Measure all, print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scales", type=int, default=16)
    parser.add_argument("--many", type=int, default=100)
    parser.add_argument("--only", choices=("launchers", "near"))
    parser.add_argument("--then", type=Path, help="the command of an earlier credo, for `near`")
    asked = parser.parse_args()
    if asked.only != "near":
        launchers(asked)
    if asked.only != "launchers":
        (HERE / "sweeps_near.md").write_text(near(asked.scales, asked.many, asked.then))


def launchers(asked: argparse.Namespace) -> None:
    """Every launcher."""
    scales = [f"{scale:.3g}" for scale in np.geomspace(0.1, 10.0, asked.scales)]
    lines, found = [], {}
    for way in WAYS:
        for launcher in way.launchers:
            cost = measured(launcher, scales, way.words)
            found[way.name, launcher] = cost
            lines.append(line(way.name, launcher, cost, found[way.name, "single"]))
            print(lines[-1], flush=True)  # noqa: T201 - a script's output
    (HERE / "sweeps.md").write_text(page(lines, found, asked.scales))


def measured(launcher: str, scales: list[str], words: tuple[str, ...]) -> Cost:
    """The cost of a sweep, or of one run."""
    with tempfile.TemporaryDirectory(prefix="credo-") as scratch:
        folder = Path(scratch)
        command(words, folder)  # the store, the cache of programs, the disk
        if launcher in LAUNCHERS:
            swept = f"model.prior.beta.scale={','.join(scales)}"
            return command(("-m", *LAUNCHERS[launcher], *words, swept), folder)
        some = scales if launcher == "fresh" else [scales[i * len(scales) // 4] for i in (1, 2, 3)]
        costs = [command((*words, f"model.prior.beta.scale={scale}"), folder) for scale in some]
        if launcher == "fresh":
            return Cost(sum(cost.cpu for cost in costs), sum(cost.wall for cost in costs))
        return Cost(float(np.median([cost.cpu for cost in costs])), float(np.median([cost.wall for cost in costs])))


def command(words: tuple[str, ...], folder: Path, credo: Path = CREDO) -> Cost:
    """Run credo and wait for it."""
    begun = time.perf_counter()
    process = subprocess.Popen([credo, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603 - our own command
    _, said = process.communicate()
    used = os.times()
    wall = time.perf_counter() - begun
    if process.returncode != 0:
        sys.exit(f"{credo} {' '.join(words)} ended with {process.returncode}:\n{said.decode()}")
    cpu = used.children_user + used.children_system - command.before
    command.before += cpu
    return Cost(cpu, wall)


command.before = 0.0


class Answer(NamedTuple):
    """Means of all scalars and their standard errors, and what made them."""

    mean: pd.Series
    error: pd.Series
    passed: bool
    is_fitted: bool


def near(scales: int, many: int, then: Path | None) -> str:
    """The sweep by jobs that help each other: the table in markdown."""
    rows = []
    for count in dict.fromkeys((scales, many)):
        values = [f"{scale:.5g}" for scale in np.geomspace(0.5, 5.0, count)]
        kinds = ("compiled", "warm", "reuse") if count == scales else ("compiled", "reuse")
        costs = {"then": cost(then, "then", values)} if then is not None and count == scales else {}
        found = {kind: helped(kind, values) for kind in kinds}
        reference = found["compiled"][0]
        costs |= {kind: own for kind, (_, own) in found.items()}
        for kind, own in costs.items():
            row = [str(count), kind, f"{own.cpu:.1f}", f"{own.wall:.1f}"]
            row += [f"{own.wall / costs[other].wall:.2f}" if other in costs else "" for other in ("then", "compiled")]
            if kind != "then":
                answers = found[kind][0]
                row += [str(sum(one.is_fitted for one in answers)), str(sum(one.passed for one in answers))]
            if kind in ("warm", "reuse"):
                row.append(f"{max(map(distance, answers, reference)):.2f}")
            row += [""] * (9 - len(row))
            rows.append(f"| {' | '.join(row)} |")
            print(rows[-1], flush=True)  # noqa: T201 - a script's output
    words = (
        "Prior scales of the breast-cancer logistic regression from 0.5 to 5, log-spaced, 4 chains of 1000 + 1000, "
        f"with report, comparison and MLflow; seconds of the whole command, on {os.cpu_count()} cores, one run each. "
        "`then`: `compiled` by the credo of 2026-11-25 (7436fbf); `fitted`: jobs by chains of their own; `passed`: "
        "verdicts; `apart`: the largest distance of a mean from that of the job that `compiled` made, in joint "
        "standard errors (bar: 4). Bars for the wall time by that of `then`: 0.61 of `warm`, 0.39 of `reuse`; of 100 "
        "scales at most 8 fitted. CPU seconds leave out those of MLflow's own process."
    )
    head = "| scales | | CPU seconds | wall seconds | wall by then | wall by compiled | fitted | passed | apart |"
    title = f"# Jobs of a sweep that help each other\n\n{datetime.now(UTC):%Y-%m-%d}; credo "
    title += f"{importlib.metadata.version('credo')}; `python experiments/benchmarks/sweeps.py --only near"
    title += f"{' --then .../bin/credo' if then else ''}`"
    return "\n".join([title, "", words, "", head, "| --- " * 9 + "|", *rows, ""])


def cost(credo: Path, kind: str, scales: list[str]) -> Cost:
    """That of a sweep by a command."""
    with tempfile.TemporaryDirectory(prefix="credo-") as scratch:
        return swept(kind, scales, Path(scratch), credo)


def helped(kind: str, scales: list[str]) -> tuple[list[Answer], Cost]:
    """The answers of a sweep, and its cost."""
    with tempfile.TemporaryDirectory(prefix="credo-") as scratch:
        folder = Path(scratch)
        own = swept(kind, scales, folder)
        return [answer(folder / "s" / str(number)) for number in range(len(scales))], own


def swept(kind: str, scales: list[str], folder: Path, credo: Path = CREDO) -> Cost:
    """Let a sweep leave its answers in `s`, after a run that fills the caches."""
    command(NEAR, folder, credo)
    values = f"model.prior.beta.scale={','.join(scales)}"
    return command(("-m", *LAUNCHERS[kind], *NEAR, values, "hydra.sweep.dir=s"), folder, credo)


def answer(run: Path) -> Answer:
    """What a job left."""
    summary = pd.read_csv(run / "summary.csv", index_col="variable")
    verdict, made = (json.loads((run / f"{name}.json").read_text()) for name in ("verdict", "provenance"))
    return Answer(summary["mean"], summary["mcse_mean"], verdict["status"] == "passed", "reweighted" not in made)


def distance(one: Answer, other: Answer) -> float:
    """The largest distance of two means, in their joint standard errors."""
    return float(((one.mean - other.mean).abs() / np.hypot(one.error, other.error)).max())


def line(name: str, launcher: str, cost: Cost, single: Cost) -> str:
    """A line of the table."""
    return f"| {name} | {launcher} | {cost.cpu:.1f} | {cost.wall:.1f} | {cost.cpu / single.cpu:.2f} |"


def page(lines: list[str], found: dict[tuple[str, str], Cost], scales: int) -> str:
    """The table in markdown."""
    names = ("credo", "numpyro", "jax", "hydra-core", "mlflow")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    bars = []
    for way in WAYS:
        if "fresh" in way.launchers:
            compiled, fresh, single = (found[way.name, one].cpu for one in ("compiled", "fresh", "single"))
            bars.append(
                f"- {way.name}: `compiled` takes {compiled / fresh:.3f} of the CPU seconds of `fresh` "
                f"({'at most' if compiled <= 0.1 * fresh else 'MORE than'} a tenth) and {compiled / single:.2f} times "
                f"those of `single` ({'at most' if compiled <= 2 * single else 'MORE than'} twice)."
            )
    words = (
        f"{scales} prior scales of the breast-cancer logistic regression, 4 chains. CPU seconds of the command and of "
        f"the processes that it waited for, on {os.cpu_count()} cores. `single`: median of three runs of one scale; "
        "`fresh`: one command per scale."
    )
    begin = f"# A sweep by launcher\n\n{datetime.now(UTC):%Y-%m-%d}; {versions}; "
    begin += "`python experiments/benchmarks/sweeps.py`"
    head = "| what | launcher | CPU seconds | wall seconds | CPU by single |"
    ways = [f"- {way.name}: {way.told}." for way in WAYS]
    return "\n".join([begin, "", words, "", *ways, "", head, "| --- " * 5 + "|", *lines, "", *bars, ""])


if __name__ == "__main__":
    main()
