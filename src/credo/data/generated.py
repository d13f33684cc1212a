"""Data that a source draws from a distribution of its own, the same for the same seed."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, override

import numpy as np
import xarray as xr

from credo import memory
from credo.data.base import Source
from credo.data.holdout import hold_out
from credo.ranges import Natural, Part, Several

if TYPE_CHECKING:
    from credo.models.base import Model


@dataclass(frozen=True, kw_only=True)
class Generated(Source, ABC):
    """Rows that `draw` makes, with a part of them held out.

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
        self.require_memory()
        return hold_out(self.draw(np.random.default_rng(self.split_seed)), self.test_fraction, self.split_seed)

    def require_memory(self) -> None:
        """Raise `ConfigError` where the machine has no room for the rows."""
        memory.require(f"data.rows={self.rows}", 8 * self.rows)

    @abstractmethod
    def draw(self, generator: np.random.Generator) -> xr.Dataset:
        """All rows, each variable with the dim `obs` first."""
