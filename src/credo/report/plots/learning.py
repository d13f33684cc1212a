"""Did the training converge, and when did it begin to overfit? The negative log likelihood by epoch."""

import numpy as np

from credo.report.drawing import Drawing
from credo.report.evidence import Evidence, finite
from credo.report.numbers import counted
from credo.report.sheet import ACCENT, INK, MARK, WIDTH, Panel, Sheet

GROUP = "training"
TITLE = "Learning curves"
CAPTION = (
    "The mean negative log likelihood by epoch, of the rows that the network learns from and of those kept back for "
    "validation; a line per member. Dots: the epoch whose weights were kept. A validation curve that rises while the "
    "other still falls shows overfitting; one that still falls at its end, too short a training."
)
HEIGHT, HEAD, FOOT, LEFT = 130.0, 20.0, 26.0, 44.0
CROP = 4.0
"""The first epochs are cut off above this many times the height of the upper quartile over the least value."""


def draw(evidence: Evidence) -> Drawing:
    """Draw both curves of every member."""
    training = evidence.group("training")
    if "train" not in training:
        return Drawing(TITLE, "checks", "No network was trained by epochs.")
    train, validation = (training[name].transpose("member", "epoch").values for name in ("train", "validation"))
    if not finite(train).size:
        return Drawing(TITLE, "checks", "The likelihood was finite after no epoch.")
    members, epochs = train.shape
    low, high = span(np.concatenate([train, validation]))
    sheet = Sheet(HEAD + HEIGHT + FOOT)
    x = (0.0, epochs + 1.0)
    panel = sheet.panel(LEFT, HEAD, WIDTH - LEFT - 4, HEIGHT, x, (low - 0.06 * (high - low), high))
    panel.y_axis(5, lines=True)
    panel.x_axis(8, "epoch")
    for values, color in ((train, ACCENT), (validation, MARK)):
        for member in values:
            _curve(panel, member, color, 1.3 if members == 1 else 0.7)
    for member, best in enumerate(training["best"].values):
        _kept(panel, best, train[member], validation[member])
    panel.title("negative log likelihood per row, in nats", color=INK)
    names = [("train", ACCENT), ("● kept", INK)]
    measured = [("validation", MARK)] if finite(validation).size else []
    sheet.words(WIDTH - 4, HEAD - 4, [(counted(members, "member"), INK), names[0], *measured, names[1]], 7)
    return Drawing(TITLE, "checks", CAPTION, sheet.finished())


def span(curves: np.ndarray) -> tuple[float, float]:
    """The range to show: from the least value up to the first epochs, as far as they leave room for the others."""
    values = finite(curves)
    low = float(values.min())
    high = min(float(values.max()), low + CROP * (float(np.quantile(values, 0.75)) - low))
    return low, high if high > low else low + 1.0


def _curve(panel: Panel, values: np.ndarray, color: str, width: float) -> None:
    """A line through the epochs that were measured, interrupted where it stays above the panel."""
    epochs = np.flatnonzero(np.isfinite(values))
    values = values[epochs]
    above = np.pad(values > panel.y[1], 1, constant_values=True)
    hidden = above[:-2] & above[1:-1] & above[2:]
    panel.line(1 + epochs, np.where(hidden, np.nan, values), color, width, 0.8)


def _kept(panel: Panel, best: float, train: np.ndarray, validation: np.ndarray) -> None:
    """A dot at the kept epoch, on the curve that chose it."""
    if not 1 <= best <= len(train):
        return
    value = next((curve[int(best) - 1] for curve in (validation, train) if np.isfinite(curve[int(best) - 1])), np.nan)
    if np.isfinite(value):
        panel.dots([best], [min(value, panel.y[1])], INK, 4.5)
