"""The comparison as people read it: tables of words, the same on the terminal and on the page."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Literal

from credo.diagnostics import metrics
from credo.diagnostics.metrics import Metric
from credo.report.comparison import table
from credo.report.comparison.compare import Comparison
from credo.report.comparison.configurations import Configuration
from credo.report.comparison.leave_one_out import LeftOut
from credo.report.drawing.numbers import UNKNOWN, fixed, number, places, seconds

Tone = Literal["", "passed", "failed", "not checked", "note"]

SCORES = ("nll_test", "crps_test", "rmse_test", "coverage_50_test", "coverage_90_test", "sharpness_test")
"""Scores of held-out rows."""

COST = ("seconds/warm", "gradients", "ess_bulk_min", "ess_per_second")
"""What the runs cost, and what that bought."""


@dataclass(frozen=True)
class Cell:
    """What stands in a table: words, and how they are to be taken."""

    words: str = UNKNOWN
    tone: Tone = ""

    @property
    def is_known(self) -> bool:
        """Whether anything stands there."""
        return self.words not in (UNKNOWN, "")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: its heading.
        cells: one per line of the comparison.
        reading: how to read it, if that needs words.
        is_text: whether it is of words rather than numbers.
    """

    title: str
    cells: tuple[Cell, ...]
    reading: str = ""
    is_text: bool = False


