"""Runs that are killed at random moments, taken up again, and held against runs that were not; writes `kills.md`.

    make kills

Twenty times kill -9, over nuts, hmc, mh and map, in the warm-up and in the sampling; then while a run that was killed
is taken up, and while the draws are written to `posterior.nc`: the draws must be equal to the bit, MLflow must have
one run that ends FINISHED, with every metric once. Then the same with a full disk at a checkpoint (a tmpfs of a few
megabytes): the run ends with one sentence, and goes on when there is room. (`tests/experiment/test_rising_disk.py` has
a full disk at every file that a run writes.)

    python experiments/benchmarks/kills.py --saves

Every other way to the posterior, and a calibration, are killed at a few of their saves; writes `kills_saves.md`.
"""

import contextlib
import importlib.metadata
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import xarray as xr

from credo.errors import ConfigError
from credo.runs.snapshot import head_of

HERE = Path(__file__).parent
CREDO = str(Path(sys.executable).parent / "credo")
CACHE = "device.compilation_cache=programs"

WARMUP = 12_000
CHAINS = ("experiment=eight_schools", "report=none", f"inference.warmup={WARMUP}", "inference.draws=12000")
METHODS: dict[str, tuple[str, ...]] = {
    "nuts": CHAINS,
    "hmc": (*CHAINS, "inference=hmc"),
    "mh": (*CHAINS, "inference=mh", "inference.thinning=40"),
    "map": (
        "experiment=eight_schools", "model.centred=false", "report=none", "inference=map",
        "inference.optimiser=adam", "inference.steps=400000", "prior@model.prior.tau=gamma",
    ),
}  # fmt: skip
SCHOOLS = ("experiment=eight_schools", "report=none")
SAVES: dict[str, tuple[str, ...]] = {
    "smc": (*SCHOOLS, "inference=smc", "inference.ess=0.97"),
    "nested": (*SCHOOLS, "inference=nested"),
    "tempering": (*SCHOOLS, "inference=tempering"),
    "vi": (*SCHOOLS, "inference=vi"),
    "auto": (*SCHOOLS, "inference=auto"),
    "barker": (*CHAINS, "inference=barker"),
    "mams": (*CHAINS, "inference=mams"),
    "ensemble": (*CHAINS, "inference=ensemble"),
    "chees": (*SCHOOLS, "inference=chees", "inference.block=10"),
    "calibrate": ("calibrate", *SCHOOLS, "inference.draws=100", "calibrate.replications=40", "calibrate.save=4"),
}
"""Those that are killed at one of their saves."""
KILLS = 20
STEPS = {"nuts": 24_000, "hmc": 24_000, "mh": 24_000, "map": 400_000}


def main() -> None:
    """Kill, take up, compare, and write the table."""
    dice = random.Random(0)  # noqa: S311 - nothing is secret
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "--saves" in sys.argv:
            leave("kills_saves", "`python experiments/benchmarks/kills.py --saves`", killed_at_saves(folder))
        for method, words in METHODS.items():
            run(folder, *words, CACHE, f"hydra.run.dir=whole_{method}")
        for i in range(KILLS):
            method = list(METHODS)[i % 4]
            lines.append(kill(folder, method, i, dice.random()))
            print(lines[-1], flush=True)  # noqa: T201 - a script's output
        for method in METHODS:
            lines.append(kill_twice(folder, method, len(lines), dice.random()))
            print(lines[-1], flush=True)  # noqa: T201
        for method in ("nuts", "hmc", "mh"):
            lines.append(kill_writing(folder, method, len(lines)))
            print(lines[-1], flush=True)  # noqa: T201
        lines.append(fill(folder))
        print(lines[-1])  # noqa: T201
    leave("kills", "`make kills`", lines)


