"""A table as the arrays of a model with a formula."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from credo.data import columns as kept
from credo.data.dataset import ROWS, make
from credo.data.formula import design as designs
from credo.data.formula import imputed
from credo.data.formula.language import Formula, columns_of, of_sigma, parsed, parsed_sigma
from credo.data.formula.response import name_of, response, trials_of
from credo.data.splits import RANDOM, Split
from credo.data.table import Reading, require_rows
from credo.errors import ConfigError
from credo.models.base import Rows
from credo.models.units import SIGMA

_ARRAY = re.compile(rf"({SIGMA})?(x|by)(?:\[(.*)\])?")
"""What an array of two dimensions is called: of the scale or not, of all rows or of a group."""

COLUMNS = "columns"
"""The attribute that holds the columns of the table, of which the same design can be made again."""


def arranged(
    table: pd.DataFrame,
    rows: Rows,
    *,
    target: Any = None,
    weights: str | None = None,
    is_text_file: bool = False,
    missing: str = "refuse",
    split: Split = RANDOM,
) -> xr.Dataset:
    """`y` [obs], `x` [obs, feature], and what else the formula asks for (see `design.Design.arrays`).

    The attribute `formula` says, as JSON, what the model must know beside the arrays: whether there is an intercept,
    which columns of `x` belong to which term, and the axes of the groups.

    Args:
        table: the columns by name.
        rows: what the model asks of them.
        target: `data.target`, which must be the formula's where it is given.
        weights: the column of the rows' weights.
        is_text_file: see `table.from_table`.
        missing: one of `columns.MISSING`.
        split: how rows are held out.

    Raises:
        ConfigError: the formula cannot be read, or a column does not fit it.
    """
    formula = parsed(rows.formula)
    name = name_of(formula.target)
    if target is not None and str(target) != name:
        raise ConfigError(
            f"data.target: expected {name!r}, the target of model.formula, but got {target}; leave out data.target"
        )
    sigma = None if rows.formula_sigma is None else parsed_sigma(rows.formula_sigma)
    formulas = _given(formula, sigma)
    split.require(table)
    used = _used(formula, sigma, table, weights)
    used += [split.column] if split.column is not None and split.column not in used else []
    table, dropped = kept.complete(table[used], used, missing)
    require_rows(table, 2)
    read = Reading(is_text_file, may_drop=True)
    found = response(formula.target, table, read, rows)
    marks = _marks(formulas, table, split)
    train = np.flatnonzero(marks != "test")
    cells = imputed.missing_cells(formulas, table, train, read) if missing == "impute" else []
    whole = imputed.filled(table, cells)
    made = _Designs.of(formula, sigma, whole, train, read)
    variables: dict[str, tuple[Sequence[str], Any]] = {key: ((ROWS,), v) for key, v in found.variables.items()}
    arrays = made.arrays(whole, read)
    if cells:
        arrays |= imputed.slopes(table, cells, lambda one: made.arrays(one, read))
    variables |= {key: (_dims(key, values), values) for key, values in arrays.items()}
    if weights is not None:
        variables["weights"] = ((ROWS,), read.positive(table, weights, "data.weights", "a weight"))
    coords = made.coords() | _coords_of_classes(found.classes) | _coords_of_cells(table, cells)
    dataset = make(variables, coords, kept.remarks({}, dropped, _in_words(cells)))
    if (marks == "test").any():
        dataset = dataset.assign_coords(split=(ROWS, marks))
    dataset["y"].attrs["column"] = found.name
    told = _told(made.mean, found.classes)
    told |= {} if made.scale is None else {"sigma": _told(made.scale, ())}
    told |= {"missing": [[one.column, len(one.rows), one.mean, one.sd, one.is_log] for one in cells]} if cells else {}
    return dataset.assign_attrs({"formula": json.dumps(told), COLUMNS: table})


def needed(rows: Rows) -> tuple[str, ...]:
    """The columns that new rows must have."""
    formula = parsed(rows.formula)
    sigma = () if rows.formula_sigma is None else parsed_sigma(rows.formula_sigma).columns
    trials = columns_of(formula.target)[1:] if rows.takes_trials else ()
    return tuple(dict.fromkeys((*formula.columns, *sigma, *trials)))


def of_rows(
    table: pd.DataFrame,
    new: pd.DataFrame,
    rows: Rows,
    split: Split,
    *,
    new_levels: bool,
    old_names: Mapping[str, str] | None = None,
) -> tuple[str, dict[str, np.ndarray]]:
    """The target's name, and the arrays that the formula makes of new rows.

    Args:
        table: the rows that the design is made of, as `arranged` left them in the attribute `columns`.
        new: other rows.
        rows: what the model asks of them.
        split: as `arranged` had it.
        new_levels: see `design.Design.arrays`.
        old_names: see `table.Reading`.

    Raises:
        ConfigError: a column, a cell or a level is not there.
    """
    for name in needed(rows):
        if name not in new:
            raise ConfigError(f"the table has no column {name!r}, which the formula {rows.formula!r} needs")
    formula = parsed(rows.formula)
    read = Reading(is_text_file=True, is_new=True, old_names=old_names or {})
    sigma = None if rows.formula_sigma is None else parsed_sigma(rows.formula_sigma)
    formulas = _given(formula, sigma)
    held = _marks(formulas, table, split)
    train, own = np.flatnonzero(held != "test"), Reading(is_text_file=True)
    whole = imputed.filled(table, imputed.missing_cells(formulas, table, train, own))
    found = _Designs.of(formula, sigma, whole, train, own).arrays(new, read, new_levels=new_levels)
    if rows.takes_trials:
        found["trials"] = trials_of(formula.target, new, read)
    return name_of(formula.target), found or {"rows": np.zeros(len(new))}


class _Designs(NamedTuple):
    """The designs of the mean and, where it has a formula, of the target's own scale."""

    mean: designs.Design
    scale: designs.Design | None

    @classmethod
    def of(
        cls, formula: Formula, sigma: Formula | None, table: pd.DataFrame, train: np.ndarray, read: Reading
    ) -> "_Designs":
        with of_sigma():
            scale = None if sigma is None else designs.fit(sigma, table, train, read)
        return cls(designs.fit(formula, table, train, read), scale)

    def arrays(self, table: pd.DataFrame, read: Reading, *, new_levels: bool = False) -> dict[str, np.ndarray]:
        """Those of the mean and, behind `sigma_`, those of the scale."""
        found = self.mean.arrays(table, read, new_levels=new_levels)
        if self.scale is None:
            return found
        with of_sigma():
            of_scale = self.scale.arrays(table, read, new_levels=new_levels)
        return found | {f"{SIGMA}{name}": values for name, values in of_scale.items()}

    def coords(self) -> dict[str, Any]:
        """The labels of all axes.

        Raises:
            ConfigError: two factors would have one axis.
        """
        found = _coords(self.mean, "")
        for name, labels in {} if self.scale is None else _coords(self.scale, SIGMA).items():
            if found.setdefault(name, labels) != labels:
                raise ConfigError(
                    f"model.formula_sigma: two factors would have the axis {name!r}; rename the column of one of them, "
                    "as in data.rename={ward: place}"
                )
        return found


