"""One sweep by every launcher, beside single runs; writes `sweeps.md` beside this file.

    python experiments/benchmarks/sweeps.py [--launchers single fresh basic compiled joblib] [--scales 16]

The logistic regression of the breast-cancer data (455 rows for training, 31 parameters) by NUTS, 4 chains of 500 + 500
draws, for 16 scales of the prior. Everything is done that a run does: checks, report, files, MLflow; programs are in
the cache from a first run that is not counted. CPU seconds are those of the command and of all processes that it waited
for. `fresh` is the sum of as many commands as there are scales.

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
QUESTION = ("experiment=breast_cancer", "inference.warmup=500", "inference.draws=500")
LAUNCHERS = {
    "basic": (),
    "compiled": ("hydra/launcher=compiled",),
    "joblib": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
}
QUIET = ("tracking=none", "report=none", "sweep.compare=false")


class Cost(NamedTuple):
    """CPU and wall seconds of a command."""

    cpu: float
    wall: float


def main() -> None:
    """Measure all, print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--launchers", nargs="*", default=["single", "fresh", *LAUNCHERS])
    parser.add_argument("--scales", type=int, default=16)
    asked = parser.parse_args()
    scales = [f"{scale:.3g}" for scale in np.geomspace(0.1, 10.0, asked.scales)]
    lines, found = [], {}
    for name, words in (("all", ()), ("bare", QUIET)):
        for launcher in asked.launchers:
            costs = measured(launcher, scales, words)
            found[name, launcher] = costs
            lines.append(line(name, launcher, costs, found.get((name, "single"))))
            print(lines[-1], flush=True)  # noqa: T201 - a script's output
    (HERE / "sweeps.md").write_text(page(lines, found, asked.scales))


def measured(launcher: str, scales: list[str], words: tuple[str, ...]) -> Cost:
    """The cost of a sweep, or of one run."""
    with tempfile.TemporaryDirectory(prefix="credo-") as scratch:
        folder = Path(scratch)
        command((*QUESTION, *words), folder)  # the store, the cache of programs, the disk
        if launcher == "single":
            costs = [command((*QUESTION, *words, f"model.prior.beta.scale={scales[i]}"), folder) for i in (3, 7, 11)]
            return Cost(float(np.median([c.cpu for c in costs])), float(np.median([c.wall for c in costs])))
        if launcher == "fresh":
            costs = [command((*QUESTION, *words, f"model.prior.beta.scale={one}"), folder) for one in scales]
            return Cost(sum(c.cpu for c in costs), sum(c.wall for c in costs))
        swept = f"model.prior.beta.scale={','.join(scales)}"
        return command(("-m", *LAUNCHERS[launcher], *QUESTION, *words, swept), folder)


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


def line(name: str, launcher: str, cost: Cost, single: Cost | None) -> str:
    """A line of the table."""
    ratio = f"{cost.cpu / single.cpu:.2f}" if single else ""
    return f"| {name} | {launcher} | {cost.cpu:.1f} | {cost.wall:.1f} | {ratio} |"


def page(lines: list[str], found: dict[tuple[str, str], Cost], scales: int) -> str:
    """The table in markdown."""
    names = ("credo", "numpyro", "jax", "hydra-core", "mlflow")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    bars = []
    for name in ("all", "bare"):
        if {(name, one) for one in ("compiled", "fresh", "single")} <= set(found):
            compiled, fresh, single = (found[name, one].cpu for one in ("compiled", "fresh", "single"))
            bars.append(
                f"{name}: `compiled` takes {compiled / fresh:.3f} of the CPU seconds of `fresh` "
                f"({'at most' if compiled <= 0.1 * fresh else 'MORE than'} a tenth) and {compiled / single:.2f} times "
                f"those of `single` ({'at most' if compiled <= 2 * single else 'MORE than'} twice)."
            )
    words = (
        f"{scales} prior scales of the breast-cancer logistic regression by NUTS, 4 chains of 500 + 500 draws. `all`: "
        "with report, comparison and MLflow; `bare`: `" + " ".join(QUIET) + "`. CPU seconds of the command and of the "
        f"processes that it waited for, on {os.cpu_count()} cores; programs were in the cache. `single`: median of "
        "three runs of one scale; `fresh`: one command per scale."
    )
    begin = f"# A sweep by launcher\n\n{datetime.now(UTC):%Y-%m-%d}; {versions}; "
    begin += "`python experiments/benchmarks/sweeps.py`"
    head = "| what is done | launcher | CPU seconds | wall seconds | CPU by single |"
    return "\n".join([begin, "", words, "", head, "| --- " * 5 + "|", *lines, "", *bars, ""])


if __name__ == "__main__":
    main()
