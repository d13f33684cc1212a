"""Where chains and optimisers begin: discrete latents from their priors, others where the density is finite."""

from typing import NamedTuple

import jax
from numpyro import handlers
from numpyro.infer.util import initialize_model

from credo.errors import RunError
from credo.inference.density import Program, Values, discrete_latents, enumerable, structure
from credo.models.problem import Problem


class Start(NamedTuple):
    """A starting point.

    - **z** - continuous latents by site, unconstrained.
    - **discrete** - discrete latents by site.
    """

    z: Values
    discrete: Values


def find(program: Program, key: jax.Array) -> Start:
    """A point for a method that moves discrete latents, too.

    Continuous coordinates are uniform on (-2, 2), as in Stan, in at most 100 tries for a finite density and gradient.
    """
    discrete_key, start_key = jax.random.split(key)
    messages = structure(program, discrete_key)
    discrete = {name: messages[name]["value"] for name in discrete_latents(messages)}
    given = handlers.condition(program, data=discrete) if discrete else program
    return Start(_continuous(given, start_key), discrete)


def find_continuous(program: Program, key: jax.Array) -> Values:
    """A point for a method that has the discrete latents summed out."""
    return _continuous(enumerable(program), key)


def _continuous(program: Program, key: jax.Array) -> Values:
    return initialize_model(key, program).param_info.z


def not_found(problem: Problem, which: str) -> RunError:
    """The sentence where no tried point had a finite log density."""
    latents = ", ".join(f"{site.name} ({site.support})" for site in problem.latents)
    return RunError(
        f"no starting point with a finite log density was found for {which} in 100 tries over the latents {latents}; "
        "check that the priors allow the data, or choose a prior with another support"
    )
