"""Posteriors that a network has learned from simulations alone, against reference draws; writes `amortised.md`.

    make benchmark NAME=amortised

10,000 draws of the prior, each with its simulated observation, train a mixture density network of the parameters given
the observation (Papamakarios & Murray 2016); at the task's observation 10,000 draws of it are compared with sbibm's
reference draws by C2ST (see `sbibm.py`). The bars are 0.58 and 0.64; the README of the reference folder lists what
neural posterior estimation has reached with as many simulations.
"""

import importlib.metadata
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import xarray as xr
from film import settings
from posteriors import HERE, REFERENCE, Quiet
from sbibm import c2st

from credo.experiment import device
from credo.inference.base import NO_CHECKPOINTER
from credo.inference.point.mle import Mle
from credo.inference.training.likelihood import Likelihood
from credo.models.mdn import Mdn
from credo.models.predict import Predictive
from credo.models.problem import Problem

SIMULATIONS = 10_000
BARS = {"gaussian_linear": 0.58, "two_moons": 0.64}
NETWORKS: Mapping[str, Mapping[str, Any]] = {"gaussian_linear": {"components": 1}, "two_moons": {"components": 20}}
TRAINED = {"batch_size": 256, "epochs": 300, "learning_rate": 0.003, "patience": 100}


def main() -> None:
    """Simulate, train, compare, print and write the table."""
    device.start("cpu", "float32", None, "~/.cache/credo")
    lines = [judged(task) for task in BARS]
    text = page(lines)
    (HERE / "amortised.md").write_text(text)
    print(text)  # noqa: T201 - a script's output
    sys.exit(any("NO" in line for line in lines))


def judged(task: str) -> str:
    """A line of the table."""
    began = time.perf_counter()
    theta, x = simulated(task, np.random.default_rng(0))
    data = xr.Dataset({"y": (("obs", "target"), theta), "x": (("obs", "feature"), x)})
    prior = {name: dist.Normal(0.0, 1.0) for name in ("weight", "bias")}
    own = {"prior": prior, "family": "gaussian_full", "floor": 1e-3} | dict(NETWORKS[task])
    model = Mdn(**(settings("model/mdn") | own)).fitted(data)
    problem = Problem(model, data, None, Likelihood(**(settings("training/likelihood") | TRAINED)))
    result = Mle(**settings("inference/mle")).run(problem, jax.random.PRNGKey(0), Quiet(), NO_CHECKPOINTER)
    seconds = time.perf_counter() - began
    network = result.tree["network"].to_dataset()
    predictive = Predictive(model, {str(n): v.to_numpy()[0] for n, v in network.data_vars.items()})
    folder = REFERENCE / "sbibm" / task
    observation = pd.read_csv(folder / "observation.csv").to_numpy()
    reference = pd.read_csv(folder / "reference_posterior_samples.csv.bz2").to_numpy()
    draws = predictive.sample(jax.random.PRNGKey(1), observation, len(reference))[:, 0]
    accuracy = c2st(reference, draws)
    loss = float(result.tree["training"]["validation"].min())
    passed = "yes" if accuracy <= BARS[task] else "NO"
    return f"| {task} | {model.components} | {loss:.3f} | {accuracy:.3f} | {BARS[task]} | {passed} | {seconds:.0f} |"


def simulated(task: str, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Parameters and observations, as the README of the reference folder describes the tasks."""
    if task == "gaussian_linear":
        theta = generator.normal(0, np.sqrt(0.1), (SIMULATIONS, 10))
        return theta, theta + generator.normal(0, np.sqrt(0.1), theta.shape)
    theta = generator.uniform(-1, 1, (SIMULATIONS, 2))
    angle, radius = generator.uniform(-np.pi / 2, np.pi / 2, SIMULATIONS), generator.normal(0.1, 0.01, SIMULATIONS)
    crescent = np.stack([radius * np.cos(angle) + 0.25, radius * np.sin(angle)], axis=1)
    turned = np.stack([-np.abs(theta.sum(1)), theta[:, 1] - theta[:, 0]], axis=1) / np.sqrt(2)
    return theta, crescent + turned


def page(lines: list[str]) -> str:
    """The table in markdown."""
    names = ("credo", "numpyro", "jax", "scikit-learn")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    words = (
        f"{SIMULATIONS:,} simulations, one network of 2 x 64 units, components with full covariance, seed 0. C2ST: 0.5 "
        "is the same as the reference draws. Seconds are those of simulation and training."
    )
    head = "| task | components | validation NLL | C2ST | bar | passed | seconds |"
    begin = f"# Amortised posteriors\n\n{datetime.now(UTC):%Y-%m-%d}; {versions}; `make benchmark NAME=amortised`."
    return "\n".join([begin, "", words, "", head, "| --- " * 7 + "|", *lines, ""])


if __name__ == "__main__":
    main()
