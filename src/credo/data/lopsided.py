"""A target whose distribution changes its form with the input: two unequal modes, then a skewed one."""

from dataclasses import dataclass
from typing import override

import numpy as np
import xarray as xr

from credo.data.dataset import ROWS, make
from credo.data.generated import Generated

SD, SHARE, LOG_SD = 0.075, 0.8, 0.25
REACH = 3.0


@dataclass(frozen=True)
class Lopsided(Generated):
    """`y` [obs] given x ~ U(-3, 3), after the first set of Gustafsson et al. (2020).

    For x < 0 y ~ 0.8 N(sin x, 0.075) + 0.2 N(-sin x, 0.075); else y + 1 ~ LogNormal(0, 0.25).
    """

    @override
    def draw(self, generator: np.random.Generator) -> xr.Dataset:
        x = generator.uniform(-REACH, REACH, self.rows)
        sign = np.where(generator.random(self.rows) < SHARE, 1.0, -1.0)
        left = sign * np.sin(x) + SD * generator.normal(size=self.rows)
        right = generator.lognormal(0.0, LOG_SD, self.rows) - 1
        return make(
            {"y": ((ROWS,), np.where(x < 0, left, right)), "x": ((ROWS, "feature"), x[:, None])}, {"feature": ["x"]}
        )


def density(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """p(y | x), by broadcasting."""
    modes = sum(
        share * np.exp(-0.5 * ((y - sign * np.sin(x)) / SD) ** 2) for share, sign in ((SHARE, 1.0), (1 - SHARE, -1.0))
    )
    moved = np.maximum(y + 1, 1e-300)
    skewed = np.where(y > -1, np.exp(-0.5 * (np.log(moved) / LOG_SD) ** 2) / moved / LOG_SD, 0.0)
    return np.where(x < 0, modes / SD, skewed) / np.sqrt(2 * np.pi)
