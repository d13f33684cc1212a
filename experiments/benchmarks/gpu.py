"""Many chains on a GPU beside the CPU of the same machine; writes `gpu.md` beside this file.

    python experiments/benchmarks/gpu.py [--seconds 400] [--platforms gpu cpu] [--chains 4 256 4096] [--quick]

Eight schools, the logistic regression of the breast-cancer data (31 parameters) and one of 100,000 rows x 20, by NUTS
with 4 chains and by ChEES and MAMS with many, which run in step, until R-hat (nested, of many chains) is below 1.01;
then epochs of a mixture density network, and 10,000 Langevin chains of an energy. Each is one command that is recorded
nowhere; the seconds are those of its warm-up and sampling, compilation apart, and the memory is the largest of its
process, or of the card where it tells. What no time is left for is said to be missing.
"""

import argparse
import importlib.metadata
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

HERE = Path(__file__).parent
CREDO = shlex.split(os.environ.get("CREDO", f"{sys.executable} -m credo"))
BARE = ("tracking=none", "report=none", "diagnostics.checks={}", "inference.stop.r_hat=1.01")
FEW, MANY = ("nuts",), ("chees", "mams")

LARGE = """
import numpyro
import numpyro.distributions as dist


def model(x, y=None):
    beta = numpyro.sample("beta", dist.Normal(0, 1).expand([x.shape[1]]).to_event(1))
    with numpyro.plate("obs", len(x)):
        numpyro.sample("y", dist.Bernoulli(logits=x @ beta), obs=y)
"""


class Way(NamedTuple):
    """One thing to measure."""

    name: str
    method: str
    chains: int
    words: tuple[str, ...]


class Found(NamedTuple):
    """What came of it; `why` where nothing did."""

    seconds: float = float("nan")
    rate: float = float("nan")
    r_hat: float = float("nan")
    memory: float = float("nan")
    why: str = ""


def main() -> None:
    """Measure what there is time for, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=400)
    parser.add_argument("--platforms", nargs="+", default=["gpu", "cpu"])
    parser.add_argument("--chains", nargs="+", type=int, default=[4, 256, 4096])
    parser.add_argument("--quick", action="store_true", help="a few draws, to try the script")
    parser.add_argument("--out", type=Path, default=HERE / "gpu.md")
    asked = parser.parse_args()
    until = time.monotonic() + asked.seconds
    rows = []
    with tempfile.TemporaryDirectory(prefix="credo-") as scratch:
        (Path(scratch) / "large.py").write_text(LARGE)
        write_rows(Path(scratch) / "large.npz", 2000 if asked.quick else 100_000)
        for way in ways(asked.chains, quick=asked.quick):
            for platform in asked.platforms:
                rows.append(line(way, platform, measured(way, platform, Path(scratch), until - time.monotonic())))
                print(rows[-1], flush=True)  # noqa: T201 - a script's output
                asked.out.write_text(page(rows))


def write_rows(file: Path, count: int) -> None:
    """Rows of a logistic regression with 20 features."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 20))
    y = (rng.random(count) < 1 / (1 + np.exp(-x @ np.linspace(-1, 1, 20)))).astype(int)
    np.savez(file, x=x, y=y)


def ways(chains: list[int], *, quick: bool) -> Iterator[Way]:
    """All that is measured, the quickest first."""
    short = ("inference.warmup=20", "inference.draws=20") if quick else ()
    models = {
        "eight schools": ("data=eight_schools", "model=hierarchical"),
        "logistic, 31 parameters": ("experiment=breast_cancer",),
        "logistic, 100,000 rows": ("data=npz", "data.path=large.npz", "model=program", "model.function=large:model"),
    }
    for name, words in models.items():
        for count in chains:
            for method in FEW if count <= 4 else MANY:
                fewer = () if count <= 4 else ("inference.draws=50", "inference.warmup=300")
                own = (f"inference={method}", f"inference.chains={count}", *fewer, *short, *BARE)
                yield Way(name, method, count, (*words, *own))
    epochs = f"training.epochs={1 if quick else 20}"
    rest = ("tracking=none", "report=none", "diagnostics.checks={}", epochs)
    network = ("data=branches", "data.rows=10000", "model=mdn", "model.hidden=[64,64]", "model.components=5")
    yield Way("mixture density network, 20 epochs of 10,000 rows", "map", 1, (*network, "inference=map", *rest))
    energy = ("experiment=ebm_moons", "training=langevin", f"training.chains={100 if quick else 10000}")
    yield Way("energy, 20 epochs of 10,000 Langevin chains", "mle", 10_000, (*energy, *rest))


def measured(way: Way, platform: str, scratch: Path, left: float) -> Found:
    """Run a command, and read what it left."""
    if left < 10:
        return Found(why="no time left")
    run = scratch / f"{way.name}-{way.method}-{way.chains}-{platform}".replace(" ", "-").replace(",", "")
    device = (f"device={platform}", *(("device.precision=float32",) if platform == "gpu" else ()))
    command = [*CREDO, *way.words, *device, f"hydra.run.dir={run.name}"]
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, cwd=scratch, capture_output=True, text=True, check=False, timeout=left, env=environment
        )
    except subprocess.TimeoutExpired:
        return Found(why=f"more than {left:.0f} s")
    if done.returncode:
        return Found(why=(done.stderr.strip().splitlines() or ["it failed"])[-1][:120].replace("|", "/"))
    return read(run)


def read(run: Path) -> Found:
    """What a run left."""
    numbers = json.loads((run / "metrics.json").read_text())
    phases = ("warmup", "sampling", "training", "optimisation")
    seconds = sum(numbers.get(f"seconds/{phase}") or 0.0 for phase in phases)
    ess = numbers.get("ess_bulk_min") or float("nan")
    r_hat = numbers.get("r_hat_max") or float("nan")
    return Found(seconds, ess / seconds if seconds else float("nan"), r_hat, memory())


def memory() -> float:
    """The largest memory of a finished command, in MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def line(way: Way, platform: str, found: Found) -> str:
    """A line of the table."""
    numbers = (found.seconds, found.rate, found.r_hat, found.memory)
    cells = ["" if number != number else f"{number:.4g}" for number in numbers]
    return f"| {way.name} | {way.method} | {way.chains:,} | {platform} | {' | '.join(cells)} | {found.why} |"


def card() -> str:
    """The name of the GPU, as its driver has it."""
    if (tool := shutil.which("nvidia-smi")) is None:
        return "no GPU"
    asked = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603


def page(rows: list[str]) -> str:
    """The table in markdown."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpyro", "jax", "jaxlib"))
    words = (
        "Seconds of warm-up and sampling (or training) until R-hat is below 1.01 or all draws are made, smallest bulk "
        "ESS per second, R-hat, and the largest memory of a process so far in MiB. `float32` on the GPU, `float64` on "
        "the CPU."
    )
    head = "| what | method | chains | device | seconds | ESS per second | R-hat | memory | missing |"
    title = f"# A GPU beside a CPU\n\n{datetime.now(UTC):%Y-%m-%d}; {card()}; {os.cpu_count()} cores; {versions}"
    return "\n".join([title, "", words, "", head, "| --- " * 9 + "|", *rows, ""])


if __name__ == "__main__":
    main()
