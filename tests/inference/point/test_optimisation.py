"""Point estimates that are not easy: several modes, flat and unbounded densities, minibatches, failures."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.config import numbers
from credo.errors import ConfigError, RunError
from credo.inference.base import Inference
from credo.inference.kind import Kind
from credo.inference.result import Result, Status
from credo.models import priors
from credo.models.hierarchical import Hierarchical
from credo.models.problem import Problem
from credo.models.program import Program
from credo.models.regression import Regression
from credo.models.uniform import Uniform

Infer = Callable[..., Result]

SCHOOLS = xr.Dataset(
    {
        "y": ("school", [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]),
        "sigma": ("school", [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]),
    }
)


def two_modes() -> None:
    """Modes at -3 and 3, the first more than twice as high."""
    mixture = dist.MixtureSameFamily(dist.Categorical(jnp.array([0.7, 0.3])), dist.Normal(jnp.array([-3.0, 3.0]), 1.0))
    numpyro.sample("x", mixture)


def only_the_sum(y: Any) -> None:
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    b = numpyro.sample("b", dist.Normal(0.0, 1.0))
    c = numpyro.sample("c", dist.Normal(0.0, 1.0))
    total = numpyro.deterministic("total", a + b)
    with numpyro.plate("obs", len(y)):
        numpyro.sample("y", dist.Normal(total, 1.0), obs=y)
        numpyro.sample("z", dist.Normal(c, 1.0), obs=y)


def cliff() -> None:
    """A density that rises to a place beyond which it is NaN."""
    x = numpyro.sample("x", dist.ImproperUniform(dist.constraints.real, (), ()))
    numpyro.factor("slope", jnp.where(x < 2.5, 10 * x, jnp.nan))


def many() -> None:
    with numpyro.plate("one", 1001):
        numpyro.sample("x", dist.Normal(1.0, 1.0))


def program(function: Callable[..., None], data: xr.Dataset | None = None) -> Problem:
    return Problem(Program(f"{__name__}:{function.__name__}", {}), xr.Dataset() if data is None else data)


def names(result: Result, attribute: str) -> list[str]:
    return json.loads(result.tree["optimisation"].attrs[attribute])


def no_nan(result: Result) -> bool:
    return all(bool(np.all(np.isfinite(v))) for v in result.tree["posterior"].data_vars.values())


def test_starts_that_disagree_are_seen(infer: Infer) -> None:
    result = infer(program(two_modes), "map")
    starts = result.tree["optimisation"]
    low = starts["objective"] < starts["objective"].max() - 0.1
    assert result.status is Status.DONE
    assert result.tree["posterior"]["x"].item() == pytest.approx(-3.0, abs=0.01)
    assert 0 < int(low.sum()) < starts.sizes["start"]  # eight starts on (-2, 2) find both
    assert bool(starts["converged"].all())
    drop = starts["objective"].max() - starts["objective"][low]
    assert np.allclose(drop, np.log(7 / 3), atol=0.01)
    assert np.allclose(starts["distance"][low], 6.0, atol=0.05)  # the mode's standard error is 1
    assert np.all(starts["distance"][~low] < 1e-3)
    assert not bool(low[starts.attrs["best"]])


def test_a_flat_direction_is_named(infer: Infer) -> None:
    """The likelihood knows a + b; c has nothing to do with them."""
    y = np.array([0.3, 1.2, 2.4, -0.1])
    result = infer(program(only_the_sum, xr.Dataset({"y": ("obs", y)})), "mle", starts=4)
    error, found = result.tree["standard_error"], result.tree["posterior"]
    assert names(result, "flat") == ["a", "b"]
    assert names(result, "boundary") == []
    assert np.isnan(error["a"])
    assert np.isnan(error["b"])
    assert error["c"].item() == pytest.approx(0.5)
    assert error["total"].item() == pytest.approx(0.5)
    assert found["total"].item() == pytest.approx(y.mean(), abs=1e-6)
    assert result.tree["optimisation"]["hessian_eigenvalues"][0] == pytest.approx(0.0, abs=1e-8)


@pytest.mark.slow
def test_the_prior_takes_the_flat_direction_away(infer: Infer) -> None:
    """A normal prior of scale 1 on a and b: the posterior's precision is [[5, 4], [4, 5]], its inverse known."""
    y = np.array([0.3, 1.2, 2.4, -0.1])
    result = infer(program(only_the_sum, xr.Dataset({"y": ("obs", y)})), "map", starts=4)
    assert names(result, "flat") == []
    assert result.tree["standard_error"]["a"].item() == pytest.approx(np.sqrt(5 / 9))
    assert result.tree["standard_error"]["total"].item() == pytest.approx(np.sqrt(2 / 9))
    assert result.tree["optimisation"]["hessian_eigenvalues"].to_numpy() == pytest.approx([0.2, 1.0, 1.8])


