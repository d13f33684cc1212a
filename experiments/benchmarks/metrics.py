"""What a gradient buys with each metric, and beside NumPyro's own warm-up; writes `metrics.md`.

    make metrics

ESS is the smallest bulk effective sample size over the latents in unconstrained space; gradients are all leapfrog
steps of 4 chains of 1000 draws, those of the warm-up included, which is credo's default and 1000 draws of NumPyro.
First a normal posterior in 100 dimensions, twenty of whose directions have variances from 0.001 to 1,000, at a random
angle. Then posteriors of posteriordb: credo's default against NumPyro's warm-up (Welford, dense or diagonal mass
matrix, whichever is better) at the same target acceptance, over the same seeds. Ratios are of means over three seeds,
or over five of the two that are hard for a metric; their standard error is by the delta method.
"""

import argparse
import importlib.metadata
import sys
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import xarray as xr
from numpyro.infer import MCMC, NUTS
from posteriors import FOLDERS, HARD_SEEDS, HERE, ROOT, Quiet, configured, folder, read

from credo.experiment import device
from credo.inference.convergence import running
from credo.inference.density import potential
from credo.inference.mcmc.kernels.nuts import Nuts
from credo.inference.start import find_continuous
from credo.models.problem import Problem
from credo.models.program import Program

DIM = 100
SAME = -2.0
"""A ratio is level with one when it is no more than two standard errors below."""


def main() -> None:
    """Run both comparisons, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    sys.path.insert(0, str(ROOT))
    device.start("cpu", "float64", None, "~/.cache/credo")
    lines = gaussian()
    rows = [against_numpyro(name, seeds) for name in FOLDERS]
    rows += [against_numpyro(name, HARD_SEEDS) for name in ("arma11", "gp_pois_regr")]
    text = page(lines, rows, len(seeds))
    (HERE / "metrics.md").write_text(text)
    print(text)  # noqa: T201 - a script's output
    sys.exit(any("NO" in row for row in rows))


def gaussian() -> list[str]:
    """The normal posterior by every metric."""
    variances = np.ones(DIM)
    variances[:10], variances[10:20] = np.logspace(-3, -1, 10), np.logspace(1, 3, 10)
    angle = np.linalg.qr(np.random.default_rng(0).normal(size=(DIM, DIM)))[0]
    factor = jnp.asarray(np.linalg.cholesky(angle * variances @ angle.T))

    def model(y: Any) -> None:
        x = numpyro.sample("x", dist.MultivariateNormal(jnp.zeros(DIM), scale_tril=factor))
        numpyro.deterministic("sum", x.sum() + y[0])

    module = ModuleType("correlated")
    module.model = model  # type: ignore[attr-defined]
    sys.modules["correlated"] = module
    problem = Problem(Program("correlated:model", {}), xr.Dataset({"y": ("obs", [0.0])}))
    lines, first = [], 0.0
    for metric in ("diagonal", "low_rank", "dense"):
        ess, gradients = credo(problem, 0, metric=metric, target_accept=0.8)
        rate = ess / gradients
        first = first or rate
        lines.append(f"| {metric} | {ess:,.0f} | {gradients:,} | {1000 * rate:.3g} | {rate / first:.3g} |")
        print(lines[-1], flush=True)  # noqa: T201
    return lines


def credo(problem: Problem, seed: int, **settings: Any) -> tuple[float, int]:
    """ESS and gradients of credo's NUTS."""
    sampler = Nuts.assemble(**(configured("nuts") | settings))
    result = sampler.run(problem, jax.random.PRNGKey(seed), Quiet())
    names = [site.name for site in problem.latents]
    draws = {name: result.tree["posterior"][name].to_numpy() for name in names}
    return running([draws], None)["ess_bulk_min"], result.cost.gradients


def plain(problem: Problem, seed: int, *, dense: bool, target_accept: float) -> tuple[float, int]:
    """The same by NumPyro's own warm-up, from the same kind of starts."""
    program = problem.bound
    keys = jax.random.split(jax.random.PRNGKey(1000 + seed), 4)
    starts = jax.vmap(lambda key: find_continuous(program, key))(keys)
    kernel = NUTS(potential_fn=potential(program), dense_mass=dense, target_accept_prob=target_accept)
    chains = MCMC(
        kernel, num_warmup=1000, num_samples=1000, num_chains=4, chain_method="vectorized", progress_bar=False
    )
    chains.warmup(jax.random.PRNGKey(seed), init_params=starts, extra_fields=("num_steps",), collect_warmup=True)
    gradients = int(chains.get_extra_fields()["num_steps"].sum())
    chains.run(jax.random.PRNGKey(seed), extra_fields=("num_steps",))
    gradients += int(chains.get_extra_fields()["num_steps"].sum())
    draws = {name: np.asarray(values) for name, values in chains.get_samples(group_by_chain=True).items()}
    return running([draws], None)["ess_bulk_min"], gradients


def against_numpyro(name: str, seeds: range) -> str:
    """A line: ESS per 1,000 gradients of both, and their ratio."""
    path = folder(name) / "data.json"
    model = Program(f"experiments.posteriors:{name}", {})
    data = read(path).load(model, 0)
    problem = Problem(model, data)
    (target,) = Nuts.assemble(**configured("nuts")).kernel.targets
    ours = rates(credo(problem, seed) for seed in seeds)
    theirs = {
        word: rates(plain(problem, seed, dense=word == "dense", target_accept=target) for seed in seeds)
        for word in ("dense", "diagonal")
    }
    word = max(theirs, key=lambda w: theirs[w].mean())
    ratio = ours.mean() / theirs[word].mean()
    error = ratio * np.hypot(*(one.std(ddof=1) / one.mean() / np.sqrt(len(one)) for one in (ours, theirs[word])))
    level = "yes" if (ratio - 1) / error > SAME else "NO"
    line = (
        f"| {name} | {ours.mean():.3g} | {theirs['dense'].mean():.3g} | {theirs['diagonal'].mean():.3g} | "
        f"{ratio:.2f} ± {error:.2f} | {level} |"
    )
    print(line, flush=True)  # noqa: T201
    return line


def rates(runs: Any) -> np.ndarray:
    """ESS per 1,000 gradients."""
    found = np.array([1000 * ess / gradients for ess, gradients in runs])
    jax.clear_caches()  # a process can map only so many programs into its memory
    return found


def page(lines: list[str], rows: list[str], seeds: int) -> str:
    """Both tables in markdown."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("credo", "numpyro", "jax"))
    begin = f"# Metrics\n\n{datetime.now(UTC):%Y-%m-%d}; {versions}; `make metrics`."
    second = (
        f"Posteriordb: ESS per 1,000 gradients, mean of {seeds} seeds, and of {len(HARD_SEEDS)} for the "
        "last two, all at a target acceptance of 0.95. "
        "Level: the ratio of credo to the better of NumPyro's is no more than two standard errors below one."
    )
    return "\n".join(
        [
            begin + " All gradients count, those of the warm-up, too.",
            "",
            "A normal posterior in 100 dimensions, seed 0, target acceptance 0.8:",
            "",
            "| metric | smallest ESS | gradients | ESS per 1,000 gradients | times diagonal |",
            "| --- " * 5 + "|",
            *lines,
            "",
            second,
            "",
            "| posterior | credo | NumPyro, dense | NumPyro, diagonal | ratio | level |",
            "| --- " * 6 + "|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
