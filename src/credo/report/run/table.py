"""The summary as people read it: each number with the digits that are known of it."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from credo.inference.kind import Kind
from credo.report.drawing.numbers import counted, fixed, number, places

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        title: its heading.
        key: the summary's column.
        kinds: the kinds of results whose tables have it; of trained networks, whose weights mean nothing one by one,
            there is no table.
        short: its heading on the terminal, which has the most important columns only; empty for the others.
        check: the check that judges it, if there is one.
        larger_is_better: on which side of the check's threshold the number should be.
    """

    title: str
    key: str
    kinds: tuple[Kind, ...]
    short: str = ""
    check: str = ""
    larger_is_better: bool = True


_POINT, _CHAINS = (Kind.POINT,), (Kind.CHAINS,)
_DRAWS = (Kind.CHAINS, Kind.INDEPENDENT, Kind.WEIGHTED)

COLUMNS = (
    Column("estimate", "mean", _POINT, "estimate"),
    Column("standard error", "sd", _POINT, "std error"),
    Column("mean", "mean", _DRAWS, "mean"),
    Column("sd", "sd", _DRAWS, "sd"),
    Column("5 %", "q5", (*_DRAWS, *_POINT), "5 %"),
    Column("median", "q50", _DRAWS),
    Column("95 %", "q95", (*_DRAWS, *_POINT), "95 %"),
    Column("MCSE", "mcse_mean", _DRAWS),
    Column("ESS bulk", "ess_bulk", _CHAINS, "ESS", check="ess_bulk"),
    Column("ESS tail", "ess_tail", _CHAINS, check="ess_tail"),
    Column("R-hat", "r_hat", _CHAINS, "R-hat", check="r_hat", larger_is_better=False),
)

NOTES = {
    Kind.POINT: "The interval is that of the normal approximation, 1.64 standard errors to each side.",
    **dict.fromkeys(
        _DRAWS, "Numbers end at the first digit of their Monte Carlo standard error (MCSE); later digits are noise."
    ),
}
"""How to read the table of each kind of results."""


def columns(kind: Kind) -> tuple[Column, ...]:
    """The columns of a result of this kind; none where it has no table."""
    return tuple(column for column in COLUMNS if kind in column.kinds)


def cell(row: Mapping[str, Any], column: Column, kind: Kind) -> str:
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
    return fixed(value, places(float(row["sd"]), 2) if kind is Kind.POINT else places(float(row["mcse_mean"])))


def is_beyond(row: Mapping[str, Any], column: Column, thresholds: Mapping[str, float | None]) -> bool:
    """Whether a number is on the wrong side of its check's threshold."""
    bar = thresholds.get(column.check)
    value = float(row[column.key])
    if bar is None or value != value:
        return False
    return value < bar if column.larger_is_better else value > bar


def records(
    summary: "pd.DataFrame", most: int, thresholds: Mapping[str, float | None], aside: Collection[str] = ()
) -> list[dict[str, Any]]:
    """The rows of the summary, at most so many, in order, without those that are only a parametrisation.

    Of too many, those are kept that have a number beyond its threshold, then those of variables without dims.
    """
    rows: list[dict[str, Any]] = [row for row in summary.to_dict("records") if row["variable"] not in aside]
    if len(rows) <= most:
        return rows
    beyond = [any(is_beyond(row, column, thresholds) for column in COLUMNS if column.check) for row in rows]
    ranking = sorted(range(len(rows)), key=lambda i: (not beyond[i], "[" in str(rows[i]["variable"])))
    return [rows[i] for i in sorted(ranking[:most])]


def left_out(summary: "pd.DataFrame", shown: int, aside: Mapping[str, str]) -> str:
    """How many rows are in `summary.csv` alone: `12 more rows and 8 of the parametrisation (z)`."""
    folded = Counter(aside[label] for label in summary["variable"] if label in aside)
    rest = len(summary) - folded.total() - shown
    parts = [counted(rest, "more row")] if rest > 0 else []
    return " and ".join([*parts, *(f"{count:,} of {whose}" for whose, count in folded.items())])
