"""An energy as a distribution: p(y) = exp(-E(y)) / Z, as NumPyro's programs take it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped

from credo.energies.base import real
from credo.energies.model import EnergyModel
from credo.energies.normaliser.base import Normaliser
from credo.energies.samplers.base import Sampler
from credo.models.binding import messages_at

_BURN = 20
"""A draw of the model begins at the base and takes so many times `sampler.steps` transitions."""


class EnergyDistribution(dist.Distribution):
    """p(y) = exp(-E(y)) / Z of `rows` rows, as NumPyro's programs take it.

    Attributes:
        energy: E, of all rows or given conditions per row.
        model: knows where states live and where chains begin.
        sampler: how states are drawn where there is no exact way.
        normaliser: the way to log Z; `None` where it is intractable, and `log_prob` is then -E alone.
        scalar: whether a state is a number, without a dimension of its own.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    pytree_data_fields = ("energy", "model", "sampler", "normaliser")
    pytree_aux_fields = ("rows", "scalar")

    def __init__(
        self, energy: Any, model: EnergyModel, sampler: Sampler, normaliser: Normaliser | None, rows: int, scalar: bool
    ) -> None:
        self.energy, self.model, self.sampler, self.normaliser = energy, model, sampler, normaliser
        self.rows, self.scalar = rows, scalar
        super().__init__((rows,), () if scalar else (energy.dim,))

    @property
    def normalised(self) -> bool:
        """Whether `log_prob` has log Z in it."""
        return self.normaliser is not None

    def unnormalised(self) -> "EnergyDistribution":
        """The same without log Z in `log_prob`."""
        return EnergyDistribution(self.energy, self.model, self.sampler, None, self.rows, self.scalar)

    @property
    def support(self) -> Any:
        """Where the model's states live."""
        support = self.model.support
        return support.base_constraint if self.scalar else support

    def states(self, value: Shaped[Array, "..."]) -> Float[Array, "row dim"]:
        """Values as states of floating numbers, which observed ones of discrete units need not be."""
        return real(jnp.reshape(value, (len(value), -1)) if self.scalar else value)

    def energies(self, value: Shaped[Array, "row ..."]) -> Float[Array, "row"]:
        """The energies [row] of values [row] or [row, dim], without log Z."""
        return self.energy.batch(self.states(value))

    def log_prob(self, value: Shaped[Array, "row ..."]) -> Float[Array, "row"]:
        """-E - log Z."""
        energies = self.energies(value)
        return -energies - self.normaliser.log_z(self.energy) if self.normaliser is not None else -energies

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Independent states: exact ones where there is a way, else those of chains that begin at the base."""
        if sample_shape:
            keys = jax.random.split(key, sample_shape[0])
            return jax.vmap(lambda key: self.sample(key, sample_shape[1:]))(keys)
        states = self.exactly(key)
        if states is None:
            start_key, key = jax.random.split(key)
            begin = self.model.base.sample(start_key, (self.rows,)).astype(float)
            states = self.moved(begin, key, _BURN * self.sampler.steps)
        return states[..., 0] if self.scalar else states

    def moved(self, states: Float[Array, "row dim"], key: PRNGKeyArray, steps: int) -> Float[Array, "row dim"]:
        """States after so many transitions of the sampler."""
        sampler = self.sampler.of(self.energy)
        half = max(steps // 2, 1)
        adapt_key, key = jax.random.split(key)
        walkers, _ = sampler.run(self.energy, sampler.start(self.energy, states), adapt_key, half, adapt=True)
        return sampler.run(self.energy, walkers, key, max(steps - half, 1))[0].x

    def exactly(self, key: PRNGKeyArray) -> Float[Array, "row dim"] | None:
        """Independent exact states, where there is a way."""
        if self.normaliser is None:
            return None
        if self.model.conditional:
            return self.normaliser.draws(self.energy, key)
        draw = partial(self.normaliser.draws, self.energy)
        return jax.vmap(draw)(jax.random.split(key, self.rows))


def states_at(
    program: Callable[[], Any], latents: Mapping[str, Any]
) -> tuple[EnergyDistribution, Float[Array, "row dim"]]:
    """The distribution of the observations y at latents in their own space, and y as states."""
    message = messages_at(program, latents)["y"]
    return message["fn"], message["fn"].states(message["value"])
