"""A table's columns as the variables of a model, by the roles that the configuration gives them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from credo.data import columns as kept
from credo.data import whole
from credo.data.dataset import ROWS, make, numeric, require_finite, require_writable
from credo.data.numerals import advice
from credo.data.splits import Split
from credo.errors import ConfigError

LONGEST = 60
"""Characters of a value that stand in a sentence."""


def from_table(
    table: pd.DataFrame,
    *,
    target: str | Sequence[str],
    features: Sequence[str] | None,
    context: Sequence[str] | None = None,
    group: str | None = None,
    sigma: str | None = None,
    weights: str | None = None,
    is_text_file: bool = False,
    least: int = 2,
    missing: str | None = None,
    states: bool = False,
    classes: bool = False,
    split: Split | None = None,
) -> xr.Dataset:
    """`y`, `x` [obs, feature], `context` [obs, context_feature], `group`, `sigma` and `weights` [obs], as asked for.

    One target gives `y` [obs], a list of them `y` [obs, target]. The columns' names are the coordinates `target`,
    `feature` and `context_feature`; a group is the place of its label in the coordinate `group_name`. `features=None`
    takes all numeric columns that have no other role; the attribute `left_out` tells of the others what they hold, and
    `dropped` in words of the rows that had missing cells.

    Args:
        table: the columns by name.
        target: see `TableFile`, as the following.
        features: the columns of x.
        context: those of the context.
        group: that of the group labels.
        sigma: that of the standard errors.
        weights: that of the rows' weights.
        is_text_file: whether the configuration says how numbers are written in the file.
        least: how many rows are needed.
        missing: what becomes of rows with missing cells, one of `columns.MISSING`; `None` where no key says it.
        states: whether a target of words becomes numbers of them, which are the coordinate `state`.
        classes: whether one target is a class: the place of its level among the coordinate `class`.
        split: how rows are held out; the column that decides is no feature unless `features` names it.

    Raises:
        ConfigError: there are fewer rows, or a column is missing, used twice, not numeric or not finite, or
            several targets have one column of standard errors.
    """
    given = roles(target, context, group, sigma, weights)
    require_distinct(table.columns, given)
    require_rows(table, least)
    deciding = set() if split is None or split.column is None else {split.column}
    if split is not None:
        split.require(table)
    taken = {*given.values(), *deciding}
    inputs = _numeric_columns(table, taken, is_text_file) if features is None else list(features)
    require_distinct(table.columns, given | keys("data.features", inputs))
    used = {*taken, *inputs}
    others = [name for name in table.columns if name not in used] if features is None else []
    left_out = {name: "dates" if table[name].dtype.kind in "mM" else "text" for name in others}
    table, dropped = kept.complete(table, [*taken, *inputs], missing)
    require_rows(table, least)
    read = Reading(is_text_file, missing is not None)

    variables: dict[str, tuple[Sequence[str], Any]] = {}
    coords: dict[str, Any] = {}
    several = None if isinstance(target, str) else target
    if isinstance(target, str):
        variables["y"], of_target = _target(table, target, read, states=states, classes=classes)
        coords |= of_target
    for name, dim, columns in (
        ("y", "target", several),
        ("x", "feature", inputs),
        ("context", "context_feature", context),
    ):
        if columns:
            values = _columns(table, columns, _KEYS[name], read)
            variables[name] = ((ROWS, dim), values if name == "y" else values.astype(float))
            coords[dim] = list(columns)
    if group is not None:
        codes, coords["group_name"] = _labels(table, group, read, "data.group")
        variables["group"] = ((ROWS,), codes)
    if sigma is not None:
        _require_one_target(sigma, target)
        variables["sigma"] = ((ROWS,), read.positive(table, sigma, "data.sigma", "a standard error"))
    if weights is not None:
        variables["weights"] = ((ROWS,), read.positive(table, weights, "data.weights", "a weight"))
    dataset = make(variables, coords, kept.remarks(left_out, dropped))
    for variable, column in (("y", target), ("group", group), ("sigma", sigma)):
        if isinstance(column, str):
            dataset[variable].attrs["column"] = column
    return dataset if split is None else split.marked(dataset, table, least)


def _target(
    table: pd.DataFrame, target: str, read: "Reading", *, states: bool, classes: bool
) -> tuple[tuple[Sequence[str], Any], dict[str, Any]]:
    """The values of one target, and the coordinate of their names where they are codes (see `from_table`)."""
    if states and kept.is_factor(table[target]):
        codes, names = _labels(table, target, read, "data.target")
        return ((ROWS,), codes), {"state": names}
    if classes:
        codes, names = _classes(table, target, read)
        return ((ROWS,), codes), {"class": names}
    return ((ROWS,), read.numbers(table, target, "data.target", _for_classes(table[target]))), {}


MOST_CLASSES = 20


def _for_classes(column: pd.Series) -> str:
    """What to do about a target that holds words, most of them in several rows; empty where it holds something else."""
    levels = column.dropna().unique()
    in_words = not is_numeric(column) and kept.is_factor(column) and bool(_parsed(column).isna().all())
    if not in_words or not 2 <= len(levels) <= min(MOST_CLASSES, len(column) // 2):
        return ""
    family, last = ("bernoulli", f"[{max(map(str, levels))}]") if len(levels) == 2 else ("categorical", "")
    return (
        f"use a formula, which takes classes in words: model.family={family} model.formula='{column.name}{last} ~ ...'"
    )


def require_rows(table: pd.DataFrame, least: int) -> None:
    """Raise `ConfigError` where there are fewer rows than are needed."""
    if len(table) < least:
        rows = "1 row" if len(table) == 1 else "no rows"
        raise ConfigError(f"data: the table has {rows}, but expected at least {least}; check the file")


_KEYS = {"y": "data.target", "x": "data.features", "context": "data.context"}
"""The key that names the columns of a variable."""


def roles(
    target: str | Sequence[str],
    context: Sequence[str] | None,
    group: str | None,
    sigma: str | None,
    weights: str | None = None,
) -> dict[str, str]:
    """Configuration key -> column, of all roles but the features'."""
    named = {"target": target, "context": context, "group": group, "sigma": sigma, "weights": weights}
    return {key: name for role, names in named.items() for key, name in keys(f"data.{role}", names).items()}


