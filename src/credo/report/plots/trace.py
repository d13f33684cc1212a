"""The course of each chain, beside the density of its draws: chains that agree look alike."""

import numpy as np

from credo.inference.kind import Kind, of
from credo.report.drawing.base import Drawing
from credo.report.drawing.density import density, limits
from credo.report.drawing.numbers import number
from credo.report.drawing.sheet import CHAINS, FAINT, MARK, Sheet
from credo.report.view import Evidence, Scalar

OF = of(Kind.CHAINS)
TITLE = "Course of the chains"
LEFT, WIDTH, GAP, SIDE = 34.0, 386.0, 10.0, 88.0
PITCH, HEIGHT, HEAD, FOOT = 54.0, 35.0, 30.0, 20.0
MOST_POINTS = 160
"""How many draws of a chain its line shows."""


def draw(evidence: Evidence) -> Drawing:
    """Draw one row per scalar: the draws in order, and their density per chain beside them."""
    scalars, left_out = evidence.chosen_scalars()
    if not scalars:
        return Drawing(TITLE, "checks", "There are no draws.")
    diverging = np.asarray(evidence.group("sample_stats").get("diverging", np.zeros((1, 1), bool)))
    sheet = Sheet(HEAD + PITCH * len(scalars) - (PITCH - HEIGHT) + FOOT)
    for i, scalar in enumerate(scalars):
        _row(sheet, HEAD + PITCH * i, scalar, diverging, last=i == len(scalars) - 1)
    chains = scalars[0].draws.shape[0]
    names = [(f"chain {chain}", CHAINS[chain % len(CHAINS)]) for chain in range(min(chains, len(CHAINS)))]
    sheet.words(LEFT + WIDTH + GAP + SIDE, 10, names, 7)
    return Drawing(TITLE, "checks", _caption(scalars[0].draws, diverging), sheet.finished(), left_out)


def _row(sheet: Sheet, top: float, scalar: Scalar, diverging: np.ndarray, last: bool) -> None:
    low, high = limits(scalar.draws)
    count = scalar.draws.shape[1]
    trace = sheet.panel(LEFT, top, WIDTH, HEIGHT, (0, max(count - 1, 1)), (low, high))
    trace.title(scalar.label, f"R-hat {_r_hat(scalar)}   ESS {number(_whole(scalar.row.get('ess_bulk')))}")
    trace.y_axis()
    shown = np.arange(0, count, max(count // MOST_POINTS, 1))
    curves = []
    for chain, draws in enumerate(scalar.draws):
        color = CHAINS[chain % len(CHAINS)]
        trace.line(shown, draws[shown], color, 0.6, 0.85)
        curves.append((color, *density(draws, low, high, 120)))
    peak = max(float(heights.max()) for _, _, heights in curves) or 1.0
    side = sheet.panel(LEFT + WIDTH + GAP, top, SIDE, HEIGHT, (0, peak), (low, high))
    sheet.line([side.left, side.left], [top, top + HEIGHT], FAINT, 0.8)
    for color, centres, heights in curves:
        side.line(heights, centres, color, 0.9)
    if diverging.any():
        where = np.flatnonzero(diverging.any(axis=0))
        trace.columns(where, np.full(where.shape, low), np.full(where.shape, low + 0.09 * (high - low)), MARK, 0.7)
    if last:
        trace.x_axis(5)


def _caption(draws: np.ndarray, diverging: np.ndarray) -> str:
    step = max(draws.shape[1] // MOST_POINTS, 1)
    thinned = f" (every {step}th draw)" if step > 1 else ""
    marks = f" Red marks at the bottom: the {number(diverging.sum())} divergent transitions." if diverging.any() else ""
    return (
        f"Left: the draws of each chain in order{thinned}; right: their density. Good chains move quickly over one "
        f"common range, without trends or plateaus.{marks}"
    )


def _r_hat(scalar: Scalar) -> str:
    value = scalar.row.get("r_hat", np.nan)
    return number(value) if np.isnan(value) or value > 10 else f"{value:.3f}"


def _whole(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else round(value)
