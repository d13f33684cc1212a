"""A target with two values for every input: where a regression finds their mean, a mixture finds both."""

from dataclasses import dataclass
from typing import override

import numpy as np
import xarray as xr

from credo.data.dataset import ROWS, make
from credo.data.generated import Generated

NOISE = 0.15


@dataclass(frozen=True)
class Branches(Generated):
    """`y` [obs] = s (1 + sin(2x) / 2) + 0.15 e, with a sign s that is tossed, x ~ U(-2, 2) and e ~ N(0, 1)."""

    @override
    def draw(self, generator: np.random.Generator) -> xr.Dataset:
        x = generator.uniform(-2, 2, self.rows)
        sign = generator.choice([-1.0, 1.0], self.rows)
        y = sign * (1 + np.sin(2 * x) / 2) + NOISE * generator.normal(size=self.rows)
        return make({"y": ((ROWS,), y), "x": ((ROWS, "feature"), x[:, None])}, {"feature": ["x"]})
