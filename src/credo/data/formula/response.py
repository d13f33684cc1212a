"""The target of a formula: a column, a function of one, `p(successes, trials)` or `censored(y, status)`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from formulae.expr import Call, Literal, QuotedName, Variable
from formulae.terms.call_resolver import CallResolver

from credo.data.columns import as_factor, is_factor
from credo.data.formula.language import columns_of, namespace, written
from credo.data.table import Reading, is_numeric
from credo.errors import ConfigError
from credo.models.base import Rows

STATUS = {"left": -1, "none": 0, "right": 1}
"""Where a censored value lies: below what is written, at it, or above it."""


class Response(NamedTuple):
    """What a model observes.

    - **name** - of the target, as it is written in the formula.
    - **columns** - that it needs.
    - **variables** - `y` [obs] and, as far as there are any, `trials` and `status` [obs].
    - **classes** - the levels of `y`, where it is one of these.
    """

    name: str
    columns: tuple[str, ...]
    variables: dict[str, np.ndarray]
    classes: tuple[str, ...]


def name_of(target: Any) -> str:
    """What the target is called: its column, where it is one or is censored; else as it is written."""
    name = written(target.callee) if isinstance(target, Call) else ""
    if name in {"censored", "p", "prop", "proportion"} and target.args:
        return written(target.args[0])
    return written(target).partition("[")[0] if isinstance(target, Variable) else written(target)


def response(target: Any, table: pd.DataFrame, read: Reading, rows: Rows) -> Response:
    """Read the target from a table.

    Raises:
        ConfigError: the target does not fit the family, or a value is wrong.
    """
    name, columns = name_of(target), tuple(dict.fromkeys(columns_of(target)))
    called = written(target.callee) if isinstance(target, Call) else ""
    if called in {"p", "prop", "proportion"}:
        return Response(name, columns, _proportion(target, table, read), ())
    if rows.takes_trials:
        raise ConfigError(f"{rows.key} counts successes among trials; write p({name}, TRIALS) ~ ... in model.formula")
    if called == "censored":
        return Response(name, columns, _censored(target, table, read), ())
    if not isinstance(target, Variable | QuotedName):
        return Response(name, columns, {"y": _computed(target, table, read)}, ())
    if rows.classes == "none":
        if is_factor(table[name]) and not is_numeric(table[name]):
            raise ConfigError(
                f"{rows.key}: the target {name!r} holds {str(table[name].iloc[0])[:40]!r}, but expected numbers; use "
                "model.family=bernoulli for two classes, categorical or ordinal for more"
            )
        return Response(name, columns, {"y": read.numbers(table, name, "model.formula")}, ())
    return _classes(target, name, table, read, rows)


def _classes(target: Any, name: str, table: pd.DataFrame, read: Reading, rows: Rows) -> Response:
    """The number of each row's class among the levels, which are those of the column in order."""
    column = table[name]
    level = target.level.value if isinstance(target, Variable) and target.level is not None else None
    if is_factor(column):
        codes, levels = as_factor(column).cat.codes.to_numpy(), list(as_factor(column).cat.categories)
    else:
        values = read.numbers(table, name, "model.formula")
        if rows.classes == "two" and level is None:
            return Response(name, (name,), {"y": values}, ())
        known, codes = np.unique(values, return_inverse=True)
        levels = [f"{one:g}" for one in known]
    if level is not None:
        if level not in levels:
            raise ConfigError(f"model.formula: {name!r} has no level {level!r}, but only {', '.join(levels[:12])}")
        codes = (codes == levels.index(level)).astype(int)
        levels = [f"not {level}", level]
    if rows.classes == "ordered" and is_factor(column) and len(levels) > 2:
        raise ConfigError(
            f"{rows.key}: the target {name!r} holds text ({', '.join(one[:40] for one in levels[:5])}), which has no "
            "known order; write its classes as whole numbers in their order, or use model.family=categorical"
        )
    if rows.classes == "two" and len(levels) != 2:
        raise ConfigError(
            f"{rows.key} has two classes, but {name!r} has {len(levels)} ({', '.join(levels[:12])}); "
            f"{_alike(levels)}write {name}[LEVEL] ~ ..., or use model.family=categorical"
        )
    return Response(name, (name,), {"y": codes.astype(int)}, tuple(levels))


def _alike(levels: Sequence[str]) -> str:
    """What to do about the first two levels that are one word in different case."""
    for i, one in enumerate(levels):
        for other in levels[i + 1 :]:
            if one.casefold() == other.casefold():
                return f"{one} and {other} differ in case alone: correct the file, or "
    return ""


def _proportion(target: Call, table: pd.DataFrame, read: Reading) -> dict[str, np.ndarray]:
    if len(target.args) != 2 or not isinstance(target.args[0], Variable | QuotedName):
        raise ConfigError(f"model.formula: expected p(successes, trials), but got {written(target)}")
    y = read.numbers(table, written(target.args[0]), "model.formula")
    trials = trials_of(target, table, read)
    if (wrong := (trials < y) | (trials != np.round(trials)) | (y != np.round(y))).any():
        row = int(wrong.argmax())
        raise ConfigError(
            f"model.formula: {written(target)} is {y[row]:g} of {trials[row]:g} in row {table.index[row] + 1}, but "
            "expected whole numbers, and no more successes than trials; correct the values"
        )
    return {"y": y.astype(int), "trials": trials.astype(int)}


def trials_of(target: Call, table: pd.DataFrame, read: Reading) -> np.ndarray:
    """The number of trials of each row."""
    of = target.args[1]
    return (
        np.full(len(table), of.value) if isinstance(of, Literal) else read.numbers(table, written(of), "model.formula")
    )


def _censored(target: Call, table: pd.DataFrame, read: Reading) -> dict[str, np.ndarray]:
    if len(target.args) != 2 or not all(isinstance(one, Variable | QuotedName) for one in target.args):
        raise ConfigError(f"model.formula: expected censored(y, status), but got {written(target)}")
    name = written(target.args[1])
    words = table[name].astype(str).str.strip().str.lower()
    if (wrong := ~words.isin(list(STATUS)).to_numpy()).any():
        row = int(wrong.argmax())
        raise ConfigError(
            f"model.formula: the status {name!r} is {words.iloc[row][:40]!r} in row {table.index[row] + 1}, but "
            f"expected one of {', '.join(STATUS)}; where 1 means an event, write none for 1 and right for 0"
        )
    y = read.numbers(table, written(target.args[0]), "model.formula")
    return {"y": y, "status": words.map(STATUS).to_numpy(dtype=int)}


def _computed(target: Any, table: pd.DataFrame, read: Reading) -> np.ndarray:
    """A function of columns, as log(y)."""
    numbers = pd.DataFrame({name: read.numbers(table, name, "model.formula") for name in columns_of(target)})
    with np.errstate(all="ignore"):
        values = np.asarray(CallResolver(target).resolve().eval(numbers, namespace()), float)
    if not np.isfinite(values).all():
        row = int((~np.isfinite(values)).argmax())
        raise ConfigError(
            f"model.formula: {written(target)} is {values[row]} in row {table.index[row] + 1}; use another target"
        )
    return values
