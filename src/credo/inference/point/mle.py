"""Maximum likelihood: the mode of the likelihood."""

from jax import Array
from jaxtyping import Float

from credo.inference.density import Program, Values, WithoutPriors, constrain, log_joint
from credo.inference.point.optimise import PointEstimate


class Mle(PointEstimate):
    """The latents that maximise p(data | x).

    The priors' densities are dropped and their supports kept. Discrete latents keep their probabilities, as these weigh
    the sum over them.
    """

    def log_density(self, program: Program, z: Values) -> Float[Array, ""]:
        """The log likelihood."""
        return log_joint(WithoutPriors(program), constrain(program, z))
