"""Pairs of Gaussian vectors with a known mutual information, to judge its estimates (Belghazi et al. 2018).

Belghazi, M. I. et al. (2018). Mutual information neural estimation. ICML; section 4.1.
"""

from dataclasses import dataclass
from typing import override

import numpy as np
import xarray as xr

from credo import memory
from credo.data.dataset import ROWS, make
from credo.data.generated import Generated
from credo.ranges import Count, NonNegative


@dataclass(frozen=True)
class CorrelatedGaussians(Generated):
    """`x` [obs, feature] and `y` [obs, target], each standard normal; x_i and y_i have correlation rho, others none.

    The mutual information of x and y is -dim / 2 ln(1 - rho^2).

    Attributes:
        dim: the length of x and of y.
        mi: the mutual information in nats, which rho follows from.
    """

    dim: Count
    mi: NonNegative

    @property
    def rho(self) -> float:
        """The correlation of x_i and y_i, at least 0."""
        return float(np.sqrt(-np.expm1(-2 * self.mi / self.dim)))

    @override
    def require_memory(self) -> None:
        memory.require(f"data.rows={self.rows} data.dim={self.dim}", 8 * self.rows * self.dim)

    @override
    def draw(self, generator: np.random.Generator) -> xr.Dataset:
        x, e = generator.normal(size=(2, self.rows, self.dim))
        y = self.rho * x + np.exp(-self.mi / self.dim) * e
        labels = {dim: [f"{name}{i + 1}" for i in range(self.dim)] for dim, name in (("feature", "x"), ("target", "y"))}
        return make({"y": ((ROWS, "target"), y), "x": ((ROWS, "feature"), x)}, labels, {"mutual_information": self.mi})
