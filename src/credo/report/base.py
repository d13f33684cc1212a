"""What a report must offer (`conf/report`)."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from credo.diagnostics.base import Verdict
from credo.runs.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd

    from credo.inference.result import Result


@runtime_checkable
class Report(Protocol):
    """What a person reads of a finished run (`conf/report`).

    An attribute `loads` may name modules that are loaded while the inference runs.
    """

    def write(
        self,
        record: RunRecord,
        result: "Result",
        summary: "pd.DataFrame",
        verdict: Verdict,
        metrics: Mapping[str, float],
    ) -> Path | None:
        """Write the plots and the page into `record.folder`.

        Args:
            record: the run.
            result: the answer.
            summary: one row per scalar: `variable, mean, sd, q5, q50, q95, mcse_mean, ess_bulk, ess_tail, r_hat,
                pareto_k`; NaN is what is not known.
            verdict: whether it may be believed.
            metrics: the numbers that the tracker gets.

        Returns:
            The page, or `None` where none is written.
        """
        ...
