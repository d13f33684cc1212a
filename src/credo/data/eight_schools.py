"""The effects of coaching on test scores in eight schools, with known standard errors.

Rubin, D. B. (1981). Estimation in parallel randomized experiments. Journal of Educational Statistics, 6(4), table 1.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, override

import xarray as xr

from credo.data.base import Source
from credo.data.dataset import make

if TYPE_CHECKING:
    from credo.models.base import Model

SCHOOLS = (
    "Choate",
    "Deerfield",
    "Phillips Andover",
    "Phillips Exeter",
    "Hotchkiss",
    "Lawrenceville",
    "St. Paul's",
    "Mt. Hermon",
)
EFFECTS = (28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0)
STANDARD_ERRORS = (15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0)


@dataclass(frozen=True)
class EightSchools(Source):
    """`y` [school], the estimated effects, and `sigma` [school], their standard errors."""

    @override
    def load(self, model: "Model", seed: int) -> xr.Dataset:
        variables = {"y": (("school",), EFFECTS), "sigma": (("school",), STANDARD_ERRORS)}
        return make(variables, {"school": list(SCHOOLS)})
