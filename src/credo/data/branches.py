"""A target with two values for every input: where a regression finds their mean, a mixture finds both."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, override

import numpy as np
import xarray as xr

from credo import memory
from credo.data.base import Source
from credo.data.dataset import ROWS, make
from credo.data.holdout import hold_out
from credo.ranges import Natural, Part, Several

if TYPE_CHECKING:
    from credo.models.base import Model

NOISE = 0.15


@dataclass(frozen=True)
class Branches(Source):
    """`y` [obs] = s (1 + sin(2x) / 2) + 0.15 e, with a sign s that is tossed, x ~ U(-2, 2) and e ~ N(0, 1).

    Attributes:
        rows: how many.
        test_fraction: the share of the rows that is held out.
        split_seed: the seed of the rows and of the split; `seed` is that of the inference.
    """

    rows: Several
    test_fraction: Part
    split_seed: Natural

    @override
    def load(self, model: "Model", seed: int) -> xr.Dataset:
        memory.require(f"data.rows={self.rows}", 8 * self.rows)
        generator = np.random.default_rng(self.split_seed)
        x = generator.uniform(-2, 2, self.rows)
        sign = generator.choice([-1.0, 1.0], self.rows)
        y = sign * (1 + np.sin(2 * x) / 2) + NOISE * generator.normal(size=self.rows)
        data = make({"y": ((ROWS,), y), "x": ((ROWS, "feature"), x[:, None])}, {"feature": ["x"]})
        return hold_out(data, self.test_fraction, self.split_seed)
