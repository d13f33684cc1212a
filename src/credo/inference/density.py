"""Log densities of a NumPyro program in its unconstrained coordinates.

All functions here are pure and meant to be traced. `z` is a dict of unconstrained values of the continuous latents,
`x` one of values in the latents' own (constrained) space.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray
from numpyro import handlers
from numpyro.distributions import biject_to
from numpyro.infer.util import (
    _unconstrain_params,
    compute_log_probs,
    constrain_fn,
    log_density,
    potential_energy,
    unconstrain_fn,
)
from numpyro.primitives import Messenger

from credo.config.failure import in_words
from credo.errors import ConfigError
from credo.models.messages import Padded
from credo.models.priors import Placeholders
from credo.models.problem import Problem

Program = Callable[[], None]
Values = dict[str, Any]


def enumerable(program: Program) -> Program:
    """The program with its discrete latents marked to be summed out by NumPyro, where it has any.

    The sums are NumPyro's enumeration in parallel (Obermeyer et al. 2019, "Tensor variable elimination").
    """
    if not discrete_latents(structure(program, _any_key())):
        return program
    from numpyro.contrib.funsor import config_enumerate

    return config_enumerate(program)


def marginal(program: Program) -> Program:
    """The program with its discrete latents summed out, where it has any."""
    messages = structure(program, _any_key())
    if not discrete_latents(messages):
        return program
    from numpyro.contrib.funsor import config_enumerate, enum

    return enum(config_enumerate(program), first_available_dim=-_nesting(messages) - 1)


def log_joint(program: Program, x: Values) -> Float[Array, ""]:
    """Log p(data, x), in the space of x, with discrete latents summed out.

    Example:
        Two ones and a zero, where the prior is uniform: log p^2 (1 - p).

        >>> import xarray as xr
        >>> import numpyro.distributions as dist
        >>> from credo.models.bernoulli import Bernoulli
        >>> from credo.models.problem import Problem
        >>> problem = Problem(Bernoulli({"p": dist.Beta(1.0, 1.0)}), xr.Dataset({"y": ("flip", [1, 1, 0])}))
        >>> round(float(log_joint(problem.bound, {"p": 0.5})), 4)
        -2.0794
    """
    enumerated = marginal(program)
    if enumerated is program:
        return log_density(program, (), {}, x)[0]
    from numpyro.contrib.funsor import log_density as enumerated_log_density

    return enumerated_log_density(enumerated, (), {}, x)[0]


def potential(program: Program) -> Callable[[Values], jax.Array]:
    """Minus the log density of z, log p(data, x(z)) + log |dx/dz|, with discrete latents summed out."""
    enumerated = marginal(program)
    return partial(potential_energy, enumerated, (), {}, enum=enumerated is not program)


def prior_and_likelihood(program: Program, z: Values) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Log p(x(z)) + log |dx/dz|, and log p(data | x(z)) with the program's factors; their sum is -`potential`.

    The program has no discrete latents.
    """
    log_probs, messages = compute_log_probs(_unconstrain_params(program, z), (), {}, {})
    jacobians = {f"_{name}_log_det" for name in z}
    of_data = {name for name in log_probs if messages[name]["is_observed"] and name not in jacobians}
    nothing = jnp.zeros(())
    log_prior = sum((value for name, value in log_probs.items() if name not in of_data), nothing)
    return log_prior, sum((log_probs[name] for name in sorted(of_data)), nothing)


def constrain(program: Program, z: Values) -> Values:
    """The continuous latents in their own space.

    Example:
        >>> import xarray as xr
        >>> import numpyro.distributions as dist
        >>> from credo.models.bernoulli import Bernoulli
        >>> from credo.models.problem import Problem
        >>> problem = Problem(Bernoulli({"p": dist.Beta(1.0, 1.0)}), xr.Dataset({"y": ("flip", [1, 1, 0])}))
        >>> float(constrain(problem.bound, {"p": 0.0})["p"])
        0.5
    """
    return constrain_fn(handlers.seed(program, _any_key()), (), {}, z)


def unconstrain(program: Program, x: Values) -> Values:
    """The inverse of `constrain`.

    Args:
        program: the model with its data.
        x: a value of every continuous latent, in its own space.
    """
    return unconstrain_fn(handlers.seed(program, _any_key()), (), {}, x)


def sample_discrete(program: Program, x: Values, key: PRNGKeyArray, temperature: int = 1) -> Values:
    """The discrete latents given the continuous ones: a draw, or at temperature 0 the most probable values."""
    messages = structure(handlers.condition(program, x), key)
    names = discrete_latents(messages)
    if not names:
        return {}
    from numpyro.contrib.funsor import config_enumerate
    from numpyro.contrib.funsor.discrete import _sample_posterior

    substituted = config_enumerate(handlers.substitute(program, x))
    values = _sample_posterior(substituted, -_nesting(messages) - 1, temperature, key)
    return {name: jnp.reshape(values[name], jnp.shape(messages[name]["value"])) for name in names}


