"""Maximum a posteriori: the mode of the posterior density."""

import equinox as eqx
from jax import Array
from jaxtyping import Float

from credo.errors import ConfigError
from credo.inference.density import Program, Values, constrain, log_joint, potential
from credo.inference.point.optimise import PointEstimate


class Map(PointEstimate):
    """The latents that maximise p(data, x).

    Attributes:
        space: where the density is taken: `constrained`, the latents' own space, or `unconstrained`, where the
            transform's Jacobian belongs to it. A mode is not invariant: for a Gamma(3, 1) latent the first is 2, the
            second 3.
    """

    space: str = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.space not in ("constrained", "unconstrained"):
            raise ConfigError(f"space: expected constrained or unconstrained, but got {self.space!r}")

    def log_density(self, program: Program, z: Values) -> Float[Array, ""]:
        """The log posterior density, up to a constant."""
        if self.space == "unconstrained":
            return -potential(program)(z)
        return log_joint(program, constrain(program, z))
