"""What the plots look at: a result by variable and by scalar, with names, true values and statistics."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr

from credo.diagnostics.summary import labels, scalars
from credo.result import Result


@dataclass(frozen=True)
class Variable:
    """A variable of the posterior, its elements side by side.

    Attributes:
        name: its name.
        dims: the names of its own dims; empty for a scalar.
        labels: the elements' full names, `theta[Choate]`.
        draws: [element, chain, draw].
        truth: the values that generated the data, [element], where they are known.
        error: standard errors, [element], of a point estimate.
    """

    name: str
    dims: tuple[str, ...]
    labels: tuple[str, ...]
    draws: np.ndarray
    truth: np.ndarray | None
    error: np.ndarray | None

    @property
    def elements(self) -> list[str]:
        """The elements' names within the variable, `Choate`."""
        return [label[len(self.name) + 1 : -1] or self.name for label in self.labels]


@dataclass(frozen=True)
class Scalar:
    """One number of the posterior: its name, draws [chain, draw], and row of the summary."""

    label: str
    draws: np.ndarray
    row: Mapping[str, float]


@dataclass(frozen=True)
class Evidence:
    """A result, as the plots need it.

    Attributes:
        result: the answer.
        summary: one row per scalar.
        most: how many panels a figure may have.
        thresholds: the bars of the checks, by the check's name.
    """

    result: Result
    summary: pd.DataFrame
    most: int
    thresholds: Mapping[str, float | None]

    def group(self, name: str) -> xr.Dataset:
        """A group of the result's tree; an empty data set where there is none."""
        return self.result.tree[name].to_dataset() if name in self.result.tree.children else xr.Dataset()

    @cached_property
    def rows(self) -> dict[str, Mapping[str, float]]:
        """The summary's rows by the scalar's name."""
        return {row["variable"]: row for row in self.summary.to_dict("records")}

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """The variables of the posterior that have elements, in order."""
        truth, error = self.group("truth"), self.group("standard_error")
        return tuple(
            Variable(
                name=str(name),
                dims=tuple(str(dim) for dim in variable.dims if dim not in ("chain", "draw")),
                labels=tuple(labels(variable)),
                draws=scalars(variable),
                truth=_flat(truth, str(name), variable),
                error=_flat(error, str(name), variable),
            )
            for name, variable in self.group("posterior").data_vars.items()
            if variable.size
        )

    def chosen_variables(self) -> tuple[list[Variable], tuple[str, ...]]:
        """The first variables, as many as there is room for, and the names of the others."""
        shown, rest = self.variables[: self.most], self.variables[self.most :]
        return list(shown), tuple(variable.name for variable in rest)

    def chosen_scalars(self, most: int | None = None) -> tuple[list[Scalar], tuple[str, ...]]:
        """As many scalars as there is room for, or `most` of them, and the names of the others.

        Variables without dims come first, then those elements that mix worst, by their bulk effective sample size.
        """
        everything = [
            (bool(variable.dims), Scalar(label, draws, self.rows.get(label, {})))
            for variable in self.variables
            for label, draws in zip(variable.labels, variable.draws, strict=True)
        ]
        ranking = sorted(range(len(everything)), key=lambda i: (everything[i][0], _ess(everything[i][1])))
        chosen = set(ranking[: min(most or self.most, self.most)])
        names = tuple(scalar.label for i, (_, scalar) in enumerate(everything) if i not in chosen)
        return [everything[i][1] for i in sorted(chosen)], names


def _ess(scalar: Scalar) -> float:
    ess = scalar.row.get("ess_bulk", np.nan)
    return np.inf if np.isnan(ess) else ess


def _flat(group: xr.Dataset, name: str, like: xr.DataArray) -> np.ndarray | None:
    """A group's values of this variable, in the order of its elements."""
    own = [dim for dim in like.dims if dim not in ("chain", "draw")]
    if name not in group or group[name].size != np.prod([like.sizes[dim] for dim in own], initial=1):
        return None
    values = group[name]
    return np.ravel(values.transpose(*own).values if set(values.dims) == set(own) else values.values).astype(float)


def finite(values: np.ndarray | Iterable[float]) -> np.ndarray:
    """The finite values, in one row."""
    flat = np.ravel(np.asarray(values, dtype=float))
    return flat[np.isfinite(flat)]
