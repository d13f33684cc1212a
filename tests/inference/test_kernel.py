"""A kernel of a user's own is settings, `init` and `step`; it reports what it has."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax import Array
from jax.flatten_util import ravel_pytree

from conftest import Quiet
from credo.inference.density import Values, potential
from credo.inference.mcmc.kernels.base import Kernel
from credo.inference.mcmc.mcmc import Mcmc
from credo.inference.start import Start
from credo.models.problem import BoundModel, Problem
from credo.ranges import Positive


class WalkState(NamedTuple):
    z: Values
    log_density: Array
    rng_key: Array


class WalkInfo(NamedTuple):
    moved: Array


class PlainWalk(Kernel):
    """A random walk that reports neither steps nor an acceptance rate."""

    scale: Positive

    info: ClassVar[Any] = WalkInfo
    uses_gradients: ClassVar[bool] = False

    def init(self, program: BoundModel, start: Start, key: Array, warmup: int) -> WalkState:
        return WalkState(start.z, -potential(program)(start.z), key)

    def step(self, program: BoundModel, state: WalkState, warmup: int) -> tuple[WalkState, WalkInfo]:
        key, propose_key, accept_key = jax.random.split(state.rng_key, 3)
        flat, unravel = ravel_pytree(state.z)
        z = unravel(flat + self.scale * jax.random.normal(propose_key, flat.shape, flat.dtype))
        log_density = -potential(program)(z)
        moved = jnp.log(jax.random.uniform(accept_key)) < log_density - state.log_density
        there = jax.tree.map(lambda new, old: jnp.where(moved, new, old), (z, log_density), state[:2])
        return WalkState(*there, key), WalkInfo(moved)


SETTINGS = {
    "chains": 2, "warmup": 20, "draws": 40, "thinning": 5, "block": 20, "chain_method": "auto", "start": "jitter",
    "start_values": {}, "stop": None, "moments": False, "keep": None,
}  # fmt: skip


def test_it_runs_and_reports_what_it_has(normal: Problem) -> None:
    method = PlainWalk.assemble(**SETTINGS, scale=0.5)
    method.check(normal)
    result = method.run(normal, jax.random.PRNGKey(0), Quiet())
    assert (result.method, set(result.tree["sample_stats"].data_vars)) == ("plain_walk", {"moved"})
    assert result.tree["posterior"]["mu"].shape == (2, 40)
    assert (result.cost.gradients, result.cost.density_evaluations) == (0, 2 * 5 * (20 + 40))
    assert "acceptance_rate" not in result.history[-1]


def test_it_is_the_same_as_settings_around_a_kernel(normal: Problem) -> None:
    flat, composed = PlainWalk.assemble(**SETTINGS, scale=0.5), Mcmc(**SETTINGS, kernel=PlainWalk(0.5))
    draws = [one.run(normal, jax.random.PRNGKey(1), Quiet()).tree["posterior"]["mu"] for one in (flat, composed)]
    assert np.array_equal(*draws)


@pytest.fixture(scope="module")
def normal() -> Problem:
    from credo.models.program import Program

    return Problem(Program(f"{__name__}:program", {}), xr.Dataset({"y": ("obs", [0.3, 1.1, 0.7])}))


def program(y: Any) -> None:
    import numpyro
    import numpyro.distributions as dist

    mu = numpyro.sample("mu", dist.Normal(0.0, 10.0))
    with numpyro.plate("obs", len(y)):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
