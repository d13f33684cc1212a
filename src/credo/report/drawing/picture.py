"""A drawing with its image, as a page carries it."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

from credo.report.drawing.base import Drawing
from credo.report.drawing.image import png
from credo.report.drawing.numbers import counted

MOST_NAMES = 40
"""Names of left-out scalars that are listed one by one."""


@dataclass(frozen=True)
class Picture:
    """A drawing on the page.

    Attributes:
        drawing: with the words around it.
        file: its image, a PNG; none where there is no figure.
    """

    drawing: Drawing
    file: bytes = field(repr=False)

    @property
    def image(self) -> str:
        """The image in base64."""
        return base64.b64encode(self.file).decode()

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """The figure's legend."""
        return getattr(self.drawing.figure, "key", ())

    @property
    def left_out(self) -> str:
        """The sentence that names what had no room."""
        return left_out_words(self.drawing.left_out)


def picture(drawing: Drawing, dpi: int) -> Picture:
    """A drawing that has a figure, with its image."""
    return Picture(drawing, b"" if drawing.figure is None else png(drawing.figure, dpi))


def left_out_words(names: Sequence[str]) -> str:
    """Name what a plot had no room for; of very many, how many elements of which variable."""
    if not names:
        return ""
    if len(names) <= MOST_NAMES:
        return f"Left out of this plot (report.max_variables): {', '.join(names)}."
    found: dict[str, int] = {}
    for name in names:
        variable = name.partition("[")[0]
        found[variable] = found.get(variable, 0) + 1
    parts = [counted(count, "element") + f" of {variable}" for variable, count in found.items()]
    rest = f", and elements of {len(parts) - MOST_NAMES:,} more variables" if len(parts) > MOST_NAMES else ""
    return f"Left out of this plot (report.max_variables): {', '.join(parts[:MOST_NAMES])}{rest}."
