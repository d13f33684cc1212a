"""Would the fitted model make data like these? Observations against draws from the posterior predictive distribution.

Few observations: an interval for each. Whole numbers: how often each value occurs. Otherwise: densities. Of zeros and
ones also: are the predicted probabilities right?
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from credo.diagnostics.summary import labels, title
from credo.inference.kind import of
from credo.inference.pointwise import of_same_rows
from credo.models.names import SITE
from credo.report.drawing.base import Drawing
from credo.report.drawing.density import density, intervals, limits
from credo.report.drawing.forest import Intervals
from credo.report.drawing.sheet import ACCENT, INK, MARK, MUTED, SOFT, WIDTH, Sheet
from credo.report.view import MOST_TARGETS, Evidence

OF = of()
TITLE = "Observations against predictions"
FEW = 30
"""Up to this many observations, each gets its interval."""

MOST_VALUES = 25
MOST_REPLICATES = 400
CURVES = 40
BINS = 10
HEIGHT, HEAD, FOOT, BETWEEN = 130.0, 20.0, 16.0, 14.0


@dataclass(frozen=True)
class Block:
    """A part of the figure: its height in points, how it is drawn from a given top, and how it is read."""

    height: float
    draw: Callable[[Sheet, float], None]
    caption: str


def draw(evidence: Evidence) -> Drawing:
    """Draw a block per observed variable."""
    predicted, observed = evidence.group("posterior_predictive"), evidence.group("observed_data")
    names = [str(name) for name in observed.data_vars if name in predicted]
    if not names:
        return Drawing(TITLE, "answer", "Nothing was observed, or the result has no predictive draws.")
    shown = names[: evidence.most]
    blocks = [_block(*pair) for name in shown for pair in _apart(observed[name], predicted[name])]
    sheet = Sheet(sum(block.height for block in blocks) + BETWEEN * (len(blocks) - 1))
    top = 0.0
    for block in blocks:
        block.draw(sheet, top)
        top += block.height + BETWEEN
    captions = dict.fromkeys(block.caption for block in blocks)
    return Drawing(TITLE, "answer", " ".join(captions), sheet.finished(), tuple(names[evidence.most :]))


def _apart(observed: xr.DataArray, predicted: xr.DataArray) -> list[tuple[xr.DataArray, xr.DataArray]]:
    """A variable of a few coordinates, such as a point in the plane, one by one: they have no density in common."""
    observed = of_same_rows(observed, predicted)
    if observed.ndim != 2 or not 1 < observed.shape[1] <= MOST_TARGETS or _is_whole(observed, predicted):
        return [(observed, predicted)]
    dim = observed.dims[1]
    labels_of = observed.coords[dim].to_numpy() if dim in observed.coords else range(observed.shape[1])
    parts = []
    for i, label in enumerate(labels_of):
        attributes = {SITE: str(label) if isinstance(label, str) else f"{title(observed)}[{label}]"}
        one = observed.isel({dim: i}, drop=True).assign_attrs(attributes)
        parts.append((one, predicted.isel({dim: i}, drop=True)))
    return parts


def _is_whole(observed: xr.DataArray, predicted: xr.DataArray) -> bool:
    """Whether values are whole numbers, whatever their type, as spins of -1 and 1 are."""
    if predicted.dtype.kind in "biu":
        return True
    some = np.concatenate([np.ravel(observed.values), np.ravel(predicted.isel(chain=0, draw=0).values)]).astype(float)
    some = some[np.isfinite(some)]
    return bool(some.size) and bool((some == np.round(some)).all()) and np.ptp(some) <= MOST_VALUES


def _block(observed: xr.DataArray, predicted: xr.DataArray) -> Block:
    if observed.ndim == 1:  # without what does not count
        seen = {observed.dims[0]: np.flatnonzero(np.isfinite(observed.values.astype(float)))}
        observed, predicted = observed.isel(seen), predicted.isel(seen)
    replicates = predicted.transpose("chain", "draw", *observed.dims).values.reshape(-1, observed.size)
    values = np.ravel(observed.values)
    name, spread = title(observed), np.ptp(values)
    if _is_whole(observed, predicted) and (spread <= 1 or (spread <= MOST_VALUES and values.size > FEW)):
        some = replicates[:: max(len(replicates) // MOST_REPLICATES, 1)]
        return _bars(name, values.astype(int), some.astype(int), replicates.mean(axis=0))
    if values.size <= FEW:
        return _each(observed, values, replicates)
    return _curves(name, values.astype(float), replicates)


def _each(observed: xr.DataArray, values: np.ndarray, replicates: np.ndarray) -> Block:
    """An interval per observation."""
    whole = title(observed)
    names = [label[len(whole) + 1 : -1] or whole for label in labels(observed)]
    axis = ", ".join(map(str, observed.dims))
    if len(replicates) > 1:
        quantiles = intervals(replicates.T)
        caption = "Blue: 90 % and 50 % intervals of data that the model predicts; "
    else:
        quantiles = np.full((5, values.size), np.nan)
        quantiles[2] = replicates[0]
        caption = "Hollow dots: one data set drawn from the fitted model; "
    block = Intervals(whole, axis, names, quantiles, values.astype(float), observed=True)
    return Block(block.height, block.draw, f"{caption}red: what was observed.")


def _bars(name: str, values: np.ndarray, replicates: np.ndarray, probability: np.ndarray) -> Block:
    """How often each value occurs; for zeros and ones also the calibration of the predicted probabilities."""
    binary = values.min() >= 0 and max(values.max(), replicates.max()) <= 1
    low, high = (0, 1) if binary else (int(values.min()), int(values.max()))
    cells = np.arange(low, high + 1)
    seen = np.array([np.mean(values == cell) for cell in cells])
    drawn = np.stack([np.mean(replicates == cell, axis=1) for cell in cells])
    if not binary:  # between spins of -1 and 1 there is nothing
        occurs = (seen > 0) | (drawn.max(axis=1) > 0)
        cells, seen, drawn = cells[occurs], seen[occurs], drawn[occurs]
    q5, _, q50, _, q95 = intervals(drawn)
    calibrated = binary and values.size > 2 * FEW and len(replicates) > 1 and np.ptp(probability) > 0.05

    def onto(sheet: Sheet, top: float) -> None:
        width = 0.36 * WIDTH if calibrated else min(60.0 + 60 * len(cells), WIDTH - 44)
        highest = 1.1 * float(max(seen.max(), q95.max()))
        panel = sheet.panel(40, top + HEAD, width, HEIGHT, (low - 0.6, high + 0.6), (0, highest))
        panel.y_axis(4, lines=True)
        for cell, share in zip(cells, seen, strict=True):
            panel.bar((cell - 0.36, cell + 0.36), (0, share), SOFT)
        panel.columns(cells, q5, q95, INK, 1.2)
        panel.dots(cells, q50, INK, 4.5)
        panel.x_axis(12, values=cells)
        panel.title(f"{name}: share of the values")
        if calibrated:
            _calibration(sheet, top, values, replicates, probability)

    reading = (
        " Right: a dot on its bar means that rows with this predicted probability were ones as often as predicted."
    )
    spread = ", with 90 % intervals" if len(replicates) > 1 else " in one data set drawn from the fitted model"
    caption = f"Bars: how often each value was observed; dots: how often the model predicts it{spread}."
    return Block(HEAD + HEIGHT + FOOT, onto, caption + (reading if calibrated else ""))


def _calibration(sheet: Sheet, top: float, values: np.ndarray, replicates: np.ndarray, probability: np.ndarray) -> None:
    """Observed frequency against predicted probability, in bins of equally many rows."""
    bins = np.array_split(np.argsort(probability, kind="stable"), BINS)
    at = np.array([probability[rows].mean() for rows in bins])
    q5, _, _, _, q95 = intervals(np.stack([replicates[:, rows].mean(axis=1) for rows in bins]))
    seen = np.array([values[rows].mean() for rows in bins])
    left = 0.36 * WIDTH + 100
    panel = sheet.panel(left, top + HEAD, WIDTH - left - 12, HEIGHT, (-0.03, 1.03), (-0.03, 1.03))
    panel.y_axis(4, lines=True)
    panel.line([0, 1], [0, 1], MUTED, 0.7, dash=True)
    panel.columns(at, q5, q95, SOFT, 5)
    panel.dots(at, seen, MARK, 4.5)
    panel.x_axis(4)
    panel.title("observed frequency by predicted probability")


def _curves(name: str, values: np.ndarray, replicates: np.ndarray) -> Block:
    """Densities of some predicted data sets, and of the observed one."""
    some = replicates[np.unique(np.linspace(0, len(replicates) - 1, min(len(replicates), CURVES)).astype(int))]
    low, high = limits(np.concatenate([values, np.ravel(some)]))
    centres, heights = density(values, low, high)
    curves = [density(replicate, low, high)[1] for replicate in some]

    def onto(sheet: Sheet, top: float) -> None:
        highest = 1.05 * max(float(curve.max()) for curve in [heights, *curves])
        panel = sheet.panel(4, top + HEAD, WIDTH - 8, HEIGHT, (low, high), (0, highest or 1.0))
        for curve in curves:
            panel.line(centres, curve, ACCENT, *((0.7, 0.35) if len(curves) > 1 else (1.3, 0.9)))
        panel.line(centres, heights, INK, 1.8)
        panel.x_axis(6)
        panel.title(name)
        sheet.words(WIDTH - 4, top + HEAD - 4, [("observed", INK), ("predicted", ACCENT)], 7)

    sets = (
        f"{len(some)} data sets that the model predicts"
        if len(some) > 1
        else "one data set drawn from the fitted model"
    )
    return Block(HEAD + HEIGHT + FOOT, onto, f"Black: the density of the observations; blue: that of {sets}.")
