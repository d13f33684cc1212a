"""Words as outlines, and how wide they are.

Matplotlib's own text takes 1.5 ms apiece, and a report has two hundred. Outlines of letters are looked up once, all
words of one colour are one shape, and widths are exact, which is what a tight layout needs.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import FT2Font, LoadFlags
from matplotlib.path import Path

EM = 100.0
"""The size at which outlines are taken; there is no hinting, so any will do."""

MISSING = "□"
"""Stands for a letter that the font lacks; the page itself has other fonts."""


@dataclass(frozen=True)
class Letter:
    """An outline, its baseline at y = 0 and y upwards, and how far the next letter is; in ems."""

    vertices: np.ndarray
    codes: np.ndarray
    advance: float


def width(words: str, size: float, bold: bool = False) -> float:
    """How wide words are, in points, at a font size in points."""
    return size * sum(_letter(character, bold).advance for character in words)


def shortened(words: str, room: float, size: float, bold: bool = False) -> str:
    """The words, cut where there is no room for them."""
    if width(words, size, bold) <= room:
        return words
    while len(words) > 1 and width(words + "…", size, bold) > room:
        words = words[:-1]
    return words + "…"


def outlines(
    words: str, x: float, y: float, size: float, bold: bool = False
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The letters' outlines with the baseline starting at a point, y downwards: vertices and path codes."""
    vertices, codes = [], []
    for character in words:
        letter = _letter(character, bold)
        if len(letter.codes):
            vertices.append(letter.vertices * (size, -size) + (x, y))
            codes.append(letter.codes)
        x += size * letter.advance
    return vertices, codes


def shape(vertices: list[np.ndarray], codes: list[np.ndarray]) -> Path:
    """One shape of many outlines."""
    return Path(np.concatenate(vertices), np.concatenate(codes))


@lru_cache(maxsize=1024)
def _letter(character: str, bold: bool) -> Letter:
    font = _font(bold)
    known = character if font.get_char_index(ord(character)) else MISSING
    glyph = font.load_char(ord(known), LoadFlags.NO_HINTING)
    vertices, codes = font.get_path()
    return Letter(vertices / EM, codes, glyph.linearHoriAdvance / 65536 / EM)


@lru_cache
def _font(bold: bool) -> FT2Font:
    font = get_font(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")))
    font.set_size(EM, 72)
    return font
