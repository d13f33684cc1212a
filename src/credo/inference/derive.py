"""What is derived from one draw in unconstrained space: latents, densities, predictive draws; one compiled program."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Int, PRNGKeyArray
from numpyro import handlers

from credo.inference import pointwise
from credo.inference.density import Values, constrain, sample_discrete
from credo.inference.program import compiled
from credo.models.binding import BoundModel
from credo.models.messages import Padded, WholeCounts, is_factor

PARTS = ("discrete_latents", "log_prior", "log_likelihood", "posterior_predictive", "log_likelihood_test")
"""What may fail by itself: a model need not have all of it for its density to be known."""


class Fixed(NamedTuple):
    """What a program of `batch` is compiled for.

    - **temperature** - at which discrete latents are recovered.
    - **deterministic**, **discrete** - sites by kind.
    - **left_out** - of `PARTS`.
    - **known** - where discrete latents are left out, the group and site of what does not depend on them.
    """

    temperature: int
    deterministic: tuple[str, ...]
    discrete: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    known: tuple[tuple[str, str], ...] = ()


@partial(compiled, static=(0,))
def batch(
    fixed: Fixed,
    program: BoundModel,
    test: BoundModel | None,
    draws: Values,
    key: PRNGKeyArray,
    numbers: Int[Array, "draw"],
    kept: dict[str, Int[Array, "row"]] | None = None,
    count: Int[Array, ""] | int = 0,
) -> dict[str, Values]:
    """What is derived from draws [draw, ...], by group and site; `numbers` decide on their keys.

    Where there are rows to be kept of a site, of some only (see `pointwise`); the first `count` draws count.
    """
    keys = jax.vmap(partial(jax.random.fold_in, key))(numbers)
    groups = jax.vmap(partial(one, fixed, program, test))(draws, keys)
    return pointwise.of_some(groups, kept, jnp.arange(len(numbers)) < count) if kept else groups


def one(
    fixed: Fixed,
    program: BoundModel,
    test: BoundModel | None,
    draw: Values,
    key: PRNGKeyArray,
) -> dict[str, Values]:
    """Everything that is derived from one draw."""
    discrete_key, predictive_key = jax.random.split(key)
    values = {name: draw[name] for name in fixed.discrete if name in draw}
    latents = _latents(fixed, program, draw)
    recovered = not set(fixed.discrete) - set(values)
    if not recovered and "discrete_latents" not in fixed.left_out:
        latents = {**latents, **sample_discrete(program, latents, discrete_key, fixed.temperature)}
        recovered = True
    groups = densities(fixed, program, draw, jax.random.PRNGKey(0), latents)
    if not recovered:
        keep = {group: {n: v for n, v in sites.items() if (group, n) in fixed.known} for group, sites in groups.items()}
        return {**keep, "posterior": {**latents, **keep["posterior"]}}
    groups["posterior"] = {**latents, **groups["posterior"]}
    if "posterior_predictive" not in fixed.left_out:
        groups["posterior_predictive"] = _predict(program, latents, predictive_key)
    if test is not None and "log_likelihood_test" not in fixed.left_out:
        groups["log_likelihood_test"] = _log_probs(_trace(test, latents), observed=True)
    return groups


def _latents(fixed: Fixed, program: BoundModel, draw: Values) -> Values:
    """A draw in the latents' own space."""
    values = {name: draw[name] for name in fixed.discrete if name in draw}
    free = {name: value for name, value in draw.items() if name not in values}
    return {**constrain(handlers.condition(program, data=values), free), **values}


def densities(
    fixed: Fixed, program: BoundModel, draw: Values, key: PRNGKeyArray, latents: Values | None = None
) -> dict[str, Values]:
    """Deterministic sites and log densities given the latents; the key draws those that are not."""
    messages = _trace(program, _latents(fixed, program, draw) if latents is None else latents, key)
    groups = {"posterior": {name: messages[name]["value"] for name in fixed.deterministic}}
    if "log_prior" not in fixed.left_out:
        groups["log_prior"] = {name: v.sum() for name, v in _log_probs(messages, observed=False).items()}
    if "log_likelihood" not in fixed.left_out:
        groups["log_likelihood"] = _log_probs(messages, observed=True)
    return groups


def _trace(program: BoundModel, latents: Values, key: PRNGKeyArray | None = None) -> dict[str, dict[str, Any]]:
    seeded = handlers.seed(program, jax.random.PRNGKey(0) if key is None else key)
    return handlers.trace(handlers.substitute(seeded, data=latents)).get_trace()


def _is_density(message: dict[str, Any]) -> bool:
    """Whether a site has a density that is known: no constant, factor, or energy without its normaliser."""
    if message["type"] != "sample" or message["infer"].get("constant") or is_factor(message):
        return False
    return bool(getattr(message["fn"], "normalised", True))


def _log_probs(messages: dict[str, dict[str, Any]], *, observed: bool) -> Values:
    """Log p per observed or per latent site, elementwise over its batch fixed."""
    log_probs: Values = {}
    for name, message in messages.items():
        if _is_density(message) and message["is_observed"] == observed:
            fn = message["fn"].without_padding() if isinstance(message["fn"], Padded) else message["fn"]
            log_prob = fn.log_prob(message["value"])
            log_probs[name] = log_prob if message["scale"] is None else message["scale"] * log_prob
    return log_probs


def _predict(program: BoundModel, latents: Values, key: PRNGKeyArray) -> Values:
    """One new draw of each observed site."""
    free = handlers.uncondition(handlers.seed(program, key))
    messages = handlers.trace(WholeCounts(handlers.substitute(free, data=latents))).get_trace()
    sites = [name for name, message in messages.items() if _was_observed(message)]
    return {name: _filled(messages[name], jax.random.fold_in(key, i)) for i, name in enumerate(sites)}


def _was_observed(message: dict[str, Any]) -> bool:
    return _is_density(message) and bool(message["infer"].get("was_observed"))


def _filled(message: dict[str, Any], key: PRNGKeyArray) -> jax.Array:
    """A site's draw, in the shape of its observation, where that is larger than the distribution."""
    seen = jnp.shape(message["infer"]["obs"])
    value: jax.Array = message["value"]
    if seen == value.shape:
        return value
    fn = message["fn"]
    return fn.expand(seen[: len(seen) - fn.event_dim]).sample(key)
