"""What a point estimate knows of its standard errors: planted failures, and what is regular and must not fail."""

import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from numpyro.distributions import constraints

from credo.errors import ConfigError
from credo.inference.point import profile
from credo.inference.result import Result, Status
from credo.models.problem import Problem
from credo.models.program import Program

pytestmark = pytest.mark.slow  # `make proofs` runs them

Infer = Callable[..., Result]

SMALL = 1e-9 * np.array([0.3, -1.2, 0.7, 1.9, -0.4])
PAIRS = np.array([[0.3, 0.5], [-1.2, -0.7], [0.7, 1.1], [1.9, 1.0], [-0.4, 0.3], [-1.1, -2.0]])
TREATED = np.array([1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0])
CURED = np.array([1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0])
"""All who were treated were cured, and half of the others."""


def flat(name: str, support: Any = constraints.real, shape: tuple[int, ...] = ()) -> Any:
    return numpyro.sample(name, dist.ImproperUniform(support, (), shape))


def inside() -> None:
    """Rare events, small units, one event, a constant in a Cholesky factor: all regular."""
    numpyro.sample("cases", dist.Binomial(10_000_000, numpyro.sample("p", dist.Uniform(0.0, 1.0))), obs=3)
    numpyro.sample("count", dist.Poisson(flat("rate", constraints.positive)), obs=1)
    sigma = flat("sigma", constraints.positive)
    root = numpyro.sample("root", dist.LKJCholesky(2, 1.0))
    numpyro.deterministic("corr", root @ root.T)
    with numpyro.plate("row", len(SMALL)):
        numpyro.sample("y", dist.Normal(0.0, sigma), obs=SMALL)
    with numpyro.plate("pair", len(PAIRS)):
        numpyro.sample("pairs", dist.MultivariateNormal(0.0, scale_tril=root), obs=PAIRS)


def edges() -> None:
    """A support that moves, an end point, and a prior that ends before the data."""
    low = numpyro.sample("low", dist.Uniform(0.0, 1.0))
    high = numpyro.sample("high", dist.Uniform(low, 2.0))
    numpyro.sample("y", dist.Normal(low + high, 0.1), obs=1.5)
    numpyro.sample("cases", dist.Binomial(10, numpyro.sample("p", dist.Uniform(0.0, 1.0))), obs=0)
    numpyro.sample("x", dist.Normal(numpyro.sample("u", dist.Uniform(0.0, 1e-9)), 1e-9), obs=3e-9)
    numpyro.sample("w", dist.Normal(flat("mu"), 1.0), obs=2.0)


def separated() -> None:
    logits = flat("alpha") + flat("beta") * TREATED
    with numpyro.plate("patient", len(CURED)):
        numpyro.sample("y", dist.BernoulliLogits(logits), obs=CURED)


def flat_top() -> None:
    x, y = flat("x"), flat("y")
    numpyro.factor("top", -((x - 0.5) ** 4))
    numpyro.factor("round", -0.5 * (y - 1.0) ** 2)


def one_point() -> None:
    """A component of the mixture may sit on one point."""
    y = jnp.array([0.0, 0.1, -0.3, 1.7, 4.0])
    heights = [
        dist.Normal(0.0, 1.0).log_prob(y),
        dist.Normal(flat("mu"), flat("sigma", constraints.positive)).log_prob(y),
    ]
    numpyro.factor("mixture", jnp.sum(jnp.logaddexp(*heights)))


def far() -> None:
    """The higher mode is 60 standard deviations from where the jitter begins."""
    weights = dist.Categorical(probs=jnp.array([0.1, 0.9]))
    mu = numpyro.sample("mu", dist.MixtureSameFamily(weights, dist.Normal(jnp.array([0.0, 60.0]), 1.0)))
    numpyro.sample("y", dist.Normal(mu, 1000.0), obs=30.0)


@jax.custom_vjp
def reverse(x: Any) -> Any:
    """A square that JAX differentiates in reverse only, as it does `odeint`."""
    return x**2


reverse.defvjp(lambda x: (x**2, x), lambda x, g: (2 * x * g,))


def reverse_only() -> None:
    """A mean of 3 and a standard error of 1/2."""
    sigma = flat("sigma", constraints.positive)
    numpyro.factor("square", -2 * reverse(sigma - 3.0))


@jax.custom_vjp
def once(x: Any) -> Any:
    """A square, whose derivative JAX can take once only."""
    return x**2


def _twice(x: Any, g: Any) -> Any:
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return (jax.pure_callback(lambda x, g: np.asarray(2 * x * g), shape, x, g, vmap_method="sequential"),)


once.defvjp(lambda x: (x**2, x), lambda x, g: _twice(x, g))


def first_derivative_only() -> None:
    numpyro.factor("square", -0.5 * once(flat("x") - 1.0))


def no_derivative() -> None:
    x = flat("x")
    numpyro.factor("steps", -(lax_loop(x) ** 2))


def lax_loop(x: Any) -> Any:
    return jax.lax.while_loop(lambda carry: carry[0] < 3, lambda carry: (carry[0] + 1, 0.9 * carry[1]), (0, x))[1]


