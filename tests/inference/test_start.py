"""Where chains begin, and the sentence where they cannot."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from numpyro.distributions import constraints

from credo.diagnostics.chains import Chains
from credo.diagnostics.r_hat import RHat
from credo.diagnostics.summary import summarise
from credo.errors import ConfigError, RunError
from credo.inference.result import Result
from credo.inference.start import find
from credo.models.gaussian import Gaussian
from credo.models.problem import Problem
from credo.models.program import Program
from interruptions import Cut, Memory

pytestmark = pytest.mark.slow  # `make proofs` runs them

Infer = Callable[..., Result]
SHORT = {"chains": 2, "warmup": 0, "draws": 1, "block": 1}


@pytest.fixture(scope="module")
def problem() -> Problem:
    prior = {"loc": dist.Normal(50.0, 0.1), "sigma": dist.Gamma(5.0, 1.0)}
    return Problem(Gaussian(prior, None, (0.0, 1.0)), xr.Dataset({"y": ("obs", [49.0, 50.5, 51.0])}))


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Problem]:
    """A problem of a program of one's own, with the data by name."""

    def make(function: Any, **data: float) -> Problem:
        module = ModuleType("programs")
        module.function = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "programs", module)
        return Problem(Program("programs:function", {}), xr.Dataset(data))

    return make


def begins(problem: Problem, how: str, **values: float) -> list[dict[str, float]]:
    """Loc and log sigma at twenty beginnings."""
    given = {name: np.asarray(value) for name, value in values.items()}
    starts = jax.vmap(lambda key: find(problem.bound, key, how, given).z)(jax.random.split(jax.random.PRNGKey(0), 20))
    return [{name: float(value[i]) for name, value in starts.items()} for i in range(20)]


def test_jitter_is_near_zero_whatever_the_prior(problem: Problem) -> None:
    assert all(abs(value) < 2 for start in begins(problem, "jitter") for value in start.values())


def test_prior_begins_where_the_prior_is(problem: Problem) -> None:
    locs = [start["loc"] for start in begins(problem, "prior")]
    assert 49.5 < min(locs) < max(locs) < 50.5
    assert len(set(locs)) == 20


def test_values_are_taken_and_the_rest_is_jitter(problem: Problem) -> None:
    starts = begins(problem, "values", sigma=3.0)
    assert {round(start["sigma"], 12) for start in starts} == {round(np.log(3.0), 12)}
    assert all(abs(start["loc"]) < 2 for start in starts)


def test_map_begins_at_the_mode(problem: Problem) -> None:
    """Of the density in unconstrained space, where its gradient is zero."""
    from credo.inference.density import potential

    for start in begins(problem, "map"):
        gradient = jax.grad(potential(problem.bound))(start)
        assert max(abs(float(slope)) for slope in gradient.values()) < 1e-4


def first(problem: Problem, infer: Infer, word: str, **settings: Any) -> dict[str, np.ndarray]:
    """Where chains began, by latent [chain]."""
    start = infer(problem, word, **SHORT | settings).tree["start"]
    return {str(name): values.values for name, values in start.data_vars.items()}


@pytest.mark.slow
@pytest.mark.parametrize("word", [pytest.param("nuts", marks=pytest.mark.slow), "mh"])
def test_pathfinder_begins_at_different_points_of_the_posterior(word: str, problem: Problem, infer: Infer) -> None:
    """Loc has the mean 50.0 and the standard deviation 0.1 by its prior, and hardly another by three rows."""
    starts = first(problem, infer, word, chains=6, start="pathfinder")
    assert (np.abs(starts["loc"] - 50) < 0.6).all()
    assert (starts["sigma"] > 0.3).all()
    assert len(set(starts["loc"])) == len(set(starts["sigma"])) == 6


@pytest.mark.slow
def test_pathfinder_gives_the_first_metric(infer: Infer, own: Callable[..., Problem]) -> None:
    """Of two latents that are correlated by 0.999; with unit scales a trajectory takes tens of leapfrogs."""

    def ridge(y: Any) -> None:
        covariance = jnp.array([[1.0, 0.999], [0.999, 1.0]])
        x = numpyro.sample("x", dist.MultivariateNormal(jnp.zeros(2), covariance))
        numpyro.sample("y", dist.Normal(x[0], 100.0), obs=y)

    settings = {"chains": 2, "warmup": 9, "draws": 20, "block": 20, "step_size": 0.5}
    led, jittered = (
        float(infer(own(ridge, y=0.0), "nuts", start=start, **settings).tree["sample_stats"]["n_steps"].mean())
        for start in ("pathfinder", "jitter")
    )
    assert led < 8 < jittered


