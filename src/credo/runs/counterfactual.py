"""Questions to a regression with a formula: rows that nobody observed, contrasts, slopes, draws of the target.

A contrast is the mean over rows of the difference that another value of one column makes to the expected target, and a
slope the mean over rows of its derivative (average comparisons and average slopes of Arel-Bundock, Greifer and Heiss,
2024, and of Bambi's `interpret`). Both are computed for every draw, so that their intervals are those of the posterior.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from credo.config.nearest import nearest
from credo.data import columns
from credo.data.formula import design, grid
from credo.data.formula.arranged import needed
from credo.data.formula.language import parsed
from credo.errors import ConfigError

if TYPE_CHECKING:
    from credo.models.comparisons import Subgroups
    from credo.runs.formula_model import FormulaModel

MOST_SUBGROUPS = 1000

STEP = 1e-5
"""Of a derivative of the design, in standard deviations of the predictor."""


def rows_of(model: "FormulaModel", chosen: Mapping[str, str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The rows of a grid, column -> values as typed, and at which value each other column is held.

    Raises:
        ConfigError: there is no such column, or what was typed is no value of it.
    """
    values = {_own_name(model, name): _values(model, name, text, "--grid") for name, text in chosen.items()}
    return grid.grid(model.table, model.rows, values)


def beside(rows: pd.DataFrame, made: pd.DataFrame) -> pd.DataFrame:
    """What was made of a grid, with the columns of each row before it."""
    if "row" not in made:
        return pd.concat([rows, made], axis=1)
    return pd.concat([rows.iloc[made["row"] - 1].reset_index(drop=True), made.drop(columns="row")], axis=1)


