"""Numbers are arguments of the programs: another prior, seed, setting or data set of the shape compiles nothing."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.inference.clock import Clock
from credo.inference.result import Result
from credo.models.bernoulli import Bernoulli
from credo.models.gaussian import Gaussian
from credo.models.problem import Problem

pytestmark = pytest.mark.slow  # `make proofs` runs them

Infer = Callable[..., Result]

FIRST = {"nuts": 10, "mh": 10, "map": 16, "mle": 16}
"""At most so many programs in a first run.

A sampler has start, the check of the start, advance, evaluation, and some one-line programs for keys; a point estimate
has start, advance, curvature, evaluation, and those. A process that has run other models has the small ones already.
"""


def question(scale: float, shift: float) -> Problem:
    y = np.array([0.3, -1.2, 0.7, 1.9, 0.4]) + shift
    prior = {"loc": dist.Normal(shift, scale), "sigma": dist.HalfNormal(scale)}
    return Problem(Gaussian(prior, None, (0.0, 1.0)), xr.Dataset({"y": ("obs", y)}))


@pytest.mark.parametrize(
    ("word", "settings", "other"),
    [
        ("nuts", {"warmup": 50, "draws": 50}, {"target_accept": 0.8, "step_size": 0.5}),
        ("mh", {"warmup": 50, "draws": 50}, {"target_accept": 0.44, "scale": 0.5}),
        ("map", {"starts": 2}, {"tolerance": 1e-8}),
        pytest.param("mle", {"starts": 2}, {"tolerance": 1e-8}, marks=pytest.mark.slow),
    ],
)
def test_other_numbers_compile_nothing(word: str, settings: Any, other: Any, infer: Infer) -> None:
    first = infer(question(2.0, 0.0), word, **settings)
    assert 0 < first.cost.programs <= FIRST[word]
    clock = Clock()
    second = infer(question(0.5, 3.0), word, seed=7, **settings | other)
    assert clock.programs == second.cost.programs == 0
    assert second.tree["posterior"]["loc"].mean() > first.tree["posterior"]["loc"].mean() + 2


def test_what_is_told_of_the_cost(infer: Infer) -> None:
    """Another number of rows is another program, and its compilation is told apart from the run."""
    problem = Problem(Bernoulli({"p": dist.Beta(1.0, 1.0)}), xr.Dataset({"y": ("obs", np.ones(13, int))}))
    cost = infer(problem, "mh", warmup=50, draws=50).cost
    assert cost.programs > 0
    assert cost.seconds["compile"] > 0
    assert all(seconds >= 0 for seconds in cost.seconds.values())


LOWER = """
import hashlib, jax, xarray as xr
import numpyro.distributions as dist
from credo.models.gaussian import Gaussian
from credo.models.problem import Problem
from credo.inference.density import potential

prior = {"loc": dist.StudentT(3.0, 0.0, 1.0), "sigma": dist.Gamma(2.0, 1.0)}
program = Problem(Gaussian(prior, None, (0.0, 1.0)), xr.Dataset({"y": ("obs", [0.5, 1.5])})).bound
lowered = jax.jit(lambda program, z: potential(program)(z)).lower(program, {"loc": 0.0, "sigma": 0.0})
print(hashlib.sha256(lowered.as_text().encode()).hexdigest())
"""


@pytest.mark.slow
def test_programs_are_the_same_in_every_process() -> None:
    """Whatever the seed of Python's hashes; else the compilation cache would be missed. Six processes."""

    def lowered(seed: int) -> str:
        environment = os.environ | {"PYTHONHASHSEED": str(seed), "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, "-c", LOWER]
        return subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout  # noqa: S603

    assert len({lowered(seed) for seed in range(6)}) == 1
