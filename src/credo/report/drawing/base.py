"""What a plot gives to the page."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """A figure and the words around it.

    Attributes:
        title: the heading, also the image's text for those who do not see it.
        section: the part of the page: the `answer`, or the `checks` of the inference.
        caption: how to read the figure or, where there is none, why.
        figure: the figure, `None` where this plot does not apply to this result.
        left_out: the names of the scalars that had no room.
    """

    title: str
    section: Literal["answer", "checks"]
    caption: str
    figure: "Figure | None" = None
    left_out: tuple[str, ...] = ()
