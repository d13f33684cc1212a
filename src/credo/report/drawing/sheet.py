"""A sheet to draw on: panels laid out in points, in one style.

A matplotlib `Axes` costs about 20 ms to make and as much to draw, which for the sixty panels of a report would be more
than the inference. A panel here is only a rectangle with limits; its lines and words go straight onto the figure.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch, Polygon
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Affine2D

from credo.report.drawing.lettering import outlines, shape, shortened, width

WIDTH = 520.0
"""The width of every figure, in points."""

INK, MUTED, FAINT, BAND = "#1c2733", "#66727f", "#dde3e8", "#e4e9ee"
ACCENT, SOFT, MARK = "#0b6fa8", "#a9cfe6", "#d1495b"
CHAINS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a6fdf", "#7a7a7a")
"""One colour per chain: those of Okabe & Ito, which the colour-blind can tell apart."""

TITLE_SIZES = (8.0, 7.0, 6.0)
"""A long title is smaller before it is cut."""

FEWEST_TICKS, ROOM_FOR_FOUR = 4, 60.0
"""A panel of this height has at least so many numbers on its left."""

Points = np.ndarray | list[float]


class Sheet:
    """A white figure with its origin in the top left corner, measured in points."""

    def __init__(self, height: float):
        self.figure = Figure(figsize=(WIDTH / 72, height / 72), facecolor="white")
        self._key: tuple[tuple[str, str], ...] = ()
        self._drawn = 0
        self._words: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = {}
        self._to_pixels = Affine2D().scale(1 / 72, -1 / 72).translate(0, height / 72) + self.figure.dpi_scale_trans

    def panel(
        self, left: float, top: float, width: float, height: float, x: tuple[float, float], y: tuple[float, float]
    ) -> "Panel":
        """A rectangle whose data coordinates reach over the ranges `x` and `y`."""
        return Panel(self, left, top, width, height, x, y)

    def _add(self, artist: Artist) -> None:
        """Put an artist on top of all before it."""
        self._drawn += 1
        artist.set_zorder(self._drawn)
        artist.set_transform(self._to_pixels)
        self.figure.add_artist(artist)

    def line(
        self, x: Points, y: Points, color: str = INK, width: float = 1.0, alpha: float = 1.0, dash: bool = False
    ) -> None:
        """A line through points; NaN interrupts it."""
        style: Any = (0, (3, 2)) if dash else "-"
        self._add(Line2D(x, y, color=color, linewidth=width, alpha=alpha, linestyle=style, solid_capstyle="butt"))

    def dots(
        self, x: Points, y: Points, color: str = INK, size: float = 4.0, marker: str = "o", hollow: bool = False
    ) -> None:
        """Markers at points; a dot has a thin white rim, so that it stands out from what it lies on."""
        rim = color if hollow or marker in "x|_" else "white"
        dots = Line2D(x, y, linestyle="", marker=marker, markersize=size)
        dots.set(markerfacecolor="white" if hollow else color, markeredgecolor=rim)
        dots.set_markeredgewidth(1.3 if rim == color else 0.5)
        self._add(dots)

    def area(self, x: Points, y: Points, color: str, alpha: float = 1.0) -> None:
        """A filled polygon."""
        self._add(Polygon(np.column_stack([x, y]), facecolor=color, alpha=alpha, edgecolor="none"))

    def shade(self, x: np.ndarray, y: np.ndarray, shades: np.ndarray, color: str) -> None:
        """Shades [x, y] on a grid of points and between them, from white at 0 to the colour at 1."""
        self._mesh(x, y, shades, color, "gouraud")

    def tiles(self, x: np.ndarray, y: np.ndarray, shades: np.ndarray, color: str) -> None:
        """Rectangles of shades [x, y], whose edges are one more in each direction."""
        self._mesh(x, y, shades, color, "flat")

    def _mesh(self, x: np.ndarray, y: np.ndarray, shades: np.ndarray, color: str, shading: Any) -> None:
        colours = LinearSegmentedColormap.from_list("shades", ["white", color])
        points = np.stack(np.meshgrid(x, y, indexing="ij"), -1)
        self._add(QuadMesh(points, shading=shading, array=shades, cmap=colours, clim=(0, 1)))

    def text(
        self,
        x: float,
        y: float,
        words: str,
        color: str = INK,
        size: float = 7.5,
        align: str = "left",
        bold: bool = False,
    ) -> None:
        """Words whose baseline starts, ends (`align=right`) or is centred at a point; they are on top of all else."""
        x -= {"left": 0.0, "center": 0.5, "right": 1.0}[align] * width(words, size, bold)
        vertices, codes = self._words.setdefault(color, ([], []))
        for kept, new in zip((vertices, codes), outlines(words, x, y, size, bold), strict=True):
            kept.extend(new)

    def words(self, x: float, y: float, parts: list[tuple[str, str]], size: float = 7.0) -> None:
        """A legend: coloured words in a row, each (words, colour), ending at a point."""
        self._key = tuple(dict.fromkeys([*self._key, *parts]))
        for words, color in reversed(parts):
            self.text(x, y, words, color, size, align="right")
            x -= width(words, size) + 8

    def finished(self) -> Figure:
        """The figure with its words; its legend is its `key`, which a page repeats where the figure does not fit."""
        for color, (vertices, codes) in self._words.items():
            if vertices:
                self._add(PathPatch(shape(vertices, codes), facecolor=color, edgecolor="none"))
        self._words = {}
        # A subclass of Figure would have a field for it, but take a tenth of a second: Matplotlib writes its docstring.
        self.figure.key = self._key  # type: ignore[attr-defined]
        return self.figure


@dataclass(frozen=True)
class Panel:
    """A part of a sheet with its own data coordinates."""

    sheet: Sheet
    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def right_of(self, x: Points | float) -> np.ndarray:
        """Data to points, across."""
        return self.left + (np.asarray(x, float) - self.x[0]) / (self.x[1] - self.x[0]) * self.width

    def below(self, y: Points | float) -> np.ndarray:
        """Data to points, downwards."""
        return self.top + (self.y[1] - np.asarray(y, float)) / (self.y[1] - self.y[0]) * self.height

    def line(
        self, x: Points, y: Points, color: str = INK, width: float = 1.0, alpha: float = 1.0, dash: bool = False
    ) -> None:
        """A line through points; what is outside the panel is moved to its edge."""
        across, down = self.right_of(np.clip(x, *self.x)), self.below(np.clip(y, *self.y))
        self.sheet.line(across, down, color, width, alpha, dash)

    def area(self, x: Points, low: Points | float, high: Points, color: str, alpha: float = 1.0) -> None:
        """The area between two curves over `x`."""
        low = np.broadcast_to(np.asarray(low, float), np.shape(x))
        across = np.concatenate([np.asarray(x, float), np.asarray(x, float)[::-1]])
        down = np.concatenate([np.asarray(high, float), low[::-1]])
        self.sheet.area(self.right_of(np.clip(across, *self.x)), self.below(np.clip(down, *self.y)), color, alpha)

    def shade(self, x: np.ndarray, y: np.ndarray, shades: np.ndarray, color: str) -> None:
        """Shades [x, y] from 0 to 1 on a grid of points."""
        self.sheet.shade(self.right_of(x), self.below(y), shades, color)

    def tiles(self, x: np.ndarray, y: np.ndarray, shades: np.ndarray, color: str) -> None:
        """Rectangles of shades [x, y] from 0 to 1 between edges."""
        self.sheet.tiles(self.right_of(x), self.below(y), shades, color)

    def bar(self, x: tuple[float, float], y: tuple[float, float], color: str, alpha: float = 1.0) -> None:
        """A filled rectangle."""
        self.area([x[0], x[1]], [y[0], y[0]], [y[1], y[1]], color, alpha)

    def dots(
        self, x: Points, y: Points, color: str = INK, size: float = 4.0, marker: str = "o", hollow: bool = False
    ) -> None:
        """Markers at points."""
        self.sheet.dots(self.right_of(x), self.below(y), color, size, marker, hollow)

    def ranges(self, x0: Points, x1: Points, y: Points, color: str, width: float) -> None:
        """Horizontal lines from `x0` to `x1` at the heights `y`."""
        self.line(broken(x0, x1), broken(y, y), color, width)

    def columns(self, x: Points, y0: Points, y1: Points, color: str, width: float) -> None:
        """Vertical lines from `y0` to `y1` at the places `x`."""
        self.line(broken(x, x), broken(y0, y1), color, width)

    def title(self, words: str, note: str = "", color: str = MUTED) -> None:
        """A name above the panel on the left, and a note on the right."""
        note = shortened(note, 0.75 * self.width, 7)
        room = self.width - width(note, 7) - 6
        size = next((size for size in TITLE_SIZES if width(words, size, bold=True) <= room), TITLE_SIZES[-1])
        self.sheet.text(self.left, self.top - 4, shortened(words, room, size, bold=True), size=size, bold=True)
        if note:
            self.sheet.text(self.left + self.width, self.top - 4, note, color, size=7, align="right")

    def x_axis(self, most: int = 4, label: str = "", values: Points | None = None) -> None:
        """A baseline with ticks, and what they measure; the ticks are `values` where these are no more than `most`."""
        bottom = self.top + self.height
        self.sheet.line([self.left, self.left + self.width], [bottom, bottom], FAINT, 0.8)
        ticks, words = axis_ticks(*self.x, most)
        if values is not None and len(values) <= most:
            ticks, words = np.asarray(values, float), [f"{value:.4g}" for value in values]
        across = self.right_of(ticks)
        self.sheet.line(broken(across, across), broken([bottom] * len(ticks), [bottom + 2.5] * len(ticks)), MUTED, 0.6)
        for place, word in zip(across, words, strict=True):
            half = width(word, 6.5) / 2  # a label at an end stays on the sheet
            inside = float(np.clip(place, half + 1, WIDTH - half - 1))
            self.sheet.text(inside, bottom + 10, word, MUTED, 6.5, align="center")
        if label:
            label = shortened(label, self.width, 7)
            self.sheet.text(self.left + self.width / 2, bottom + 20, label, MUTED, 7, align="center")

    def y_axis(self, most: int = 3, lines: bool = False) -> None:
        """Numbers on the left, at least four where there is room, with faint lines across if wanted."""
        ticks, words = axis_ticks(*self.y, most)
        for more in range(most + 1, 10) if self.height >= ROOM_FOR_FOUR else ():
            if len(ticks) >= FEWEST_TICKS:
                break
            ticks, words = axis_ticks(*self.y, more)
        down = self.below(ticks)
        if lines:
            ends = [self.left] * len(ticks), [self.left + self.width] * len(ticks)
            self.sheet.line(broken(*ends), broken(down, down), FAINT, 0.6)
        for place, word in zip(down, words, strict=True):
            self.sheet.text(self.left - 4, float(place) + 2.3, word, MUTED, 6.5, align="right")


def axis_ticks(low: float, high: float, most: int) -> tuple[np.ndarray, list[str]]:
    """Round numbers within a range, and how they are written."""
    found = np.asarray(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
    slack = 1e-9 * (high - low)
    ticks = found[(found >= low - slack) & (found <= high + slack)]
    step = float(found[1] - found[0]) if len(found) > 1 else 1.0
    largest = float(np.max(np.abs(ticks), initial=step))
    if largest >= 1e6 or largest < 1e-3:
        return ticks, [f"{tick:.3g}" for tick in ticks]
    decimals = next((d for d in range(7) if abs(round(step, d) - step) < 1e-6 * step), 6)
    return ticks, [f"{tick + 0.0:,.{decimals}f}" for tick in ticks]


def broken(first: Points, second: Points) -> np.ndarray:
    """first[0], second[0], NaN, first[1], ...: so that one line draws many."""
    first, second = np.asarray(first, float), np.asarray(second, float)
    return np.column_stack([first, second, np.full(first.shape, np.nan)]).ravel()
