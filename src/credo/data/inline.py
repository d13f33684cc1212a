"""Data written in the configuration itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, override

import xarray as xr

from credo.data.base import Source
from credo.data.dataset import ROWS, make
from credo.data.whole import first_lost
from credo.errors import ConfigError
from credo.ranges import Finite

if TYPE_CHECKING:
    from credo.models.base import Model


@dataclass(frozen=True)
class Inline(Source):
    """Numbers typed on the command line or in a YAML file.

    Attributes:
        values: `y` [obs].
    """

    values: Sequence[Finite | int]

    @override
    def load(self, model: "Model", seed: int) -> xr.Dataset:
        values = list(self.values)
        if not values or (wrong := [value for value in values if not isinstance(value, int | float)]):
            got = repr(wrong[0]) if values else "none"
            raise ConfigError(f"data.values: expected a list of numbers, but got {got}; write data.values=[1,0,1]")
        if (lost := first_lost(values)) is not None:
            raise ConfigError(
                f"data.values: {values[lost]} is a whole number that a float64 does not hold exactly; write it as "
                "1.5e+30 is written"
            )
        return make({"y": ((ROWS,), values)})
