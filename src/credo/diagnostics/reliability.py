"""Are a classifier's probabilities of held-out rows as good as they say themselves?

Where probabilities p are right, minus the log probability of what happens has the mean H(p) = -sum_k p_k ln p_k and the
variance sum_k p_k (ln p_k)^2 - H(p)^2 in each row (as Spiegelhalter 1986 has it for squares).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float

from credo.diagnostics.answers import group, not_checked
from credo.diagnostics.base import Check
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.ranges import NonNegative

_ERRORS = 3
"""Standard errors that are allowed for chance: right probabilities exceed them in 0.3 % of runs."""


@dataclass(frozen=True)
class Reliability:
    """By how much the cross-entropy of held-out rows is off from the mean entropy, beyond three standard errors.

    Attributes:
        threshold: the largest such excess that passes, in nats per row.
    """

    threshold: NonNegative

    of: ClassVar[Of] = of(groups=("classes",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge the probabilities of a classifier."""
        rows = group(result, "classes")
        if rows.attrs["rows"] != "test":
            reason = "No rows are held out: whether probabilities of new rows are right is unknown."
            return not_checked("reliability", self.threshold, f"{reason} Set data.test_fraction=0.2.")
        loss, (entropy, variance) = float(rows["nll"].mean()), _expected(rows["probability"].to_numpy())
        error = float(np.sqrt(variance.sum())) / len(variance)
        off = loss - float(entropy.mean())
        excess = max(abs(off) - _ERRORS * error, 0.0)
        words = (
            f"The cross-entropy of {len(variance)} rows is {loss:.4f} nats, where the probabilities themselves expect "
            f"{entropy.mean():.4f} ± {error:.4f}."
        )
        if excess <= self.threshold:
            return Check("reliability", "passed", excess, self.threshold, words)
        advice = (
            "They are too sure: train an ensemble (training.members), or set training.temperature=true."
            if off > 0
            else "They are not sure enough: raise training.epochs, or set training.temperature=true."
        )
        if result.kind is not Kind.TRAINED or rows.attrs.get("made_by") == "program":
            advice = (
                f"They are {'too sure' if off > 0 else 'not sure enough'}: the classes depend on what the model leaves "
                "out. Of a regression, add terms to the formula."
            )
        return Check("reliability", "failed", excess, self.threshold, f"{words} {advice}")


def _expected(p: Float[np.ndarray, "row class"]) -> tuple[Float[np.ndarray, "row"], Float[np.ndarray, "row"]]:
    """The mean and the variance of the log loss of each row, where p is right."""
    log_p = np.log(np.where(p > 0, p, 1))
    entropy = -(p * log_p).sum(1)
    return entropy, (p * log_p**2).sum(1) - entropy**2
