"""Did the training converge, and when did it begin to overfit? The objective by epoch, and the validation loss."""

import numpy as np

from credo.diagnostics.metrics import find
from credo.inference.kind import of
from credo.report.drawing.base import Drawing
from credo.report.drawing.density import finite
from credo.report.drawing.numbers import counted
from credo.report.drawing.sheet import ACCENT, INK, MARK, WIDTH, Panel, Sheet
from credo.report.view import Evidence

OF = of(groups=("training",))
TITLE = "Learning curves"
CAPTION = (
    "The mean {objective} by epoch, of the rows that the network learns from, and {measure} of those kept back for "
    "validation; a line per member. Dots: the epoch whose weights were kept. A validation curve that rises while the "
    "other still falls shows overfitting; one that still falls at its end, too short a training."
)
UNMEASURED = (
    "The mean {objective} by epoch, a line per member; it does not tell how good the model is. Dots: the kept epoch."
)
HEIGHT, HEAD, FOOT, LEFT, GAP = 130.0, 20.0, 26.0, 44.0, 22.0
CROP = 4.0
"""The first epochs are cut off above this many times the height of the upper quartile over the least value."""


def draw(evidence: Evidence) -> Drawing:
    """Draw both curves of every member: in one panel where they show the same, else in two."""
    training = evidence.group("training")
    if "train" not in training:
        return Drawing(TITLE, "checks", "No network was trained by epochs.")
    train, validation = (training[name].transpose("member", "epoch").values for name in ("train", "validation"))
    if not finite(train).size:
        return Drawing(TITLE, "checks", "The objective was finite after no epoch.")
    objective, measure = (str(training.attrs.get(name, "nll")) for name in ("curve", "measure"))
    reading = {
        name: str(training.attrs.get(f"{place}_reading") or find(name).reading or name)
        for place, name in (("curve", objective), ("measure", measure))
    }
    best, measured = training["best"].values, finite(validation).size > 0
    sheet = Sheet(HEAD + HEIGHT + FOOT)
    colored = [(train, ACCENT), *([(validation, MARK)] if measured else [])]
    if objective == measure or not measured:
        _panel(sheet, LEFT, WIDTH - LEFT - 4, colored, best, reading[objective])
        names = [("train", ACCENT), *([("validation", MARK)] if measured else []), ("● kept", INK)]
        sheet.words(WIDTH - 4, HEAD - 4, [(counted(len(train), "member"), INK), *names], 7)
    else:
        width = (WIDTH - 2 * LEFT - GAP - 4) / 2
        for i, (one, name) in enumerate(zip(colored, (objective, measure), strict=True)):
            _panel(sheet, LEFT + i * (width + LEFT + GAP), width, [one], best, reading[name])
    caption = CAPTION if measured else UNMEASURED
    words = {place: reading[name].split(",")[0] for place, name in (("objective", objective), ("measure", measure))}
    return Drawing(TITLE, "checks", caption.format(**words), sheet.finished())


def _panel(
    sheet: Sheet, left: float, width: float, curves: list[tuple[np.ndarray, str]], best: np.ndarray, title: str
) -> None:
    low, high = span(np.concatenate([values for values, _ in curves]))
    members, epochs = curves[0][0].shape
    panel = sheet.panel(left, HEAD, width, HEIGHT, (0.0, epochs + 1.0), (low - 0.06 * (high - low), high))
    panel.y_axis(5, lines=True)
    panel.x_axis(8 if width > WIDTH / 2 else 4, "epoch")
    for values, color in curves:
        for member in values:
            _curve(panel, member, color, 1.3 if members == 1 else 0.7)
    for member, epoch in enumerate(best):
        _kept(panel, epoch, *(values[member] for values, _ in reversed(curves)))
    panel.title(title, color=INK)


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


def _kept(panel: Panel, best: float, *curves: np.ndarray) -> None:
    """A dot at the kept epoch, on the first curve that was measured there."""
    if not 1 <= best <= len(curves[0]):
        return
    value = next((curve[int(best) - 1] for curve in curves if np.isfinite(curve[int(best) - 1])), np.nan)
    if np.isfinite(value):
        panel.dots([best], [min(value, panel.y[1])], INK, 4.5)