@pytest.mark.slow
def test_an_unbounded_density_is_no_answer(infer: Infer) -> None:
    """With theta = mu and tau to zero the centred form's joint density grows without end."""
    prior = {"mu": dist.Normal(0.0, 5.0), "tau": dist.HalfCauchy(5.0)}
    result = infer(Problem(Hierarchical(prior, True), SCHOOLS), "map")
    assert no_nan(result)
    assert result.status is not Status.DONE or "tau" in names(result, "boundary")


def test_beyond_the_last_finite_point_is_a_status(infer: Infer) -> None:
    result = infer(program(cliff), "map", starts=3)
    assert result.status in (Status.NOT_FINITE, Status.NOT_CONVERGED)
    assert no_nan(result)
    assert result.tree["posterior"]["x"].item() < 2.5
    assert np.all(np.isfinite(result.tree["optimisation"]["objective"]))
    assert not bool(result.tree["optimisation"]["converged"].any())


def test_too_few_steps_are_a_status(infer: Infer) -> None:
    result = infer(regression(seed=1), "map", steps=1, starts=2)
    assert result.status is Status.NOT_CONVERGED
    assert not bool(result.tree["optimisation"]["converged"].all())
    assert no_nan(result)


def test_no_finite_start_is_one_sentence(infer: Infer) -> None:
    problem = Problem(Uniform({"theta": priors.uniform(0.0, 1.0)}), xr.Dataset({"y": ("obs", [0.5, 2.0])}))
    with pytest.raises(RunError, match=r"^no starting point .* any of the 8 starts .* theta"):
        infer(problem, "map")


def test_many_latents_have_no_hessian(infer: Infer) -> None:
    result = infer(program(many), "map", starts=2)
    assert result.status is Status.DONE
    assert np.allclose(result.tree["posterior"]["x"], 1.0)
    assert result.tree["standard_error"]["x"].shape == (1001,)
    assert np.all(np.isnan(result.tree["standard_error"]["x"]))
    assert result.tree["optimisation"]["hessian_eigenvalues"].size == 0


def regression(seed: int, rows: int = 1000) -> Problem:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 2))
    y = random.binomial(1, 1 / (1 + np.exp(-(0.3 + x @ [1.0, -0.5]))))
    prior = {"intercept": dist.Normal(0.0, 2.0), "beta": dist.Normal(0.0, 2.0)}
    data = xr.Dataset({"y": ("row", y), "x": (("row", "feature"), x)}, {"feature": ["age", "sex"]})
    return Problem(Regression(prior, "bernoulli"), data)


@pytest.fixture(scope="module")
def mode(infer: Infer) -> Result:
    return infer(regression(seed=1), "map")


def distance(result: Result, mode: Result) -> float:
    """The largest deviation of a coefficient from the mode, in the mode's standard errors."""
    found, best, error = (r.tree[g] for r, g in ((result, "posterior"), (mode, "posterior"), (mode, "standard_error")))
    return max(float(abs((found[name] - best[name]) / error[name]).max()) for name in ("intercept", "beta"))