class WithoutPriors(Messenger):
    """Drops the densities of the continuous latents and keeps their supports: what is left is the likelihood.

    A discrete latent keeps its probabilities, as they weigh what is summed.
    """

    def process_message(self, msg: dict[str, Any]) -> None:
        """Mask the density of a continuous latent."""
        if msg["type"] == "sample" and not msg["is_observed"] and not msg["fn"].support.is_discrete:
            fn = msg["fn"]
            msg["fn"] = fn.without_prior() if isinstance(fn, Padded) else fn.mask(mask=False)


class WithoutLikelihood(Messenger):
    """Drops the densities of the observations, and with them what they are computed from: what is left is the prior."""

    def process_message(self, msg: dict[str, Any]) -> None:
        """Mask the density of an observation."""
        if msg["type"] == "sample" and msg["is_observed"]:
            msg["fn"] = msg["fn"].mask(mask=False)


class ScaledLikelihood(Messenger):
    """Multiplies the densities of the observations, as a minibatch stands for all rows."""

    def __init__(self, fn: Program, factor: float | Float[Array, ""]) -> None:
        super().__init__(fn)
        self.factor = factor

    def process_message(self, msg: dict[str, Any]) -> None:
        """Scale the density of an observation."""
        if msg["type"] == "sample" and msg["is_observed"]:
            msg["scale"] = self.factor if msg["scale"] is None else msg["scale"] * self.factor


def require_density(problem: Problem, method: str, *, gradient: bool = True) -> None:
    """Raise `ConfigError` if the log density or its gradient cannot be had; nothing is compiled.

    It is asked of a user's own models, and where discrete latents are summed out.

    Args:
        problem: the model and its data.
        method: which asks for it.
        gradient: whether the method needs the gradient.
    """
    discrete = [site.name for site in problem.latents if site.discrete]
    key = problem.model.key
    if not discrete and not (gradient and problem.model.is_users):
        return
    try:
        jax.eval_shape(partial(_somewhere, gradient=gradient), problem.bound)
    except ConfigError:
        raise
    except Exception as error:
        if not discrete:
            raise ConfigError(
                f"{key}: inference={method} needs the gradient of the log density, but it raised {in_words(error)}; "
                "use inference=mh, which needs none, or write the model with functions that JAX can differentiate"
            ) from error
        raise ConfigError(
            f"{key}: inference={method} sums {', '.join(discrete)} out, for which all values come at once along an "
            f"axis of their own, but this raised {in_words(error)}; index and broadcast by the last axes only, or use "
            "inference=mh"
        ) from error


def _somewhere(program: Program, *, gradient: bool) -> Any:
    """The potential somewhere, with its gradient, to be traced."""
    messages = structure(program, _any_key())
    _require_plates(messages)
    free = {n: m for n, m in messages.items() if m["type"] == "sample" and not m["is_observed"]}
    z = {n: biject_to(m["fn"].support).inv(m["value"]) for n, m in free.items() if not m["fn"].support.is_discrete}
    return (jax.value_and_grad if gradient else lambda energy: energy)(potential(program))(z)


def _require_plates(messages: dict[str, dict[str, Any]]) -> None:
    """Where discrete latents are summed out, values beside each other must be in a plate."""
    names = discrete_latents(messages)
    others = [name for name, m in messages.items() if m["type"] == "sample" and name not in names]
    for name in (*names, *others) if names else ():
        message = messages[name]
        shape = message["fn"].batch_shape
        plates = {frame.dim for frame in message["cond_indep_stack"]}
        if message.get("_control_flow_done"):
            plates.add(-len(shape))  # of the scan
        if loose := [size for i, size in enumerate(shape) if size > 1 and i - len(shape) not in plates]:
            raise ConfigError(
                f"model.function: {name} has {loose[-1]} values beside each other outside of a plate, but discrete "
                f"latents ({', '.join(names)}) can only be summed out where such values are in one; put {name} in with "
                f'numpyro.plate("NAME", {loose[-1]}), or use inference=mh'
            )


def structure(program: Program, key: PRNGKeyArray) -> dict[str, dict[str, Any]]:
    """The program's messages by site, with latents drawn from their priors."""
    with handlers.block(), handlers.trace() as messages, Placeholders(), handlers.seed(rng_seed=key):
        program()
    return messages


def discrete_latents(messages: dict[str, dict[str, Any]]) -> list[str]:
    """The names of the discrete latents."""
    return [
        name
        for name, message in messages.items()
        if message["type"] == "sample" and not message["is_observed"] and message["fn"].support.is_discrete
    ]


def _nesting(messages: dict[str, dict[str, Any]]) -> int:
    """How many dimensions the program's plates use."""
    return -min((f.dim for m in messages.values() if m["type"] == "sample" for f in m["cond_indep_stack"]), default=0)


def _any_key() -> jax.Array:
    """A key for traces whose draws are not used."""
    return jax.random.PRNGKey(0)
