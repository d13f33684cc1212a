"""Missing numbers of a regression's predictors as latents."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints

from credo.config.supports import within
from credo.errors import ConfigError
from credo.models.priors_of_terms import key_of


class Missing(NamedTuple):
    """The missing cells of one column.

    - **column** - its name.
    - **size** - how many there are.
    - **mean** - of the known cells, or of their logarithms where the formula has nothing but these.
    - **sd** - their standard deviation.
    - **is_log** - whether these are of logarithms.
    """

    column: str
    size: int
    mean: float
    sd: float
    is_log: bool = False

    @property
    def key(self) -> str:
        """Under which key their prior stands."""
        return f"missing_{key_of(self.column)}"

    def prior(self, priors: Mapping[str, Any]) -> Any:
        """That of each cell: the column's normal or lognormal distribution, where none is given."""
        own = dist.LogNormal(self.mean, self.sd) if self.is_log else dist.Normal(self.mean, self.sd)
        return priors.get(self.key, own)

    def require(self, priors: Mapping[str, Any]) -> None:
        """Raise `ConfigError` where a prior allows numbers that have no logarithm."""
        if self.is_log and not within(self.prior(priors).support, constraints.positive):
            raise ConfigError(
                f"model.prior.{self.key}: the formula takes the logarithm of {self.column!r}, but this prior allows "
                f"numbers that have none; choose one of positive numbers, as in prior@model.prior.{self.key}=lognormal"
            )


def with_cells(known: tuple[Missing, ...], priors: Mapping[str, Any], arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of a formula where the missing cells, sites `missing[NAME]`, are drawn.

    Args:
        known: the missing cells by column.
        priors: those of the model.
        arrays: as `data.formula.imputed` made them; those of new rows have no missing cells.
    """
    found = dict(arrays)
    for one in known:
        if f"index[{one.column}]" not in arrays:
            continue
        with numpyro.plate(f"row of {one.column}", one.size):
            cells = numpyro.sample(f"missing[{one.column}]", one.prior(priors), infer={"local": True})
        cells = jnp.log(cells) if one.is_log else cells
        z = (cells[arrays[f"index[{one.column}]"]] - one.mean) / one.sd
        for name in arrays:
            if name.endswith(f"@{one.column}"):
                moved, slope = name.removesuffix(f"@{one.column}"), arrays[name]
                found[moved] = found[moved] + slope * (z if jnp.ndim(slope) == 1 else z[:, None])
    return found
