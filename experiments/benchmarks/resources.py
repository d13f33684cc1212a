"""What a run takes of the machine: memory by the number of draws, cores by the number of devices.

    make benchmark NAME=resources
    python experiments/benchmarks/resources.py --only cores

Writes `memory.md` and `cores.md` beside this file. Whole processes, from the shell to the last file. Peak resident
memory is that of the process; `cores` is CPU seconds by seconds passed. The memory model has 20,000 latent scalars; the
draws of 4 x 5,000 are 3.2 GB in float64. This takes about half an hour.
"""

import argparse
import importlib.metadata
import json
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
LONG = "experiment=breast_cancer inference.draws=20000 report=none"


@dataclass(frozen=True)
class Used:
    """What a process used: bytes, CPU seconds, seconds, and those in which chains moved."""

    peak: int
    cpu: float
    passed: float
    sampling: float


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=MEASURED, nargs="+", default=list(MEASURED))
    good = True
    for word in parser.parse_args().only:
        with tempfile.TemporaryDirectory() as folder:
            text, passed = MEASURED[word](Path(folder))
        (HERE / f"{word}.md").write_text(text)
        print(text)  # noqa: T201 - a script's output
        good &= passed
    sys.exit(not good)


def memory(folder: Path) -> tuple[str, bool]:
    """Peak memory of few and of many draws."""
    (folder / "large.py").write_text(LARGE)
    few, many = (run(folder, f"{MANY_SCALARS} inference.draws={draws}", f"draws_{draws}") for draws in (50, 5000))
    more = (many.peak - few.peak) / 2**30
    lines = [
        *head("Memory by the number of draws"),
        "A model of 20,000 latent scalars by NUTS, 4 chains:",
        "",
        "| draws | peak memory, GiB | minutes |",
        "| --- | --- | --- |",
        f"| 50 | {few.peak / 2**30:.2f} | {few.passed / 60:.1f} |",
        f"| 5,000 | {many.peak / 2**30:.2f} | {many.passed / 60:.1f} |",
        "",
        f"The difference is {more:.2f} GiB; at most 1.50 is passed: {'yes' if more <= 1.5 else 'NO'}.",
        "",
    ]
    return "\n".join(lines), more <= 1.5


def cores(folder: Path) -> tuple[str, bool]:
    """Cores that are used by one and by two devices, and whether the draws are the same."""
    one, two = (run(folder, f"{LONG} device.num_devices={count}", f"devices_{count}") for count in (1, 2))
    same = equal(folder / "devices_1" / "posterior.nc", folder / "devices_2" / "posterior.nc")
    lines = [
        *head("Cores by the number of devices"),
        (
            f"`{LONG}`, 4 chains, by `device.num_devices`. Chains: seconds in which they moved, warm-up and sampling; "
            "the other columns are of whole processes, with imports, summary and files, which are mostly serial."
        ),
        "",
        "| devices | chains, s | seconds | CPU seconds | cores used |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {n} | {u.sampling:.1f} | {u.passed:.0f} | {u.cpu:.0f} | {u.cpu / u.passed:.2f} |"
            for n, u in ((1, one), (2, two))
        ),
        "",
        f"While chains move, two devices are {one.sampling / two.sampling:.2f} times as fast.",
        f"The draws are equal to the bit: {'yes' if same else 'NO'}.",
        "",
    ]
    return "\n".join(lines), same and one.sampling / two.sampling > 1.5


def run(folder: Path, words: str, name: str) -> Used:
    """One run of credo, from the shell."""
    command = [str(Path(sys.executable).parent / "credo"), *words.split(), "tracking=none", f"hydra.run.dir={name}"]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)  # noqa: S603 - our own command
    _, _, usage = os.wait4(process.pid, 0)
    passed = time.monotonic() - began
    if not (folder / name / "metrics.json").exists():
        raise SystemExit(f"{name}: the run left no result")
    known = json.loads((folder / name / "metrics.json").read_text())
    sampling = known["seconds/warmup"] + known["seconds/sampling"]
    return Used(usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime, passed, sampling)


def equal(one: Path, other: Path) -> bool:
    """Whether the draws of two results are equal to the bit."""
    with xr.open_datatree(one, engine="netcdf4") as a, xr.open_datatree(other, engine="h5netcdf") as b:
        first, second = a["posterior"].to_dataset(), b["posterior"].to_dataset()
        return all(np.array_equal(first[name].values, second[name].values) for name in first)


def head(title: str) -> list[str]:
    """Title, date, versions and command."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("credo", "numpyro", "jax"))
    made = f"{datetime.now(UTC):%Y-%m-%d}; {versions}; {os.cpu_count()} cores; `make benchmark NAME=resources`."
    return [f"# {title}", "", made, ""]


MEASURED = {"memory": memory, "cores": cores}

if __name__ == "__main__":
    main()
