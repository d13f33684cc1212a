"""How long 42 children with leukaemia stayed in remission, with 6-mercaptopurine and with a placebo.

Freireich, E. J. et al. (1963). The effect of 6-mercaptopurine on the duration of steroid-induced remissions in acute
leukemia. Blood, 21(6); the times as in Cox, D. R. (1972). Regression models and life-tables. JRSS B, 34(2), table 1.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, override

import pandas as pd
import xarray as xr

from credo.data.base import Source
from credo.data.table import from_table

if TYPE_CHECKING:
    from credo.models.base import Model

TREATED = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
"""Weeks; those with a plus were still in remission."""

PLACEBO = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"


def table() -> pd.DataFrame:
    """The columns `weeks`, `status` (`right` of those still in remission) and `treatment`."""
    words = [(word, name) for name, words in (("6-MP", TREATED), ("placebo", PLACEBO)) for word in words.split()]
    return pd.DataFrame(
        {
            "weeks": [float(word.rstrip("+")) for word, _ in words],
            "status": ["right" if word.endswith("+") else "none" for word, _ in words],
            "treatment": [name for _, name in words],
        }
    )


@dataclass(frozen=True)
class Leukaemia(Source):
    """With a formula what it asks for.

    Without one `y` [obs], the weeks until the relapse or the end of the study, and `x` [obs, feature], whether treated.
    """

    @override
    def load(self, model: "Model", seed: int) -> xr.Dataset:
        if model is not None and model.rows is not None:
            from credo.data.formula.arranged import arranged  # takes time to load

            return arranged(table(), model.rows)
        known = table()
        known["treated"] = (known["treatment"] == "6-MP").astype(int)
        return from_table(known, target="weeks", features=["treated"])
