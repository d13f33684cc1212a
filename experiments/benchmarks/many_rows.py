"""A logistic regression of many rows, from the shell to the verdict, beside NumPyro; writes `many_rows.md`.

    make benchmark NAME=many_rows
    python experiments/benchmarks/many_rows.py --rows 1000 --rounds 1      (without writing the table)

20 columns, 4 chains of 200 + 200 draws; both tools in float64 and in float32, with their caches of programs filled. Of
NumPyro it is a script with parallel chains and `print_summary`, as in `speed_peers.py`; of credo it is a run with a
verdict, files, a report and a record in MLflow. The tools take turns.
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from speed import timed

HERE = Path(__file__).parent
MODEL = """
import numpyro
import numpyro.distributions as dist


def logistic(x, y):
    beta = numpyro.sample("beta", dist.Normal(0, 1).expand([x.shape[1]]).to_event(1))
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Bernoulli(logits=x @ beta), obs=y)
"""
SCRIPT = """
import sys

import jax
import numpy as np
import numpyro

numpyro.set_host_device_count(4)
jax.config.update("jax_enable_x64", sys.argv[1] == "float64")
jax.config.update("jax_compilation_cache_dir", "cache")
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
from numpyro.infer import MCMC, NUTS

from rows import logistic

with np.load("data.npz") as file:
    data = dict(file)
sampler = MCMC(NUTS(logistic), num_warmup=200, num_samples=200, num_chains=4, progress_bar=False)
sampler.run(jax.random.PRNGKey(0), **data)
sampler.print_summary()
print("PASSED", flush=True)
"""
WORDS = (
    "model=program model.function=rows:logistic data=npz data.path=data.npz data.target=null inference=nuts "
    "inference.warmup=200 inference.draws=200 device.compilation_cache=programs hydra.run.dir=run"
)
PRECISIONS = ("float64", "float32")


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_inputs(folder, asked.rows)
        found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
        for number in range(asked.rounds + 1):
            for precision in PRECISIONS:
                for tool in (credo, by_numpyro):
                    took = tool(folder, precision)
                    if number:  # the first round fills the caches
                        found.setdefault((tool.__name__.removeprefix("by_"), precision), []).append(took)
    text = page(found, asked.rows, asked.rounds)
    print(text)  # noqa: T201 - a script's output
    if asked.rows == parser.get_default("rows"):
        (HERE / "many_rows.md").write_text(text)


def write_inputs(folder: Path, rows: int) -> None:
    """The data, the model and the script of NumPyro."""
    rng = np.random.default_rng(0)
    x, beta = rng.normal(size=(rows, 20)), rng.normal(size=20) / 4
    y = (rng.uniform(size=rows) < 1 / (1 + np.exp(-x @ beta))).astype(int)
    np.savez(folder / "data.npz", x=x, y=y)
    (folder / "rows.py").write_text(MODEL)
    (folder / "by_numpyro.py").write_text(SCRIPT)


def credo(folder: Path, precision: str) -> tuple[float, float, float]:
    """Seconds to the verdict and to the prompt, and the share of what came after the chains."""
    subprocess.run(["/bin/rm", "-rf", folder / "run"], check=True)  # noqa: S603 - our own words
    command = [str(Path(sys.executable).with_name("credo")), *WORDS.split(), f"device.precision={precision}"]
    took = timed(command, folder)
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    chains = sum(metrics[f"seconds/{phase}"] for phase in ("compile", "warmup", "looks", "sampling"))
    return *took, metrics["seconds/evaluation"] / chains


def by_numpyro(folder: Path, precision: str) -> tuple[float, float, float]:
    """Seconds to the summary and to the prompt."""
    return *timed([sys.executable, "by_numpyro.py", precision], folder), float("nan")


def page(found: dict[tuple[str, str], list[tuple[float, float, float]]], rows: int, rounds: int) -> str:
    """The table in markdown, with date, versions and command."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("credo", "numpyro", "jax"))
    lines = []
    for precision in PRECISIONS:
        peer = statistics.median(one[0] for one in found["numpyro", precision])
        for tool in ("credo", "numpyro"):
            verdict, prompt, after = (statistics.median(one[i] for one in found[tool, precision]) for i in range(3))
            share = "" if np.isnan(after) else f"{after:.0%}"
            lines.append(
                f"| {precision} | {tool} | {verdict:.1f} | {prompt:.1f} | {verdict / peer:.2f} | {prompt / peer:.2f} | "
                f"{share} |"
            )
    about = (
        f"Logistic regression of {rows:,} rows and 20 columns, 4 chains of 200 + 200 draws; seconds of wall clock, "
        f"the median of {rounds} alternating rounds. Ratios divide by the time to NumPyro's summary in the same "
        "precision. Evaluation: seconds by those of the chains."
    )
    head = (
        "precision",
        "tool",
        "to the verdict, s",
        "to the prompt, s",
        "verdict / NumPyro",
        "prompt / NumPyro",
        "evaluation",
    )
    made = f"{datetime.now(UTC):%Y-%m-%d}; {versions}; {os.cpu_count()} cores; `make benchmark NAME=many_rows`."
    rule = "| --- " * len(head) + "|"
    return "\n".join(["# Many rows", "", made, "", about, "", f"| {' | '.join(head)} |", rule, *lines, ""])


if __name__ == "__main__":
    main()
