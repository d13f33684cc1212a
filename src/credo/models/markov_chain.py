"""Sequences of states, each of which depends on the one before alone."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import xarray as xr
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray, Shaped
from numpyro.distributions import constraints

from credo.errors import ConfigError
from credo.models.base import Found, Model
from credo.models.priors import concentrations

MOST_STATES = 200
"""More have tens of thousands of transitions, of which a table of data tells little."""


class MarkovChain(Model):
    """p(x_t+1 = j | x_t = i) = transition_ij, each row with the prior `transition`.

    With a Dirichlet(c) prior and n_ij transitions from i to j, row i of the posterior is Dirichlet(c + n_i), and its
    mean is the prediction of the next state. The first state of each sequence is given.

    `stationary` is the distribution that a transition leaves as it is. `steps_to` says how many steps the chain takes
    from a state to another in the mean, and on the diagonal until it returns (Kemeny & Snell 1960, "Finite Markov
    chains", theorem 4.4.7, by the fundamental matrix).

    Attributes:
        states: their names, once it is `fitted`.
    """

    formula: ClassVar[str] = (
        "p(x_t+1 = j | x_t = i) = transition_ij,   transition_i ~ prior\n"
        "stationary = stationary transition,   steps_to_ij = E[steps from i to j]"
    )
    rows_alike: ClassVar[bool] = True
    follows: ClassVar[str] = "before"
    derives: ClassVar[str] = "probabilities of the classes"
    supports: ClassVar[dict[str, Any]] = {"transition": (constraints.simplex,)}
    of_states: ClassVar[bool] = True

    states: tuple[str, ...] = eqx.field(static=True, default=())

    def arranged(self, data: xr.Dataset) -> xr.Dataset:
        """The transitions: each row's state `y` and the one `before` it, of the same sequence where there are groups.

        Raises:
            ConfigError: `y` is no sequence of states.
        """
        if "before" in data or "y" not in data or data["y"].ndim != 1:
            return data
        codes, names = _states(data)
        group = data["group"].to_numpy() if "group" in data else np.zeros(len(codes))
        before = pd.Series(codes).groupby(group).shift()
        if not before.notna().any():
            raise ConfigError(
                "data: no state has one before it in its sequence; set data.group=null, or use other data"
            )
        (rows,) = data["y"].dims
        coords = {"state": list(names), "next_state": list(names)}
        made = data.drop_vars("state", errors="ignore").assign(
            y=(rows, codes, data["y"].attrs),
            before=(rows, before.fillna(0).astype(int), {"column": data["y"].attrs.get("column", "y")}),
        )
        return made.isel({rows: before.notna().to_numpy()}).assign_coords(coords)

    @property
    def levels(self) -> tuple[str, ...]:
        """The states."""
        return self.states

    def derived[R: Found](self, problem: Any, result: R, key: PRNGKeyArray) -> R:
        """With the probabilities of the states of held-out rows."""
        from credo.models.held_out_classes import add_classes

        return add_classes(problem, result, key)

    def exported(self) -> dict[str, Shaped[np.ndarray, "..."]]:
        """The names of the states."""
        return {"states": np.array(self.states)}

    def restored(self, arrays: Mapping[str, Shaped[np.ndarray, "..."]]) -> "MarkovChain":
        """This chain with the states of another."""
        return dataclasses.replace(self, states=tuple(map(str, arrays["states"])))

    def fitted(self, train: xr.Dataset) -> "MarkovChain":
        """This model with the names of the states."""
        if "state" not in train.coords:
            return self
        states = tuple(map(str, train["state"].to_numpy()))
        if (prior := self.prior.get("transition")) is not None:
            concentrations("model.prior.transition", prior, len(states))
        return dataclasses.replace(self, states=states)

    def __call__(self, y: Int[Array, "obs"], before: Int[Array, "obs"]) -> None:  # type: ignore[override]
        """Observe each state y, given the one before."""
        count = len(self.states)
        prior = concentrations("model.prior.transition", self.prior["transition"], count)
        with numpyro.plate("state", count, dim=-1):
            transition = numpyro.sample("transition", prior, infer={"dims": ("next_state",)})
            numpyro.deterministic("stationary", stationary(transition))
        with numpyro.plate("state", count, dim=-2), numpyro.plate("next_state", count, dim=-1):
            numpyro.deterministic("steps_to", steps_to(transition))
        with numpyro.plate("obs", y.shape[0]):
            numpyro.sample("y", dist.CategoricalProbs(transition[before]), obs=y)


def _states(data: xr.Dataset) -> tuple[Int[np.ndarray, "obs"], tuple[str, ...]]:
    """The number of each row's state, and the names of all states."""
    y = data["y"].to_numpy()
    if "state" in data.coords:  # text, by its source
        codes, names = y.astype(int), tuple(map(str, data["state"].to_numpy()))
    else:
        if (y != np.round(y)).any():
            first = y[y != np.round(y)][0]
            raise ConfigError(f"data: expected states, which are words or whole numbers, but got {first:g}; use others")
        values, codes = np.unique(y, return_inverse=True)
        names = tuple(f"{value:.0f}" for value in values)
    if not 2 <= len(names) <= MOST_STATES:
        raise ConfigError(f"data: expected 2 to {MOST_STATES} states, but got {len(names)}; use another column")
    return codes, names


def stationary(transition: Float[Array, "*batch state state"]) -> Float[Array, "*batch state"]:
    """The distribution with stationary = stationary transition, of a chain that gets from each state to each.

    Example:
        >>> [f"{share:.4f}" for share in stationary(jnp.array([[0.5, 0.5], [1.0, 0.0]]))]
        ['0.6667', '0.3333']
    """
    count = transition.shape[-1]
    system = jnp.eye(count) - transition + 1.0
    return jnp.linalg.solve(jnp.swapaxes(system, -1, -2), jnp.ones((*transition.shape[:-1], 1)))[..., 0]


def steps_to(transition: Float[Array, "*batch state state"]) -> Float[Array, "*batch state state"]:
    """The mean number of steps from each state until the next visit of each.

    Example:
        >>> steps_to(jnp.array([[0.5, 0.5], [1.0, 0.0]])).round(4).tolist()
        [[1.5, 2.0], [1.0, 3.0]]
    """
    share = stationary(transition)[..., None, :]
    fundamental = jnp.linalg.inv(jnp.eye(transition.shape[-1]) - transition + share)
    own = jnp.diagonal(fundamental, axis1=-2, axis2=-1)[..., None, :]
    return (jnp.eye(transition.shape[-1]) + own - fundamental) / share
