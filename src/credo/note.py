"""The description of a run in markdown, as a person reads it on the run's page in MLflow."""

import pandas as pd

from credo.contracts import Story, Verdict
from credo.result import Result

_ROWS = 20


def write(story: Story, result: Result, summary: pd.DataFrame, verdict: Verdict) -> str:
    """Verdict with its reasons, the question, the answer and how to reproduce it."""
    reasons = [
        f"- **{check.name}** ({check.status}): {check.advice}" for check in verdict.checks if check.status != "passed"
    ]
    passed = sum(check.status == "passed" for check in verdict.checks)
    formula = story.question["model"].replace("\n", "  \n")
    return "\n".join(
        [
            f"**Verdict: {verdict.status}** ({passed} of {len(verdict.checks)} checks passed). {result.status.value}",
            "",
            *reasons,
            "",
            f"`credo {' '.join(story.overrides)}`",
            "",
            formula,
            "",
            *_table(summary),
        ]
    )


def _table(summary: pd.DataFrame) -> list[str]:
    columns = [name for name in summary.columns if name == "variable" or summary[name].notna().any()]
    rows = ["| " + " | ".join(_cell(row[name]) for name in columns) + " |" for _, row in summary.head(_ROWS).iterrows()]
    more = [f"\n{len(summary) - _ROWS} more in summary.csv"] if len(summary) > _ROWS else []
    return ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns), *rows, *more]


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
