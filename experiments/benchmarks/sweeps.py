"""One sweep by every launcher, beside single runs; writes `sweeps.md` beside this file.

    python experiments/benchmarks/sweeps.py [--scales 16]

The logistic regression of the breast-cancer data (455 rows for training, 31 parameters), 4 chains, for 16 scales of the
prior. CPU seconds are those of the command and of all processes that it waited for. `single` is the median of three
runs of one scale, `fresh` the sum of as many commands as there are scales.

Passed: `compiled` takes at most a tenth of the CPU seconds of `fresh`, and at most twice those of `single`.
"""

import argparse
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

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
}
EVERY = ("single", "fresh", *LAUNCHERS)


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
    asked = parser.parse_args()
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


def command(words: tuple[str, ...], folder: Path) -> Cost:
    """Run credo and wait for it."""
    begun = time.perf_counter()
    process = subprocess.Popen([CREDO, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603 - our own command
    _, said = process.communicate()
    used = os.times()
    wall = time.perf_counter() - begun
    if process.returncode != 0:
        sys.exit(f"{shutil.which('credo')} {' '.join(words)} ended with {process.returncode}:\n{said.decode()}")
    cpu = used.children_user + used.children_system - command.before
    command.before += cpu
    return Cost(cpu, wall)


command.before = 0.0


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
