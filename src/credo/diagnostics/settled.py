"""Was a network trained to the end? Further training must not have made it better."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from credo.diagnostics.answers import group, not_checked
from credo.diagnostics.base import Check
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.ranges import NonNegative


@dataclass(frozen=True)
class Settled:
    """By how much some further epochs lower the best validation loss (nats per row), mean over members.

    They are made from the best weights with the training's highest learning rate (and with Adam's usual one, where that
    is higher), which then falls to zero, and only to see (`training.continuation`). A member that they do not improve
    counts as 0.

    Attributes:
        threshold: the largest gain that passes.
    """

    threshold: NonNegative

    of: ClassVar[Of] = of(Kind.TRAINED)

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge trained networks."""
        training = group(result, "training")
        if not training.attrs.get("measure", "nll"):
            reason = "Z is intractable, so that no validation loss is known: longer training may do better."
            return not_checked("settled", self.threshold, reason)
        curves = training["validation"].to_numpy()
        lengths = np.isfinite(curves).sum(axis=1)
        if not lengths.any():
            reason = "No rows are left for validation: whether the training was long enough is unknown."
            return not_checked("settled", self.threshold, f"{reason} Set training.validation=0.1.")
        if not lengths.all():
            advice = "The validation loss of a member was never finite. Lower training.learning_rate."
            return Check("settled", "failed", None, self.threshold, advice)
        return self._judged(curves, training["continued"].to_numpy(), training["best"].to_numpy(), int(lengths.max()))

    def _judged(
        self,
        curves: Float[np.ndarray, "member epoch"],
        further: Float[np.ndarray, "member rate further"],
        best: Shaped[np.ndarray, "member"],
        epochs: int,
    ) -> Check:
        """Whether the further epochs [member, rate, epoch] are better than those of the training."""
        came = f"{best.min()}" if best.min() == best.max() else f"{best.min()} to {best.max()}"
        where = f"The best weights came after {came} epochs of {epochs}."
        if not np.isfinite(further).any(axis=(1, 2)).all():
            reason = f"{where} The loss was not finite when a member was trained on: whether it gains is unknown."
            return not_checked("settled", self.threshold, f"{reason} Lower training.learning_rate.")
        gains = np.nanmin(curves, axis=1) - np.nanmin(further, axis=(1, 2))
        gain = float(np.maximum(gains, 0).mean())
        on = f"Training on for {further.shape[2]} epochs"
        if gain <= self.threshold:
            words = f"{where} {on} lowered the validation loss by {gain:.2g}."
            return Check("settled", "passed", gain, self.threshold, words)
        todo = "Raise training.epochs, and training.patience where the training stopped early."
        advice = f"{on} lowered the validation loss further. {where} {todo}"
        return Check("settled", "failed", gain, self.threshold, advice)
