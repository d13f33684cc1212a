"""Intervals, one above the other with their names, or side by side where there are many."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from credo.report.drawing.lettering import shortened, width
from credo.report.drawing.numbers import fixed, places
from credo.report.drawing.sheet import ACCENT, FAINT, INK, MARK, MUTED, SOFT, WIDTH, Panel, Sheet

MOST_ROWS = 30
"""Above this, intervals stand side by side and their names are left out."""

MOST_COLUMNS = 600
ROW, HEAD, FOOT, ACROSS, EDGE = 13.0, 18.0, 14.0, 110.0, 2.0
WIDTH_IN_SDS = 3.3
"""About how many standard deviations wide a 90 % interval is."""

LEAST_LABEL, MOST_LABEL = 30.0, 140.0


@dataclass(frozen=True)
class Intervals:
    """What is known of several numbers.

    Attributes:
        title: what they are.
        axis: what the axis along many numbers is called.
        names: one per number.
        quantiles: ends of the thin and the thick bar, centre, and the other ends, [5, number]; NaN where unknown.
        marks: true or observed values, [number], or `None`.
        observed: whether the marks are observations, rather than the values that generated the data.
    """

    title: str
    axis: str
    names: Sequence[str]
    quantiles: np.ndarray
    marks: np.ndarray | None = None
    observed: bool = False

    @property
    def height(self) -> float:
        """How many points high they are drawn."""
        return HEAD + FOOT + (ROW * len(self.names) if len(self.names) <= MOST_ROWS else ACROSS)

    @property
    def range(self) -> tuple[float, float]:
        """The range of everything shown, and a little more."""
        shown = np.concatenate([self.quantiles.ravel(), [] if self.marks is None else self.marks])
        shown = shown[np.isfinite(shown)]
        low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.0, 1.0)
        pad = 0.04 * (high - low) or 0.1 * abs(high) or 1.0
        return low - pad, high + pad

    def draw(self, sheet: Sheet, top: float) -> None:
        """Draw them onto a sheet."""
        if self.marks is not None:
            sheet.words(WIDTH - EDGE, top + 10, [("● observed" if self.observed else "| truth", MARK)])
        if len(self.names) <= MOST_ROWS:
            self._above_each_other(sheet, top)
        else:
            self._side_by_side(sheet, top)

    def _above_each_other(self, sheet: Sheet, top: float) -> None:
        low, q25, centre, q75, high = self.quantiles
        numbers = [self._words(i) for i in range(len(self.names))]
        left = float(np.clip(max(width(name, 7.5) for name in self.names) + 12, LEAST_LABEL, MOST_LABEL))
        right = max(width(words, 7) for words in numbers) + 8 + EDGE
        at = np.arange(len(self.names))[::-1].astype(float)
        across = WIDTH - left - right
        panel = sheet.panel(left, top + HEAD, across, ROW * len(at), self.range, (-0.5, len(at) - 0.5))
        sheet.text(EDGE, top + 10, shortened(self.title, WIDTH - 100, 8, bold=True), size=8, bold=True)
        panel.x_axis(6)
        if panel.x[0] < 0 < panel.x[1]:
            panel.line([0, 0], list(panel.y), FAINT, 0.8)
        panel.ranges(low, high, at, SOFT, 2.2)
        panel.ranges(q25, q75, at, ACCENT, 3.6)
        self._centres(panel, centre, at)
        if self.marks is not None:
            panel.dots(self.marks, at, MARK, 5 if self.observed else 8, "o" if self.observed else "|")
        for name, words, down in zip(self.names, numbers, panel.below(at) + 2.6, strict=True):
            sheet.text(left - 6, float(down), shortened(name, left - 8, 7.5), INK, 7.5, align="right")
            sheet.text(WIDTH - EDGE, float(down), words, MUTED, 7, align="right")

    def _side_by_side(self, sheet: Sheet, top: float) -> None:
        count = len(self.names)
        shown = np.unique(np.linspace(0, count - 1, min(count, MOST_COLUMNS)).astype(int))
        low, q25, centre, q75, high = self.quantiles[:, shown]
        panel = sheet.panel(30, top + HEAD, WIDTH - EDGE - 30, ACROSS, (-1, count), self.range)
        some = f" ({len(shown)} of {count:,})" if len(shown) < count else ""
        title = shortened(f"{self.title} by {self.axis}{some}", WIDTH - 100, 8, bold=True)
        sheet.text(EDGE, top + 10, title, size=8, bold=True)
        panel.y_axis(4, lines=True)
        thickness = float(np.clip(0.6 * panel.width / len(shown), 0.7, 5))
        panel.columns(shown, low, high, SOFT, thickness)
        panel.columns(shown, q25, q75, ACCENT, thickness)
        if not self.observed:
            panel.dots(shown, centre, INK, min(thickness + 1, 4))
        if self.marks is not None:
            panel.dots(shown, self.marks[shown], MARK, min(thickness + 2, 5), "o" if self.observed else "_")
        panel.x_axis(6)

    def _centres(self, panel: Panel, centre: np.ndarray, at: np.ndarray) -> None:
        """Dots, hollow where there is no interval; a thin gap where the observation is what matters."""
        known = np.isfinite(self.quantiles[0])
        if self.observed:
            panel.dots(centre[known], at[known], "white", 3, "|")
        else:
            panel.dots(centre[known], at[known], INK, 4)
        panel.dots(centre[~known], at[~known], INK, 4, hollow=True)

    def _words(self, i: int) -> str:
        """`6.2  [-2.1, 15.3]`, with equally many decimals for all; the centre alone where there is no interval."""
        widths = self.quantiles[4] - self.quantiles[0]
        known = widths[np.isfinite(widths)]
        digits = places(float(np.median(known)) / WIDTH_IN_SDS, 2) if known.size else None
        low, centre, high = (float(self.quantiles[row, i]) for row in (0, 2, 4))
        interval = f"  [{fixed(low, digits)}, {fixed(high, digits)}]" if np.isfinite(low) else ""
        return f"{fixed(centre, digits)}{interval}"
