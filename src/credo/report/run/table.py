"""The summary as people read it: each number with the digits that are known of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from credo.report.drawing.numbers import fixed, number, places

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        title: its heading.
        key: the summary's column.
        check: the check that judges it, if there is one.
        larger_is_better: on which side of the check's threshold the number should be.
    """

    title: str
    key: str
    check: str = ""
    larger_is_better: bool = True


DRAWS = (
    Column("mean", "mean"),
    Column("sd", "sd"),
    Column("5 %", "q5"),
    Column("median", "q50"),
    Column("95 %", "q95"),
    Column("MCSE", "mcse_mean"),
    Column("ESS bulk", "ess_bulk", "ess_bulk"),
    Column("ESS tail", "ess_tail", "ess_tail"),
    Column("R-hat", "r_hat", "r_hat", larger_is_better=False),
)
POINT = (Column("estimate", "mean"), Column("standard error", "sd"), Column("5 %", "q5"), Column("95 %", "q95"))


def columns(kind: str) -> tuple[Column, ...]:
    """The columns of a result of this kind."""
    return POINT if kind == "point" else DRAWS


def cell(row: Mapping[str, Any], column: Column, kind: str) -> str:
    """A number of the summary in words.

    What the draws estimate is written down to the first digit of its Monte Carlo standard error; a point estimate down
    to the second digit of its standard error.
    """
    value = float(row[column.key])
    match column.key:
        case "mcse_mean":
            return number(value, 2)
        case "ess_bulk" | "ess_tail":
            return number(round(value)) if value == value else number(value)
        case "r_hat":
            return fixed(value, 3)
    return fixed(value, places(float(row["sd"]), 2) if kind == "point" else places(float(row["mcse_mean"])))


def is_beyond(row: Mapping[str, Any], column: Column, thresholds: Mapping[str, float | None]) -> bool:
    """Whether a number is on the wrong side of its check's threshold."""
    bar = thresholds.get(column.check)
    value = float(row[column.key])
    if bar is None or value != value:
        return False
    return value < bar if column.larger_is_better else value > bar


def records(summary: "pd.DataFrame", most: int, thresholds: Mapping[str, float | None]) -> list[dict[str, Any]]:
    """The rows of the summary, at most so many, in order.

    Of too many, those are kept that have a number beyond its threshold, then those of variables without dims.
    """
    rows: list[dict[str, Any]] = summary.to_dict("records")
    if len(rows) <= most:
        return rows
    beyond = [any(is_beyond(row, column, thresholds) for column in DRAWS if column.check) for row in rows]
    ranking = sorted(range(len(rows)), key=lambda i: (not beyond[i], "[" in str(rows[i]["variable"])))
    return [rows[i] for i in sorted(ranking[:most])]
