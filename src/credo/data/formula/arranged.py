"""A table as the arrays of a model with a formula."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from credo.config.nearest import nearest
from credo.data import columns as kept
from credo.data.dataset import ROWS, make
from credo.data.formula import design as designs
from credo.data.formula.language import Formula, columns_of, parsed
from credo.data.formula.response import name_of, response, trials_of
from credo.data.splits import RANDOM, Split
from credo.data.table import Reading, require_rows
from credo.errors import ConfigError
from credo.models.base import Rows

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
    split.require(table)
    used = _used(formula, table, weights)
    used += [split.column] if split.column is not None and split.column not in used else []
    table, dropped = kept.complete(table[used], used, missing)
    require_rows(table, 2)
    read = Reading(is_text_file, may_drop=True)
    found = response(formula.target, table, read, rows)
    marks = _marks(formula, table, split)
    train = np.flatnonzero(marks != "test")
    made = designs.fit(formula, table, train, read)
    variables: dict[str, tuple[Sequence[str], Any]] = {key: ((ROWS,), v) for key, v in found.variables.items()}
    variables |= {key: (_dims(key, values), values) for key, values in made.arrays(table, read).items()}
    if weights is not None:
        variables["weights"] = ((ROWS,), read.positive(table, weights, "data.weights", "a weight"))
    coords = _coords(made, found.classes)
    dataset = make(variables, coords, kept.remarks({}, dropped))
    if (marks == "test").any():
        dataset = dataset.assign_coords(split=(ROWS, marks))
    dataset["y"].attrs["column"] = found.name
    return dataset.assign_attrs({"formula": json.dumps(_told(made, found.classes)), COLUMNS: table})


def needed(rows: Rows) -> tuple[str, ...]:
    """The columns that new rows must have."""
    formula = parsed(rows.formula)
    return (*formula.columns, *(name for name in columns_of(formula.target)[1:] if rows.takes_trials))


def of_rows(
    table: pd.DataFrame, new: pd.DataFrame, rows: Rows, split: Split, *, new_levels: bool
) -> tuple[str, dict[str, np.ndarray]]:
    """The target's name, and the arrays that the formula makes of new rows.

    Args:
        table: the rows that the design is made of, as `arranged` left them in the attribute `columns`.
        new: other rows.
        rows: what the model asks of them.
        split: as `arranged` had it.
        new_levels: see `design.Design.arrays`.

    Raises:
        ConfigError: a column, a cell or a level is not there.
    """
    for name in needed(rows):
        if name not in new:
            raise ConfigError(f"the table has no column {name!r}, which the formula {rows.formula!r} needs")
    formula = parsed(rows.formula)
    read = Reading(is_text_file=True)
    held = _marks(formula, table, split)
    made = designs.fit(formula, table, np.flatnonzero(held != "test"), read)
    found = made.arrays(new, read, new_levels=new_levels)
    if rows.takes_trials:
        found["trials"] = trials_of(formula.target, new, read)
    return name_of(formula.target), found or {"rows": np.zeros(len(new))}


def _used(formula: Formula, table: pd.DataFrame, weights: str | None) -> list[str]:
    """The columns that are needed, which must be there."""
    names = [*columns_of(formula.target), *formula.columns]
    for name in names:
        if name not in table:
            raise ConfigError(f"model.formula: the data has no column {name!r}; {nearest(name, table.columns)}")
    if weights is not None and weights not in table:
        raise ConfigError(f"data.weights: the data has no column {weights!r}; {nearest(weights, table.columns)}")
    return list(dict.fromkeys([*names, *([] if weights is None else [weights])]))


def _marks(formula: Formula, table: pd.DataFrame, split: Split) -> np.ndarray:
    """`train` or `test` for each row; where these are random, every level of the first group keeps one for training."""
    rows: dict[str, tuple[Sequence[str], Any]] = {"y": ((ROWS,), np.zeros(len(table)))}
    if formula.groups:
        own = [str(one.name) for one in formula.groups[0].factor.components]
        rows["group"] = ((ROWS,), table.groupby(own, sort=False, dropna=False).ngroup().to_numpy())
    held = split.marked(make(rows), table)
    return held["split"].to_numpy() if "split" in held.coords else np.full(len(table), "train")


def _dims(name: str, values: np.ndarray) -> tuple[str, ...]:
    if values.ndim == 1:
        return (ROWS,)
    return (ROWS, "feature" if name == "x" else f"{name.removeprefix('by[').removesuffix(']')}_effect")


def _coords(made: designs.Design, classes: Sequence[str]) -> dict[str, Any]:
    """The labels of all axes."""
    features = [label for _, labels in made.features for label in labels]
    coords: dict[str, Any] = {"feature": features} if features else {}
    for group in made.groups:
        coords[group.dim] = list(group.levels)
        if group.effects != ("Intercept",):
            coords[f"{group.name}_effect"] = list(group.effects)
    return coords | ({"class": list(classes), "contrast": list(classes[1:])} if classes else {})


def _told(made: designs.Design, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "intercept": made.intercept,
        "terms": [[name, len(labels)] for name, labels in made.features],
        "groups": [[group.name, group.dim, len(group.levels), list(group.effects)] for group in made.groups],
        "classes": list(classes),
    }
