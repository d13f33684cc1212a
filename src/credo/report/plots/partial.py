"""What each predictor adds, and is it a straight line? Its part of the linear predictor, with partial residuals.

The partial residual of a row is the predictor's part plus the working residual (y - mu) dg/dmu, where g is the link and
mu the mean of the row's prediction (McCullagh & Nelder 1989, "Generalized linear models", section 12.6).
"""

from collections.abc import Callable

import numpy as np
import xarray as xr

from credo.inference.kind import Kind, of
from credo.inference.pointwise import of_same_rows, places
from credo.inference.result import Result
from credo.models.names import LINK
from credo.report.drawing.base import Drawing
from credo.report.drawing.density import limits
from credo.report.drawing.sheet import ACCENT, MARK, SOFT, WIDTH, Sheet
from credo.report.view import Evidence

OF = of(
    Kind.CHAINS,
    Kind.INDEPENDENT,
    Kind.WEIGHTED,
    groups=("posterior", "posterior_predictive", "observed_data", "constant_data"),
)
TITLE = "What each predictor adds"
CAPTION = (
    "Blue: the part of each column in the linear predictor, zero at its mean, with its 90 % interval; the largest part "
    "first. Dots: partial residuals; red: their means by tenths of the rows, or by value where there are few. "
    "Where the red line bends away from the blue one, the effect is no straight line: try a spline, as bs(x, df=4), or "
    "a logarithm."
)
OF_BOTH_ENDS = " Of zeros and ones the means alone are shown."
SLOPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": np.ones_like,
    "log": lambda mu: 1 / np.maximum(mu, 1e-9),
    "logit": lambda mu: 1 / np.maximum(mu * (1 - mu), 1e-3),
}
"""The derivative of each link at the mean."""

FEWEST, MOST_ROWS, TENTHS, PER_ROW = 30, 600, 10, 3
WIDE, HEIGHT, HEAD, FOOT, LEFT = WIDTH / PER_ROW, 84.0, 20.0, 30.0, 32.0


def applies(result: Result) -> bool:
    """Whether the result is a regression with a part per column, and has enough rows."""
    return OF.holds(result) and _is_one(result)


def draw(evidence: Evidence) -> Drawing:
    """Draw a panel per column."""
    result = evidence.result
    if not _is_one(result):
        return Drawing(TITLE, "answer", f"The model is no regression on columns with {FEWEST} rows or more.")
    x, beta = evidence.group("constant_data")["x"], _coefficients(evidence.group("posterior"))
    link = str(evidence.group("observed_data")["y"].attrs[LINK])
    columns = x.transpose(..., "feature").to_numpy().astype(float)
    rows, residual = _residuals(evidence, link)
    parts = np.abs(beta.mean(axis=0)) * columns.std(axis=0)
    order = [j for j in np.argsort(-parts, kind="stable") if columns[:, j].std() > 0]
    shown = order[: evidence.most]
    names = [str(name) for name in x["feature"].to_numpy()]
    sheet = Sheet((HEAD + HEIGHT + FOOT) * -(-len(shown) // PER_ROW))
    for i, j in enumerate(shown):
        left, top = LEFT + WIDE * (i % PER_ROW), HEAD + (HEAD + HEIGHT + FOOT) * (i // PER_ROW)
        _panel(sheet, (left, top), names[j], columns[rows, j] - columns[:, j].mean(), columns[rows, j], beta[:, j],
               residual, dots=link != "logit")  # fmt: skip
    caption = CAPTION + (OF_BOTH_ENDS if link == "logit" else "")
    return Drawing(TITLE, "answer", caption, sheet.finished(), tuple(names[j] for j in order[evidence.most :]))


def _is_one(result: Result) -> bool:
    observed, given, posterior = (
        result.tree[name].to_dataset() for name in ("observed_data", "constant_data", "posterior")
    )
    if "y" not in observed or "x" not in given or "beta" not in posterior:
        return False
    y, x, beta = observed["y"], given["x"], posterior["beta"]
    has_parts = set(beta.dims) == {"chain", "draw", "feature"} and set(x.dims) == {*y.dims, "feature"}
    return has_parts and y.ndim == 1 and y.size >= FEWEST and y.attrs.get(LINK) in SLOPES


def _coefficients(posterior: xr.Dataset) -> np.ndarray:
    """[draw, feature]."""
    beta = posterior["beta"].transpose("chain", "draw", "feature").to_numpy()
    if "inclusion" in posterior:
        beta = beta * posterior["inclusion"].transpose("chain", "draw", "feature").to_numpy()
    return np.asarray(beta.reshape(-1, beta.shape[-1]), float)


def _residuals(evidence: Evidence, link: str) -> tuple[np.ndarray, np.ndarray]:
    """The rows that are shown, and their working residuals."""
    predicted = evidence.group("posterior_predictive")["y"]
    observed = of_same_rows(evidence.group("observed_data")["y"], predicted)
    y = observed.to_numpy().astype(float)
    rows = np.flatnonzero(np.isfinite(y))
    rows = rows[:: 1 + len(rows) // MOST_ROWS]
    drawn = predicted.transpose("chain", "draw", *observed.dims).to_numpy().reshape(-1, observed.size)
    mu = drawn[:, rows].mean(axis=0).astype(float)
    of_all = places(predicted)
    return rows if of_all is None else of_all[rows], (y[rows] - mu) * SLOPES[link](mu)


def _panel(
    sheet: Sheet,
    place: tuple[float, float],
    name: str,
    centred: np.ndarray,
    at: np.ndarray,
    beta: np.ndarray,
    residual: np.ndarray,
    dots: bool,
) -> None:
    """The line, its interval, and the partial residuals of the rows."""
    partial = float(beta.mean()) * centred + residual
    values = np.unique(at)
    tenths = _tenths(at, values)
    means = np.array([partial[part].mean() for part in tenths])
    ends = np.array([at.min(), at.max()])
    line = np.quantile(beta[:, None] * np.array([centred.min(), centred.max()]), (0.05, 0.5, 0.95), axis=0)
    heights = limits(np.concatenate([line.ravel(), partial if dots else means]))
    panel = sheet.panel(*place, WIDE - LEFT - 10, HEIGHT, limits(ends), heights)
    panel.y_axis(4, lines=True)
    if dots:
        panel.dots(at, np.clip(partial, *panel.y), SOFT, 2.4)
    panel.area(ends, line[0], line[2], ACCENT, 0.2)
    panel.line(ends, line[1], ACCENT, 1.4)
    panel.line([float(at[part].mean()) for part in tenths], means, MARK, 1.2)
    panel.x_axis(4, values=values)
    panel.title(name)


def _tenths(at: np.ndarray, values: np.ndarray) -> list[np.ndarray]:
    """The rows of each tenth of a column, or of each of its values where these are no more."""
    if len(values) <= TENTHS:
        return [np.flatnonzero(at == value) for value in values]
    return [part for part in np.array_split(np.argsort(at, kind="stable"), TENTHS) if part.size]
