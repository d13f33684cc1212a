"""The Gaussian as an energy, E(x) = (x - mu)' P (x - mu) / 2, with P = L' L and Z in closed form."""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro.distributions import constraints

from credo.energies.normaliser.exact import Closed, Exact
from credo.energies.quadratic import Quadratic as Energy
from credo.models.energies.base import Continuous, Prior


class Quadratic(Continuous):
    """E(x) = |(I - B)(x - mu) / s|^2 / 2 with B strictly lower triangular: each number regresses on those before it.

    `mu` [dim] and `sd` [dim] = s have priors, and `slope` [pairs], the entries of B by row, where there are several.
    """

    formula: ClassVar[str] = "E(x) = |(I - B)(x - mu) / s|^2 / 2, B strictly lower triangular\nmu, s, B ~ priors"
    supports: ClassVar[dict[str, Any]] = {
        "mu": (constraints.real,),
        "scale": (constraints.positive,),
        "slope": (constraints.real,),
    }

    @property
    def used(self) -> tuple[str, ...]:
        """No slopes in one dimension."""
        return ("mu", "scale") if self.dim == 1 else ("mu", "scale", "slope")

    def __call__(self, prior: Prior) -> Energy:
        """Sample `mu`, `scale` and `slope`."""
        dim = self.dim or 1
        with numpyro.plate("target", dim):
            mu = numpyro.sample("mu", prior["mu"])
            scale = numpyro.sample("scale", prior["scale"])
        root = jnp.eye(dim)
        if dim > 1:
            with numpyro.plate("pair", dim * (dim - 1) // 2):
                slope = numpyro.sample("slope", prior["slope"])
            root = root.at[np.tril_indices(dim, -1)].set(-slope)
        root = root / scale[:, None]
        return Energy(mu, root.T @ root)

    @property
    def exact(self) -> Exact:
        """In closed form."""
        return Closed()
