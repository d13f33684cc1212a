"""Polynomials in one dimension: E(x) = sum_k theta_k x^k over chosen powers k.

Z is finite on the whole line where the highest power is even and its theta positive; a constant shifts log Z alone.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from credo.energies.base import Energy, check_numbers, real
from credo.errors import ConfigError


class Polynomial(Energy):
    """E(x) = sum_i theta_i x^powers_i of a state x [1]; x^4 is `Polynomial([1.0], (4,))`.

    Attributes:
        theta: The coefficients [powers].
        powers: The different powers of x, each at least 0.
    """

    theta: Array
    powers: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, theta: Any, powers: tuple[int, ...] | None = None):
        """The polynomial of coefficients `theta`, for the powers 0, 1, 2, ... where none are given.

        Raises:
            ConfigError: For powers that are negative, fractional or repeated, and for another number of coefficients.
        """
        self.theta = real(theta)
        self.powers = tuple(range(self.theta.size)) if powers is None else tuple(powers)
        if not self.powers or any(k < 0 or k != int(k) for k in self.powers):
            raise ConfigError(f"energy.powers: expected whole numbers of at least 0, but got {self.powers}")
        if len(set(self.powers)) < len(self.powers):
            raise ConfigError(f"energy.powers: expected different powers, but got {self.powers}")
        check_numbers("energy.theta", self.theta, (len(self.powers),))

    @property
    def dim(self) -> int:
        """One."""
        return 1

    def __call__(self, x: Array) -> Array:
        """E(x) [] of x [1]."""
        self.check_state(x)
        return self.theta @ jnp.stack([x[0] ** k for k in self.powers])
