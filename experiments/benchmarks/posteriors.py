"""How twelve posteriors come out against answers that others made; writes `posteriors.md` beside this file.

    make references          nine of them by NUTS and random-walk Metropolis, the three hard ones by NUTS on five seeds
    python experiments/benchmarks/posteriors.py --only garch11 --methods nuts

The reference draws' summaries are those of posteriordb (10,000 draws each); for `nes_logit` the answers are exact, by
quadrature. Passed means: R-hat < 1.01, bulk and tail ESS > 400, no divergences, every mean within four standard errors
(of both sides) and 0.1 posterior standard deviations, standard deviations within 10 %, the 5 % and 95 % quantiles
within 0.15 standard deviations. Honest means: where means, standard deviations or quantiles are wrong, R-hat, ESS or
divergences say so.
"""

import argparse
import importlib.metadata
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd

from credo.config import paths
from credo.data.json import Json
from credo.diagnostics.summary import summarise
from credo.experiment import device
from credo.inference.mcmc.kernels.mh import Mh
from credo.inference.mcmc.kernels.nuts import Nuts
from credo.inference.mcmc.mcmc import Mcmc
from credo.inference.result import Result
from credo.models.problem import Problem
from credo.models.program import Program

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
REFERENCE = ROOT.parent / "shared" / "reference"

FOLDERS = {
    "eight_schools_noncentered": "eight_schools-eight_schools_noncentered",
    "sblrc_blr": "sblrc-blr",
    "kidscore_interaction": "kidiq-kidscore_interaction",
    "gp_regr": "gp_pois_regr-gp_regr",
    "low_dim_gauss_mix": "low_dim_gauss_mix-low_dim_gauss_mix",
    "garch11": "garch-garch11",
    "ark": "arK-arK",
    "hmm_example": "hmm_example-hmm_example",
    "nes_logit": "nes_logit",
}
HARD = {
    "arma11": "arma-arma11",
    "gp_pois_regr": "gp_pois_regr-gp_pois_regr",
    "lotka_volterra": "hudson_lynx_hare-lotka_volterra",
}
"""Starts of astronomical potential, a posterior far from normal, and two modes. They need not pass, but be honest."""

HARD_SEEDS = range(5)
MORE: dict[str, dict[str, Any]] = {
    "mh": {"warmup": 10_000, "draws": 10_000, "thinning": 20},
    "lotka_volterra": {"max_tree_depth": 8},
    "nuts eight_schools_noncentered": {"draws": 4000},
}
"""What a method, a posterior, or both have beyond the defaults.

A chain of `lotka_volterra` in the wrong mode would make 1,023 steps per draw. Of eight schools, 4 x 1,000 draws miss
the bar of 0.15 standard deviations for quantiles by chance, in 9 of 40 seeds where all chains begin by jitter and in 9
of 40 where half begin by the prior; 4 x 4,000 draws in none of 40.
"""


class Quiet:
    """A listener that says nothing."""

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    posterior: str
    method: str
    seed: int
    passed: bool
    honest: bool
    worst_z: float
    r_hat: float
    ess_bulk: float
    ess_tail: float
    divergences: int
    evaluations: int
    seconds: float
    why: str


def read(path: Path) -> Json:
    """A file whose keys are the program's arguments."""
    roles: dict[str, Any] = dict.fromkeys(("target", "features", "context", "group", "sigma"))
    return Json(str(path), **roles, standardise=False, standardise_target=False, test_fraction=0.0, split_seed=0)


def main() -> None:
    """Run what was asked for, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="*", default=[*FOLDERS, *HARD], choices=[*FOLDERS, *HARD])
    parser.add_argument("--methods", nargs="*", default=["nuts", "mh"], choices=["nuts", "mh"])
    parser.add_argument("--seed", type=int, default=0, help="of those that are not hard")
    asked = parser.parse_args()
    sys.path.append(str(ROOT))
    device.start("cpu", "float64", None, "~/.cache/credo")
    lines = []
    for name in asked.only:
        for method in ["nuts"] if name in HARD else asked.methods:
            for seed in HARD_SEEDS if name in HARD else [asked.seed]:
                lines.append(judge(name, method, seed))
                print(lines[-1], flush=True)  # noqa: T201 - a script's output
    if asked.only == [*FOLDERS, *HARD]:
        (HERE / "posteriors.md").write_text(page(lines))
    nuts = [line for line in lines if line.method == "nuts"]
    sys.exit(not all(line.honest if line.posterior in HARD else line.passed for line in nuts))


def judge(name: str, method: str, seed: int) -> Line:
    """Run one posterior and compare it."""
    path = folder(name) / "data.json"
    model = Program(f"experiments.posteriors:{name}", {})
    data = read(path).load(model, 0)
    begin = time.perf_counter()
    result = sampler(method, name).run(Problem(model, data), jax.random.PRNGKey(seed), Quiet())
    seconds = time.perf_counter() - begin
    summary = summarise(result).set_index("variable")
    reference = answers(name)
    summary.index = pd.Index([stan(label) for label in summary.index])
    return compare(name, seed, result, summary.loc[reference.index], reference, seconds)


def folder(name: str) -> Path:
    """Where a posterior's data and answers are."""
    return REFERENCE / "posteriordb" / (FOLDERS | HARD)[name]


