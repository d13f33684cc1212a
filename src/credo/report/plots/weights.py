"""Which components of a mixture predict where: their weights along an input."""

import numpy as np
import xarray as xr

from credo.inference.kind import of
from credo.report.drawing.base import Drawing
from credo.report.drawing.density import limits
from credo.report.drawing.sheet import CHAINS, WIDTH, Sheet
from credo.report.view import Evidence

OF = of(groups=("curve",))
TITLE = "Weights of the components"
CAPTION = (
    "How much of the prediction each component makes, on top of each other: at each value of the input they sum to 1. "
    "A component without area is not needed; where several share the weight, the prediction has several modes or a "
    "shape that one component lacks."
)
HEIGHT, HEAD, FOOT, LEFT = 100.0, 20.0, 30.0, 40.0


def draw(evidence: Evidence) -> Drawing:
    """Draw the weights as areas on top of each other."""
    curve = evidence.group("curve")
    if "weight" not in curve:
        return Drawing(TITLE, "checks", "The model predicts by no mixture along an input.")
    if curve.sizes["component"] < 2:
        return Drawing(TITLE, "checks", "There is one component, which has all of the weight.")
    at = curve["at"].values
    sheet = Sheet(HEAD + HEIGHT + FOOT)
    panel = sheet.panel(LEFT, HEAD, WIDTH - LEFT - 14, HEIGHT, limits(at), (0, 1))
    below = np.zeros(at.shape)
    parts = largest(curve["weight"])
    for (_, share), color in zip(parts, CHAINS, strict=False):
        panel.area(at, below, below + share, color, 0.75)
        below = below + share
        panel.line(at, below, "white", 0.8)
    panel.y_axis(4)
    panel.x_axis(8, str(curve.attrs.get("feature", "input")))
    panel.title("weight by component")
    names = [(name, color) for (name, _), color in zip(parts, CHAINS, strict=False)]
    sheet.words(WIDTH - 14, HEAD - 4, names, 7)
    held = str(curve.attrs.get("held", ""))
    return Drawing(TITLE, "answer", f"{CAPTION} {held}".strip(), sheet.finished())


def largest(weight: xr.DataArray) -> list[tuple[str, np.ndarray]]:
    """The components' names and weights [point] in order; of many, the largest and what the others have together."""
    names = [str(component) for component in weight["component"].values]
    values = weight.transpose("component", "point").values
    if len(names) <= len(CHAINS):
        return list(zip(names, values, strict=True))
    ranking = np.argsort(-values.mean(axis=1), kind="stable")
    shown, rest = np.sort(ranking[: len(CHAINS) - 1]), ranking[len(CHAINS) - 1 :]
    return [*((names[i], values[i]) for i in shown), (f"{len(rest)} others", values[rest].sum(axis=0))]
