"""From the shell to the verdict and to the prompt, beside NumPyro and PyMC with nutpie; writes `speed.md`.

    make bench
    python experiments/benchmarks/speed.py --rounds 1 --only eight_schools    (without writing the table)

Every tool has 4 chains of 1000 draws and the warm-up of its defaults, 1000 draws of the peers: credo in float64
with a verdict, files, a report and a record in MLflow, NumPyro in float32 with parallel chains and `print_summary`,
nutpie in float64 with `arviz.summary` (in an environment of its own, `.venv/peers`). The tools take turns, so that a
machine that is slow for a while is slow for all. A verdict of a peer is its summary on the screen. `ESS` is the
smallest bulk ESS over the same scalars. `cold` has an empty cache of programs; of NumPyro that is its default. The file
with the models only computes, so that credo keeps the programs that it traced. `imports alone` imports the libraries
that credo is made of, starts JAX, and does nothing else.
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import arviz_stats.base as stats
import numpy as np
import speed_models  # the file beside this one
import xarray as xr
from sklearn.datasets import load_breast_cancer

HERE = Path(__file__).parent
PEERS = HERE.parents[1] / ".venv" / "peers"
WANTED = ("pymc", "nutpie", "numba", "arviz")
ENDS = ("PASSED", "FAILED", "NOT CHECKED")
OWN, PEER = "credo", "NumPyro, cache on"
COLD = "credo, cold"
LIBRARIES = ("jax", "numpyro", "equinox", "xarray", "pandas", "hydra", "rich")
FLOOR = "imports alone"


@dataclass
class Timed:
    """What the runs of one tool on one model took, in seconds of wall clock."""

    verdict: list[float] = field(default_factory=list)
    prompt: list[float] = field(default_factory=list)
    ess: float = float("nan")
    phases: dict[str, list[float]] = field(default_factory=dict)

    def add(self, verdict: float, prompt: float) -> None:
        """One more run."""
        self.verdict.append(verdict)
        self.prompt.append(prompt)


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[*speed_models.MODELS], choices=speed_models.MODELS)
    asked = parser.parse_args()
    prepare()
    lines, phases = [], []
    for model in asked.only:
        with tempfile.TemporaryDirectory() as scratch:
            found = measured(model, Path(scratch), asked.rounds)
        lines += [row(model, tool, timed, found[PEER]) for tool, timed in found.items()]
        phases.append(phase(model, found[OWN]))
        print("\n".join([*lines[-len(found) :], phases[-1]]), flush=True)  # noqa: T201 - a script's output
    if asked.only == [*speed_models.MODELS]:
        (HERE / "speed.md").write_text(page(lines, phases, asked.rounds))


def prepare() -> None:
    """The environment of PyMC and nutpie, where there is none yet."""
    if (python := PEERS / "bin" / "python").exists():
        return
    uv = Path(sys.executable).with_name("uv")
    for words in (("venv", "-q", "-p", sys.executable, PEERS), ("pip", "install", "-q", "-p", python, *WANTED)):
        subprocess.run([uv, *words], check=True)  # noqa: S603 - our own words


def measured(model: str, folder: Path, rounds: int) -> dict[str, Timed]:
    """All tools on one model, in turns, after a turn that fills caches and is counted for `cold` alone."""
    np.savez(folder / "data.npz", **data(model))
    (folder / "speed_models.py").write_text(Path(speed_models.__file__).read_text())
    tools: dict[str, Callable[[], tuple[float, float]]] = {
        OWN: lambda: by_credo(model, folder),
        PEER: lambda: by_peer(sys.executable, "numpyro", model, folder, "--cache", str(folder / "cache")),
        "NumPyro": lambda: by_peer(sys.executable, "numpyro", model, folder),
        "nutpie": lambda: by_peer(str(PEERS / "bin" / "python"), "nutpie", model, folder),
        FLOOR: lambda: by_imports(folder),
    }
    found = {COLD: Timed()} | {tool: Timed() for tool in tools}
    for number in range(rounds + 1):
        for tool, run in tools.items():
            took = run()
            if number:
                found[tool].add(*took)
            elif tool == OWN:
                found[COLD].add(*took)
            if tool == OWN and number:
                for name, seconds in of_phases(folder).items():
                    found[tool].phases.setdefault(name, []).append(seconds)
            if number == rounds and tool != FLOOR:
                found[tool].ess = smallest_ess(folder, tool)
    found[COLD].ess = found[OWN].ess
    return found


def data(name: str) -> dict[str, Any]:
    """The arguments of a model."""
    if name == "eight_schools":
        return {"y": np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), "sigma": np.array([15.0, 10, 16, 11, 9, 11, 10, 18])}
    if name == "logistic":
        x, y = load_breast_cancer(return_X_y=True)
        return {"x": (x - x.mean(0)) / x.std(0), "y": y}
    if name == "gaussian":
        return {"scale": np.geomspace(0.1, 10, 100), "y": np.array(0.0)}
    rng = np.random.default_rng(0)
    group = np.sort(np.concatenate([np.arange(85), rng.integers(0, 85, 834)]))
    x = rng.normal(size=919)
    effects = np.array([1.3, -0.6]) + rng.normal(size=(85, 2)) * np.array([0.35, 0.3])
    return {"group": group, "x": x, "y": effects[group, 0] + effects[group, 1] * x + 0.75 * rng.normal(size=919)}


def by_credo(model: str, folder: Path) -> tuple[float, float]:
    """One run of credo."""
    words = ["model=program", f"model.function=speed_models:{model}", "data=npz", "data.path=data.npz"]
    place = ["data.target=null", "inference=nuts", "device.compilation_cache=programs", "hydra.run.dir=run"]
    subprocess.run(["/bin/rm", "-rf", folder / "run"], check=True)  # noqa: S603 - our own words
    return timed([str(Path(sys.executable).with_name("credo")), *words, *place], folder)


def by_peer(python: str, peer: str, model: str, folder: Path, *words: str) -> tuple[float, float]:
    """One run of a peer."""
    script = str(HERE / "speed_peers.py")
    return timed([python, "-P", script, peer, model, "data.npz", "draws.npz", *words], folder)


def by_imports(folder: Path) -> tuple[float, float]:
    """The imports that no run of credo can do without."""
    words = f"import {', '.join(LIBRARIES)}; jax.devices(); print({ENDS[0]!r})"
    return timed([sys.executable, "-P", "-c", words], folder)


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds until the verdict is on the screen, and until the process has ended.

    Raises:
        RuntimeError: it has failed.
    """
    began, verdict = time.perf_counter(), float("nan")
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(  # noqa: S603 - our own commands
            command, cwd=folder, env={**os.environ, "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, stderr=errors,
            text=True,
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None  # noqa: S101 - for the type checker
        for line in process.stdout:
            if line.startswith(ENDS):
                verdict = time.perf_counter() - began
        if process.wait():
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {errors.read()[-2000:]}")
    return verdict, time.perf_counter() - began


def of_phases(folder: Path) -> dict[str, float]:
    """Seconds of the phases of credo's last run."""
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    return {name.removeprefix("seconds/"): value for name, value in metrics.items() if name.startswith("seconds/")}


def smallest_ess(folder: Path, tool: str) -> float:
    """The smallest bulk ESS of the last run, over all scalars."""
    if tool == OWN:
        with xr.open_datatree(folder / "run" / "posterior.nc") as tree:
            draws = {str(name): value.to_numpy() for name, value in tree["posterior"].data_vars.items()}
    else:
        with np.load(folder / "draws.npz") as file:
            draws = dict(file)
    return min(
        float(stats.array_stats.ess(scalar, chain_axis=0, draw_axis=1, method="bulk"))
        for values in draws.values()
        for scalar in np.moveaxis(values.reshape(*values.shape[:2], -1), -1, 0)
        if np.ptp(scalar) > 0
    )


def row(model: str, tool: str, timed: Timed, peer: Timed) -> str:
    """A line of the table: medians with the range, and how often those of NumPyro with its cache."""
    ratios = (statistics.median(timed.verdict) / statistics.median(peer.verdict),)
    ratios += (statistics.median(timed.prompt) / statistics.median(peer.verdict),)
    worth = ("", "")
    if not np.isnan(timed.ess):  # as of imports
        worth = (f"{timed.ess:,.0f}", f"{timed.ess / statistics.median(timed.verdict):,.0f}")
    numbers = (spread(timed.verdict), spread(timed.prompt), *(f"{ratio:.2f}" for ratio in ratios))
    return f"| {model} | {tool} | {' | '.join((*numbers, *worth))} |"


def phase(model: str, timed: Timed) -> str:
    """A line of the table of phases: medians."""
    names = ("compile", "warmup", "looks", "sampling", "evaluation")
    return f"| {model} | {' | '.join(f'{statistics.median(timed.phases.get(name, [0.0])):.2f}' for name in names)} |"


def spread(values: list[float]) -> str:
    """The median, and the least and most of several."""
    median = f"{statistics.median(values):.1f}"
    return median if len(values) == 1 else f"{median} ({min(values):.1f} to {max(values):.1f})"


def page(lines: list[str], phases: list[str], rounds: int) -> str:
    """The tables in markdown, with date, versions and command."""
    names = ("credo", "numpyro", "jax", "mlflow", "arviz-stats")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in names]
    asked = "import importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in ('pymc', 'nutpie')), sep=', ')"
    told = subprocess.run([PEERS / "bin" / "python", "-c", asked], check=True, capture_output=True, text=True)  # noqa: S603
    made = f"{datetime.now(UTC):%Y-%m-%d}; {', '.join([*versions, told.stdout.strip()])}; {os.cpu_count()} cores; "
    made += "`make bench`."
    head = (
        "model", "tool", "to the verdict, s", "to the prompt, s", "verdict / NumPyro", "prompt / NumPyro", "ESS",
        "ESS per second",
    )  # fmt: skip
    words = (
        f"Seconds of wall clock, the median of {rounds} alternating rounds (least to most). The two ratios divide by "
        "the time to the summary of NumPyro with its cache on."
    )
    return "\n".join(
        [
            "# From the shell to the verdict",
            "",
            made,
            "",
            words,
            "",
            f"| {' | '.join(head)} |",
            "| --- " * len(head) + "|",
            *lines,
            "",
            "## Phases of credo, s",
            "",
            "| model | compile | warm-up | looks | sampling | evaluation |",
            "| --- " * 6 + "|",
            *phases,
            "",
        ]
    )


if __name__ == "__main__":
    main()