def program(function: Callable[..., None]) -> Problem:
    return Problem(Program(f"{__name__}:{function.__name__}", {}), xr.Dataset())


def names(result: Result, attribute: str) -> list[Any]:
    return json.loads(result.tree["optimisation"].attrs[attribute])


def ways(result: Result) -> tuple[set[str], set[str]]:
    """The latents that are open to a side, and those whose top is flat."""
    found = result.tree["optimisation"]
    fall, latents = found["fall"].to_numpy(), found["latent"].to_numpy()
    is_open, is_flat = profile.judge(fall[: len(fall) // 2], found.attrs["rounding"])
    latents = latents[: len(latents) // 2]
    return set(latents[is_open.any(1)]), set(latents[is_flat])


@pytest.mark.slow
def test_what_is_regular_has_standard_errors(infer: Infer) -> None:
    result = infer(program(inside), "mle", starts=2)
    error, found = result.tree["standard_error"], result.tree["posterior"]
    assert names(result, "boundary") == names(result, "flat") == names(result, "unbounded") == []
    assert ways(result) == (set(), set())
    assert found["p"].item() == pytest.approx(3e-7, rel=1e-5)
    assert error["p"].item() == pytest.approx(np.sqrt(3) * 1e-7, rel=1e-4)
    assert error["rate"].item() == pytest.approx(1.0, rel=1e-4)
    sigma = np.sqrt(np.mean(SMALL**2))
    assert error["sigma"].item() == pytest.approx(sigma / np.sqrt(2 * len(SMALL)), rel=1e-4)
    assert error["root"].to_numpy()[0].tolist() == [0.0, 0.0]  # its corner is 1, and 0 is above the diagonal
    assert error["corr"][0, 0] == 0.0
    assert error["corr"][0, 1] > 0.05


@pytest.mark.slow
def test_edges_are_found_in_every_unit(infer: Infer) -> None:
    result = infer(program(edges), "map", starts=2)
    error = result.tree["standard_error"]
    assert names(result, "boundary") == ["high", "p", "u"]
    assert all(np.isnan(error[name]) for name in ("high", "p", "u"))
    assert error["mu"].item() == pytest.approx(1.0)
    assert ways(result) == (set(), set())


def test_separated_classes_have_no_standard_error(infer: Infer) -> None:
    result = infer(program(separated), "mle", starts=2)
    error = result.tree["standard_error"]
    assert ways(result) == ({"beta"}, set())
    assert np.isnan(error["beta"])
    assert error["alpha"].item() == pytest.approx(np.sqrt(1 / 4 + 1 / 3), rel=1e-4)  # three of seven were cured
    assert result.tree["optimisation"].attrs["classes"] == 1
    assert np.isnan(result.tree["optimisation"]["distance"]).sum() == 1  # of the other start


@pytest.mark.slow
def test_a_flat_top_has_no_standard_error(infer: Infer) -> None:
    result = infer(program(flat_top), "mle", starts=2)
    assert ways(result) == (set(), {"x"})
    assert np.isnan(result.tree["standard_error"]["x"])
    assert result.tree["standard_error"]["y"].item() == pytest.approx(1.0)


@pytest.mark.slow
def test_a_component_on_one_point_is_unbounded(infer: Infer) -> None:
    result = infer(program(one_point), "mle")
    ((name, end),) = names(result, "unbounded")
    assert name == "sigma"
    assert end == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(result.tree["standard_error"]["mu"])


@pytest.mark.slow
def test_the_higher_mode_is_found_from_the_prior(infer: Infer) -> None:
    """Four of eight starts are drawn from the prior; all miss the higher mode once in 10,000 times."""
    result = infer(program(far), "map")
    assert result.tree["posterior"]["mu"].item() == pytest.approx(60.0, abs=0.01)
    assert result.tree["standard_error"]["mu"].item() == pytest.approx(1.0, rel=1e-3)


def test_second_derivatives_in_reverse(infer: Infer) -> None:
    result = infer(program(reverse_only), "mle", starts=2)
    assert "unknown" not in result.tree["optimisation"].attrs
    assert result.tree["posterior"]["sigma"].item() == pytest.approx(3.0)
    assert result.tree["standard_error"]["sigma"].item() == pytest.approx(0.5)


def test_without_second_derivatives_the_estimate_is_there(infer: Infer) -> None:
    result = infer(program(first_derivative_only), "mle", starts=2)
    assert result.status is Status.DONE
    assert result.tree["posterior"]["x"].item() == pytest.approx(1.0)
    assert np.isnan(result.tree["standard_error"]["x"])
    assert "no second derivatives" in result.tree["optimisation"].attrs["unknown"]
    assert "boundary" not in result.tree["optimisation"].attrs


def test_without_a_gradient_it_is_refused(infer: Infer) -> None:
    with pytest.raises(
        ConfigError, match=r"^model.function: inference=mle needs the gradient .* but it raised .*inference=mh"
    ):
        infer(program(no_derivative), "mle")
