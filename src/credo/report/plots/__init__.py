"""The plots of the report: one per file, whose name is the plot's word in `report.plots`.

A plot's file has a `TITLE` and one function, `draw(evidence) -> Drawing`. `OF` says of which results it is (see
`inference.kind.Of`); without it, of all but trained networks, whose weights mean nothing one by one. A function
`applies(result)`, where there is one, says whether the page is to have it. A user's own
plot is named by its module in the folder where credo was started, `my_plots:residuals`, where `residuals` is such a
function.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from credo.config.nearest import nearest
from credo.errors import ConfigError
from credo.inference.kind import Kind, Of, of

if TYPE_CHECKING:
    from credo.inference.result import Result
    from credo.report.drawing.base import Drawing
    from credo.report.view import Evidence

ANSWERS = of(*(kind for kind in Kind if kind is not Kind.TRAINED))
"""What plots are of that do not say it."""

_OWN = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_NOUNS = {
    Kind.CHAINS: ("Markov chains", "have", "chains"),
    Kind.INDEPENDENT: ("Independent draws", "have", "independent draws"),
    Kind.WEIGHTED: ("Particles", "have", "particles"),
    Kind.POINT: ("A point estimate", "has", "estimates"),
    Kind.TRAINED: ("A trained network", "has", "networks"),
}


@dataclass(frozen=True)
class Plot:
    """A plot.

    Attributes:
        name: its word in `report.plots`.
        title: above it.
        of: of which results it is.
        function: draws it.
        has_subject: whether a result that has its groups has what it shows, too.
    """

    name: str
    title: str
    of: Of
    function: "Callable[[Evidence], Drawing]"
    has_subject: "Callable[[Result], bool]" = lambda result: True  # noqa: ARG005 - by default every result has it

    def applies(self, result: "Result") -> bool:
        """Whether the page is to show the plot, or say why it cannot."""
        has_groups = all(map(result.has, self.of.groups))
        is_of = has_groups and (result.kind is not Kind.TRAINED or result.kind in self.of.kinds)
        return is_of and self.has_subject(result)

    def draw(self, evidence: "Evidence") -> "Drawing":
        """Draw it, or say why it cannot be drawn."""
        from credo.report.drawing.base import Drawing  # takes time to load

        if self.of.holds(evidence.result):
            return self.function(evidence)
        noun, verb, _ = _NOUNS[evidence.result.kind]
        return Drawing(self.title, "checks", f"{noun} {verb} no {_NOUNS[self.of.kinds[0]][2]}.")


def words() -> tuple[str, ...]:
    """The words of all built-in plots."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def require(chosen: Sequence[str]) -> None:
    """Raise `ConfigError` for a word that is no plot's."""
    for word in chosen:
        if _OWN.fullmatch(word):
            find(word)
        elif word not in words():
            raise ConfigError(f"report.plots: there is no plot {word!r}; {nearest(word, words())}")


def find(word: str) -> Plot:
    """The plot of this word.

    Raises:
        ConfigError: a user's own module or function is not there.
    """
    place, _, name = word.rpartition(":")
    if not place:
        module = import_module(f"{__name__}.{word}")
        asked = {"has_subject": module.applies} if hasattr(module, "applies") else {}
        return Plot(word, module.TITLE, getattr(module, "OF", ANSWERS), module.draw, **asked)
    from credo.config import loading

    try:
        module = loading.import_module(place)
        function = getattr(module, name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"report.plots: {word} cannot be imported ({error}); is its file in the folder where credo was started?"
            f"{loading.hidden(error)}"
        ) from error
    return Plot(word, getattr(module, "TITLE", word), getattr(module, "OF", ANSWERS), function)