def test_pathfinder_is_refused_where_discrete_latents_are_moved(method: Any, own: Callable[..., Problem]) -> None:
    def function(y: Any) -> None:
        which = numpyro.sample("which", dist.Bernoulli(0.5))
        loc = numpyro.sample("loc", dist.Normal(0.0, 1.0))
        numpyro.sample("y", dist.Normal(loc + which, 1.0), obs=y)

    with pytest.raises(ConfigError, match=r"^inference\.start: pathfinder .* use inference\.start=auto$"):
        method("mh", start="pathfinder").check(own(function, y=1.0))
    method("nuts", start="pathfinder").check(own(function, y=1.0))


@pytest.mark.parametrize("word", [pytest.param("nuts", marks=pytest.mark.slow), "mh"])
def test_every_second_chain_begins_by_the_prior(word: str, problem: Problem, infer: Infer) -> None:
    """The others begin where they would have begun by jitter, to the bit."""
    mixed, jitter = (first(problem, infer, word, chains=6, start=how) for how in ("auto", "jitter"))
    for name, values in mixed.items():
        np.testing.assert_array_equal(values[::2], jitter[name][::2])
    assert (np.abs(mixed["loc"][::2]) < 2).all()
    assert (np.abs(mixed["loc"][1::2] - 50) < 0.5).all()
    assert len(set(mixed["sigma"])) == 6


def test_one_chain_begins_by_jitter(problem: Problem, infer: Infer) -> None:
    assert first(problem, infer, "nuts", chains=1) == first(problem, infer, "nuts", chains=1, start="jitter")


@pytest.mark.parametrize("how", [pytest.param("map", marks=pytest.mark.slow), "values"])
def test_chains_that_began_at_one_point_are_not_believed(how: str, problem: Problem, infer: Infer) -> None:
    given = {"loc": 50.0, "sigma": 2.0} if how == "values" else {}
    result = infer(problem, "nuts", warmup=200, draws=200, start=how, start_values=given)
    answer = Chains(2)(result, summarise(result))
    assert answer is not None
    assert answer.status == "not checked"
    assert "the same loc, sigma" in answer.advice


def two_modes(y: Any) -> None:
    modes = dist.Normal(jnp.array([0.0, 60.0]), 1.0)
    mu = numpyro.sample("mu", dist.MixtureSameFamily(dist.Categorical(probs=jnp.array([0.1, 0.9])), modes))
    numpyro.sample("y", dist.Normal(mu, 1000.0), obs=y)


@pytest.mark.parametrize("word", [pytest.param("nuts", marks=pytest.mark.slow), "mh"])
def test_far_modes_are_never_passed(word: str, infer: Infer, own: Callable[..., Problem]) -> None:
    """By jitter all chains of 9 seeds in 10 stay at 0, where a tenth of the mass is, and agree."""
    problem = own(two_modes, y=30.0)
    for seed in range(3):
        result = infer(problem, word, seed=seed, warmup=300, draws=300)
        answer = RHat(1.01)(result, summarise(result))
        assert answer is not None
        assert answer.status == "failed"
        assert "Chains 0 and 2 stay 2." in answer.advice
        assert "in another mode" in answer.advice


def part_flat(y: Any) -> None:
    far = numpyro.sample("far", dist.Normal(1000.0, 1.0))
    flat = numpyro.sample("flat", dist.ImproperUniform(constraints.real, (), ()))
    numpyro.sample("y", dist.Normal(far + flat, 1.0), obs=y)


def impossible(y: Any) -> None:
    """No draw of the prior has a finite density."""
    mu = numpyro.sample("mu", dist.Normal(1e3, 1.0))
    numpyro.factor("near", jnp.where(mu < 100, 0.0, -jnp.inf))
    numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


@pytest.mark.slow
def test_a_flat_latent_begins_by_jitter_beside_others(infer: Infer, own: Callable[..., Problem]) -> None:
    begun = first(own(part_flat, y=1000.0), infer, "nuts", chains=4)
    assert (np.abs(begun["flat"]) < 2).all()
    assert (np.abs(begun["far"] - 1000) < 5).tolist() == [False, True, False, True]


def test_where_no_draw_of_the_prior_will_do_chains_begin_by_jitter(infer: Infer, own: Callable[..., Problem]) -> None:
    problem = own(impossible, y=0.0)
    assert (np.abs(first(problem, infer, "nuts", chains=4)["mu"]) < 2).all()


