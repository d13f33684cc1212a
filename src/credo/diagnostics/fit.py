"""Are the states of a trained energy like rows that it has not seen? A two-sample test of both.

Székely, G. J. and Rizzo, M. L. (2013). Energy statistics: a class of statistics based on distances. Journal of
Statistical Planning and Inference 143(8). The statistic is the squared energy distance, 2 E|X - Y| - E|X - X'| -
E|Y - Y'| >= 0, and 0 only for equal distributions; its null distribution is that of permuted labels.
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
from credo.ranges import Share

_PERMUTATIONS = 999


@dataclass(frozen=True)
class Fit:
    """The energy distance of held-out rows and states of the model, a share of the most that it could be.

    The share is the squared energy distance, without its bias, by 2 E|X - Y|: 0 where both are alike, 1 where both are
    points apart. It fails only if it is beyond chance as well, since of many rows the least difference is.

    Attributes:
        threshold: the largest share that passes.
        level: the largest p-value that is no chance; the rate of false alarms is at most this.
    """

    threshold: Share
    level: Share

    of: ClassVar[Of] = of(Kind.TRAINED, groups=("replicates/observed",))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge trained energies."""
        both = group(result, "replicates")
        x, y = (both[name].to_numpy().astype(float) for name in ("observed", "replicated"))
        if not np.isfinite(y).all():
            return not_checked("fit", self.threshold, "The model's states are not finite.")
        share, p = compared(x, y, bool(both.attrs["paired"]))
        rows = "held-out rows" if both.attrs["rows"] == "test" else "training rows, as none are held out,"
        seen = f"{len(x)} {rows} and {len(y)} states by {both.attrs['sampler']}"
        if not (p > self.level or share <= self.threshold):
            advice = (
                f"{seen} differ (p = {p:.2g}): the model has too much or too little mass somewhere. Train it longer, "
                "or by another training: exact where Z is tractable, nce or pcd. (score_matching does not see how much "
                "mass a mode has.)"
            )
            return Check("fit", "failed", share, self.threshold, advice)
        if not both.attrs["adjusted"]:
            reason = f"{seen} are alike, but this sampler's states are not those of the energy. Choose sampler=mala."
            return not_checked("fit", self.threshold, reason)
        return Check("fit", "passed", share, self.threshold, f"{seen} are alike (p = {p:.2g}).")


def compared(
    x: Float[np.ndarray, "row number"], y: Float[np.ndarray, "other_row number"], paired: bool
) -> tuple[float, float]:
    """The share of `Fit` and its p-value, always by the same permutations.

    Args:
        x: one sample.
        y: the other.
        paired: whether rows of both belong together, so that only they are exchanged.
    """
    n, m = len(x), len(y)
    from scipy.spatial.distance import cdist  # takes time to load

    away = cdist(np.concatenate([x, y]), np.concatenate([x, y]))
    generator = np.random.default_rng(0)
    if paired:
        swapped = generator.random((_PERMUTATIONS, n)) < 0.5
        labels = np.concatenate([~swapped, swapped], axis=1)
    else:
        first = np.arange(n + m) < n
        labels = np.array([generator.permutation(first) for _ in range(_PERMUTATIONS)])
    labels = np.concatenate([np.arange(n + m)[None] < n, labels]).astype(float)  # as observed, then permuted
    rows = labels @ away
    within = (rows * labels).sum(1)
    across = rows.sum(1) - within
    other = away.sum() - within - 2 * across
    across = 2 * across / (n * m)
    if paired:  # pairs of one row in both samples are alike by their conditions
        across = across * n / (n - 1) - 2 * (away[np.arange(n), n + np.arange(n)].sum()) / (n * (n - 1))
    distances = across - within / (n * max(n - 1, 1)) - other / (m * max(m - 1, 1))
    p = float(np.mean(distances >= distances[0] - 1e-12 * abs(across[0])))
    return float(max(distances[0], 0.0) / across[0]) if across[0] > 0 else 0.0, p
