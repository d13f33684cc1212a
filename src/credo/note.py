"""The description of a run in markdown, as a person reads it on the run's page in MLflow."""

import shlex

import pandas as pd

from credo.contracts import Check, Story, Verdict
from credo.report import table
from credo.report.checks import HEADLINES, ORDER, counts, ended, measured
from credo.report.numbers import counted
from credo.result import Result

MOST_ROWS = 20
GAP = "\N{EM SPACE}"
"""MLflow sets the columns of a table side by side without any space between them."""


def write(story: Story, result: Result, summary: pd.DataFrame, verdict: Verdict) -> str:
    """Verdict with its reasons, how to run it again, the answer and the question.

    MLflow folds a description after a few lines, so what must be seen comes first.
    """
    reasons = [_reason(check) for status in ORDER if status != "passed" for check in ended(verdict, status)]
    command = shlex.join(["credo", *story.overrides])
    return "\n".join(
        [
            f"**Verdict: {verdict.status}.** {HEADLINES[verdict.status]} ({counts(verdict)}). {result.status.value}",
            "",
            *reasons,
            "",
            *_fenced(command),
            "",
            *_table(result, summary, verdict),
            "",
            *_fenced(story.question["model"]),
        ]
    )


def _reason(check: Check) -> str:
    return f"- **{check.name}** {' '.join(filter(None, (check.status, measured(check))))}: {check.advice}"


def _fenced(text: str) -> list[str]:
    return ["```", text, "```"]


def _table(result: Result, summary: pd.DataFrame, verdict: Verdict) -> list[str]:
    """The summary, with the numbers beyond their thresholds in bold."""
    columns = table.columns(result.kind)
    thresholds = {check.name: check.threshold for check in verdict.checks}
    rows = table.records(summary, MOST_ROWS, thresholds)
    lines = [["", *(GAP + column.title for column in columns)], ["---"] * (len(columns) + 1)]
    for row in rows:
        numbers = [(table.cell(row, c, result.kind), table.is_beyond(row, c, thresholds)) for c in columns]
        lines.append([_name(row["variable"]), *(GAP + (f"**{text}**" if beyond else text) for text, beyond in numbers)])
    more = len(summary) - len(rows)
    return [f"| {' | '.join(line)} |" for line in lines] + (
        ["", f"{counted(more, 'more row')} in summary.csv"] if more else []
    )


def _name(variable: object) -> str:
    """A name as it is, though a bar would end its cell and brackets could be taken for a link."""
    return f"`{str(variable).replace('|', '/')}`"
