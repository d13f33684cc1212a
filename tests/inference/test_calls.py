"""Many runs by one program: the same results as alone, whatever differs between them, and each its own error."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.errors import RunError
from credo.inference.base import NO_CHECKPOINTER, Inference, Listener
from credo.inference.calls import Call, Shareable, alone, batched, spread
from credo.inference.clock import Clock
from credo.inference.result import Result
from credo.inference.training.likelihood import Likelihood
from credo.models.gaussian import Gaussian
from credo.models.problem import Problem
from credo.models.program import Program
from registry import values

pytestmark = pytest.mark.slow  # `make proofs` runs them

CONF = Path(__file__).parents[2] / "conf"

Method = Callable[..., Inference]


def question(scale: float, shift: float, rows: int = 6) -> Problem:
    y = np.linspace(-1.0, 1.5, rows) + shift
    prior = {"loc": dist.Normal(shift, scale), "sigma": dist.HalfNormal(scale)}
    return Problem(Gaussian(prior, None, (0.0, 1.0)), xr.Dataset({"y": ("obs", y)}))


def line(x: Any, y: Any, sd: Any) -> None:
    b = numpyro.sample("b", dist.Normal(0.0, sd).expand([x.shape[1]]).to_event(1))
    with numpyro.plate("obs", len(y)):
        numpyro.sample("y", dist.Normal(x @ b, 1.0), obs=y)


def trained(sd: float, **settings: Any) -> Problem:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(64, 3))
    y = x @ [0.3, -0.2, 0.1] + rng.normal(size=64)
    data = xr.Dataset({"x": (("obs", "feature"), x), "y": ("obs", y), "sd": ((), sd)})
    known: dict[str, Any] = values(CONF / "training" / "likelihood.yaml")
    training = Likelihood(**known | {"epochs": 40, "batch_size": 16, "members": 2, "patience": None} | settings)
    return Problem(Program(f"{__name__}:line", {}), data, training=training)


def both(runs: list[tuple[Any, Problem, int]], quiet: Listener) -> tuple[list[Result], list[Result | Exception]]:
    """Alone and together."""
    for method, problem, _ in runs:
        method.check(problem)
        assert isinstance(method, Shareable)
    asked = [(method, problem, jax.random.PRNGKey(seed), quiet, NO_CHECKPOINTER) for method, problem, seed in runs]
    one_by_one = [method.run(*rest) for method, *rest in asked]
    return one_by_one, batched([method.calls(*rest) for method, *rest in asked])


def moments(result: Any) -> np.ndarray:
    """Means and standard deviations of all latents."""
    arrays = [result.tree["posterior"][name].to_numpy().reshape(-1) for name in result.sampled]
    return np.array([(values.mean(), values.std()) for values in arrays])


def test_who_gains_on_a_cpu(method: Method) -> None:
    plain, table = question(2.0, 0.0), trained(0.2)
    gains = {
        (word, what): cast("Any", method(word, **settings)).gains_by_batching(problem)
        for word, settings in (("mh", {}), ("nuts", {}), ("map", {}), ("mle", {"optimiser": "adam"}))
        for what, problem in (("plain", plain), ("table", table))
    }
    assert [key for key, gain in gains.items() if gain] == [("mh", "plain"), ("mle", "plain")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "settings", "others"),
    [
        ("mh", {"warmup": 200, "draws": 300}, {"target_accept": 0.4, "scale": 0.5}),
        ("map", {"starts": 3}, {"tolerance": 1e-7}),
        ("mle", {"starts": 3}, {}),
        ("map", {"starts": 2, "optimiser": "adam", "steps": 200}, {"learning_rate": 0.02}),
        ("nuts", {"warmup": 50, "draws": 50, "chain_method": "vectorized"}, {"target_accept": 0.9}),
    ],
)
def test_runs_together_have_the_results_that_they_have_alone(
    word: str, settings: Any, others: Any, method: Method, quiet: Listener
) -> None:
    first, second = method(word, **settings), method(word, **settings | others)
    runs = [
        (first, question(2.0, 0.0), 0), (first, question(0.5, 3.0), 1), (second, question(2.0, 0.0), 2),
        (first, question(2.0, 0.0, rows=7), 0),
    ]  # fmt: skip
    for one, other in zip(*both(runs, quiet), strict=True):
        assert isinstance(other, Result)
        assert (one.status, one.cost.gradients, one.history[-1]["done"]) == (
            other.status, other.cost.gradients, other.history[-1]["done"],
        )  # fmt: skip
        np.testing.assert_allclose(moments(one), moments(other), rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_trainings_together(method: Method, quiet: Listener) -> None:
    asked = [trained(0.2), trained(0.5), trained(0.2, learning_rate=0.003)]
    runs = [(method("map"), problem, seed) for seed, problem in enumerate(asked)]
    for one, other in zip(*both(runs, quiet), strict=True):
        assert isinstance(other, Result)
        assert one.cost.gradients == other.cost.gradients == 2 * 40 * 3
        np.testing.assert_allclose(moments(one), moments(other), rtol=1e-5)


@pytest.mark.slow
def test_runs_that_end_at_different_times_compile_nothing_new(method: Method, quiet: Listener) -> None:
    asked = [trained(0.2, patience=2, learning_rate=rate) for rate in (0.3, 1e-4)]
    runs = [(method("map"), problem, 0) for problem in asked]
    assert len({result.history[-1]["done"] for result in both(runs, quiet)[0]}) == 2
    clock = Clock()
    again = [method("map").calls(problem, jax.random.PRNGKey(7), quiet, NO_CHECKPOINTER) for _, problem, _ in runs]
    assert all(isinstance(result, Result) for result in batched(again))
    assert clock.programs == 0


def test_runs_that_ask_the_same_are_one(method: Method, quiet: Listener) -> None:
    runs = [(method("map", starts=2), question(2.0, 0.0), 0) for _ in range(2)]
    for one, other in zip(*both(runs, quiet), strict=True):
        np.testing.assert_array_equal(moments(one), moments(other))


def test_one_that_fails_leaves_the_others_alone(method: Method, quiet: Listener) -> None:
    bad = question(2.0, 0.0)
    bad.data["y"][0] = np.inf
    problems = [question(2.0, 0.0), bad, question(1.0, 0.0)]
    chosen: Any = method("mh", warmup=50, draws=50)
    calls = [chosen.calls(problem, jax.random.PRNGKey(0), quiet, NO_CHECKPOINTER) for problem in problems]
    kinds = [type(result) for result in batched(calls)]
    assert kinds == [Result, RunError, Result]


def test_an_error_of_the_program_goes_through_the_run() -> None:
    """Whoever wrote the calls may keep what there is."""
    kept = []

    def calls() -> Any:
        try:
            yield Call(int, "no number")
        except ValueError:
            kept.append(True)
            raise

    with pytest.raises(ValueError, match="no number"):
        alone(calls())
    assert kept


def test_runs_on_devices_of_their_own_are_those_that_they_are_alone_and_one_may_fail() -> None:
    def steps(count: int) -> Any:
        total = 0.0
        for step in range(count):
            total += float((yield Call(jax.jit(lambda x: x + 1.0), float(step))))
        if count == 2:
            raise RunError("two is too few")
        return total

    first, second, third = spread([steps(3), steps(2), steps(1)], jax.devices()[:1] * 3)
    assert (first, third) == (6.0, 1.0)
    assert str(second) == "two is too few"
