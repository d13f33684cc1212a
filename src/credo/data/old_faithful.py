"""299 eruptions of the geyser Old Faithful in a row, from 1 to 15 August 1985.

Azzalini, A. and Bowman, A. W. (1990). A look at some data on the Old Faithful geyser. Journal of the Royal Statistical
Society C, 39(3), table 1. At night durations were only called short, medium and long, which stand as 120, 180 and 240
seconds.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, override

import numpy as np
import xarray as xr

from credo.data.base import Source
from credo.data.dataset import make
from credo.errors import ConfigError

if TYPE_CHECKING:
    from credo.models.base import Model

# fmt: off
WAITING = (
    80, 71, 57, 80, 75, 77, 60, 86, 77, 56, 81, 50, 89, 54, 90, 73, 60, 83, 65, 82, 84, 54, 85, 58, 79, 57, 88, 68,
    76, 78, 74, 85, 75, 65, 76, 58, 91, 50, 87, 48, 93, 54, 86, 53, 78, 52, 83, 60, 87, 49, 80, 60, 92, 43, 89, 60,
    84, 69, 74, 71, 108, 50, 77, 57, 80, 61, 82, 48, 81, 73, 62, 79, 54, 80, 73, 81, 62, 81, 71, 79, 81, 74, 59, 81,
    66, 87, 53, 80, 50, 87, 51, 82, 58, 81, 49, 92, 50, 88, 62, 93, 56, 89, 51, 79, 58, 82, 52, 88, 52, 78, 69, 75,
    77, 53, 80, 55, 87, 53, 85, 61, 93, 54, 76, 80, 81, 59, 86, 78, 71, 77, 76, 94, 75, 50, 83, 82, 72, 77, 75, 65,
    79, 72, 78, 77, 79, 75, 78, 64, 80, 49, 88, 54, 85, 51, 96, 50, 80, 78, 81, 72, 75, 78, 87, 69, 55, 83, 49, 82,
    57, 84, 57, 84, 73, 78, 57, 79, 57, 90, 62, 87, 78, 52, 98, 48, 78, 79, 65, 84, 50, 83, 60, 80, 50, 88, 50, 84,
    74, 76, 65, 89, 49, 88, 51, 78, 85, 65, 75, 77, 69, 92, 68, 87, 61, 81, 55, 93, 53, 84, 70, 73, 93, 50, 87, 77,
    74, 72, 82, 74, 80, 49, 91, 53, 86, 49, 79, 89, 87, 76, 59, 80, 89, 45, 93, 72, 71, 54, 79, 74, 65, 78, 57, 87,
    72, 84, 47, 84, 57, 87, 68, 86, 75, 73, 53, 82, 93, 77, 54, 96, 48, 89, 63, 84, 76, 62, 83, 50, 85, 78, 78, 81,
    78, 76, 74, 81, 66, 84, 48, 93, 47, 87, 51, 78, 54, 87, 52, 85, 58, 88, 79,
)
"""Minutes from the eruption before to this one."""

SECONDS = (
    241, 129, 240, 240, 240, 120, 263, 257, 122, 290, 110, 327, 97, 292, 263, 106, 280, 120, 284, 253, 114, 298,
    120, 240, 120, 240, 170, 270, 244, 223, 211, 268, 133, 293, 156, 249, 132, 286, 110, 276, 136, 248, 120, 240,
    120, 240, 113, 256, 125, 268, 150, 240, 106, 260, 131, 269, 233, 200, 224, 240, 117, 316, 120, 240, 120, 240,
    120, 240, 212, 130, 270, 121, 249, 252, 260, 116, 279, 229, 242, 250, 280, 109, 240, 180, 240, 120, 267, 123,
    255, 115, 280, 104, 263, 106, 276, 112, 267, 98, 302, 109, 306, 98, 257, 120, 240, 120, 272, 120, 240, 176, 284,
    234, 117, 247, 108, 280, 110, 282, 127, 287, 109, 246, 279, 240, 120, 240, 240, 253, 248, 236, 225, 265, 148,
    250, 228, 259, 232, 281, 102, 298, 256, 275, 240, 240, 240, 240, 119, 276, 50, 295, 104, 275, 102, 285, 110,
    270, 112, 267, 267, 240, 288, 240, 240, 120, 240, 116, 275, 120, 222, 172, 290, 207, 263, 108, 264, 149, 271,
    126, 261, 262, 107, 295, 109, 240, 240, 240, 232, 111, 282, 121, 268, 112, 250, 114, 255, 195, 253, 113, 299,
    111, 240, 118, 286, 240, 120, 240, 240, 143, 265, 253, 262, 120, 267, 105, 270, 97, 282, 154, 222, 254, 116,
    261, 240, 240, 240, 253, 240, 248, 113, 268, 117, 253, 103, 267, 255, 238, 263, 118, 267, 256, 115, 265, 180,
    240, 120, 240, 197, 110, 277, 110, 277, 276, 255, 116, 299, 118, 258, 252, 272, 264, 277, 120, 240, 240, 235,
    120, 270, 108, 240, 165, 284, 238, 117, 298, 111, 288, 240, 240, 240, 240, 240, 240, 240, 120, 240, 116, 260,
    100, 286, 117, 281, 116, 265, 128, 245, 124, 240, 240, 120,
)
"""How long it lasted."""
# fmt: on

SHORT = 180
"""Eruptions of less than so many seconds are short."""

KINDS = ("long", "short")
VARIABLES = ("waiting", "duration", "kind")


@dataclass(frozen=True)
class OldFaithful(Source):
    """`y` [eruption]: how long it was waited for, how long it lasted, or of which kind it was.

    Attributes:
        variable: `waiting` or `duration`, in minutes; or `kind`, whose states are long (0) and short (1).
    """

    variable: str

    @override
    def load(self, model: "Model", seed: int) -> xr.Dataset:
        if self.variable not in VARIABLES:
            raise ConfigError(f"data.variable: expected one of {', '.join(VARIABLES)}, but got {self.variable!r}")
        seconds = np.array(SECONDS)
        y = {"waiting": np.array(WAITING, float), "duration": seconds / 60, "kind": (seconds < SHORT).astype(int)}
        coords = {"state": list(KINDS)} if self.variable == "kind" else {}
        return make({"y": (("eruption",), y[self.variable])}, coords)
