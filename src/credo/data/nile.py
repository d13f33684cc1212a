"""The yearly flow of the Nile at Aswan from 1871 to 1970, in 10^8 m^3.

Cobb, G. W. (1978). The problem of the Nile: conditional solution to a changepoint problem. Biometrika, 65(2), table 1;
Durbin, J. and Koopman, S. J. (2012), Time Series Analysis by State Space Methods, section 2.2.5.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, override

import numpy as np
import xarray as xr

from credo.data.base import Source
from credo.data.dataset import make
from credo.ranges import Part

if TYPE_CHECKING:
    from credo.models.base import Model

FIRST = 1871
# fmt: off
FLOW = (
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
    1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969,
    831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759,
    781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890,
    744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
)
# fmt: on


@dataclass(frozen=True)
class Nile(Source):
    """`y` [obs], the flow; `x` [obs, feature], the year.

    Attributes:
        test_fraction: the share of the years that is held out, the last ones.
    """

    test_fraction: Part

    @override
    def load(self, model: "Model", seed: int) -> xr.Dataset:
        years = FIRST + np.arange(len(FLOW))
        data = make(
            {"y": (("obs",), np.array(FLOW, float)), "x": (("obs", "feature"), years[:, None].astype(float))},
            {"obs": years, "feature": ["year"]},
        )
        held = round(self.test_fraction * len(FLOW))
        if held:
            data = data.assign_coords(split=("obs", np.where(np.arange(len(FLOW)) < len(FLOW) - held, "train", "test")))
        return data
