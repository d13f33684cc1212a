"""What the draws of an approximation are worth: the largest importance ratios, which a Pareto tail describes."""

import numpy as np

from credo.inference.kind import of
from credo.report.drawing.base import Drawing
from credo.report.drawing.sheet import ACCENT, MARK, WIDTH, Sheet
from credo.report.view import Evidence

OF = of(groups=("importance",))
TITLE = "Pareto tail of the importance ratios"
HEIGHT, HEAD, FOOT, LEFT = 110.0, 20.0, 30.0, 44.0
MOST_POINTS = 300


def draw(evidence: Evidence) -> Drawing:
    """Draw the ratios against their rank from the largest, both on logarithmic scales, with their Pareto tail."""
    found = evidence.group("importance")
    log_ratio = (found["log_p"] - found["log_q"]).values.astype(float)
    known = np.sort(log_ratio[np.isfinite(log_ratio)])[::-1]
    k = float(found.attrs["pareto_k"])
    if not known.size or np.isnan(k):
        return Drawing(TITLE, "checks", "The importance ratios of the draws are not known.")
    sheet = Sheet(HEAD + HEIGHT + FOOT)
    ranks = np.arange(1, known.size + 1)
    tail = max(int(min(0.2 * known.size, 3 * known.size**0.5)), 1)
    heights = (known - np.median(known)) / np.log(10)
    low, high = float(np.quantile(heights, 0.02)), float(heights[0])
    margin = max(0.05 * (high - low), 0.01)
    right = float(np.log10(known.size))
    panel = sheet.panel(LEFT, HEAD, WIDTH - LEFT - 14, HEIGHT, (-0.05, right + 0.05), (low - margin, high + margin))
    shown = np.unique(np.geomspace(1, known.size, MOST_POINTS).astype(int)) - 1
    panel.dots(np.log10(ranks[shown]), np.maximum(heights[shown], low), ACCENT, 3)
    smoothed = np.sort(found["log_weight"].values.astype(float))[::-1][: known.size] / np.log(10)
    smoothed += heights[known.size // 2] - smoothed[known.size // 2]
    panel.line(np.log10(ranks[:tail]), np.minimum(smoothed[:tail], panel.y[1]), MARK, 1.1)
    panel.y_axis(4, lines=True)
    panel.x_axis(4, "log10 of the rank, from the largest ratio")
    panel.title("log10 of p / q over its median", f"k = {k:.2f}")
    return Drawing(TITLE, "checks", _caption(found.attrs, known.size, log_ratio.size), sheet.finished())


def _caption(attributes: "dict[str, float]", known: int, count: int) -> str:
    resampled = bool(attributes["resampled"])
    used = (
        f"The draws are resampled by these ratios and are worth {attributes['effective']:,.0f} independent ones."
        if resampled
        else "The tail is too heavy: the draws are those of the approximation, without a correction."
    )
    zero = f" {count - known:,} draws have the posterior density zero." if count > known else ""
    return (
        f"Dots: the ratios of posterior density to approximation at {known:,} draws. Red: the fitted Pareto "
        f"tail with the shape k; above 0.7 a few draws decide everything. {used}{zero} Modes that the "
        "approximation does not reach are not seen here."
    )