def keys(key: str, names: str | Sequence[str] | None) -> dict[str, str]:
    """Configuration key -> column: `key` itself for one name, `key[I]` for those of a list."""
    if names is None:
        return {}
    return {key: names} if isinstance(names, str) else {f"{key}[{i}]": name for i, name in enumerate(names)}


def require_distinct(names: Iterable[str], roles: Mapping[str, str]) -> None:
    """Refuse a role (configuration key -> column) whose column is not among `names`, or has another role.

    Raises:
        ConfigError: one is.
    """
    there, taken = dict.fromkeys(names), dict[str, str]()
    for key, name in roles.items():
        if name not in there:
            raise kept.no_column(key, name, there)
        if name in taken:
            raise ConfigError(f"{key}: the column {name!r} is already used as {taken[name]}; name it once")
        taken[name] = key


def _numeric_columns(table: pd.DataFrame, taken: set[str], is_text_file: bool) -> list[str]:
    """The numeric columns but those taken; one that holds mostly numbers counts, lest a typing error hide it.

    One of numbers that are written in another way must not be left out as text.
    """
    names = [name for name in table.columns if name not in taken and is_numeric(table[name])]
    if unnamed := [name for name in names if not name or name.startswith("Unnamed: ")]:
        raise ConfigError(
            f"data.features: column {table.columns.get_loc(unnamed[0]) + 1} of the file has no name (row numbers?); "
            "name it, remove it, or list the features"
        )
    known = {*taken, *names}
    for name in table.columns:
        if name not in known and (do := advice(table[name], is_text_file=is_text_file)):
            raise ConfigError(
                f"data.features: column {name!r} holds {_odd(table[name])} as text; {do}, or list the features"
            )
    return names


def _odd(column: pd.Series) -> str:
    """A value that is no plain number, as it is written."""
    return short(column[_parsed(column).isna() & column.notna()].iloc[0])


def short(value: Any) -> str:
    """A value as it stands in a sentence."""
    text = repr(str(value))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def is_numeric(column: pd.Series) -> bool:
    """Whether a column holds numbers, or mostly numbers."""
    if pd.api.types.is_numeric_dtype(column):
        return True
    return bool(2 * _parsed(column).notna().sum() > column.notna().sum())


def _parsed(column: pd.Series) -> pd.Series:
    """The column as numbers, missing where a value is none; a date is none."""
    if column.dtype.kind in "mM":
        column = column.astype(str)
    elif column.dtype == object:
        column = column.where([isinstance(value, str | int | float | Decimal) for value in column])
    return pd.to_numeric(column, errors="coerce")


