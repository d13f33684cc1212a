"""Log p(data) by every way, where it is known; writes `evidence.md` beside this file.

    make benchmark NAME=evidence
    python experiments/benchmarks/evidence.py --only nes_logit --ways bridge smc

Each way has the settings of its YAML; the bridge leads from draws of NUTS. An estimate is wrong, and the exit code 1,
where it is further from the exact value than 0.05 nats and three of its stated errors. The exact values are those of
`closed_forms.json`.
"""

import argparse
import importlib.metadata
import math
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import methods as judged  # the benchmark beside this one
import numpy as np
import numpyro.distributions as dist
import xarray as xr

from credo.errors import CredoError
from credo.experiment import device
from credo.inference.evidence import table
from credo.inference.evidence.bridge import Bridge
from credo.models.bernoulli import Bernoulli
from credo.models.gaussian import Gaussian
from credo.models.normal_inverse_gamma import NormalInverseGamma
from credo.models.problem import Problem
from credo.models.uniform import Uniform

HERE = Path(__file__).parent
WAYS = ("bridge", "laplace", "pathfinder", "vi", "smc", "nested", "tempering")
FORMS: dict[str, Any] = judged.EXACT
Y = FORMS["normal_normal"]["y"]
POSTERIORS = (judged.NONCENTRED, "nes_logit", "sblrc_blr")


def problems() -> dict[str, tuple[Problem, float]]:
    """Every problem by its name, with the exact value."""
    found: dict[str, tuple[Problem, float]] = {}
    for name, exact in FORMS.items():
        if name.startswith("beta_bernoulli"):
            a, b = exact["post"]
            model: Any = Bernoulli({"p": dist.Beta(a - 7.0, b - 3.0)})
            found[name] = Problem(model, _rows([1] * 7 + [0] * 3)), exact["log_evidence_sequence"]
        elif name.startswith("uniform_prior"):
            end = float(name.partition("_L")[2])
            found[name] = Problem(_located(dist.Uniform(-end, end)), _rows(Y)), exact["log_evidence"]
    prior = FORMS["normal_inverse_gamma"]["prior"]
    conjugate = NormalInverseGamma(
        {"sigma2": dist.InverseGamma(prior["a0"], prior["b0"])}, prior["mu0"], prior["kappa0"]
    )
    alpha, least = FORMS["uniform_likelihood_pareto"]["prior"]
    pareto = Uniform({"theta": dist.Pareto(least, alpha)})
    found["normal_normal"] = (
        Problem(_located(dist.Normal(*FORMS["normal_normal"]["prior"])), _rows(Y)),
        FORMS["normal_normal"]["log_evidence"],
    )
    found["normal_inverse_gamma"] = Problem(conjugate, _rows(Y)), FORMS["normal_inverse_gamma"]["log_evidence"]
    found["uniform_likelihood_pareto"] = (
        Problem(pareto, _rows(FORMS["uniform_likelihood_pareto"]["x"])),
        FORMS["uniform_likelihood_pareto"]["log_evidence"],
    )
    for name in POSTERIORS:
        found[name] = judged.problem_of(name), judged.EVIDENCE[name]
    return found


def _rows(y: Any) -> xr.Dataset:
    return xr.Dataset({"y": ("obs", np.asarray(y))})


def _located(prior: Any) -> Gaussian:
    return Gaussian({"loc": prior}, 1.0, (0.0, 1.0))


def estimate(problem: Problem, way: str, seed: int) -> tuple[float, float] | str:
    """Log p(data) and its standard error, or why there is none."""
    key = jax.random.PRNGKey(seed)
    method = judged.method("nuts" if way == "bridge" else way)
    try:
        method.check(problem)
        result = method.run(problem, key, judged.references.Quiet())
        result = Bridge().derived(problem, result, key) if way == "bridge" else result
    except CredoError as error:
        return str(error)
    return table.found(result.tree).get(way, "its own check failed")


def main() -> None:
    """Estimate, compare, and write the table."""
    sys.path.append(str(judged.references.ROOT))  # whose `experiments` have the programs
    every = problems()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="*", default=[*every], choices=[*every])
    parser.add_argument("--ways", nargs="*", default=[*WAYS], choices=WAYS)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    device.start("cpu", "float64", None, "~/.cache/credo")
    lines, wrong = [], 0
    for name in asked.only:
        problem, exact = every[name]
        for way in asked.ways:
            began = time.perf_counter()
            found = estimate(problem, way, asked.seed)
            seconds = time.perf_counter() - began
            if isinstance(found, str):
                lines.append(f"| {name} | {way} | {exact:.4f} | none: {found[:80]} | | | {seconds:.1f} |")
            else:
                value, error = found
                off = abs(value - exact)
                is_wrong = not off <= max(0.05, 3 * error)
                wrong += is_wrong
                z = off / error if error > 0 else math.nan
                mark = " (WRONG)" if is_wrong else ""
                numbers = f"{exact:.4f} | {value:.4f}{mark} | {error:.4f} | {z:.1f} | {seconds:.1f}"
                lines.append(f"| {name} | {way} | {numbers} |")
            print(lines[-1], flush=True)  # noqa: T201 - a script's output
    if asked.only == [*every] and asked.ways == [*WAYS]:
        (HERE / "evidence.md").write_text(page(lines, wrong))
    sys.exit(bool(wrong))


def page(lines: list[str], wrong: int) -> str:
    """The table in markdown, with date, versions and command."""
    names = ("credo", "numpyro", "jax", "arviz-stats")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    return "\n".join(
        [
            "# Log p(data) by every way",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}; {versions}; `make benchmark NAME=evidence`. One seed, default settings,",
            "float64; seconds are wall-clock on a shared machine, with compilation.",
            "",
            f"{wrong} estimates are further off than 0.05 nats and three stated errors.",
            "",
            "| problem | way | exact | estimate | stated error | off by, in errors | seconds |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    main()