def test_coefficients_are_labelled(mode: Result) -> None:
    for group in ("posterior", "standard_error"):
        assert mode.tree[group]["beta"].dims[-1] == "feature"
        assert mode.tree[group]["feature"].to_numpy().tolist() == ["age", "sex"]
    assert {v.shape for v in mode.tree["posterior"].data_vars.values()} == {(1, 1), (1, 1, 2)}
    assert (mode.kind, mode.method, mode.sampled) == (Kind.POINT, "map", ("intercept", "beta"))


@pytest.mark.parametrize("batch_size", [pytest.param(None, marks=pytest.mark.slow), 100])
def test_adam_lands_on_the_mode(batch_size: int | None, mode: Result, infer: Infer) -> None:
    """Whether it sees all rows or a tenth of them at a time: within a tenth of a standard error."""
    settings = {"optimiser": "adam", "starts": 2, "steps": 4000, "learning_rate": 0.02}
    result = infer(regression(seed=1), "map", batch_size=batch_size, **settings)
    assert distance(result, mode) < 0.1
    objective = result.tree["optimisation"]["objective"]
    assert np.allclose(objective, mode.tree["optimisation"]["objective"].max(), atol=0.02)  # of all rows


def test_an_impossible_batch_is_named(infer: Infer) -> None:
    batch_size = 1001
    with pytest.raises(ConfigError, match=r"^inference\.batch_size: expected at most the 1000 rows, but got 1001$"):
        infer(regression(seed=1), "map", optimiser="adam", batch_size=batch_size)


@pytest.mark.parametrize("batch_size", [0, -5])
def test_a_batch_has_rows(batch_size: int) -> None:
    with pytest.raises(ConfigError, match=rf"^inference\.batch_size: expected .* but got {batch_size}$"):
        numbers.require_all("inference", {"_target_": "credo.inference.point.map.Map", "batch_size": batch_size})


def test_a_batch_needs_adam(method: Callable[..., Inference]) -> None:
    with pytest.raises(ConfigError, match=r"^batch_size: minibatches need optimiser=adam, but the optimiser is lbfgs$"):
        method("map", batch_size=10)


def test_a_latent_per_row_cannot_be_cut(infer: Infer) -> None:
    prior = {"mu": dist.Normal(0.0, 5.0), "tau": dist.HalfCauchy(5.0)}
    with pytest.raises(ConfigError, match=r"^inference\.batch_size: the latent z has .*batch_size=null$"):
        infer(Problem(Hierarchical(prior, False), SCHOOLS), "map", optimiser="adam", batch_size=4)


def settle(method: Callable[..., Inference], word: str, setting: str, value: Any) -> None:
    """What a configuration with this setting goes through: the method is made, and its numbers are asked."""
    kind = type(method(word, **{setting: value}))
    numbers.require_all("inference", {"_target_": f"{kind.__module__}.{kind.__name__}", setting: value})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("optimiser", "sgd"),
        ("starts", 0),
        ("steps", 0),
        ("tolerance", 0.0),
        ("learning_rate", -1.0),
        ("space", "log"),
    ],
)
def test_impossible_settings_are_named(setting: str, value: Any, method: Callable[..., Inference]) -> None:
    with pytest.raises(ConfigError, match=rf"{setting}: expected .* got '?{value}"):
        settle(method, "map", setting, value)


class Recorded:
    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int, dict[str, float]]] = []

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        self.calls.append((phase, done, total, dict(numbers)))


def test_the_listener_hears_of_progress(method: Callable[..., Inference], mode: Result) -> None:
    listener = Recorded()
    method("map").run(regression(seed=1), jax.random.PRNGKey(0), listener)
    phase, done, total, numbers = listener.calls[-1]
    assert (phase, done) == ("optimisation", total)  # it ends when all starts have converged
    assert numbers["objective"] == pytest.approx(mode.tree["optimisation"]["objective"].max().item())
    assert numbers["gradient_norm"] < 1e-5


def test_the_same_key_gives_the_same_answer(mode: Result, infer: Infer) -> None:
    again = infer(regression(seed=1), "map")
    xr.testing.assert_identical(again.tree["optimisation"].to_dataset(), mode.tree["optimisation"].to_dataset())
    xr.testing.assert_identical(again.tree["posterior"].to_dataset(), mode.tree["posterior"].to_dataset())