def sampler(method: str, name: str = "", **own: Any) -> Mcmc:
    """A method with the settings of its YAML, and what it or the posterior has beyond them."""
    settings = configured(method)
    kinds: dict[str, type[Nuts | Mh]] = {"nuts": Nuts, "mh": Mh}
    for key in (method, name, f"{method} {name}"):
        settings |= MORE.get(key, {})
    return kinds[method].assemble(**(settings | own))


def configured(method: str) -> dict[str, Any]:
    """The settings of a method's YAML, without a rule that stops chains."""
    settings = paths.settings("inference", method) | {"stop": None}
    return {name: value for name, value in settings.items() if name not in ("_target_", "checkpoint")}


def stan(label: str) -> str:
    """A scalar's name with indices from one, without blanks: `beta[0]` -> `beta[1]`."""
    name, bracket, inside = label.partition("[")
    if not bracket:
        return name
    return f"{name}[{','.join(str(int(index) + 1) for index in inside.rstrip(']').split(','))}]"


def answers(name: str) -> pd.DataFrame:
    """The reference: `mean, sd, q5, q95, mcse_mean` by scalar; an exact answer has no error and no quantiles."""
    file = folder(name) / "summary.csv"
    if file.exists():
        return pd.read_csv(file).set_index("parameter")
    exact = json.loads((REFERENCE / "closed_forms.json").read_text())[name]
    table = {"mean": exact["post_mean"], "sd": exact["post_sd"], "q5": np.nan, "q95": np.nan, "mcse_mean": 0.0}
    return pd.DataFrame(table, index=["b0", "b1"])


def compare(name: str, seed: int, result: Result, ours: pd.DataFrame, theirs: pd.DataFrame, seconds: float) -> Line:
    """Hold an answer against the reference."""
    z = (ours["mean"] - theirs["mean"]).abs() / np.hypot(ours["mcse_mean"], theirs["mcse_mean"])
    stats = result.tree["sample_stats"]
    divergences = int(stats["diverging"].sum()) if "diverging" in stats else 0
    seen = {
        "R-hat": not ours["r_hat"].max() < 1.01,
        "bulk ESS": not ours["ess_bulk"].min() > 400,
        "tail ESS": not ours["ess_tail"].min() > 400,
        "divergences": divergences > 0,
    }
    off = wrong(ours, theirs)
    faults = [*(word for word, fault in seen.items() if fault), *off]
    return Line(
        posterior=name,
        method=result.method,
        seed=seed,
        passed=not faults,
        honest=any(seen.values()) or not off,
        worst_z=float(z.max()),
        r_hat=float(ours["r_hat"].max()),
        ess_bulk=float(ours["ess_bulk"].min()),
        ess_tail=float(ours["ess_tail"].min()),
        divergences=divergences,
        evaluations=result.cost.density_evaluations,
        seconds=seconds,
        why=", ".join(faults),
    )


def wrong(ours: pd.DataFrame, theirs: pd.DataFrame) -> list[str]:
    """What is not accurate of an answer."""
    off = (ours["mean"] - theirs["mean"]).abs()
    z = off / np.hypot(ours["mcse_mean"], theirs["mcse_mean"])
    ends = pd.concat([(ours[q] - theirs[q]).abs() / theirs["sd"] for q in ("q5", "q95")]).dropna()
    faults = {
        "mean": not (z.max() < 4 and (off / theirs["sd"]).max() < 0.1),
        "sd": not (ours["sd"] / theirs["sd"]).between(0.9, 1.1).all(),
        "quantiles": bool((ends >= 0.15).any()),
    }
    return [word for word, fault in faults.items() if fault]


def page(lines: list[Line]) -> str:
    """The table in markdown, with date, versions and command."""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("credo", "numpyro", "jax", "arviz-stats")
    )
    head = (
        "| posterior | method | seed | passed | honest | worst z | R-hat | bulk ESS | tail ESS | divergences | "
        "evaluations | seconds |"
    )
    rows = [
        f"| {x.posterior} | {x.method} | {x.seed} | {'yes' if x.passed else f'no: {x.why}'} | "
        f"{'yes' if x.honest else 'NO'} | {x.worst_z:.2f} | {x.r_hat:.3f} | "
        f"{x.ess_bulk:,.0f} | {x.ess_tail:,.0f} | {x.divergences} | {x.evaluations:,} | {x.seconds:.1f} |"
        for x in lines
    ]
    return "\n".join(
        [
            "# Posteriors of posteriordb",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}; {versions}; `make references`. Seconds are wall-clock, with compilation.",
            "",
            head,
            "| " + "--- | " * 12,
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
