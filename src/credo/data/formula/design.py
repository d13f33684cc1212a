"""The arrays of a formula: the columns of the linear predictor, of offsets, and of the effects of groups.

What a transform remembers (the mean of `center`, the knots of `bs`) is taken from the rows that the design is made of.
"""

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from formulae.terms.terms import Intercept
from pandas.api.types import is_numeric_dtype

from credo.data.columns import dates_advice, holds_dates, is_factor
from credo.data.formula.language import Formula, namespace
from credo.data.table import Reading, is_numeric
from credo.errors import ConfigError

RESERVED = (
    "x",
    "y",
    "obs",
    "feature",
    "sigma_feature",
    "class",
    "contrast",
    "offset",
    "weights",
    "trials",
    "status",
    "chain",
    "draw",
)
"""What a group's dim is not called."""


@dataclass(frozen=True)
class Group:
    """The effects that differ between the levels of one factor.

    Attributes:
        name: of the factor, as `hospital` or `hospital:ward`.
        columns: of the table that make it.
        levels: in order.
        terms: of the effects, as formulae has them; the intercept is one.
        effects: what each column is called.
    """

    name: str
    columns: tuple[str, ...]
    levels: tuple[str, ...]
    terms: tuple[Any, ...]
    effects: tuple[str, ...]

    @property
    def dim(self) -> str:
        """The name of the levels' axis."""
        return f"{self.name}_" if self.name in RESERVED else self.name


@dataclass(frozen=True)
class Design:
    """A formula that has seen the rows it is fitted to.

    Attributes:
        formula: the formula.
        plain: the columns of the terms left of any `|`.
        factors: column -> levels, of those that are factors.
        terms: of the linear predictor, without intercept and offsets.
        offsets: the terms that are added as they are.
        groups: by factor.
    """

    formula: Formula
    plain: tuple[str, ...]
    factors: dict[str, tuple[str, ...]]
    terms: tuple[Any, ...]
    offsets: tuple[Any, ...]
    groups: tuple[Group, ...]

    @property
    def intercept(self) -> bool:
        """Whether the linear predictor has one."""
        return any(isinstance(term, Intercept) for term in self.formula.common.common_terms)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table that are needed for new rows."""
        return self.formula.columns

    def arrays(self, table: pd.DataFrame, read: Reading, *, new_levels: bool = False) -> dict[str, np.ndarray]:
        """`x`, `offset`, and of each group `group[NAME]` and `by[NAME]`, as far as there are any.

        Args:
            table: rows, of which no cell that is needed is missing.
            read: how numbers are written.
            new_levels: whether a group may be one that was not there before; its number is then that of levels.

        Raises:
            ConfigError: a level is new, or a term is not finite.
        """
        known = _prepared(table[list(self.plain)], self.factors, read)
        found = {}
        if self.terms:
            found["x"] = np.column_stack([_new(term, known, read) for term in self.terms])
        if self.offsets:
            found["offset"] = np.sum([_new(term, known, read)[:, 0] for term in self.offsets], axis=0)
        for group in self.groups:
            found[f"group[{group.name}]"] = _codes(group, table, read, new_levels=new_levels)
            if group.effects != ("Intercept",):
                found[f"by[{group.name}]"] = np.column_stack([_new(term, known, read) for term in group.terms])
        return found

    @property
    def features(self) -> list[tuple[str, tuple[str, ...]]]:
        """Each term's name, and what its columns are called."""
        return [(str(term.name), tuple(term.labels)) for term in self.terms]


def fit(formula: Formula, table: pd.DataFrame, rows: np.ndarray, read: Reading) -> Design:
    """Make the design of a formula.

    Args:
        formula: the formula.
        table: all rows; factors have the levels of these.
        rows: which of them, by place, the transforms learn from.
        read: how numbers are written.

    Raises:
        ConfigError: a column does not fit its term.
    """
    grouping = {name for term in formula.groups for name in term.factor.var_names}
    plain = [name for name in formula.columns if name not in grouping or _is_predictor(formula, name)]
    factors = {
        name: _levels(table[name], name)
        for name in plain
        if _is_category(table[name]) or (name in formula.coded and not is_numeric_dtype(table[name]))
    }
    known = _prepared(table[plain], factors, read).iloc[rows]
    with _quiet(formula.text):
        formula.common.eval(known, namespace())
    kept = [term for term in formula.common.common_terms if not isinstance(term, Intercept)]
    offsets = tuple(term for term in kept if term.kind == "offset")
    terms = tuple(term for term in kept if term.kind != "offset")
    return Design(formula, tuple(plain), factors, terms, offsets, tuple(_groups(formula, table, known, read)))


def is_number(formula: Formula, column: pd.Series) -> bool:
    """Whether a column of the table counts as a number, so that its mean says something."""
    name = str(column.name)
    is_factor = name in formula.coded or not _is_predictor(formula, name)
    return not is_factor and not _is_category(column)


def _is_predictor(formula: Formula, name: str) -> bool:
    """Whether a column is anywhere but right of `|`."""
    terms = [*formula.common.common_terms, *(term.expr for term in formula.groups)]
    return any(name in term.var_names for term in terms)


