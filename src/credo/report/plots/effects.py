"""Which groups stand out? Effects that share a prior, in the order of their medians.

A caterpillar plot, as of Goldstein & Healy (1995), "The graphical presentation of a collection of means".
"""

from collections.abc import Iterator
from itertools import product

import numpy as np

from credo.inference.kind import Kind, of
from credo.inference.result import Result
from credo.models.names import EFFECT
from credo.report.drawing.base import Drawing
from credo.report.drawing.density import intervals
from credo.report.drawing.forest import Intervals
from credo.report.drawing.sheet import Sheet
from credo.report.view import Evidence, Variable

OF = of(Kind.CHAINS, Kind.INDEPENDENT, Kind.WEIGHTED)
TITLE = "Effects in order"
CAPTION = (
    "Effects that share a prior, in the order of their medians. Dots: medians; thin bars: 90 % intervals; thick bars: "
    "50 %. Intervals that overlap leave the order open."
)
BETWEEN, FEWEST = 12.0, 3


def applies(result: Result) -> bool:
    """Whether the model has marked some effects."""
    return result.has("posterior") and bool(_marked(result))


def draw(evidence: Evidence) -> Drawing:
    """Draw a caterpillar for each vector of effects, one above the other for several effects of a group."""
    marked = _marked(evidence.result)
    blocks = [block for variable in evidence.variables if variable.name in marked for block in _blocks(variable)]
    if not blocks:
        return Drawing(TITLE, "checks", f"The model has no {FEWEST} effects that share a prior.")
    shown, rest = blocks[: evidence.most], blocks[evidence.most :]
    sheet, top = Sheet(sum(block.height + BETWEEN for block in shown)), 0.0
    for block in shown:
        block.draw(sheet, top)
        top += block.height + BETWEEN
    return Drawing(TITLE, "answer", CAPTION, sheet.finished(), tuple(block.title for block in rest))


def _marked(result: Result) -> set[str]:
    """The effects that the model names."""
    posterior = result.tree["posterior"].data_vars.values() if result.has("posterior") else ()
    return {str(variable.attrs[EFFECT]) for variable in posterior if EFFECT in variable.attrs}


def _blocks(variable: Variable) -> Iterator[Intervals]:
    """One for each combination of the shorter dims; the longest is that of the groups."""
    sizes = [variable.array.sizes[dim] for dim in variable.dims]
    if not sizes or max(sizes) < FEWEST:
        return
    names = [_coords(variable, dim) for dim in variable.dims]
    axis = int(np.argmax(sizes))
    across = intervals(variable.draws.reshape(len(variable.labels), -1)).reshape(5, *sizes)
    quantiles = np.moveaxis(across, 1 + axis, -1).reshape(5, -1, sizes[axis])
    truth = None if variable.truth is None else np.moveaxis(variable.truth.reshape(sizes), axis, -1)
    others = product(*(own for i, own in enumerate(names) if i != axis))
    for i, other in enumerate(others):
        order = np.argsort(-quantiles[2, i], kind="stable")
        yield Intervals(
            f"{variable.name}{f': {", ".join(other)}' if other else ''}",
            f"{variable.dims[axis]}, in order",
            [names[axis][at] for at in order],
            quantiles[:, i, order],
            None if truth is None else truth.reshape(-1, sizes[axis])[i, order],
        )


def _coords(variable: Variable, dim: str) -> list[str]:
    """The names along a dim."""
    coords = variable.array.coords
    return [str(name) for name in (coords[dim].to_numpy() if dim in coords else range(variable.array.sizes[dim]))]
