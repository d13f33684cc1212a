"""No report: a run leaves its numbers and no page (`report=none`)."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from credo.diagnostics.base import Verdict
from credo.inference.result import Result
from credo.runs.record import RunRecord


@dataclass(frozen=True)
class NoReport:
    """Writes nothing."""

    def write(
        self, record: RunRecord, result: Result, summary: pd.DataFrame, verdict: Verdict, metrics: Mapping[str, float]
    ) -> None:
        """Do nothing."""
