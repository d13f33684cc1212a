"""Progression of diabetes in 442 patients after one year, and ten measures taken before.

Efron, B., Hastie, T., Johnstone, I. and Tibshirani, R. (2004). Least angle regression. Annals of Statistics, 32(2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, override

import xarray as xr

from credo.data.base import Source
from credo.data.bundled import bundled
from credo.data.holdout import hold_out
from credo.data.scaling import standardise
from credo.data.table import from_table
from credo.ranges import Natural, Part

if TYPE_CHECKING:
    from credo.models.base import Model

FEATURES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


@dataclass(frozen=True)
class Diabetes(Source):
    """`y` [obs], the progression; `x` [obs, feature]: age, sex, body mass index, blood pressure, six serum values.

    Attributes:
        features: the measures to use; `None` takes all ten.
        standardise: whether they get mean 0 and standard deviation 1 on the training rows.
        standardise_target: whether the progression (25 to 346) does, too.
        test_fraction: the share of the rows that is held out.
        split_seed: the seed that chooses them.
    """

    features: Sequence[str] | None
    standardise: bool
    standardise_target: bool
    test_fraction: Part
    split_seed: Natural

    @override
    def load(self, model: "Model", seed: int) -> xr.Dataset:
        table = bundled("diabetes_data_raw.csv.gz", FEATURES)
        table["progression"] = bundled("diabetes_target.csv.gz", ("progression",))
        dataset = from_table(table, target="progression", features=self.features)
        dataset = hold_out(dataset, self.test_fraction, self.split_seed)
        return standardise(dataset, features=self.standardise, target=self.standardise_target)
