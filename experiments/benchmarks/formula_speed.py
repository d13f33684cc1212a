"""What a formula costs: gradients per second beside the same model written by hand; writes `formula_speed.md` here.

    make benchmark NAME=formula_speed

Both densities are NumPyro's, compiled in float64 for one core, with data as arguments. They take turns, in pairs, and
are timed by what the processor spends on them, since others may use the machine, too; the ratio is the median over
pairs of the times by formula and by hand, and the exit code is 1 where it is above 1.1.
"""

import argparse
import importlib.metadata
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
from jax import Array
from numpyro.infer.util import potential_energy

from credo.config import paths
from credo.data.formula.arranged import arranged
from credo.experiment import device
from credo.inference.density import potential
from credo.models.problem import Problem
from credo.models.regression import Regression

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false"

HERE = Path(__file__).parent
MOST = 1.1
GENERAL = {
    "intercept": dist.Normal(0.0, 10.0),
    "beta": dist.Normal(0.0, 2.5),
    "sigma": dist.HalfNormal(5.0),
    "sd": dist.HalfNormal(2.5),
}


class Case(NamedTuple):
    """A formula, and the same by hand.

    - **formula** - with its family and table.
    - **by_hand** - a program, and what it is given.
    """

    formula: str
    family: str
    table: pd.DataFrame
    by_hand: Callable[..., None]
    given: dict[str, Any]


def _plate(name: str, size: int) -> Any:
    return numpyro.plate(name, size)


def gaussian(y: Array, x: Array) -> None:
    """A linear regression."""
    a = numpyro.sample("intercept_at_mean", dist.Normal(0.0, 10.0))
    with _plate("feature", x.shape[1]):
        b = numpyro.sample("beta", dist.Normal(0.0, 2.5))
    sigma = numpyro.sample("sigma", dist.HalfNormal(5.0))
    with _plate("obs", len(y)):
        numpyro.sample("y", dist.Normal(a + x @ b, sigma), obs=y)


def logistic(y: Array, x: Array) -> None:
    """A logistic one."""
    a = numpyro.sample("intercept_at_mean", dist.Normal(0.0, 10.0))
    with _plate("feature", x.shape[1]):
        b = numpyro.sample("beta", dist.Normal(0.0, 2.5))
    with _plate("obs", len(y)):
        numpyro.sample("y", dist.BernoulliLogits(a + x @ b), obs=y)


def groups(y: Array, x: Array, g: Array, size: int) -> None:
    """An intercept for each group."""
    a = numpyro.sample("intercept_at_mean", dist.Normal(0.0, 10.0))
    with _plate("feature", x.shape[1]):
        b = numpyro.sample("beta", dist.Normal(0.0, 2.5))
    sd = numpyro.sample("sd[g]", dist.HalfNormal(2.5))
    with _plate("g", size):
        z = numpyro.sample("z[g]", dist.Normal(0.0, 1.0))
    sigma = numpyro.sample("sigma", dist.HalfNormal(5.0))
    with _plate("obs", len(y)):
        numpyro.sample("y", dist.Normal(a + x @ b + (sd * z)[g], sigma), obs=y)


def slopes(y: Array, x: Array, g: Array, v: Array, size: int) -> None:
    """An intercept and a slope for each group, with a correlation."""
    a = numpyro.sample("intercept_at_mean", dist.Normal(0.0, 10.0))
    with _plate("feature", x.shape[1]):
        b = numpyro.sample("beta", dist.Normal(0.0, 2.5))
    with _plate("g_effect", 2):
        sd = numpyro.sample("sd[g]", dist.HalfNormal(2.5))
    root = sd[:, None] * numpyro.sample("cholesky[g]", dist.LKJCholesky(2, 1.0))
    with numpyro.plate("g", size, dim=-2), numpyro.plate("g_effect", 2, dim=-1):
        z = numpyro.sample("z[g]", dist.Normal(0.0, 1.0))
    effect = z @ root.T
    sigma = numpyro.sample("sigma", dist.HalfNormal(5.0))
    with _plate("obs", len(y)):
        numpyro.sample("y", dist.Normal(a + x @ b + effect[g, 0] + effect[g, 1] * v, sigma), obs=y)


def cases() -> dict[str, Case]:
    """All of them by name."""
    rng, found = np.random.default_rng(0), {}
    for name, rows, features, size in (("gaussian", 2_000, 4, 0), ("wide", 20_000, 20, 0), ("logistic", 5_000, 10, 0),
                                       ("groups", 5_000, 2, 50), ("many_groups", 50_000, 1, 10_000),
                                       ("slopes", 10_000, 1, 500)):  # fmt: skip
        x = rng.normal(size=(rows, features))
        table = pd.DataFrame(x, columns=[f"x{j}" for j in range(features)])
        y = x.sum(1) + rng.normal(size=rows)
        g = rng.permutation(np.arange(rows) % max(size, 1))
        table = table.assign(y=(y > 0).astype(int) if name == "logistic" else y, g=[f"g{i:05}" for i in g])
        right = " + ".join(f"x{j}" for j in range(features))
        right += {"groups": " + (1 | g)", "many_groups": " + (1 | g)", "slopes": " + (1 + x0 | g)"}.get(name, "")
        given = {"y": table["y"].to_numpy(), "x": x - x.mean(0)}
        given |= {"g": g} if size else {}
        given |= {"v": x[:, 0]} if name == "slopes" else {}
        program = {"logistic": logistic, "groups": groups, "many_groups": groups, "slopes": slopes}.get(name, gaussian)
        by_hand = partial(program, size=size) if size else program
        family = "bernoulli" if name == "logistic" else "gaussian"
        found[name] = Case(f"y ~ {right}", family, table, by_hand, given)
    return found