def _groups(formula: Formula, table: pd.DataFrame, known: pd.DataFrame, read: Reading) -> Iterator[Group]:
    by_factor: dict[str, list[Any]] = {}
    for term in formula.groups:
        by_factor.setdefault(str(term.factor.name), []).append(term)
    for name, terms in by_factor.items():
        has_intercept = any(isinstance(term.expr, Intercept) for term in terms)
        with _quiet(formula.text):
            for term in terms:
                term.expr.set_type(known, namespace())
                term.expr.set_data(not has_intercept)
        if odd := [term.name for term in terms if term.expr.kind == "offset"]:
            raise ConfigError(
                f"model.formula: ({odd[0]}) has an offset, which has no effect; write it outside of ( | )"
            )
        effects = [label for term in terms for label in term.expr.labels]
        own = tuple(str(one.name) for one in terms[0].factor.components)
        levels = tuple(_sorted(_words(table, own, read)))
        yield Group(name, own, levels, tuple(term.expr for term in terms), tuple(effects))


def _is_category(column: pd.Series) -> bool:
    return is_factor(column) and (column.dtype == bool or not is_numeric(column))


def _levels(column: pd.Series, name: str) -> tuple[str, ...]:
    if column.dtype != bool and holds_dates(column):
        raise ConfigError(f"model.formula: column {name!r} holds dates; {dates_advice(name)}")
    return tuple(sorted(column.dropna().map(word).unique()))


def _prepared(table: pd.DataFrame, factors: dict[str, tuple[str, ...]], read: Reading) -> pd.DataFrame:
    """The table with factors of known levels, and numbers elsewhere.

    Raises:
        ConfigError: a column has a level that is new, or is no number.
    """
    made = {}
    for name in table.columns:
        column = table[name]
        if name in factors:
            _require_there(column, name, read)
            words = column.map(word)
            if (new := ~words.isin(factors[name]).to_numpy()).any():
                row = int(new.argmax())
                raise ConfigError(
                    f"{read.column(name)} has the level {words.iloc[row][:60]!r} in row {table.index[row] + 1}, which "
                    f"the model has not seen; expected one of {', '.join(map(repr, factors[name][:12]))}"
                )
            made[name] = pd.Series(pd.Categorical(words, categories=factors[name], ordered=True), index=table.index)
        elif holds_dates(column):
            do = "the model expects numbers, as in the file of the run" if read.is_new else dates_advice(name)
            raise ConfigError(f"{read.of('model.formula')}{read.column(name)} holds dates; {do}")
        else:
            made[name] = pd.Series(read.numbers(table, name, "model.formula"), index=table.index)
    return pd.DataFrame(made, index=table.index)


def _words(table: pd.DataFrame, columns: Sequence[str], read: Reading) -> pd.Series:
    """The name of each row's group."""
    for name in columns:
        _require_there(table[name], name, read)
    words = [table[name].map(word) for name in columns]
    joined = words[0]
    for more in words[1:]:
        joined = joined + ":" + more
    return joined


def _require_there(column: pd.Series, name: str, read: Reading) -> None:
    """Refuse a missing level."""
    if column.isna().any():
        row = int(column.isna().to_numpy().argmax())
        do = "fill it" if read.is_new else "type data.missing=drop"
        raise ConfigError(f"{read.of('data')}{read.column(name)} has a missing value in row {row + 1}; {do}")


def word(value: Any) -> str:
    """A label; a whole number has no point."""
    is_whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if is_whole else str(value)


def _sorted(words: pd.Series) -> list[str]:
    """The distinct labels, as numbers where all are."""
    found = list(pd.unique(words))
    try:
        return sorted(found, key=float)
    except ValueError:
        return sorted(found)


def _codes(group: Group, table: pd.DataFrame, read: Reading, *, new_levels: bool) -> np.ndarray:
    """The number [obs] of each row's group."""
    words = _words(table, group.columns, read)
    codes = pd.Index(group.levels).get_indexer(words)
    if (new := codes < 0).any():
        if not new_levels:
            row = int(new.argmax())
            raise ConfigError(
                f"{read.column(group.name)} has the level {words.iloc[row][:60]!r} in row {table.index[row] + 1}, "
                "which the model has not seen; --new-groups gives it an effect of its own, drawn as those of the others"
            )
        codes = np.where(new, len(group.levels), codes)
    return np.asarray(codes, dtype=np.int64)


def _new(term: Any, known: pd.DataFrame, read: Reading) -> np.ndarray:
    """The columns [obs, column] of a term for any rows."""
    if isinstance(term, Intercept):
        return np.ones((len(known), 1))
    with _quiet(str(term.name)):
        values = np.asarray(term.eval_new_data(known), dtype=float)
    values = values.reshape(len(known), -1)
    if not (finite := np.isfinite(values).all(1)).all():
        row = int((~finite).argmax())
        do = "correct the value" if read.is_new else "change the term, or correct the value"
        raise ConfigError(
            f"{read.of('model.formula')}the term {term.name} is {values[row][~np.isfinite(values[row])][0]:g} in row "
            f"{known.index[row] + 1}; {do}"
        )
    return values


@contextlib.contextmanager
def _quiet(text: str) -> Iterator[None]:
    """What formulae raises as a sentence; what it prints beside that is left out."""
    try:
        with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
            yield
    except ConfigError:
        raise
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"model.formula: {text!r} cannot be computed from the table ({why[:200]})") from error
