"""How five tasks of sbibm come out against their reference draws; writes `sbibm.md` beside this file.

    python experiments/benchmarks/sbibm.py                            all of them
    python experiments/benchmarks/sbibm.py --only two_moons --seed 1

The programs are those of `experiments/sbibm.py`, and the settings those of a method's YAML and of the words beside it
in `RUNS`; every run has 10,000 draws.

C2ST is the classifier two-sample test of Lueckmann et al. (2021), "Benchmarking simulation-based inference": 10,000
draws of each side, scaled by the reference's mean and standard deviation, are told apart by a network of two hidden
layers with 10 dim units each; its accuracy in five-fold cross-validation is 0.5 where both are the same. Passed means
at most 0.53. The worst z is that of the means, by the standard errors of both sides.
"""

import argparse
import importlib.metadata
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import hydra
import jax
import numpy as np
import pandas as pd
from posteriors import HERE, REFERENCE, ROOT, Quiet
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from credo.config import schema, sources
from credo.data.entries import by_name
from credo.diagnostics.summary import summarise
from credo.experiment import device
from credo.experiment.parts import make_inference
from credo.inference.base import Inference
from credo.inference.result import Result
from credo.models.problem import Problem
from credo.models.program import Program

MOONS = ("gaussian_mixture", "two_moons")
TASKS = ("gaussian_linear", "gaussian_linear_uniform", "bernoulli_glm", *MOONS)
WIDE = "inference=mh inference.chains=100 inference.draws=100"
RUNS = {
    **dict.fromkeys(((task, "nuts") for task in TASKS[:3]), "inference=nuts inference.draws=2500"),
    ("gaussian_mixture", "mh"): f"{WIDE} inference.warmup=20 inference.thinning=100",
    ("two_moons", "mh"): f"{WIDE} inference.warmup=1 inference.thinning=4000 inference.scale=2 inference.adapt=false",
    **{(task, "tempering"): "inference=tempering inference.rungs=12 inference.draws=1250" for task in MOONS},
    **{(task, "smc"): "inference=smc inference.particles=1250" for task in MOONS},
}
"""The words of every run."""

BAR = 0.53


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    task: str
    method: str
    words: str
    c2st: float
    worst_z: float
    r_hat: float
    evaluations: int
    seconds: float


def main() -> None:
    """Run what was asked for, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="*", default=[*TASKS], choices=TASKS)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    sys.path.append(str(ROOT))
    device.start("cpu", "float64", None, "~/.cache/credo")
    lines = []
    for task, method in RUNS:
        if task not in asked.only:
            continue
        lines.append(judge(task, method, asked.seed))
        print(lines[-1], flush=True)  # noqa: T201 - a script's output
    if asked.only == [*TASKS]:
        (HERE / "sbibm.md").write_text(page(lines, asked.seed))
    sys.exit(not all(line.c2st <= BAR for line in lines))


def judge(task: str, word: str, seed: int) -> Line:
    """Run one task and compare it."""
    method = composed(RUNS[task, word].split())
    begin = time.perf_counter()
    result = method.run(problem(task), jax.random.PRNGKey(seed), Quiet())
    seconds = time.perf_counter() - begin
    ours = summarise(result)
    theirs = answers(task).reset_index()
    z = (ours["mean"] - theirs["mean"]) / np.hypot(ours["mcse_mean"], theirs["mcse_mean"])
    return Line(
        task=task,
        method=word,
        words=RUNS[task, word],
        c2st=told_apart(task, result),
        worst_z=float(z.abs().max()),
        r_hat=float(ours["r_hat"].max()),
        evaluations=result.cost.density_evaluations,
        seconds=seconds,
    )


def problem(task: str) -> Problem:
    """A task's program with its observation."""
    return Problem(Program(f"experiments.sbibm:{task}", {}), by_name(observation(task)))


def answers(task: str) -> pd.DataFrame:
    """The reference: `mean, sd, q5, q95, mcse_mean` by scalar."""
    table = pd.read_csv(REFERENCE / "sbibm" / task / "summary.csv", index_col=0)
    table = table.rename(columns={"std": "sd", "5%": "q5", "95%": "q95"})
    return table.set_axis([f"theta[{number}]" for number in range(len(table))])


def told_apart(task: str, result: Result) -> float:
    """C2ST of as many draws as both sides have."""
    reference = pd.read_csv(REFERENCE / "sbibm" / task / "reference_posterior_samples.csv.bz2").to_numpy()
    draws = result.tree["posterior"]["theta"].to_numpy().reshape(-1, reference.shape[1])
    count = min(len(reference), len(draws))
    return c2st(reference[:count], draws[:: len(draws) // count][:count])


def observation(task: str) -> dict[str, np.ndarray]:
    """What the task's program takes."""
    folder = REFERENCE / "sbibm" / task
    if task != "bernoulli_glm":
        return {"y": pd.read_csv(folder / "observation.csv").to_numpy()[0]}
    spikes = pd.read_csv(folder / "observation_raw.csv").to_numpy()[0]
    return {"y": spikes, "design_matrix": pd.read_csv(folder / "design_matrix.csv", header=None).to_numpy()}


def composed(words: list[str]) -> Inference:
    """A method with the settings of its YAML and these words."""
    schema.register()
    sources.register()
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return make_inference(hydra.compose("config", words))


def c2st(reference: np.ndarray, draws: np.ndarray, seed: int = 1) -> float:
    """The classifier two-sample test of two sets of draws [draw, dim]."""
    both = (np.concatenate([reference, draws]) - reference.mean(axis=0)) / reference.std(axis=0)
    labels = np.repeat([0, 1], [len(reference), len(draws)])
    units = 10 * reference.shape[1]
    network = MLPClassifier((units, units), activation="relu", solver="adam", max_iter=1000, random_state=seed)
    folds = KFold(n_splits=5, shuffle=True, random_state=seed)
    with threadpool_limits(1):  # matrices so small are slower in several threads
        return float(cross_val_score(network, both.astype(np.float32), labels, cv=folds).mean())


def page(lines: list[Line], seed: int) -> str:
    """The table in markdown, with date, versions and command."""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("credo", "numpyro", "jax", "scikit-learn")
    )
    rows = [
        f"| {x.task} | {x.method} | `{x.words}` | {x.c2st:.3f} | {x.worst_z:.2f} | "
        f"{x.r_hat:.3f} | {x.evaluations:,} | {x.seconds:.1f} |"
        for x in lines
    ]
    return "\n".join(
        [
            "# Tasks of sbibm",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}; {versions}; `python experiments/benchmarks/sbibm.py --seed {seed}`.",
            "C2ST: 0.5 is the same as the 10,000 reference draws, the bar is 0.53. Seconds are wall-clock, with",
            "compilation, without C2ST.",
            "",
            "| task | method | words | C2ST | worst z | R-hat | evaluations | seconds |",
            "| " + "--- | " * 8,
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
