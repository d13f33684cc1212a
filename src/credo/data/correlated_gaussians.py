"""Pairs of Gaussian vectors with a known mutual information, to judge its estimates (Belghazi et al. 2018).

Belghazi, M. I. et al. (2018). Mutual information neural estimation. ICML; section 4.1.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, override

import numpy as np
import xarray as xr

from credo import memory
from credo.data.base import Source
from credo.data.dataset import ROWS, make
from credo.data.holdout import hold_out
from credo.ranges import Count, Natural, NonNegative, Part, Several

if TYPE_CHECKING:
    from credo.models.base import Model


@dataclass(frozen=True)
class CorrelatedGaussians(Source):
    """`x` [obs, feature] and `y` [obs, target], each standard normal; x_i and y_i have correlation rho, others none.

    The mutual information of x and y is -dim / 2 ln(1 - rho^2).

    Attributes:
        dim: the length of x and of y.
        mi: the mutual information in nats, which rho follows from.
        rows: how many pairs.
        test_fraction: the share of the rows that is held out.
        split_seed: the seed of the rows and of the split; `seed` is that of the inference.
    """

    dim: Count
    mi: NonNegative
    rows: Several
    test_fraction: Part
    split_seed: Natural

    @property
    def rho(self) -> float:
        """The correlation of x_i and y_i, at least 0."""
        return float(np.sqrt(-np.expm1(-2 * self.mi / self.dim)))

    @override
    def load(self, model: "Model", seed: int) -> xr.Dataset:
        memory.require(f"data.rows={self.rows} data.dim={self.dim}", 8 * self.rows * self.dim)
        x, e = np.random.default_rng(self.split_seed).normal(size=(2, self.rows, self.dim))
        y = self.rho * x + np.exp(-self.mi / self.dim) * e
        labels = {dim: [f"{name}{i + 1}" for i in range(self.dim)] for dim, name in (("feature", "x"), ("target", "y"))}
        data = make({"y": ((ROWS, "target"), y), "x": ((ROWS, "feature"), x)}, labels, {"mutual_information": self.mi})
        return hold_out(data, self.test_fraction, self.split_seed)
