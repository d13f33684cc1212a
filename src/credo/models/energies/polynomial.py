"""Polynomials in one dimension, E(x) = sum_k theta_k x^k, whose highest power is even and has a positive theta."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpyro
from numpyro.distributions import constraints

from credo.energies.normaliser.exact import Exact, Integrated
from credo.energies.polynomial import Polynomial as Energy
from credo.errors import ConfigError
from credo.models.energies.base import Continuous, Prior
from credo.ranges import Count

_POINTS = 401
_REACH = 1e4


class Polynomial(Continuous):
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

    def __call__(self, prior: Prior) -> Energy:
        """Sample `theta` [lower power] and `leading`."""
        lower = []
        if len(self.powers) > 1:
            with numpyro.plate("power", len(self.powers) - 1):
                lower = [numpyro.sample("theta", prior["theta"])]
        leading = jnp.reshape(numpyro.sample("leading", prior["leading"]), 1)
        return Energy(jnp.concatenate([*lower, leading]), self.powers)

    @property
    def exact(self) -> Exact:
        """An integral over the line, about 0."""
        return Integrated(_POINTS, self.box, (0.0,), (1.0,), _REACH)