class Reading(NamedTuple):
    """How columns are read as numbers, and what a sentence may advise.

    - **is_text_file** - whether the configuration says how numbers are written in the file.
    - **may_drop** - whether `data.missing=drop` is a key of this source.
    - **is_new** - whether the rows are new ones, which no key describes; a sentence then begins with its column.
    - **old_names** - of columns that `data.rename` renamed, as the file has them.
    """

    is_text_file: bool
    may_drop: bool = False
    is_new: bool = False
    old_names: Mapping[str, str] = MappingProxyType({})

    def of(self, key: str) -> str:
        """How a sentence about what a key asked for begins; that about new rows has no key."""
        return "" if self.is_new else f"{key}: "

    def column(self, name: str) -> str:
        """A column, as a sentence calls it."""
        return f"column {self.old_names.get(name, name)!r}"

    def numbers(self, table: pd.DataFrame, name: str, key: str, otherwise: str = "") -> np.ndarray:
        """The column as finite numbers [obs]; the configuration's `key` asked for it.

        Raises:
            ConfigError: a cell is none; `otherwise` ends the sentence where it is a word.
        """
        column, parsed = table[name], _parsed(table[name])
        wrong = (parsed.isna() & column.notna()).to_numpy()
        if wrong.any():
            row = int(wrong.argmax())
            do = advice(column, is_text_file=self.is_text_file) or f"correct the value or {otherwise or OTHERS}"
            do = "write it as in the file of the run" if self.is_new else do
            raise ConfigError(
                f"{self.of(key)}{self.column(name)} holds {short(column.iloc[row])} in row {table.index[row] + 1}, but "
                f"expected a number; {do}"
            )
        if (lost := whole.first_lost_of(column, parsed)) is not None:
            raise ConfigError(
                f"{self.of(key)}{self.column(name)} holds {short(column.iloc[lost])} in row {table.index[lost] + 1}, a "
                f"whole number that a float64 does not hold exactly; {whole.ADVICE}"
            )
        has_missing = bool(parsed.isna().any())
        values = parsed.to_numpy(dtype=float, na_value=np.nan) if has_missing else parsed.to_numpy()
        array = numeric(values, self.column(name))
        self.require_finite(array, name)
        return array

    def positive(self, table: pd.DataFrame, name: str, key: str, what: str) -> np.ndarray:
        """The column as finite numbers [obs] above 0, each of them `what`."""
        values = self.numbers(table, name, key)
        if (wrong := values <= 0).any():
            row = int(wrong.argmax())
            raise ConfigError(
                f"{self.of(key)}{self.column(name)} holds {values[row]} in row {table.index[row] + 1}, but expected "
                f"{what} above 0; correct the value or use another column"
            )
        return values.astype(float)

    def require_finite(self, values: np.ndarray, name: str) -> None:
        """Refuse missing and infinite values of a column."""
        otherwise = ", or type data.missing=drop" if self.may_drop else ""
        require_finite(values, self.column(name), otherwise, self.of("data"))


OTHERS = "use other columns"


def _columns(table: pd.DataFrame, names: Sequence[str], key: str, read: Reading) -> np.ndarray:
    """The columns as finite numbers [obs, column]."""
    known = table[list(names)]
    if known.dtypes.isin([np.dtype(float), np.dtype(int)]).all():
        values = np.ascontiguousarray(known.to_numpy())  # a hundred thousand columns one by one take minutes
        if values.size and (np.abs(values) <= whole.EXACT).all():
            return values
    words = OTHERS if key == "data.target" else f"{OTHERS}; in a model.formula text is a factor"
    return np.stack([read.numbers(table, name, key, words) for name in names], axis=1)


def _labels(table: pd.DataFrame, name: str, read: Reading, key: str) -> tuple[np.ndarray, list[str]]:
    """The place [obs] of each row's label among the sorted labels, and these."""
    column = table[name]
    read.require_finite(np.where(column.isna(), np.nan, 0.0), name)
    if column.dtype == object and not all(isinstance(value, str | int | float | Decimal | date) for value in column):
        raise ConfigError(f"{key}: column {name!r} holds lists or objects, but expected labels; use another column")
    codes, labels = pd.factorize(column, sort=True)
    names = [str(label) for label in labels]
    require_writable(names, f"{key}: column {name!r} has the label")
    return codes, names


def _classes(table: pd.DataFrame, name: str, read: Reading) -> tuple[np.ndarray, list[str]]:
    """The place [obs] of each row's class among the levels, and these; of whole numbers, in their order."""
    column = table[name]
    if kept.is_factor(column) and not is_numeric(column):
        read.require_finite(np.where(column.isna(), np.nan, 0.0), name)
        factor = kept.as_factor(column)
        levels = list(factor.cat.categories)
        require_writable(levels, f"data.target: column {name!r} has the class")
        return factor.cat.codes.to_numpy().astype(int), levels
    values = read.numbers(table, name, "data.target")
    if (odd := values != np.round(values)).any():
        row = int(odd.argmax())
        raise ConfigError(
            f"data.target: column {name!r} holds {values[row]:g} in row {table.index[row] + 1}, but the model expects "
            "classes, which are text or whole numbers; use another column, or another family"
        )
    known, codes = np.unique(values, return_inverse=True)
    return codes, [f"{one:.0f}" for one in known]


def _require_one_target(sigma: str, target: str | Sequence[str]) -> None:
    if not isinstance(target, str):
        raise ConfigError(
            f"data.sigma: column {sigma!r} holds the standard errors of one target, but data.target is a list; name "
            "one target, or leave out data.sigma"
        )
