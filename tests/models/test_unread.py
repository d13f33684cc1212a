"""Which data has a part in what a program computes, and which observations count."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from numpyro import handlers

from credo.models.problem import Problem
from credo.models.program import Program

Y = np.array([1.0, 2.0, 2.5, 4.0])
GROUP = np.array([0, 0, 1, 1])


def _loc() -> Any:
    return numpyro.sample("loc", dist.Normal(0.0, 1.0))


def covariate(y: Any, x: Any) -> None:
    numpyro.sample("y", dist.Normal(_loc() * x, 1.0), obs=y)


def index(y: Any, x: Any) -> None:
    locs = numpyro.sample("locs", dist.Normal(0.0, 1.0).expand([2]))
    numpyro.sample("y", dist.Normal(locs[x], 1.0), obs=y)


def scale_of_a_prior(y: Any, x: Any) -> None:
    loc = numpyro.sample("loc", dist.Normal(0.0, 1.0 + x.sum()))
    numpyro.sample("y", dist.Normal(loc, 1.0), obs=y)


def prediction(y: Any, x: Any) -> None:
    loc = _loc()
    numpyro.deterministic("at", loc * x)
    numpyro.sample("y", dist.Normal(loc, 1.0), obs=y)


def factor(y: Any, x: Any) -> None:
    numpyro.factor("part", dist.Normal(_loc(), 1.0).log_prob(y + x).sum())


def looked_at(y: Any, x: Any) -> None:
    numpyro.sample("y", dist.Normal(_loc(), 1.0 + float(np.max(x))), obs=y)


def mask(y: Any, x: Any) -> None:
    with handlers.mask(mask=x == 1):
        numpyro.sample("y", dist.Normal(_loc(), 1.0), obs=y)


def forgotten(y: Any, x: Any) -> None:
    numpyro.sample("y", dist.Normal(_loc(), 1.0), obs=y)


def shape_alone(y: Any, x: Any) -> None:
    numpyro.sample("y", dist.Normal(_loc() + jnp.zeros(len(x)), 1.0), obs=y)


def constant(y: Any, x: Any) -> None:
    numpyro.sample("w", dist.Normal(_loc() * x.mean(), 1.0), obs=jnp.array(3.0))


def hidden(y: Any, x: Any) -> None:
    with handlers.mask(mask=False):
        numpyro.sample("y", dist.Normal(_loc() * x, 1.0), obs=y)


def hidden_row_by_row(y: Any, x: Any) -> None:
    with handlers.mask(mask=x > 9):
        numpyro.sample("y", dist.Normal(_loc(), 1.0), obs=y)


def problem(name: str) -> Problem:
    return Problem(Program(f"{__name__}:{name}", {}), xr.Dataset({"y": ("obs", Y), "x": ("obs", GROUP)}))


@pytest.mark.parametrize(
    "name", ["covariate", "index", "scale_of_a_prior", "prediction", "factor", "looked_at", "mask", "hidden_row_by_row"]
)
def test_data_that_is_read_has_a_part(name: str) -> None:
    assert problem(name).unread == ()


@pytest.mark.parametrize(
    ("name", "unread"),
    [("forgotten", ("x",)), ("shape_alone", ("x",)), ("constant", ("y",)), ("hidden", ("y", "x"))],
)
def test_data_on_which_nothing_depends_is_named(name: str, unread: tuple[str, ...]) -> None:
    assert set(problem(name).unread) == set(unread)


@pytest.mark.parametrize("name", ["hidden", "hidden_row_by_row"])
def test_what_a_mask_hides_altogether_says_nothing(name: str) -> None:
    assert problem(name).informative == ()


@pytest.mark.parametrize("name", ["mask", "covariate", "factor"])
def test_what_counts_in_part_says_something(name: str) -> None:
    assert len(problem(name).informative) == 1