def leave(name: str, command: str, lines: list[str]) -> NoReturn:
    """Write a table, and exit."""
    (HERE / f"{name}.md").write_text(page(command, lines))
    sys.exit(any("NO" in line for line in lines))


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A whole command."""
    return subprocess.run([CREDO, *words], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603


def kill(folder: Path, method: str, number: int, share: float) -> str:
    """Start a run, kill it when it has kept a share of its steps, and take it up again."""
    name = f"cut_{number}"
    begin(folder, method, name, lambda: kept(folder / name) >= share * STEPS[method])
    steps = kept(folder / name)
    return taken_up(folder, method, name, f"{phase(method, steps)}, {steps:,} of {STEPS[method]:,}")


def kill_twice(folder: Path, method: str, number: int, share: float) -> str:
    """Kill a run early, take it up, kill that when it has gone a share of the way that is left, and take it up again.

    Where the share is small, it is killed before it has compiled anything.
    """
    name = f"cut_{number}"
    begin(folder, method, name, lambda: kept(folder / name) >= STEPS[method] / 20)
    first = kept(folder / name)
    until = first + share * (STEPS[method] - first) / 2
    kill_when(folder, ["resume", name], lambda: kept(folder / name) >= until)
    where = f"{phase(method, first)}, {first:,} of {STEPS[method]:,}, and resuming, at {kept(folder / name):,}"
    return taken_up(folder, method, name, where)


def killed_at_saves(folder: Path) -> list[str]:
    """Kill the methods of `SAVES` at their first, third and sixth save, and take them up again."""
    lines = []
    for method, words in SAVES.items():
        run(folder, *words, CACHE, f"hydra.run.dir=whole_{method}")
        for saves in (1, 3, 6):
            name = f"cut_{len(lines)}"
            often = () if method == "calibrate" else ("inference.checkpoint.every=0.02",)
            counted = counter(folder / name / ("ranks.csv" if method == "calibrate" else "checkpoint/state.npz"))
            kill_when(folder, (*words, CACHE, *often, f"hydra.run.dir={name}"), lambda c=counted, n=saves: c() >= n)
            lines.append(taken_up(folder, method, name, f"after {counted()} saves"))
            print(lines[-1], flush=True)  # noqa: T201
    return lines


def counter(file: Path) -> Callable[[], int]:
    """How often a file was seen to be another one."""
    seen: set[tuple[int, int]] = set()

    def count() -> int:
        with contextlib.suppress(OSError):
            found = file.stat()
            seen.add((found.st_ino, found.st_mtime_ns))
        return len(seen)

    return count


def kill_writing(folder: Path, method: str, number: int) -> str:
    """Kill a run while its draws are written."""
    name = f"cut_{number}"
    part = folder / name / ".posterior.nc.part"
    begin(folder, method, name, part.exists)
    where = f"writing posterior.nc, at {part.stat().st_size:,} bytes" if part.exists() else "too late"
    return taken_up(folder, method, name, where)


def begin(folder: Path, method: str, name: str, ripe: Callable[[], bool]) -> None:
    """Start a run, and kill it when it is ripe."""
    words = (*METHODS[method], CACHE, "inference.checkpoint.every=0.02", f"hydra.run.dir={name}")
    kill_when(folder, words, ripe)


def kill_when(folder: Path, words: Sequence[str], ripe: Callable[[], bool]) -> None:
    """Start a command, and kill it when it is ripe."""
    with subprocess.Popen(  # noqa: S603 - our own command
        [CREDO, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and not ripe():
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)


def phase(method: str, steps: int) -> str:
    """In which part of its way a run was."""
    return "optimising" if method == "map" else "warm-up" if steps < WARMUP else "sampling"


def taken_up(folder: Path, method: str, name: str, where: str) -> str:
    """Take a run up that was killed, and hold it against one that was not."""
    whole = folder / f"whole_{method}"
    before = not any((folder / name / file).exists() for file in ("posterior.nc", "verdict.json"))
    again = run(folder, "resume", name)
    equal = same_ranks if method == "calibrate" else same_draws
    same = before and again.returncode == 0 and equal(whole, folder / name)
    once = recorded(folder, f"whole_{method}") == recorded(folder, name)
    number = int(name.removeprefix("cut_")) + 1
    return f"| {number} | {method} | {where} | {word(same)} | {word(once)} |"


def kept(folder: Path) -> int:
    """The steps (warm-up and draws, or of the optimiser) in the checkpoint of a run."""
    try:
        numbers = head_of(folder)["numbers"]
    except ConfigError:
        return 0
    return int(numbers["done"] if "done" in numbers else numbers["history"][-1]["done"])


def fill(folder: Path) -> str:
    """The same with a full disk instead of a kill."""
    disk = folder / "small"
    disk.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], check=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError):
        return "| disk | nuts | no tmpfs can be mounted here | - | - |"
    try:
        words = (*METHODS["nuts"], CACHE, "inference.checkpoint.every=0.05", "hydra.run.dir=small/cut")
        first = run(folder, *words)
        sentence = first.stderr.strip().splitlines()[-1]
        subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)  # noqa: S603, S607
        again = run(folder, "resume", "small/cut")
        full = first.returncode == 1 and sentence.startswith("credo: the checkpoint could not be written")
        same = full and again.returncode == 0 and same_draws(folder / "whole_nuts", disk / "cut")
        once = recorded(folder, "whole_nuts") == recorded(folder, "small/cut")
    finally:
        subprocess.run(["umount", disk], check=True)  # noqa: S603, S607
    return f"| disk | nuts | `{sentence.replace(str(folder), '')[:90]}...` | {word(same)} | {word(once)} |"


def word(good: bool) -> str:
    """`yes`, or what is looked for in the end."""
    return "yes" if good else "NO"


def same_draws(one: Path, other: Path) -> bool:
    """Whether all groups of two runs are identical."""
    with (
        xr.open_datatree(one / "posterior.nc", engine="netcdf4") as left,
        xr.open_datatree(other / "posterior.nc", engine="netcdf4") as right,
    ):
        return left.children.keys() == right.children.keys() and all(
            left[group].to_dataset().identical(right[group].to_dataset()) for group in left.children
        )


def same_ranks(one: Path, other: Path) -> bool:
    """Whether two calibrations have the same ranks, byte for byte."""
    return (one / "ranks.csv").read_bytes() == (other / "ranks.csv").read_bytes()


def recorded(folder: Path, name: str) -> tuple[list[str], list[tuple[str, int]]]:
    """The statuses of the MLflow runs of a folder, and every metric with its step, as often as it is there."""
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as store:
        mine = "FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.key = 'folder' AND tags.value = ?"
        statuses = [status for (status,) in store.execute(f"SELECT status {mine}", [str(folder / name)])]
        metrics = store.execute(
            f"SELECT metrics.key, step {mine} JOIN metrics ON metrics.run_uuid = runs.run_uuid "
            "ORDER BY metrics.key, step",
            [str(folder / name)],
        ).fetchall()
    return statuses, metrics


def page(command: str, lines: list[str]) -> str:
    """The table in markdown."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("credo", "numpyro", "jax", "mlflow"))
    head = [
        "| | method | where it was killed | same bits | MLflow as if it had not been |",
        "| --- | --- | --- | --- | --- |",
    ]
    begin = f"# Runs that were killed and taken up again\n\n{datetime.now(UTC):%Y-%m-%d}; {versions}; {command}."
    return "\n".join([begin, "", *head, *lines, ""])


if __name__ == "__main__":
    try:
        main()
    finally:
        shutil.rmtree(HERE / "__pycache__", ignore_errors=True)
