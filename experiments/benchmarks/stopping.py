"""Does stopping when the chains look precise bias the answer? Coverage over seeds; writes `stopping.md`.

    make benchmark NAME=stopping

Eight schools and the NES logistic regression, whose posterior means are known by quadrature, a hundred seeds each. The
chains stop at the first look at which every scalar's Monte Carlo standard error is at most 0.05 posterior standard
deviations. The interval mean +- 1.645 MCSE should hold the exact mean in 90 of 100 runs; of a binomial(100, 0.9) count
97.5 % lie between 83 and 97. The same chains stopped at a fixed number of draws, as many as the rule took on average,
stand beside them.
"""

import importlib.metadata
import json
import sys
from datetime import UTC, datetime
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist
import xarray as xr
from posteriors import HERE, REFERENCE, Quiet, configured

from credo.diagnostics.summary import summarise
from credo.experiment import device
from credo.inference.mcmc.kernels.nuts import Nuts
from credo.inference.result import Status
from credo.models.hierarchical import Hierarchical
from credo.models.problem import Problem
from credo.models.regression import Regression

SEEDS = 100
NORMAL_Q95 = 1.6448536269514722
RULE = {"mcse": 0.05}
SETTINGS = {"draws": 20_000, "block": 50}


def main() -> None:
    """Run both models by both rules, and write the table."""
    device.start("cpu", "float64", None, "~/.cache/credo")
    lines = [line for name, (problem, exact) in questions().items() for line in compare(name, problem, exact)]
    text = page(lines)
    (HERE / "stopping.md").write_text(text)
    print(text)  # noqa: T201 - a script's output
    sys.exit(any("NO" in line for line in lines))


def questions() -> dict[str, tuple[Problem, dict[str, float]]]:
    """Problems with their exact posterior means by scalar."""
    exact = json.loads((REFERENCE / "closed_forms.json").read_text())
    votes = json.loads((REFERENCE / "posteriordb" / "nes_logit" / "data.json").read_text())
    schools = json.loads(
        (REFERENCE / "posteriordb" / "eight_schools-eight_schools_noncentered" / "data.json").read_text()
    )
    prior = {"mu": dist.Normal(0.0, 5.0), "tau": dist.HalfCauchy(5.0), "sigma": dist.HalfCauchy(5.0)}
    data = xr.Dataset({name: ("obs", np.array(schools[name], float)) for name in ("y", "sigma")})
    known = {"mu": exact["eight_schools"]["mu"][0], "tau": exact["eight_schools"]["tau"][0]}
    known |= {f"theta[{i}]": mean for i, mean in enumerate(exact["eight_schools"]["theta_mean"])}
    coefficients = {"intercept": dist.Normal(0.0, 2.5), "beta": dist.Normal(0.0, 2.5)}
    income = np.array(votes["income"], float)[:, None]
    table = xr.Dataset({"y": ("obs", votes["vote"]), "x": (("obs", "feature"), income)})
    means = dict(zip(("intercept", "beta[0]"), exact["nes_logit"]["post_mean"], strict=True))
    return {
        "eight schools": (Problem(Hierarchical(prior, False), data), known),
        "NES": (Problem(Regression(coefficients, "bernoulli"), table), means),
    }


def compare(name: str, problem: Problem, exact: dict[str, float]) -> list[str]:
    """The coverage by scalar, stopped by the rule and at a fixed number of draws."""
    stopped = [run(problem, seed, stop=RULE) for seed in range(SEEDS)]
    assert all(result.status is Status.STOPPED for result in stopped)  # noqa: S101 - the ceiling is far away
    draws = np.array([result.tree["posterior"].sizes["draw"] for result in stopped])
    fixed = [run(problem, seed, draws=int(draws.mean())) for seed in range(SEEDS)]
    lines = []
    for label, mean in exact.items():
        by_rule, by_count = (np.array([z(result, label, mean) for result in results]) for results in (stopped, fixed))
        covered, usual = (int(np.sum(np.abs(one) <= NORMAL_Q95)) for one in (by_rule, by_count))
        good = "yes" if 83 <= covered <= 97 else "NO"
        lines.append(
            f"| {name} | {label} | {draws.min()} to {draws.max()} ({draws.mean():.0f}) | {covered} | {good} | "
            f"{by_rule.mean():+.2f} | {usual} | {by_count.mean():+.2f} |"
        )
    return lines


def run(problem: Problem, seed: int, **settings: Any) -> Any:
    """One run by the default NUTS."""
    sampler = Nuts.assemble(**(configured("nuts") | SETTINGS | settings))
    return sampler.run(problem, jax.random.PRNGKey(seed), Quiet())


def z(result: Any, label: str, mean: float) -> float:
    """How many standard errors a run's mean is from the exact one."""
    row = summarise(result).set_index("variable").loc[label]
    return float((row["mean"] - mean) / row["mcse_mean"])


def page(lines: list[str]) -> str:
    """The table in markdown."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("credo", "numpyro", "jax"))
    words = (
        f"{SEEDS} seeds; `inference.stop.mcse={RULE['mcse']} inference.block={SETTINGS['block']}`. Covered: how often "
        "mean +- 1.645 MCSE holds the exact posterior mean; 90 are expected, 83 to 97 are passed. z: the mean over "
        "seeds of (mean - exact) / MCSE; its own standard error is 0.1. The last two columns: the same without the "
        "rule, at the mean number of draws."
    )
    head = "| model | scalar | draws per chain (mean) | covered | passed | z | covered, no rule | z, no rule |"
    begin = f"# Stopping when the chains look precise\n\n{datetime.now(UTC):%Y-%m-%d}; {versions}; "
    begin += "`make benchmark NAME=stopping`."
    return "\n".join([begin, "", words, "", head, "| --- " * 8 + "|", *lines, ""])


if __name__ == "__main__":
    main()
