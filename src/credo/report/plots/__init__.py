"""The plots of the report: one per file, whose name is the plot's word in `report.plots`.

A plot's file has one function, `draw(evidence) -> Drawing`. It is found by its name. A plot of conditional models names
the group of the result that it reads in `GROUP`; where there is none, the page does not speak of it. Of trained
networks, whose weights mean nothing one by one, the page has these plots and those that say `OF_NETWORKS = True`.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from credo.config.nearest import nearest
from credo.errors import ConfigError

if TYPE_CHECKING:
    from credo.report.drawing.base import Drawing
    from credo.report.view import Evidence


def words() -> tuple[str, ...]:
    """The words of all plots."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def require(chosen: list[str]) -> None:
    """Raise `ConfigError` for a word that is no plot's."""
    for word in chosen:
        if word not in words():
            raise ConfigError(f"report.plots: there is no plot {word!r}; {nearest(word, words())}")


def applies(word: str, evidence: "Evidence") -> bool:
    """Whether the page is to show the plot of this word, or say why it cannot."""
    module = import_module(f"{__name__}.{word}")
    if needed := getattr(module, "GROUP", None):
        return needed in evidence.result.tree.children
    return evidence.result.kind != "trained" or getattr(module, "OF_NETWORKS", False)


def draw(word: str, evidence: "Evidence") -> "Drawing":
    """Draw the plot of this word."""
    drawing: Drawing = import_module(f"{__name__}.{word}").draw(evidence)
    return drawing
