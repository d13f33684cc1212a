"""Where chains and optimisers begin, and what to say where no beginning is found."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float, PRNGKeyArray, Shaped
from numpyro import handlers
from numpyro.distributions import biject_to
from numpyro.infer import init_to_sample, init_to_uniform, init_to_value
from numpyro.infer.util import initialize_model
from numpyro.primitives import Messenger

from credo.errors import ConfigError, RunError
from credo.inference.density import Program, Values, constrain, discrete_latents, enumerable, potential, structure
from credo.models.binding import BoundModel
from credo.models.problem import Problem
from credo.networks.bayesian import is_improper

WORDS = ("auto", "jitter", "prior", "map", "pathfinder", "values")
"""How continuous latents begin: uniform on (-2, 2) in unconstrained space, as in Stan (`jitter`); drawn from the prior;
at the end of an optimiser that began so, or of the training of networks (`map`); at a draw of the best normal
distribution on the way there (`pathfinder`, half of whose paths begin by jitter and half by the prior); or at given
values. There are up to 100 tries for a finite density and gradient. `auto` is `map` for a model with networks.
Otherwise every second chain begins by `jitter` and the others at the best of a hundred draws of the prior, so that they
can disagree about what is far from zero; latents with an improper prior, and chains for which no draw will do, begin by
`jitter`.
"""

_CLIMB = 500
"""Steps of L-BFGS from the jitter to a mode."""

_ATTEMPTS, _DRAWS = 100, 100
"""Points that are tried for a finite density and gradient; of these, draws of the prior, the best of which is taken."""


class Beginning(eqx.Module):
    """Where chains begin.

    Attributes:
        how: one of `WORDS`.
        values: with `values`, latents by site, in their own space.
    """

    how: str = eqx.field(static=True)
    values: dict[str, Any]


class Start(NamedTuple):
    """A starting point.

    - **z** - continuous latents by site, unconstrained.
    - **discrete** - discrete latents by site.
    """

    z: Values
    discrete: Values


class Beginnings(NamedTuple):
    """What paths tell chains.

    - **points** - where each begins, by site: a draw of the best normal distribution along a path of its own.
    - **z** - draws of that distribution, flat.
    - **gradients** - of its potential there, from which a metric can be learned.
    """

    points: Values
    z: Float[Array, "start draws dim"] | None = None
    gradients: Float[Array, "start draws dim"] | None = None


def find(program: Program, key: PRNGKeyArray, how: str, values: Values, from_prior: jax.Array | None = None) -> Start:
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
    conditioned = handlers.condition(program, data=discrete) if discrete else program
    return Start(_continuous(conditioned, conditioned, start_key, how, values, from_prior), discrete)


def find_continuous(
    program: Program,
    key: PRNGKeyArray,
    how: str = "jitter",
    values: Values | None = None,
    from_prior: jax.Array | None = None,
) -> Values:
    """A point for a method that has the discrete latents summed out; see `find`."""
    return _continuous(program, enumerable(program), key, how, values or {}, from_prior)


def _continuous(
    program: Program, traced: Program, key: PRNGKeyArray, how: str, values: Values, from_prior: jax.Array | None
) -> Values:
    if how == "auto" and from_prior is not None:
        return _mixed(program, key, from_prior)
    strategies = {"prior": init_to_sample, "values": init_to_value(values=values)}
    strategy = strategies.get(how, init_to_uniform)
    if _has_params(program):
        strategy = partial(_near_initial, strategy if how == "values" else strategy(), frozenset(values))
    sloped = _has_gradient(potential(program), jax.eval_shape(lambda: _drawn(handlers.seed(program, key))))
    z: Values = initialize_model(key, traced, init_strategy=strategy, validate_grad=sloped).param_info.z
    return climbed(program, z) if how == "map" else z


def _mixed(program: Program, key: PRNGKeyArray, from_prior: jax.Array) -> Values:
    """By jitter, as NumPyro does it and with its keys; or the most probable of a hundred draws of the prior.

    A single draw of a vague prior may be so far away that the warm-up does not suffice to come back. Where the density
    or gradient of none of them is finite, there is the jitter.
    """
    import optax  # takes a tenth of a second to load, which is for those who trace

    seeded = _Seeded(program, itertools.repeat(key))
    shapes, centres = jax.eval_shape(lambda: _drawn(seeded)), _centres(program, key)
    energy = _height_and_slope(potential(program), shapes)

    def attempt(carry: Any) -> Any:
        i, key, best, lowest = carry
        key, jittered = _jittered(key, shapes)
        keys = _chain(jax.random.fold_in(key, 0), seeded.asked)[1]
        drawn = _once(_drawn(_Seeded(program, iter(keys))))
        z = jax.tree.map(lambda a, b: jnp.where(from_prior & (i < _DRAWS), a, b), drawn, jittered)
        z = {name: value + centres[name] if name in centres else value for name, value in z.items()}
        height, slope = _once(energy(_once(z)))
        finite = jnp.isfinite(height) & jnp.isfinite(optax.tree.norm(slope))
        better = finite & (height < lowest) | ~jnp.isfinite(lowest)
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), z, best)
        return i + 1, key, best, jnp.where(finite, jnp.minimum(height, lowest), lowest)

    def goes_on(carry: Any) -> Bool[Array, ""]:
        i, _, _, lowest = carry
        most = jnp.where(from_prior, _DRAWS + _ATTEMPTS, _ATTEMPTS)
        return (i < most) & (~jnp.isfinite(lowest) | from_prior & (i < _DRAWS))

    nowhere = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
    best: Values = lax.while_loop(goes_on, attempt, (0, key, nowhere, jnp.inf))[2]
    return best


def _once[V](values: V) -> V:
    """The same, computed once: of scalars XLA makes code anew for each use, and takes several times as long for it."""
    return lax.optimization_barrier(values)


def _height_and_slope(energy: Callable[[Values], Array], shapes: Values) -> Callable[[Values], tuple[Array, Values]]:
    """A potential with its gradient; without one, where it cannot be differentiated, as `mh` and `ensemble` allow."""
    return jax.value_and_grad(energy) if _has_gradient(energy, shapes) else lambda z: (energy(z), {})


def _has_gradient(energy: Callable[[Values], Array], shapes: Values) -> bool:
    """Whether a potential can be differentiated; nothing is compiled."""
    jax.eval_shape(energy, shapes)
    try:
        jax.eval_shape(jax.grad(energy), shapes)
    except Exception:  # noqa: BLE001 - of a user's own code, which may raise anything
        return False
    return True


def _jittered(key: PRNGKeyArray, shapes: Values) -> tuple[jax.Array, Values]:
    """The next key, and a point from the cube (-2, 2)."""
    key, keys = _chain(key, len(shapes) + 1)
    alike: dict[Any, list[int]] = {}
    for i, shape in enumerate(shapes.values()):
        alike.setdefault((shape.size, shape.dtype), []).append(i)
    flat: dict[int, Array] = {}
    for (size, dtype), numbers in alike.items():
        uniform = partial(jax.random.uniform, shape=(size,), dtype=dtype, minval=-2, maxval=2)
        flat |= zip(numbers, jax.vmap(uniform)(keys[np.array(numbers)]), strict=True)
    return key, {name: flat[i].reshape(shape.shape) for i, (name, shape) in enumerate(shapes.items())}


def _chain(key: PRNGKeyArray, count: int) -> tuple[PRNGKeyArray, Shaped[Array, "count ..."]]:
    """The key, and those of its own, after so many splits: XLA takes a tenth of a second to compile each by itself."""

    def split(key: PRNGKeyArray, _: None) -> tuple[PRNGKeyArray, PRNGKeyArray]:
        following, own = jax.random.split(key)
        return following, own

    return lax.scan(split, key, None, length=count)


class _Seeded(Messenger):
    """As `handlers.seed`, with keys that are there already.

    Attributes:
        asked: how many were asked for.
    """

    def __init__(self, program: Program, keys: Iterator[PRNGKeyArray]) -> None:
        super().__init__(program)
        self._keys, self.asked = keys, 0

    def process_message(self, msg: Any) -> None:
        """Give a key to what needs one."""
        if msg["type"] not in ("sample", "prng_key", "plate", "control_flow"):
            return
        if msg["kwargs"]["rng_key"] is None and msg["value"] is None:
            msg["kwargs"]["rng_key"] = next(self._keys)
            self.asked += 1


def _drawn(seeded: Program) -> Values:
    """A draw of the prior, unconstrained; by jitter where that is improper."""

    def strategy(site: dict[str, Any]) -> Any:
        return init_to_uniform(site) if site["type"] == "sample" and is_improper(site["fn"]) else None

    sites = handlers.trace(handlers.substitute(seeded, substitute_fn=strategy)).get_trace().items()
    free = {
        n: m for n, m in sites if m["type"] == "sample" and not m["is_observed"] and not m["fn"].support.is_discrete
    }
    return {name: biject_to(message["fn"].support).inv(message["value"]) for name, message in free.items()}


def _has_params(program: Any) -> bool:
    """Whether some latents are `numpyro.param`s, of a program that may be wrapped in handlers."""
    while isinstance(program, Messenger):
        program = program.fn
    return bool(getattr(program, "params", ()))


def _near_initial(otherwise: Any, valued: frozenset[str], site: dict[str, Any]) -> Any:
    """A `numpyro.param` within 2 of its initial value in unconstrained space; all else as `otherwise` has it."""
    if site["type"] != "sample" or "initial" not in site["infer"] or site["name"] in valued:
        return otherwise(site)
    z = _centre(site)
    return biject_to(site["fn"].support)(z + jax.random.uniform(site["kwargs"]["rng_key"], z.shape, z.dtype, -2, 2))


def _centres(program: Program, key: PRNGKeyArray) -> Values:
    """The initial values of the `numpyro.param`s, unconstrained."""
    if not _has_params(program):
        return {}
    return {name: _centre(m) for name, m in structure(program, key).items() if "initial" in m.get("infer", {})}


def _centre(site: dict[str, Any]) -> Float[Array, "..."]:
    """The initial value of a `numpyro.param`, unconstrained; 0 where that is infinite."""
    z = biject_to(site["fn"].support).inv(site["infer"]["initial"])
    return jnp.where(jnp.isfinite(z), z, 0.0)


def climbed(program: Program, z: Values) -> Values:
    """The mode in unconstrained space that L-BFGS finds from z; the last point where the density was finite."""
    import optax

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
        raise ConfigError(f"inference.start: expected one of {', '.join(WORDS)}, but got {how!r}")
    sites = {site.name: site for site in problem.latents}
    if how == "values" and not values:
        latents = ", ".join(sites) or "none"
        raise ConfigError(
            f"inference.start_values: expected values of latents ({latents}) for start=values, but got none"
        )
    if how != "values" and values:
        raise ConfigError(f"inference.start_values: they are read with start=values, but start is {how}")
    for name, value in values.items():
        if name not in sites:
            raise ConfigError(f"inference.start_values: expected latents among {', '.join(sites)}, but got {name!r}")
        if np.shape(value) != sites[name].shape:
            raise ConfigError(
                f"inference.start_values.{name}: expected the shape {sites[name].shape}, but got {np.shape(value)}"
            )
        if not isinstance(sites[name].constraint, jax.core.Tracer) and not np.all(sites[name].constraint(value)):
            raise ConfigError(f"inference.start_values.{name}: {name} must be {sites[name].support}, but got {value}")


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
    looks: list[str] = []
    blamed: list[str] = []
    for site in problem.sites:
        if site.name not in densities:
            continue
        density, slope = float(densities[site.name]), np.asarray(gradient.get(site.name, 0.0))
        steep = "" if np.all(np.isfinite(slope)) else f", gradient {_short(slope)}"
        value = f" = {_short(np.asarray(values[site.name]))}" if site.kind == "latent" else ""
        looks.append(f"{site.name}{value} (log density {density:.4g}{steep})")
        if not np.isfinite(density):
            blamed.insert(0, site.name)
        elif steep:
            blamed.append(site.name)
    return RunError(
        f"no starting point with a finite log density and gradient was found for {which} in 100 tries; at the last, "
        f"{', '.join(looks)}; {blamed[0] if blamed else 'the sum'} is to blame: check that the priors allow the data, "
        "choose a prior with another support, or begin elsewhere with inference.start=prior or values"
        f"{'' if jax.config.jax_enable_x64 else ', or calculate with device.precision=float64'}"
    )


@jax.jit
def _look(program: BoundModel, discrete: Values, z: Values) -> tuple[Values, Values, Values]:
    """Values and log densities by site, and the gradient by latent."""
    free: Program = handlers.condition(program, data=discrete) if discrete else program
    x = constrain(free, z)
    messages = handlers.trace(handlers.substitute(handlers.seed(free, jax.random.PRNGKey(0)), data=x)).get_trace()
    sites = {name: message for name, message in messages.items() if message["type"] == "sample"}
    densities = {name: jnp.sum(message["fn"].log_prob(message["value"])) for name, message in sites.items()}
    gradient = _height_and_slope(potential(free), z)(z)[1] if z else {}
    return {name: message["value"] for name, message in sites.items()}, densities, gradient


def _short(values: Shaped[np.ndarray, "..."]) -> str:
    """A number, or a few of an array."""
    flat = [f"{value:.4g}" for value in np.ravel(values)[:3].tolist()]
    return flat[0] if values.ndim == 0 else f"[{', '.join(flat)}{', ...' if values.size > len(flat) else ''}]"
