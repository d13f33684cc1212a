"""What eight schools costs from the shell, beside the same model in plain NumPyro; writes `eight_schools_speed.md`.

    make bench

CPU seconds (user and system) of whole processes, imports included: to the verdict, as it appears on the screen, and to
the end, when report, files and MLflow record are written. `cold` has an empty cache of programs and no MLflow store.
NumPyro's own `MCMC.run` has no cache, no diagnosis, no report and no record.
"""

import importlib.metadata
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
REPEATS = 3

NUMPYRO = """
import jax
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp, numpyro, numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS
y = jnp.array([28.0, 8, -3, 7, -1, 1, 18, 12]); sigma = jnp.array([15.0, 10, 16, 11, 9, 11, 10, 18])
def model():
    mu = numpyro.sample("mu", dist.Normal(0, 5)); tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", 8):
        z = numpyro.sample("z", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(mu + tau * z, sigma), obs=y)
MCMC(NUTS(model, target_accept_prob=0.9), num_warmup=1000, num_samples=1000, num_chains=4, chain_method="METHOD",
     progress_bar=False).run(jax.random.PRNGKey(0))
print("PASSED", flush=True)
"""


def main() -> None:
    """Measure, print and write the table."""
    lines = [row("credo, cold", [credo(fresh=True)])]
    with tempfile.TemporaryDirectory() as folder:
        credo(Path(folder))
        lines.append(row("credo, second time and later", [credo(Path(folder)) for _ in range(REPEATS)]))
    for method in ("sequential", "vectorized"):
        code = NUMPYRO.replace("METHOD", method)
        lines.append(row(f"NumPyro, {method}", [timed([sys.executable, "-c", code]) for _ in range(REPEATS)]))
    text = page(lines)
    (HERE / "eight_schools_speed.md").write_text(text)
    print(text)  # noqa: T201 - a script's output


def credo(folder: Path | None = None, *, fresh: bool = False) -> tuple[float, float]:
    """One run of the experiment, in its folder or in one of its own."""
    if folder is None:
        with tempfile.TemporaryDirectory() as own:
            return credo(Path(own), fresh=fresh)
    command = [str(Path(sys.executable).parent / "credo"), "experiment=eight_schools"]
    return timed([*command, f"device.compilation_cache={folder}/programs"], folder)


def timed(command: list[str], folder: Path | None = None) -> tuple[float, float]:
    """CPU seconds of a process when its verdict is on the screen, and altogether."""
    environment: Mapping[str, str] = {**os.environ, "PYTHONUNBUFFERED": "1"}
    before = os.times()
    with subprocess.Popen(  # noqa: S603 - our own commands
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101 - for the type checker
        verdict = 0.0
        for line in process.stdout:
            if line.startswith(("PASSED", "FAILED", "NOT CHECKED")):
                verdict = cpu(process.pid)
    after = os.times()
    whole = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    return verdict, whole


def cpu(pid: int) -> float:
    """CPU seconds that a living process has used, all its threads together (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def row(name: str, runs: list[tuple[float, float]]) -> str:
    """A line of the table: medians with the range."""
    verdicts, wholes = (sorted(values) for values in zip(*runs, strict=True))
    return "| " + " | ".join([name, *(spread(values) for values in (verdicts, wholes))]) + " |"


def spread(values: list[float]) -> str:
    """The median, and the least and most of several."""
    median = f"{values[len(values) // 2]:.1f}"
    return median if len(values) == 1 else f"{median} ({values[0]:.1f} to {values[-1]:.1f})"


def page(lines: list[str]) -> str:
    """The table in markdown, with date, versions and command."""
    names = ("credo", "numpyro", "jax", "mlflow", "arviz-stats")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    return "\n".join(
        [
            "# Eight schools from the shell",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}; {versions}; {os.cpu_count()} cores; `make bench`.",
            f"CPU seconds, the median of {REPEATS} (least to most).",
            "",
            "| | to the verdict | to the end |",
            "| --- | --- | --- |",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    main()
