"""Wisconsin diagnostic breast cancer: 569 tumours, 30 measures of their cell nuclei.

Street, W. N., Wolberg, W. H. and Mangasarian, O. L. (1993). Nuclear feature extraction for breast tumor diagnosis.
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

MEASURES = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)
FEATURES = (
    *(f"mean {measure}" for measure in MEASURES),
    *(f"{measure} error" for measure in MEASURES),
    *(f"worst {measure}" for measure in MEASURES),
)


@dataclass(frozen=True)
class BreastCancer(Source):
    """`y` [obs], 1 if the tumour is benign and 0 if malignant; `x` [obs, feature].

    Attributes:
        features: the measures to use; `None` takes all 30.
        standardise: whether they get mean 0 and standard deviation 1 on the training rows.
        test_fraction: the share of the rows that is held out.
        split_seed: the seed that chooses them.
    """

    features: Sequence[str] | None
    standardise: bool
    test_fraction: Part
    split_seed: Natural

    @override
    def load(self, model: "Model", seed: int) -> xr.Dataset:
        table = bundled("breast_cancer.csv", (*FEATURES, "benign"), delimiter=",", header=1)
        dataset = from_table(table.astype({"benign": int}), target="benign", features=self.features)
        if model is not None and model.takes_classes:
            dataset = dataset.assign_coords({"class": ["malignant", "benign"]})
        dataset = hold_out(dataset, self.test_fraction, self.split_seed)
        return standardise(dataset, features=self.standardise, target=False)
