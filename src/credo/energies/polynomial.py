"""Polynomials in one dimension: E(x) = sum_k theta_k x^k over chosen powers k.

Z is finite on the whole line where the highest power is even and its theta positive; a constant shifts log Z alone.
"""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpyro
from jax import Array
from jaxtyping import Float
from numpyro.distributions import constraints

from credo.energies.base import Energy, check_numbers, real
from credo.energies.model import ContinuousModel, Prior
from credo.energies.normaliser.base import Integrated, Normaliser
from credo.errors import ConfigError
from credo.ranges import Count


class Polynomial(Energy):
    """E(x) = sum_i theta_i x^powers_i of a state x [1]; x^4 is `Polynomial([1.0], (4,))`.

    Example:
        >>> import jax.numpy as jnp
        >>> float(Polynomial([1.0, 0.5], (4, 2))(jnp.array([2.0])))
        18.0

    Attributes:
        theta: The coefficients [powers].
        powers: The different powers of x, each at least 0.
    """

    theta: Float[Array, "powers"]
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

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, ""]:
        """E(x) of x [1]."""
        self.check_state(x)
        return self.theta @ jnp.stack([x[0] ** k for k in self.powers])


_POINTS = 401
_REACH = 1e4


class PolynomialModel(ContinuousModel):
    """E(x) = sum_k theta_k x^k over chosen powers, on the whole line.

    Attributes:
        powers: the different powers k, ascending, of at least 1; the highest is even.
    """

    formula: ClassVar[str] = "E(x) = sum_k theta_k x^k\ntheta_k ~ prior, that of the highest power ~ prior.leading"
    supports: ClassVar[dict[str, Any]] = {"theta": (constraints.real,), "leading": (constraints.positive,)}

    powers: tuple[Count, ...] = eqx.field(static=True, converter=tuple)

    def __check_init__(self) -> None:
        if not self.powers or list(self.powers) != sorted(set(self.powers)):
            raise ConfigError(f"powers: expected different powers from 1, ascending, but got {list(self.powers)}")
        if self.powers[-1] % 2:
            raise ConfigError(f"powers: expected an even highest power, or Z is infinite, but got {list(self.powers)}")

    @property
    def dim(self) -> int:
        """One."""
        return 1

    @property
    def used(self) -> tuple[str, ...]:
        """No `theta` where there is one power only."""
        return ("theta", "leading") if len(self.powers) > 1 else ("leading",)

    def __call__(self, prior: Prior) -> Polynomial:
        """Sample `theta` [lower power] and `leading`."""
        lower = []
        if len(self.powers) > 1:
            with numpyro.plate("power", len(self.powers) - 1):
                lower = [numpyro.sample("theta", prior["theta"])]
        leading = jnp.reshape(numpyro.sample("leading", prior["leading"]), 1)
        return Polynomial(jnp.concatenate([*lower, leading]), self.powers)

    @property
    def normaliser(self) -> Normaliser:
        """An integral over the line, about 0."""
        return Integrated(_POINTS, self.box, (0.0,), (1.0,), _REACH)
