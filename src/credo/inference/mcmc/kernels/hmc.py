"""Hamiltonian Monte Carlo with trajectories of one length (Duane et al. 1987; Neal 2011)."""

from typing import Any, ClassVar

from numpyro.infer import HMC

from credo.errors import ConfigError
from credo.inference.mcmc.kernels.hamiltonian import Hamiltonian
from credo.ranges import Positive

MOST_STEPS = 10_000
"""Steps of a trajectory with the step size that is configured, at most."""

LONGEST = 2**16
"""Steps of a trajectory at most, however small the step size becomes: while it goes on, no signal is looked at."""


class Hmc(Hamiltonian):
    """NumPyro's HMC.

    Attributes:
        trajectory_length: steps times step size, in units of the metric. A quarter of a turn, pi / 2, makes successive
            draws of a normal posterior independent; half a turn comes back to where it began.
    """

    trajectory_length: Positive

    settles: ClassVar[bool] = True
    rising: ClassVar[tuple[float, ...]] = (0.8, 0.95, 0.99)

    def __check_init__(self) -> None:
        if self.trajectory_length > MOST_STEPS * self.step_size:
            raise ConfigError(
                f"inference.trajectory_length: expected at most {MOST_STEPS} steps of inference.step_size, "
                f"{MOST_STEPS * self.step_size:g}, but got {self.trajectory_length:g}"
            )

    @property
    def least_step(self) -> Any:
        """A trajectory of this step size has as many steps as one may have."""
        return self.trajectory_length / LONGEST

    def numpyro_kernel(self, energy: Any) -> HMC:
        """NumPyro's kernel."""
        return HMC(
            potential_fn=energy,
            step_size=self.step_size,
            adapt_step_size=False,
            adapt_mass_matrix=False,
            trajectory_length=self.trajectory_length,
        )