@pytest.mark.parametrize(("how", "from_prior"), [("auto", True), ("jitter", None)])
def test_a_density_without_a_gradient_has_a_start(
    how: str, from_prior: bool | None, own: Callable[..., Problem]
) -> None:
    def halved(y: Any) -> None:
        mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
        half = jax.lax.while_loop(lambda now: now[0] < 1, lambda now: (now[0] + 1, now[1] / 2), (0, mu))[1]
        numpyro.sample("y", dist.Normal(half, 1.0), obs=y)

    flag = None if from_prior is None else jnp.asarray(from_prior)
    bound = own(halved, y=0.0).bound
    start = jax.eval_shape(lambda key: find(bound, key, how, {}, flag), jax.random.PRNGKey(0))  # raised while traced
    assert start.z["mu"].shape == ()


@pytest.mark.slow
def test_an_enumerated_model_begins_by_the_prior(infer: Infer, own: Callable[..., Problem]) -> None:
    def mixture(y: Any) -> None:
        far = numpyro.sample("far", dist.Normal(1000.0, 1.0))
        k = numpyro.sample("k", dist.Bernoulli(0.5))
        numpyro.sample("y", dist.Normal(far + k, 1.0), obs=y)

    begun = first(own(mixture, y=1000.0), infer, "nuts", chains=2)["far"]
    assert abs(begun[0]) < 2
    assert abs(begun[1] - 1000) < 5


def test_starts_survive_an_extension(problem: Problem, method: Callable[..., Any]) -> None:
    checkpointer = Memory()
    begun = method("nuts", **SHORT).run(problem, jax.random.PRNGKey(0), Cut(), checkpointer).tree["start"]
    longer = method("nuts", **SHORT | {"draws": 3})
    again = longer.run(problem, jax.random.PRNGKey(0), Cut(), Memory(checkpointer.kept)).tree["start"]
    xr.testing.assert_identical(begun.to_dataset(), again.to_dataset())


@pytest.mark.parametrize("word", ["nuts", pytest.param("hmc", marks=pytest.mark.slow), "mh"])
def test_chains_begin_there(word: str, problem: Problem, infer: Infer) -> None:
    settings = SHORT | ({"scale": 1e-9} if word == "mh" else {"step_size": 1e-9})
    if word == "hmc":
        settings["trajectory_length"] = 1e-9
    given = {"loc": 50.0, "sigma": 2.0}
    draws = infer(problem, word, **settings, start="values", start_values=given).tree["posterior"]
    assert np.allclose(draws["loc"], 50.0, atol=1e-5)
    assert np.allclose(draws["sigma"], 2.0, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"start": "here"},
            r"^inference\.start: expected one of auto, jitter, prior, map, pathfinder, values, but got 'here'",
        ),
        (
            {"start_values": {"loc": 1.0}},
            r"^inference\.start_values: they are read with start=values, but start is auto",
        ),
        (
            {"start": "values", "start_values": {"mu": 1.0}},
            r"^inference\.start_values: expected latents among loc, sigma, but got 'mu'",
        ),
        (
            {"start": "values", "start_values": {"loc": [1.0, 2.0]}},
            r"^inference\.start_values\.loc: expected the shape \(\), but got \(2,\)",
        ),
        (
            {"start": "values", "start_values": {"sigma": -1.0}},
            r"^inference\.start_values\.sigma: sigma must be a positive number, but got -1\.0",
        ),
    ],
)
def test_impossible_beginnings_are_named(settings: dict[str, Any], said: str, problem: Problem, infer: Infer) -> None:
    with pytest.raises(ConfigError, match=said):
        infer(problem, "nuts", **SHORT, **settings)


def wrong_density(y):
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    numpyro.factor("never", jnp.where(mu < 100, -jnp.inf, 0.0))
    numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def wrong_gradient(y):
    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))
    tau = numpyro.sample("tau", dist.Normal(0.0, 1.0))
    numpyro.factor("root", jnp.sqrt(0.0 * tau**2) - mu**2)
    numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (wrong_density, r"mu = \S+ \(log density \S+\), never \(log density -inf\), y \(.*\); never is to blame"),
        (
            wrong_gradient,
            r"tau = \S+ \(log density \S+, gradient nan\), root \(.*\), y \(log density \S+\); tau is to blame",
        ),
    ],
)
def test_who_is_to_blame_is_said(function: Any, told: str, infer: Infer, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("blamed")
    module.function = function  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "blamed", module)
    problem = Problem(Program("blamed:function", {}), xr.Dataset({"y": ("obs", [-1.0, 2.0])}))
    with pytest.raises(RunError, match=told):
        infer(problem, "nuts", **SHORT)


def test_single_precision_is_named_where_nothing_is_finite(infer: Infer, own: Callable[..., Problem]) -> None:
    problem = own(wrong_density, y=0.0)
    with pytest.raises(RunError) as wide:
        infer(problem, "nuts", **SHORT)
    assert "float64" not in str(wide.value)
    with jax.enable_x64(False), pytest.raises(RunError, match=r"device\.precision=float64$"):
        infer(problem, "nuts", **SHORT)
