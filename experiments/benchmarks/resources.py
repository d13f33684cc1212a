"""What a run takes of the machine: memory by the number of draws, cores by the number of devices.

    make resources

Whole processes, from the shell to the last file. Peak resident memory is that of the process; `cores` is CPU seconds
by seconds passed. The memory model has 20,000 latent scalars; the draws of 4 x 5,000 are 3.2 GB in float64. This takes
about half an hour.
"""

import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ALLOWED = 1.5 * 2**30
LARGE = """
import numpyro
import numpyro.distributions as dist


def model(y):
    x = numpyro.sample("x", dist.Normal(0, 1).expand([20_000]).to_event(1))
    numpyro.sample("y", dist.Normal(x[:5].sum(), 1.0), obs=y)
"""
MANY_SCALARS = (
    "model=program model.function=large:model data=inline data.values=[1.0] "
    "inference.warmup=200 inference.target_accept=0.8"
)
LONG = "experiment=breast_cancer inference.draws=4000"


@dataclass(frozen=True)
class Used:
    """What a process used: bytes, CPU seconds, seconds."""

    peak: int
    cpu: float
    passed: float


def main() -> None:
    """Measure, print and write the tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "large.py").write_text(LARGE)
        few, many = (run(folder, f"{MANY_SCALARS} inference.draws={draws}", f"draws_{draws}") for draws in (50, 5000))
        one, two = (run(folder, f"{LONG} device.num_devices={count}", f"devices_{count}") for count in (1, 2))
        same = equal(folder / "devices_1" / "posterior.nc", folder / "devices_2" / "posterior.nc")
    text = page(few, many, one, two, same)
    (HERE / "resources.md").write_text(text)
    print(text)  # noqa: T201 - a script's output
    sys.exit(many.peak - few.peak > ALLOWED or not same)


def run(folder: Path, words: str, name: str) -> Used:
    """One run of credo, from the shell."""
    command = [str(Path(sys.executable).parent / "credo"), *words.split(), "tracking=none", f"hydra.run.dir={name}"]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)  # noqa: S603 - our own command
    _, _, usage = os.wait4(process.pid, 0)
    passed = time.monotonic() - began
    if not (folder / name / "posterior.nc").exists():
        raise SystemExit(f"{name}: the run left no result")
    return Used(usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime, passed)


def equal(one: Path, other: Path) -> bool:
    """Whether the draws of two results are equal to the bit."""
    with xr.open_datatree(one, engine="h5netcdf") as a, xr.open_datatree(other, engine="h5netcdf") as b:
        first, second = a["posterior"].to_dataset(), b["posterior"].to_dataset()
        return all(np.array_equal(first[name].values, second[name].values) for name in first)


def page(few: Used, many: Used, one: Used, two: Used, same: bool) -> str:
    """The tables in markdown."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("credo", "numpyro", "jax"))
    more = (many.peak - few.peak) / 2**30
    return "\n".join(
        [
            "# Memory and cores",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}; {versions}; {os.cpu_count()} cores; `make resources`.",
            "",
            "A model of 20,000 latent scalars by NUTS, 4 chains:",
            "",
            "| draws | peak memory, GiB | minutes |",
            "| --- | --- | --- |",
            f"| 50 | {few.peak / 2**30:.2f} | {few.passed / 60:.1f} |",
            f"| 5,000 | {many.peak / 2**30:.2f} | {many.passed / 60:.1f} |",
            "",
            f"The difference is {more:.2f} GiB; at most 1.50 is passed: {'yes' if more <= 1.5 else 'NO'}.",
            "",
            f"`{LONG}`, 4 chains, by `device.num_devices`:",
            "",
            "| devices | cores used | CPU seconds | seconds |",
            "| --- | --- | --- | --- |",
            *(f"| {n} | {u.cpu / u.passed:.2f} | {u.cpu:.0f} | {u.passed:.0f} |" for n, u in ((1, one), (2, two))),
            "",
            f"The draws are equal to the bit: {'yes' if same else 'NO'}.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
