"""Hamiltonian Monte Carlo with trajectories of one length (Duane et al. 1987; Neal 2011)."""

from typing import Any, ClassVar

from numpyro.infer import HMC

from credo.errors import ConfigError
from credo.inference.hamiltonian import Hamiltonian
from credo.ranges import Positive


class Hmc(Hamiltonian):
    """NumPyro's HMC.

    Attributes:
        trajectory_length: steps times step size, in units of the metric. A quarter of a turn, pi / 2, makes successive
            draws of a normal posterior independent; half a turn comes back to where it began.
    """

    trajectory_length: Positive

    method: ClassVar[str] = "hmc"

    def __check_init__(self) -> None:
        if not self.trajectory_length > 0:
            raise ConfigError(f"trajectory_length: expected a positive number, but got {self.trajectory_length}")

    def numpyro_kernel(self, energy: Any) -> HMC:
        """NumPyro's kernel."""
        return HMC(
            potential_fn=energy,
            step_size=self.step_size,
            adapt_step_size=False,
            adapt_mass_matrix=False,
            trajectory_length=self.trajectory_length,
        )
