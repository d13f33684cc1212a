"""A kernel of a user's own is settings, `init` and `step`; it reports what it has."""

import re
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax import Array
from jax.flatten_util import ravel_pytree
from omegaconf import OmegaConf

from credo.errors import ConfigError
from credo.experiment.parts import make_inference
from credo.inference.base import Listener
from credo.inference.density import Values, potential
from credo.inference.mcmc.kernel import Kernel
from credo.inference.mcmc.mcmc import Mcmc
from credo.inference.start import Start
from credo.models.binding import BoundModel
from credo.models.problem import Problem
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


def test_it_runs_and_reports_what_it_has(normal: Problem, quiet: Listener) -> None:
    method = PlainWalk.assemble(**SETTINGS, scale=0.5)
    method.check(normal)
    result = method.run(normal, jax.random.PRNGKey(0), quiet)
    assert (result.method, set(result.tree["sample_stats"].data_vars)) == ("plain_walk", {"moved"})
    assert result.tree["posterior"]["mu"].shape == (2, 40)
    assert (result.cost.gradients, result.cost.density_evaluations) == (0, 2 * 5 * (20 + 40))
    assert "acceptance_rate" not in result.history[-1]


def test_it_is_the_same_as_settings_around_a_kernel(normal: Problem, quiet: Listener) -> None:
    flat, composed = PlainWalk.assemble(**SETTINGS, scale=0.5), Mcmc(**SETTINGS, kernel=PlainWalk(0.5))
    draws = [one.run(normal, jax.random.PRNGKey(1), quiet).tree["posterior"]["mu"] for one in (flat, composed)]
    assert np.array_equal(*draws)


class Traced(PlainWalk):
    """Counts how often its code is read."""

    read: ClassVar[list[str]] = []

    def init(self, program: BoundModel, start: Start, key: Array, warmup: int) -> WalkState:
        self.read.append("init")
        return super().init(program, start, key, warmup)

    def step(self, program: BoundModel, state: WalkState, warmup: int) -> tuple[WalkState, WalkInfo]:
        self.read.append("step")
        return super().step(program, state, warmup)


def test_its_code_is_traced_once(normal: Problem, quiet: Listener) -> None:
    """For the warm-up, the draws and the steps in between: tracing takes longer than a small run."""
    Traced.assemble(**SETTINGS, scale=0.5).run(normal, jax.random.PRNGKey(0), quiet)
    assert sorted(Traced.read) == ["init", "step"]


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


def test_the_old_name_of_chain_method_is_taken_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    config = OmegaConf.create(
        {"inference": {"_target_": f"{__name__}.PlainWalk", **SETTINGS, "placement": "vectorized", "scale": 0.5}}
    )
    assert make_inference(config).in_step
    assert capsys.readouterr().err == (
        "inference.placement is now called inference.chain_method; the next release refuses it\n"
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"scale": -1.0}, "inference.scale: expected a positive number, but got -1.0"),
        ({"draws": 0}, "inference.draws: expected a whole number of at least 1, but got 0"),
        ({"chain_method": "parallel"}, "inference.chain_method: expected auto, sequential or vectorized"),
        ({"drawz": 5}, "inference.drawz: there is no such key; did you mean 'draws'"),
        ({"scales": 5}, "inference.scales: there is no such key; did you mean 'scale'"),
    ],
)
def test_its_settings_are_refused_by_the_key_that_was_typed(settings: dict[str, Any], sentence: str) -> None:
    own = {"_target_": f"{__name__}.PlainWalk", **SETTINGS, "scale": 0.5}
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        make_inference(OmegaConf.create({"inference": own | settings}))
