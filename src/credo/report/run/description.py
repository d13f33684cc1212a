"""The description of a run in markdown, as a person reads it on the run's page in MLflow."""

import shlex

import pandas as pd

from credo.diagnostics.answers import group
from credo.diagnostics.base import Check, Verdict
from credo.diagnostics.summary import parametrisations
from credo.escape import fenced, markdown
from credo.inference.result import Result
from credo.report.run import scores, table
from credo.report.run.checks import HEADLINES, ORDER, counts, ended, measured
from credo.runs.record import RunRecord

MOST_ROWS = 20


def write(record: RunRecord, result: Result, summary: pd.DataFrame, verdict: Verdict) -> str:
    """Verdict with its reasons, how to run it again, the answer and the question.

    MLflow folds a description after a few lines, so what must be seen comes first.
    """
    reasons = [_reason(check) for status in ORDER if status != "passed" for check in ended(verdict, status)]
    command = shlex.join(["credo", *record.overrides])
    return "\n".join(
        [
            f"**Verdict: {verdict.status}.** {HEADLINES[verdict.status]} ({counts(verdict)}). {result.status.value}",
            "",
            *reasons,
            "",
            *fenced(command),
            "",
            *(fenced(_scores(found)) if (found := scores.rows(result)) else ()),
            *(fenced(_table(result, summary, verdict)) if table.columns(result.kind) else ()),
            "",
            *fenced(record.description["model"]),
        ]
    )


def _reason(check: Check) -> str:
    status = " ".join(filter(None, (check.status, measured(check))))
    return f"- **{markdown(check.name)}** {markdown(status)}: {markdown(check.advice)}"


def _scores(found: list[tuple[str, str, str]]) -> str:
    first, second = (max(len(row[i]) for row in found) for i in (0, 1))
    return "\n".join(f"{name:<{first}}  {value:>{second}}  {remark}" for name, value, remark in found)


def _table(result: Result, summary: pd.DataFrame, verdict: Verdict) -> str:
    """The summary in columns, as text: MLflow leaves no space between the columns of a table."""
    columns = table.columns(result.kind)
    aside = parametrisations(group(result, "posterior"))
    rows = table.records(summary, MOST_ROWS, {check.name: check.threshold for check in verdict.checks}, aside)
    lines = [["", *(column.title for column in columns)]]
    lines += [
        [" ".join(str(row["variable"]).split()), *(table.cell(row, column, result.kind) for column in columns)]
        for row in rows
    ]
    first, *widths = (max(map(len, cells)) for cells in zip(*lines, strict=True))
    text = [
        "  ".join([line[0].ljust(first), *(cell.rjust(width) for cell, width in zip(line[1:], widths, strict=True))])
        for line in lines
    ]
    more = table.left_out(summary, len(rows), aside)
    return "\n".join([*text, *([f"and {more} in summary.csv"] if more else [])])