def samples(
    model: "FormulaModel", table: pd.DataFrame, count: int, old: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Draws of the target for each row: `row`, `sample` and the target; one sample has one draw of all latents."""
    import jax

    from credo.models.comparisons import sampled

    name, arrays = model.arrays(table, old)
    drawn = sampled(model.model, model.draws, arrays, count, jax.random.PRNGKey(0))
    y = drawn.T.ravel()
    labels = model.classes
    return pd.DataFrame(
        {
            "row": np.repeat(np.arange(1, len(table) + 1), count),
            "sample": np.tile(np.arange(1, count + 1), len(table)),
            name: np.array(labels)[y.astype(int)] if labels else y,
        }
    )


def survival(
    model: "FormulaModel", table: pd.DataFrame, text: str, old: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """The probability that the target is larger than each time: `row`, the time, its mean and quantiles over the draws.

    Raises:
        ConfigError: what was typed is no times, or the family has no such probability.
    """
    import jax

    from credo.models import survival as curves
    from credo.models.predict import PROBABILITIES

    if not (times := grid.numbers(text)) or min(times) < 0:
        raise ConfigError(
            f"--survival: expected times of at least 0, but got {text[:60]!r}; write 10,20 or, from 0 to 30 by 5, "
            "0:30:5"
        )
    if model.model.family not in curves.FAMILIES_WITH_IT:
        names = ", ".join(curves.FAMILIES_WITH_IT)
        raise ConfigError(f"--survival: model.family={model.model.family} has no survival curve; use one of {names}")
    name, arrays = model.arrays(table, old)
    found = curves.survival(
        model.model, model.draws, arrays, np.array(times), PROBABILITIES, jax.random.PRNGKey(0)
    ).reshape(len(table) * len(times), -1)
    made = {"row": np.repeat(np.arange(1, len(table) + 1), len(times)), name: np.tile(times, len(table))}
    words = ["survival", *(f"q{round(100 * p)}" for p in PROBABILITIES)]
    return pd.DataFrame(made | dict(zip(words, found.T, strict=True)))


def contrast(model: "FormulaModel", table: pd.DataFrame, name: str, text: str, by: Sequence[str] = ()) -> pd.DataFrame:
    """What each other value of a column makes of the expected target, beside the first: the mean over rows.

    Args:
        model: a regression with a formula.
        table: the rows, whose columns are the formula's own.
        name: of the column.
        text: its values, as typed.
        by: columns; the mean is then over the rows of each combination of their values.

    Raises:
        ConfigError: there is no such column, or there are fewer than two values of it.
    """
    import jax

    from credo.models.comparisons import expected

    values, own = _values(model, name, text, "--contrast"), _own_name(model, name)
    if len(values) < 2:
        raise ConfigError(
            f"--contrast: expected two values of {name!r} at least, but got {text[:60]!r}; write {name}=A,B"
        )
    labels, groups = _subgroups(model, table, by)
    found, target = [], ""
    for value in values:
        target, arrays = model.arrays(table.assign(**{own: [value] * len(table)}))
        found.append(expected(model.model, model.draws, arrays, groups, jax.random.PRNGKey(0)))
    words = [f"{one:g}" if isinstance(one, float) else str(one) for one in values]
    return pd.concat(
        [
            _told(name, f"{word} - {words[0]}", target, model.classes, labels, one - found[0])
            for word, one in zip(words[1:], found[1:], strict=True)
        ],
        ignore_index=True,
    )


def slope(model: "FormulaModel", table: pd.DataFrame, name: str, by: Sequence[str] = ()) -> pd.DataFrame:
    """The derivative of the expected target by a number: the mean over rows.

    The design's derivative is a difference in double precision, that of the target exact.

    Args:
        model: a regression with a formula.
        table: the rows, whose columns are the formula's own.
        name: of the column.
        by: as of `contrast`.

    Raises:
        ConfigError: there is no such column, or it is no number.
    """
    import jax

    from credo.models import comparisons

    own = _own_name(model, name)
    if own not in needed(model.rows):
        raise ConfigError(f"--slope: the model has no column {name!r}; {nearest(name, needed(model.rows))}")
    if not design.is_number(parsed(model.rows.formula), model.table[own]):
        raise ConfigError(f"--slope: {name!r} is a factor, which has no slope; use --contrast {name}=A,B")
    target, arrays = model.arrays(table)
    at = table[own].to_numpy(float)
    low, high = _around(at, model.table[own].dropna().to_numpy(float))
    ends = [model.arrays(table.assign(**{own: one}))[1] for one in (low, high)]
    change = {}
    for key, values in arrays.items():
        if values.dtype.kind == "f":
            width = (high - low).reshape(-1, *[1] * (values.ndim - 1))
            change[key] = (ends[1][key] - ends[0][key]) / width
    labels, groups = _subgroups(model, table, by)
    found = comparisons.slope(model.model, model.draws, arrays, change, groups, jax.random.PRNGKey(0))
    return _told(name, "dY/dX", target, model.classes, labels, found)


def _around(at: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A little below and above each value, within what the model has seen where the value is, as splines need it."""
    step = STEP * (float(known.std()) or 1.0)
    low = np.where(at >= known.min(), np.maximum(at - step, known.min()), at - step)
    high = np.where(at <= known.max(), np.minimum(at + step, known.max()), at + step)
    return low, high


def _subgroups(model: "FormulaModel", table: pd.DataFrame, by: Sequence[str]) -> tuple[pd.DataFrame, "Subgroups"]:
    """The values that each subgroup has of some columns, and whose rows are whose.

    Raises:
        ConfigError: the rows have no such column, a cell of it is missing, or there are too many subgroups.
    """
    from credo.models.comparisons import Subgroups

    if not by:
        return pd.DataFrame(index=[0]), Subgroups(np.zeros(len(table), int), 1)
    for name in by:
        if (own := _own_name(model, name)) not in table:
            raise ConfigError(f"--by: the rows have no column {name!r}; {nearest(own, table.columns)}")
        if (gaps := table[own].isna().to_numpy()).any():
            raise ConfigError(f"--by: column {name!r} has a missing value in row {int(gaps.argmax()) + 1}; fill it")
    grouped = table.groupby([_own_name(model, name) for name in by], sort=True, observed=True)
    if grouped.ngroups > MOST_SUBGROUPS:
        raise ConfigError(
            f"--by: expected at most {MOST_SUBGROUPS:,} subgroups, but {', '.join(by)} makes {grouped.ngroups:,}; "
            "choose other columns"
        )
    labels = grouped.size().reset_index().iloc[:, : len(by)].set_axis(list(by), axis=1)
    return labels, Subgroups(grouped.ngroup().to_numpy(), grouped.ngroups)


def _told(
    term: str, what: str, target: str, classes: tuple[str, ...], labels: pd.DataFrame, draws: Float[np.ndarray, "..."]
) -> pd.DataFrame:
    """Mean, standard deviation and quantiles over the draws [draw, subgroup, value]."""
    from credo.models.predict import PROBABILITIES

    names = [f"{target}[{level}]" for level in classes] or [target]
    flat = draws.reshape(len(draws), -1)
    made: dict[str, Any] = {"of": names * len(labels), "mean": flat.mean(0), "sd": flat.std(0)}
    made |= {
        f"q{round(100 * p)}": q for p, q in zip(PROBABILITIES, np.quantile(flat, PROBABILITIES, axis=0), strict=True)
    }
    whose = labels.loc[labels.index.repeat(len(names))].reset_index(drop=True)
    first = pd.DataFrame({"term": term, "contrast": what}, index=whose.index)
    return pd.concat([first, whose, pd.DataFrame(made)], axis=1)


def _own_name(model: "FormulaModel", name: str) -> str:
    """What the formula calls a column that a file may have under another name."""
    return str(model.data["rename"].get(name, name))


def _values(model: "FormulaModel", name: str, text: str, flag: str) -> list[Any]:
    own, known = _own_name(model, name), model.table[list(needed(model.rows))]
    if own in model.data["dates"]:
        dates = pd.DataFrame({own: [one.strip() for one in text.split(",")]})
        return [float(one) for one in columns.dated(dates, {own: model.data["dates"][own]}, is_new=True)[own]]
    return grid.values(known, own, text, flag)
