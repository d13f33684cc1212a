"""Distributions of the unconstrained latents in a row, made of standard normal noise."""

import abc
import math

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


class Family(eqx.Module):
    """A distribution that can be drawn and has a density; its numbers are leaves."""

    @abc.abstractmethod
    def draw(self, noise: Float[Array, "dim"]) -> tuple[Float[Array, "dim"], Float[Array, ""]]:
        """A draw, and its log density."""

    @abc.abstractmethod
    def log_density(self, z: Float[Array, "dim"]) -> Float[Array, ""]:
        """The log density."""


def log_normal(noise: Float[Array, "dim"]) -> Float[Array, ""]:
    """The log density of standard normal noise."""
    return -(jnp.sum(noise**2) + noise.size * math.log(2 * math.pi)) / 2