@eqx.filter_jit
def descended(density: Any, z: Any, steps: int) -> Any:
    """So many gradients, each of which needs the one before."""

    def step(z: Any, _: None) -> tuple[Any, None]:
        gradient = jax.grad(density)(z)
        return jax.tree.map(lambda a, g: a - 1e-9 * g, z, gradient), None

    return jax.lax.scan(step, z, length=steps)[0]


class ByFormula(eqx.Module):
    """The density that credo's methods take the gradient of."""

    bound: Any

    def __call__(self, z: Any) -> Array:
        """Minus the log density."""
        return potential(self.bound)(z)


class ByHand(eqx.Module):
    """NumPyro's own of a program."""

    program: Any = eqx.field(static=True)
    given: Any

    def __call__(self, z: Any) -> Array:
        """Minus the log density."""
        return potential_energy(self.program, (), self.given, z)


def judged(case: Case, pairs: int, seconds: float) -> tuple[float, float, float]:
    """Gradients per second by formula and by hand, and the median ratio of times."""
    settings = {name: value for name, value in paths.settings("model", "regression").items() if name == "lkj"}
    model = Regression(GENERAL, case.family, formula=case.formula, autoscale=False, **settings)
    data = arranged(case.table, model.rows)  # type: ignore[arg-type]
    problem = Problem(model.fitted(data), data)
    rng = np.random.default_rng(1)
    z = {site.name: jnp.asarray(0.1 * rng.normal(size=site.shape)) for site in problem.latents}
    z |= {name: jnp.zeros(1) for name in z if name.startswith("cholesky")}
    ours, theirs = (
        ByFormula(problem.bound),
        ByHand(case.by_hand, {name: jnp.asarray(v) for name, v in case.given.items()}),
    )
    first, second = (float(eqx.filter_jit(density)(z)) for density in (ours, theirs))
    if not np.isclose(first, second, rtol=1e-9):
        raise ValueError(f"the densities differ: {first} and {second}")
    steps = 1
    while (took := timed(ours, z, steps)) < seconds:
        steps = max(2 * steps, int(steps * seconds / took))
    timed(theirs, z, steps)
    times = np.array([_pair(ours, theirs, z, steps, first=i % 2) for i in range(pairs)])
    per_second = steps / np.median(times, axis=0)
    return float(per_second[0]), float(per_second[1]), float(np.median(times[:, 0] / times[:, 1]))


def _pair(ours: Any, theirs: Any, z: Any, steps: int, first: int) -> list[float]:
    """The seconds of both, which take turns to be the first."""
    found = [timed(one, z, steps) for one in ((ours, theirs) if first else (theirs, ours))]
    return found if first else found[::-1]


def timed(density: Any, z: Any, steps: int) -> float:
    """The processor's seconds for so many gradients, without compiling them."""
    if (id(density), steps) not in _WARM:
        jax.block_until_ready(descended(density, z, steps))
        _WARM.add((id(density), steps))
    begin = time.process_time()
    jax.block_until_ready(descended(density, z, steps))
    return time.process_time() - begin


_WARM = set[tuple[int, int]]()
"""What is compiled."""


def main() -> None:
    """Time, and write the table."""
    every = cases()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="*", default=[*every], choices=[*every])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.5)
    asked = parser.parse_args()
    device.start("cpu", "float64", None, "~/.cache/credo")
    lines, slow = [], 0
    for name in asked.only:
        case = every[name]
        ours, theirs, ratio = judged(case, asked.pairs, asked.seconds)
        slow += ratio > MOST
        formula = case.formula if len(case.formula) < 50 else f"y ~ x0 + ... + x{case.given['x'].shape[1] - 1}"
        cells = (name, f"`{formula}`".replace("|", "\\|"), f"{len(case.table):,}", f"{ours:,.0f}", f"{theirs:,.0f}")
        lines.append(f"| {' | '.join(cells)} | {ratio:.2f}{' (SLOW)' * (ratio > MOST)} |")
        print(lines[-1], flush=True)  # noqa: T201 - a script's output
    if asked.only == [*every]:
        (HERE / "formula_speed.md").write_text(page(lines))
    sys.exit(bool(slow))


def page(lines: list[str]) -> str:
    """The table in markdown, with date, versions and command."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("credo", "numpyro", "jax"))
    return "\n".join(
        [
            "# What a formula costs",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}; {versions}; `make benchmark NAME=formula_speed`. Gradients of the",
            "same density by `model.formula` and by a program written by hand, float64, on one core, in seconds of",
            "the processor; the ratio is the median over alternating pairs of time by formula / time by hand.",
            "",
            "| case | formula | rows | gradients per second | by hand | ratio |",
            "| --- | --- | --- | --- | --- | --- |",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    main()