def _given(*formulas: Formula | None) -> tuple[Formula, ...]:
    return tuple(one for one in formulas if one is not None)


def _coords_of_cells(table: pd.DataFrame, cells: list[imputed.Cells]) -> dict[str, Any]:
    """The row of each missing cell, counted from 1."""
    return {f"row of {one.column}": [int(table.index[row]) + 1 for row in one.rows] for one in cells}


def _in_words(cells: list[imputed.Cells]) -> str:
    return ", ".join(f"{len(one.rows)} of {one.column}" for one in cells)


def _used(formula: Formula, sigma: Formula | None, table: pd.DataFrame, weights: str | None) -> list[str]:
    """The columns that are needed, which must be there."""
    names = [*columns_of(formula.target), *formula.columns]
    others = () if sigma is None else sigma.columns
    for key, wanted in (("model.formula", names), ("model.formula_sigma", others)):
        for name in wanted:
            if name not in table:
                raise kept.no_column(key, name, table.columns)
    if weights is not None and weights not in table:
        raise kept.no_column("data.weights", weights, table.columns)
    return list(dict.fromkeys([*names, *others, *([] if weights is None else [weights])]))


def _marks(formulas: tuple[Formula, ...], table: pd.DataFrame, split: Split) -> np.ndarray:
    """`train` or `test` for each row; where these are random, every level of the first group keeps one for training."""
    rows: dict[str, tuple[Sequence[str], Any]] = {"y": ((ROWS,), np.zeros(len(table)))}
    if groups := [group for formula in formulas for group in formula.groups]:
        own = [str(one.name) for one in groups[0].factor.components]
        rows["group"] = ((ROWS,), table.groupby(own, sort=False, dropna=False).ngroup().to_numpy())
    held = split.marked(make(rows), table)
    return held["split"].to_numpy() if "split" in held.coords else np.full(len(table), "train")


def _labels(made: designs.Design) -> list[str]:
    return [label for _, labels in made.features for label in labels]


def _dims(name: str, values: np.ndarray) -> tuple[str, ...]:
    if values.ndim == 1:
        return (ROWS,)
    prefix, kind, group = _ARRAY.fullmatch(name.partition("@")[0]).groups("")  # type: ignore[union-attr]
    return (ROWS, f"{prefix}feature" if kind == "x" else f"{prefix}{group}_effect")


def _coords(made: designs.Design, prefix: str) -> dict[str, Any]:
    """The labels of a design's axes."""
    features = _labels(made)
    coords: dict[str, Any] = {f"{prefix}feature": features} if features else {}
    for group in made.groups:
        coords[group.dim] = list(group.levels)
        if group.effects != ("Intercept",):
            coords[f"{prefix}{group.name}_effect"] = list(group.effects)
    return coords


def _coords_of_classes(classes: Sequence[str]) -> dict[str, Any]:
    return {"class": list(classes), "contrast": list(classes[1:])} if classes else {}


def _told(made: designs.Design, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "intercept": made.intercept,
        "terms": [[name, len(labels)] for name, labels in made.features],
        "groups": [[group.name, group.dim, len(group.levels), list(group.effects)] for group in made.groups],
        "classes": list(classes),
    }