@dataclass(frozen=True)
class Words:
    """A table of the comparison.

    Attributes:
        name: its word, like no other's.
        title: what it is of.
        columns: those in which something is known.
        note: what holds for all of it.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    note: str = ""

    @property
    def caption(self) -> str:
        """How to read it."""
        readings = [f"{column.title}: {column.reading}." for column in self.columns if column.reading]
        return " ".join([*readings, *([self.note] if self.note else [])])


def tables(comparison: Comparison) -> tuple[Words, ...]:
    """The tables, with a cell per line; those in which nothing is known are left out."""
    found = (
        Words("runs", "Runs", _runs(comparison), SEEDS if _has_seeds(comparison) else ""),
        Words("loo", "Prediction by leave-one-out", _leave_one_out(comparison)),
        Words("evidence", "Evidence", _evidence(comparison)),
        Words("scores", "Prediction of held-out rows", _scores(comparison)),
        Words("cost", "Cost", _metrics(comparison, COST)),
    )
    shown = [one for one in found if one.columns]
    if comparison.by_held_out:  # which decide then
        shown.sort(key=lambda one: {"runs": 0, "scores": 1}.get(one.name, 2))
    return tuple(shown)


SEEDS = "Numbers with ± are means and standard deviations over seeds."


def _has_seeds(comparison: Comparison) -> bool:
    return any(len(line.runs) > 1 for line in comparison.lines)


def _runs(comparison: Comparison) -> tuple[Column, ...]:
    """What distinguishes the runs, and whether to believe them."""
    lines = comparison.lines
    keys = dict.fromkeys(key for line in lines for key in line.differs)
    settings = [" ".join(f"{key}={word}" for key, word in line.differs.items()) for line in lines]
    shown = () if all(line.label.startswith(one) for line, one in zip(lines, settings, strict=True)) else keys
    columns = [Column(key, tuple(Cell(line.differs.get(key, "")) for line in lines), is_text=True) for key in shown]
    if _has_seeds(comparison):
        columns.append(Column("runs", tuple(Cell(str(len(line.runs))) for line in lines)))
    columns.append(Column("verdict", tuple(map(_verdict, lines)), is_text=True))
    moves = "how much the answer moves when the priors are scaled a little, coloured where it is noted"
    sensitivity = Column("prior sensitivity", tuple(map(_sensitivity, lines)), moves)
    return _known([*columns, _metric(comparison, metrics.find("calibration/alarms")), sensitivity])


def _leave_one_out(comparison: Comparison) -> tuple[Column, ...]:
    """Who predicts best, by leave-one-out."""
    lines = comparison.lines
    left_out = [comparison.left_out.get(line.label) for line in lines]
    elpd = "expected log predictive density of all observations, each left out by itself, in nats, higher is better"
    high = "observations whose Pareto k is too large for elpd_loo to be relied on"
    return _known(
        [
            Column("elpd_loo", tuple(_elpd(comparison, line) for line in lines), elpd),
            Column("se", tuple(Cell() if one is None else Cell(_error(one.se)) for one in left_out), "standard error"),
            Column("elpd_diff", tuple(_of(comparison, line, "elpd_diff") for line in lines), "difference to the best"),
            Column("dse", tuple(_of(comparison, line, "dse") for line in lines), "its standard error"),
            Column("weight", tuple(_weight(comparison, line) for line in lines), "by stacking"),
            Column("high k", tuple(_high_k(one) for one in left_out), high),
        ]
    )


def _evidence(comparison: Comparison) -> tuple[Column, ...]:
    found = [comparison.evidence.get(line.label) for line in comparison.lines]
    evidence, factor, probability = (
        tuple(Cell() if one is None else _with_error(one[i], one[i + 1]) for one in found) for i in (0, 2, 4)
    )
    return _known(
        [
            Column("log evidence", evidence, "log marginal likelihood, in nats, ± its standard error"),
            Column("log Bayes factor", factor, "to the one with the most evidence"),
            Column("probability", probability, "of the model, where all were equally probable before"),
            _metric(comparison, metrics.find("log_z")),
        ]
    )


def _scores(comparison: Comparison) -> tuple[Column, ...]:
    """The scores of held-out rows, the best one marked, and by how much the others are behind."""
    first, *others = _metrics(comparison, SCORES) or (None,)
    table = comparison.held_out
    if first is None or first.title != metrics.find("nll_test").title or len(table) < 2:
        return _metrics(comparison, SCORES)
    behind = tuple(_behind(comparison, line) for line in comparison.lines)
    best = str(table.index[0])
    marked = tuple(
        replace(cell, tone="passed") if line.label == best else cell
        for line, cell in zip(comparison.lines, first.cells, strict=True)
    )
    reading = "to the best, ± the standard error of that paired difference over the rows"
    return _known([replace(first, cells=marked), Column("NLL difference", behind, reading), *others])


def _behind(comparison: Comparison, line: Configuration) -> Cell:
    table = comparison.held_out
    if line.label not in table.index:
        return Cell()
    diff, error = (float(table.loc[line.label, name]) for name in ("diff", "se"))
    if line.label == table.index[0]:
        return Cell("best", "passed")
    return Cell(number(diff, 2)) if math.isnan(error) else Cell(_in_units(diff, error))


def distances(comparison: Comparison) -> list[tuple[str, str, str, str]]:
    """Scalar, line, KL and Wasserstein distance with their errors, each a row."""
    return [
        (one.scalar, one.label, _bounded(one.kl, one.kl_error), _in_units(one.wasserstein, one.wasserstein_error))
        for one in comparison.distances
    ]


def _bounded(value: float, error: float) -> str:
    """A divergence, of which only a lower bound may be known."""
    return f"more than {fixed(value, 1)}" if math.isnan(error) else _in_units(max(value, 0.0), error)


def _in_units(value: float, error: float) -> str:
    """A number to the first digit of its standard error."""
    digits = places(error)
    return f"{fixed(value, digits)} ± {fixed(error, digits)}"


def _metrics(comparison: Comparison, names: Sequence[str]) -> tuple[Column, ...]:
    return _known([_metric(comparison, metrics.find(name)) for name in names])


def _known(columns: Iterable[Column]) -> tuple[Column, ...]:
    """The columns in which there is something."""
    return tuple(column for column in columns if any(cell.is_known for cell in column.cells))


def _verdict(line: Configuration) -> Cell:
    text = table.verdict(line)
    if not line.is_finished:
        return Cell(text, "failed")
    tone = next(word for word in ("failed", "not checked", "passed") if text.endswith(word))
    return Cell(text, tone)  # type: ignore[arg-type]


def _sensitivity(line: Configuration) -> Cell:
    checks = [check for run in line.runs if (check := run.check("prior_sensitivity")) and check.value is not None]
    if not checks:
        return Cell()
    worst = max(checks, key=lambda check: check.value or 0.0)
    return Cell(number(worst.value, 2), "" if worst.status == "passed" else "note")


def _elpd(comparison: Comparison, line: Configuration) -> Cell:
    """The sum over the observations; over several seeds with its standard deviation."""
    found = comparison.left_out.get(line.label)
    if found is None:
        return Cell()
    total = float(found.elpd.sum())
    if len(found.of_runs) == 1:
        return Cell(fixed(total, places(found.se, 2)))
    return Cell(_plus_minus(found.of_runs))


def _of(comparison: Comparison, line: Configuration, name: str) -> Cell:
    """A difference or its standard error, to the second digit of the latter."""
    if line.label not in comparison.loo.index:
        return Cell()
    row = comparison.loo.loc[line.label]
    return Cell(fixed(float(row[name]), places(float(row["dse"]), 2)))


def _weight(comparison: Comparison, line: Configuration) -> Cell:
    known = line.label in comparison.loo.index
    return Cell(fixed(float(comparison.loo.loc[line.label, "weight"]), 2)) if known else Cell()


def _high_k(found: LeftOut | None) -> Cell:
    return Cell() if found is None else Cell(str(found.high_k), "not checked" if found.high_k else "")


def _error(value: float) -> str:
    return fixed(value, places(value, 2))


def _metric(comparison: Comparison, metric: Metric) -> Column:
    """A metric; over several seeds with its standard deviation."""
    say: Callable[[float], str] = seconds if metric.unit == "s" else lambda value: number(value, 4)
    return Column(
        metric.title, tuple(_mean(line.values(metric.name), say) for line in comparison.lines), metric.reading
    )


def _mean(values: list[float], say: Callable[[float], str]) -> Cell:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return Cell()
    if len(known) == 1 or len(set(known)) == 1:
        return Cell(say(known[0]))
    if say is seconds:
        return Cell(say(sum(known) / len(known)))
    return Cell(_plus_minus(known))


def _with_error(value: float, error: float) -> Cell:
    """A number and its standard error, with two places where that is not known or smaller."""
    if math.isnan(value):
        return Cell()
    if not error > 0:
        return Cell(fixed(value, 2))
    digits = max(places(error) or 0, 2)
    return Cell(f"{fixed(value, digits)} ± {fixed(error, digits)}")


def _plus_minus(values: Sequence[float]) -> str:
    """Mean and standard deviation, both to the first digit of the latter."""
    if not all(map(math.isfinite, values)):
        return UNKNOWN
    spread = stdev(values)
    digits = places(spread)
    return f"{fixed(fmean(values), digits)} ± {fixed(spread, digits)}"
