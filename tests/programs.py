"""NumPyro programs of the kinds that users bring, for the tests of what is known of their sites."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.contrib.control_flow import cond, scan
from numpyro.contrib.module import eqx_module, random_eqx_module
from numpyro.distributions import constraints
from numpyro.primitives import apply_stack, mutable

LINEAR = eqx.nn.Linear("scalar", "scalar", key=jax.random.key(0))


def _observe(y: Any, loc: Any, scale: Any = 1.0) -> None:
    with numpyro.plate("rows", len(y)):
        numpyro.sample("y", dist.Normal(loc, scale), obs=y)


def _mu() -> Any:
    return numpyro.sample("mu", dist.Normal(0.0, 10.0))


def with_param(y: Any) -> None:
    _observe(y, _mu(), numpyro.param("sigma", jnp.array(1.0), constraint=constraints.positive))


def with_unread_param(y: Any) -> None:
    numpyro.param("unread", jnp.array(1.0))
    _observe(y, _mu())


def with_module(y: Any) -> None:
    _observe(y, jax.vmap(eqx_module("net", LINEAR))(jnp.arange(len(y), dtype=float)))


def with_random_module(y: Any) -> None:
    net = random_eqx_module("net", LINEAR, dist.Normal(0.0, 1.0))
    _observe(y, jax.vmap(net)(jnp.arange(len(y), dtype=float)))


def with_mutable(y: Any) -> None:
    mutable("state", {"count": 0})
    _observe(y, _mu())


def with_what_is_to_come(y: Any) -> None:
    apply_stack({"type": "oracle", "name": "delphi", "fn": float, "args": (), "kwargs": {}, "value": None})
    _observe(y, _mu())


def with_subsample(y: Any) -> None:
    mu = _mu()
    with numpyro.plate("rows", len(y), subsample_size=2):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=numpyro.subsample(y, event_dim=0))


def with_param_in_scan(y: Any) -> None:
    def step(carry: Any, one: Any) -> tuple[Any, None]:
        numpyro.sample("y", dist.Normal(0.0, numpyro.param("s", 1.0)), obs=one)
        return carry, None

    _mu()
    scan(step, 0.0, y)


def with_mutable_in_scan(y: Any) -> None:
    def step(carry: Any, one: Any) -> tuple[Any, None]:
        mutable("state", {"count": 0})
        numpyro.sample("y", dist.Normal(carry, 1.0), obs=one)
        return carry, None

    scan(step, _mu(), y)


def with_scan(y: Any) -> None:
    def step(before: Any, one: Any) -> tuple[Any, None]:
        now = numpyro.sample("state", dist.Normal(before, 1.0))
        numpyro.sample("y", dist.Normal(now, 1.0), obs=one)
        return now, None

    scan(step, _mu(), y)


def with_cond(y: Any) -> None:
    mu = _mu()
    high, low = (lambda _, loc=loc: numpyro.sample("z", dist.Normal(loc, 1.0)) for loc in (1.0, -1.0))
    cond(mu > 0, high, low, None)
    _observe(y, mu)


def with_constant(y: Any) -> None:
    _observe(y, _mu(), numpyro.sample("fixed", dist.Delta(2.0)))


def with_zero_size(y: Any) -> None:
    numpyro.sample("none", dist.Normal(0.0, 1.0).expand([0]))
    _observe(y, _mu())


def with_obs_mask(y: Any, seen: Any) -> None:
    mu = _mu()
    with numpyro.plate("rows", len(y)):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y, obs_mask=seen == 1)


def with_mask(y: Any, seen: Any) -> None:
    mu = _mu()
    with numpyro.plate("rows", len(y)), handlers.mask(mask=seen == 1):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def with_log(y: Any) -> None:
    _observe(jnp.log(y), _mu())


def with_residual(y: Any) -> None:
    with numpyro.plate("rows", len(y)):
        numpyro.sample("residual", dist.Normal(0.0, 1.0), obs=y - numpyro.sample("mu", dist.Normal(0.0, 10.0)))


def with_names(y: Any) -> None:
    draw = numpyro.sample("draw", dist.Normal(0.0, 10.0))
    with numpyro.plate("chain", 2):
        numpyro.sample("b", dist.Normal(0.0, 1.0))
    with handlers.scope(prefix="left"):
        mu = _mu()
    with numpyro.plate("rows", len(y)):
        numpyro.sample("obs", dist.Normal(draw + mu, 1.0), obs=y)


def with_self(self: Any, y: Any) -> None:
    _observe(y, _mu(), self)


def with_counts(y: Any, people: Any) -> None:
    numpyro.sample("y", dist.Binomial(people, numpyro.sample("p", dist.Uniform(0.0, 1.0))).to_event(1), obs=y)


class Tent(dist.Distribution):
    """A density that cannot be drawn from."""

    support = constraints.real
    arg_constraints = {"centre": constraints.real}  # noqa: RUF012 - as NumPyro has it

    def __init__(self, centre: Any) -> None:
        self.centre = centre
        super().__init__(batch_shape=jnp.shape(centre), event_shape=())

    def log_prob(self, value: Any, intermediates: Any = None) -> Any:
        return -jnp.log(jnp.cosh(value - self.centre)) - jnp.log(jnp.pi)


def with_tent(y: Any) -> None:
    mu = _mu()
    with numpyro.plate("rows", len(y)):
        numpyro.sample("y", Tent(mu), obs=y)


def with_hidden_states(y: Any) -> None:
    stay = numpyro.sample("stay", dist.Beta(8.0, 2.0))
    mu = numpyro.sample("mu", dist.Normal(jnp.array([-1.0, 1.0]), 0.5).to_event(1))
    numpyro.deterministic("leave", 1 - stay)

    def step(before: Any, one: Any) -> tuple[Any, None]:
        probs = jnp.where(before[..., None] == jnp.arange(2), stay, 1 - stay)
        state = numpyro.sample("state", dist.Categorical(probs=probs), infer={"enumerate": "parallel"})
        numpyro.sample("y", dist.Normal(mu[state], 1.0), obs=one)
        return state, None

    scan(step, jnp.array(0), y)


def with_loose_choice(y: Any) -> None:
    choice = numpyro.sample("choice", dist.Categorical(probs=jnp.ones((len(y), 2)) / 2))
    mu = numpyro.sample("mu", dist.Normal(jnp.array([-2.0, 2.0]), 1.0).to_event(1))
    numpyro.sample("y", dist.Normal(mu[choice], 1.0), obs=y)


def with_clash(y: Any) -> None:
    with numpyro.plate("rows", len(y)):
        u = numpyro.sample("u", dist.Normal(0.0, 2.0))
        v = numpyro.sample("v", dist.Bernoulli(0.5))
    numpyro.sample("total", dist.Normal(jnp.dot(u, v), 1.0), obs=y.sum())


def with_die(y: Any) -> None:
    _observe(y, _mu() + numpyro.sample("die", dist.DiscreteUniform(1, 6)))
