"""Was a network trained to the end? The validation loss must have stopped falling, or the epochs were too few."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from credo.contracts import Check
from credo.diagnostics.answers import group, not_checked
from credo.result import Result

_SHARE = 0.1
"""The last epochs that are compared with as many before them, of all."""


@dataclass(frozen=True)
class Settled:
    """By how much the validation loss (nats per row) still fell over the last tenth of the epochs, mean over members.

    A member that had no better epoch for as long as `training.patience` asks has settled.

    Attributes:
        threshold: the largest fall that passes.
    """

    threshold: float

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge trained networks."""
        if result.kind != "trained":
            return None
        training = group(result, "training")
        if not training.attrs.get("measure", "nll"):
            reason = "Z is intractable, so that no validation loss is known: longer training may do better."
            return Check("settled", "note", None, self.threshold, reason)
        curves = training["validation"].to_numpy()
        lengths = np.isfinite(curves).sum(axis=1)
        if not lengths.any():
            reason = "No rows are left for validation: whether the training was long enough is unknown."
            return not_checked("settled", self.threshold, f"{reason} Set training.validation=0.1.")
        if not lengths.all():
            advice = "The validation loss of a member was never finite. Lower training.learning_rate."
            return Check("settled", "failed", None, self.threshold, advice)
        fall = float(np.mean([_fall(curve[:length]) for curve, length in zip(curves, lengths, strict=True)]))
        best = group(result, "training")["best"].to_numpy()
        where = f"The best weights came after {best.min()} to {best.max()} epochs of {lengths.max()}."
        if fall <= self.threshold:
            return Check("settled", "passed", fall, self.threshold, where)
        advice = f"The validation loss was still falling when the epochs ended. {where} Raise training.epochs."
        return Check("settled", "failed", fall, self.threshold, advice)


def _fall(curve: np.ndarray) -> float:
    """How much lower the best of the last epochs is than the best before them; 0 if it is not."""
    last = max(int(_SHARE * len(curve)), 1)
    if len(curve) <= last:
        return float("inf")
    return max(float(curve[:-last].min() - curve[-last:].min()), 0.0)
