"""What the plots look at: a result by variable and by scalar, with names, true values and statistics."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr

from credo.diagnostics.summary import is_aside, labels, scalars, title
from credo.inference.result import Result
from credo.models.names import SITE
from credo.report.drawing.numbers import counted

MOST_NUMBERS = 2**23
MOST_TARGETS = 4
"""How many targets a figure of predictions shows."""


@dataclass(frozen=True)
class Variable:
    """A variable of the posterior, its elements side by side.

    Attributes:
        name: its name.
        dims: the names of its own dims; empty for a scalar.
        labels: the elements' full names, `theta[Choate]`.
        array: the draws, [chain, draw, ...], perhaps on disk.
        truth: the values that generated the data, [element], where they are known.
        error: standard errors, [element], of a point estimate.
        aside: whether it says nothing by itself: it is a parametrisation of others, or indicators of rows.
    """

    name: str
    dims: tuple[str, ...]
    labels: tuple[str, ...]
    array: xr.DataArray
    truth: np.ndarray | None
    error: np.ndarray | None
    aside: bool = False

    @cached_property
    def draws(self) -> np.ndarray:
        """[element, chain, draw]; of a large variable, every so many draws only."""
        return scalars(self.array.isel(draw=slice(None, None, 1 + self.array.size // MOST_NUMBERS)))

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
        target: what y is called in the data; empty where it is y.
    """

    result: Result
    summary: pd.DataFrame
    most: int
    thresholds: Mapping[str, float | None]
    target: str = ""

    def group(self, name: str) -> xr.Dataset:
        """A group of the result's tree, empty where there is none; an observed y has the title of the target."""
        found = self.result.tree[name].to_dataset() if name in self.result.tree.children else xr.Dataset()
        if not self.target or name != "observed_data" or "y" not in found:
            return found
        return found.assign(y=found["y"].assign_attrs({SITE: self.target}))

    def targets(self, name: str) -> tuple[list[str], str]:
        """The first targets of a group of predictions, and a sentence if there are more."""
        names = [str(target) for target in self.group(name)["target"].values]
        more = f" Shown are the first {MOST_TARGETS} of {len(names):,} targets." if len(names) > MOST_TARGETS else ""
        return names[:MOST_TARGETS], more

    @property
    def predicted_rows(self) -> str:
        """Which rows the group `predictive` is of: `120 test rows`."""
        predictive = self.group("predictive")
        kind = {"train": "training"}.get(predictive.attrs.get("rows", "test"), "test")
        return counted(predictive.sizes["row"], f"{kind} row")

    @cached_property
    def priors(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Points and the prior's density there, by the scalar's name, where it is known."""
        known = self.group("gain")
        if "prior" not in known:
            return {}
        curves = zip(known["at"].to_numpy(), known["prior"].to_numpy(), strict=True)
        return dict(zip(map(str, known["scalar"].to_numpy()), curves, strict=True))

    @cached_property
    def rows(self) -> dict[str, Mapping[str, float]]:
        """The summary's rows by the scalar's name."""
        return {row["variable"]: row for row in self.summary.to_dict("records")}

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """The variables of the posterior that have elements, in order."""
        truth, error = _by_site(self.group("truth")), self.group("standard_error")
        return tuple(
            Variable(
                name=title(variable),
                dims=tuple(str(dim) for dim in variable.dims if dim not in ("chain", "draw")),
                labels=tuple(labels(variable)),
                array=variable,
                truth=_flat(truth, title(variable), variable),
                error=_flat(error, str(name), variable),
                aside=is_aside(variable),
            )
            for name, variable in self.group("posterior").data_vars.items()
            if variable.size
        )

    def chosen_variables(self) -> tuple[list[Variable], tuple[str, ...]]:
        """The first variables, as many as there is room for, and the names of the others; no parametrisations."""
        known = [variable for variable in self.variables if not variable.aside]
        shown, rest = known[: self.most], known[self.most :]
        return shown, tuple(variable.name for variable in rest)

    def chosen_scalars(self, most: int | None = None) -> tuple[list[Scalar], tuple[str, ...]]:
        """As many scalars as there is room for, or `most` of them, and the names of the others.

        Variables without dims come first, then those elements that mix worst, by their bulk effective sample size.
        Parametrisations are left out.
        """
        known = [variable for variable in self.variables if not variable.aside] or list(self.variables)
        everything = [(variable, i) for variable in known for i in range(len(variable.labels))]
        labels = [variable.labels[i] for variable, i in everything]
        ranking = sorted(range(len(labels)), key=lambda j: (bool(everything[j][0].dims), self._ess(labels[j])))
        chosen = set(ranking[: min(most or self.most, self.most)])
        names = tuple(label for j, label in enumerate(labels) if j not in chosen)
        return [self._scalar(*everything[j]) for j in sorted(chosen)], names

    def _scalar(self, variable: Variable, i: int) -> Scalar:
        shape = tuple(variable.array.sizes[dim] for dim in variable.dims)
        at = dict(zip(variable.dims, np.unravel_index(i, shape), strict=True))
        draws = variable.array.isel(at).transpose("chain", "draw").values
        return Scalar(variable.labels[i], draws, self.rows.get(variable.labels[i], {}))

    def _ess(self, label: str) -> float:
        ess = self.rows.get(label, {}).get("ess_bulk", np.nan)
        return np.inf if np.isnan(ess) else ess


def _by_site(truth: xr.Dataset) -> xr.Dataset:
    """The values that generated the data, by the sites whose they are (`truth_SITE` beside the data)."""
    return truth.rename({name: title(variable) for name, variable in truth.data_vars.items()})


def _flat(group: xr.Dataset, name: str, like: xr.DataArray) -> np.ndarray | None:
    """A group's values of this variable, in the order of its elements."""
    own = [dim for dim in like.dims if dim not in ("chain", "draw")]
    if name not in group or group[name].size != np.prod([like.sizes[dim] for dim in own], initial=1):
        return None
    values = group[name]
    return np.ravel(values.transpose(*own).values if set(values.dims) == set(own) else values.values).astype(float)
