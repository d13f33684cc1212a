"""Where chains and optimisers begin, and what to say where no beginning is found."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from numpyro import handlers
from numpyro.infer import init_to_sample, init_to_uniform, init_to_value
from numpyro.infer.util import initialize_model

from credo.errors import ConfigError, RunError
from credo.inference.density import Program, Values, constrain, discrete_latents, enumerable, potential, structure
from credo.models.problem import BoundModel, Problem

WORDS = ("auto", "jitter", "prior", "map", "values")
"""How continuous latents begin: uniform on (-2, 2) in unconstrained space, as in Stan (`jitter`); drawn from the prior;
at the end of an optimiser that began so, or of the training of networks (`map`); or at given values. There are up to
100 tries for a finite density and gradient. `auto` is `map` for a model with networks. Otherwise every second chain
begins by `jitter` and the others at the best of a few draws of the prior, so that they can disagree about what is far
from zero; latents with an improper prior, and chains for which no draw will do, begin by `jitter`.
"""

_CLIMB = 500
"""Steps of L-BFGS from the jitter to a mode."""

_DRAWS = 10
"""Draws of the prior of which a chain begins at the most probable."""


class Start(NamedTuple):
    """A starting point.

    - **z** - continuous latents by site, unconstrained.
    - **discrete** - discrete latents by site.
    """

    z: Values
    discrete: Values


def find(program: Program, key: jax.Array, how: str, values: Values, from_prior: jax.Array | None = None) -> Start:
    """A point for a method that moves discrete latents, too; those begin at given values, or are drawn from the prior.

    Args:
        program: the model with its data.
        key: for what is drawn.
        how: one of `WORDS`.
        values: latents by site, in their own space.
        from_prior: with `auto`, whether this is one of the chains that begin by `prior`; `None` where there are none.
    """
    discrete_key, start_key = jax.random.split(key)
    messages = structure(program, discrete_key)
    discrete = {
        name: jnp.asarray(values.get(name, messages[name]["value"]), messages[name]["value"].dtype)
        for name in discrete_latents(messages)
    }
    given = handlers.condition(program, data=discrete) if discrete else program
    return Start(_continuous(given, given, start_key, how, values, from_prior), discrete)


def find_continuous(
    program: Program,
    key: jax.Array,
    how: str = "jitter",
    values: Values | None = None,
    from_prior: jax.Array | None = None,
) -> Values:
    """A point for a method that has the discrete latents summed out; see `find`."""
    return _continuous(program, enumerable(program), key, how, values or {}, from_prior)


def _continuous(
    program: Program, traced: Program, key: jax.Array, how: str, values: Values, from_prior: jax.Array | None
) -> Values:
    strategies = {"prior": init_to_sample, "values": init_to_value(values=values)}
    z: Values = initialize_model(key, traced, init_strategy=strategies.get(how, init_to_uniform)).param_info.z
    if how == "map":
        return _climbed(program, z)
    if how != "auto" or from_prior is None:
        return z
    return lax.cond(from_prior, lambda: _drawn(traced, jax.random.fold_in(key, 1), z), lambda: z)


def _drawn(traced: Program, key: jax.Array, otherwise: Values) -> Values:
    """The most probable of a few draws of the prior, or `otherwise` where no density with its gradient is finite.

    A single draw of a vague prior may be so far away that the warm-up does not suffice to come back.
    """

    def draw(key: jax.Array) -> tuple[Values, jax.Array]:
        found = initialize_model(key, traced, init_strategy=init_to_sample).param_info
        finite = [jnp.isfinite(found.potential_energy), *(jnp.isfinite(slope).all() for slope in found.z_grad.values())]
        return found.z, jnp.where(jnp.stack(finite).all(), found.potential_energy, jnp.inf)

    points, energies = lax.map(draw, jax.random.split(key, _DRAWS))
    best = jnp.argmin(energies)
    return jax.tree.map(
        lambda all_, other: jnp.where(jnp.isfinite(energies[best]), all_[best], other), points, otherwise
    )


def _climbed(program: Program, z: Values) -> Values:
    """The mode in unconstrained space that L-BFGS finds from z; the last point where the density was finite."""
    energy, optimiser = potential(program), optax.lbfgs()

    def step(carry: Any) -> Any:
        i, z, state, _ = carry
        value, gradient = optax.value_and_grad_from_state(energy)(z, state=state)
        updates, state = optimiser.update(gradient, state, z, value=value, grad=gradient, value_fn=energy)
        moved: Values = optax.apply_updates(z, updates)
        good = jnp.isfinite(energy(moved))
        z = jax.tree.map(lambda new, old: jnp.where(good, new, old), moved, z)
        return i + 1, z, state, good & (optax.tree.norm(updates) > 1e-8)

    return lax.while_loop(lambda carry: (carry[0] < _CLIMB) & carry[3], step, (0, z, optimiser.init(z), True))[1]


def require_possible(problem: Problem, how: str, values: Mapping[str, Any]) -> None:
    """Raise `ConfigError` for an unknown word, or for values that the latents cannot have."""
    if how not in WORDS:
        raise ConfigError(f"start: expected one of {', '.join(WORDS)}, but got {how!r}")
    sites = {site.name: site for site in problem.latents}
    if how != "values" and values:
        raise ConfigError(f"start_values: they are read with start=values, but start is {how}")
    for name, value in values.items():
        if name not in sites:
            raise ConfigError(f"start_values: expected latents among {', '.join(sites)}, but got {name!r}")
        if np.shape(value) != sites[name].shape:
            raise ConfigError(f"start_values.{name}: expected the shape {sites[name].shape}, but got {np.shape(value)}")
        if not isinstance(sites[name].constraint, jax.core.Tracer) and not np.all(sites[name].constraint(value)):
            raise ConfigError(f"start_values.{name}: {name} must be {sites[name].support}, but got {value}")


def not_found(problem: Problem, which: str, point: Values) -> RunError:
    """The sentence where no tried point had a finite log density and gradient.

    Args:
        problem: the model and its data.
        which: the chain or start, in words.
        point: the last that was tried: continuous latents unconstrained, discrete ones as they are.
    """
    discrete = {site.name: point[site.name] for site in problem.latents if site.discrete and site.name in point}
    z = {name: value for name, value in point.items() if name not in discrete}
    values, densities, gradient = _look(problem.bound, discrete, z)
    told: list[str] = []
    blamed: list[str] = []
    for site in problem.sites:
        if site.name not in densities:
            continue
        density, slope = float(densities[site.name]), np.asarray(gradient.get(site.name, 0.0))
        steep = "" if np.all(np.isfinite(slope)) else f", gradient {_short(slope)}"
        value = f" = {_short(np.asarray(values[site.name]))}" if site.kind == "latent" else ""
        told.append(f"{site.name}{value} (log density {density:.4g}{steep})")
        if not np.isfinite(density):
            blamed.insert(0, site.name)
        elif steep:
            blamed.append(site.name)
    return RunError(
        f"no starting point with a finite log density and gradient was found for {which} in 100 tries; at the last, "
        f"{', '.join(told)}; {blamed[0] if blamed else 'the sum'} is to blame: check that the priors allow the data, "
        "choose a prior with another support, or begin elsewhere with inference.start=prior or values"
        f"{'' if jax.config.jax_enable_x64 else ', or calculate with device.precision=float64'}"
    )


@jax.jit
def _look(program: BoundModel, discrete: Values, z: Values) -> tuple[Values, Values, Values]:
    """Values and log densities by site, and the gradient by latent."""
    given: Program = handlers.condition(program, data=discrete) if discrete else program
    x = constrain(given, z)
    messages = handlers.trace(handlers.substitute(handlers.seed(given, jax.random.PRNGKey(0)), data=x)).get_trace()
    sites = {name: message for name, message in messages.items() if message["type"] == "sample"}
    densities = {name: jnp.sum(message["fn"].log_prob(message["value"])) for name, message in sites.items()}
    gradient = jax.grad(potential(given))(z) if z else {}
    return {name: message["value"] for name, message in sites.items()}, densities, gradient


def _short(values: np.ndarray) -> str:
    """A number, or a few of an array."""
    flat = [f"{value:.4g}" for value in np.ravel(values)[:3].tolist()]
    return flat[0] if values.ndim == 0 else f"[{', '.join(flat)}{', ...' if values.size > len(flat) else ''}]"
