"""Does the model miss a pattern? Quantile residuals of the rows that it was fitted to, against their fitted values.

A residual is the standard normal quantile of P(Y <= y) by the draws from the prediction for its row; within a step of
it, as of whole numbers, it is random (Dunn & Smyth 1996, "Randomized quantile residuals").
"""

import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import ndtri

from credo.diagnostics.summary import title
from credo.inference.kind import Of, of
from credo.inference.pointwise import of_same_rows
from credo.inference.result import Result
from credo.report.drawing.base import Drawing
from credo.report.drawing.density import limits
from credo.report.drawing.sheet import ACCENT, BAND, MARK, MUTED, WIDTH, Sheet
from credo.report.view import Evidence

OF = of(groups=("posterior_predictive", "observed_data"))
TITLE = "Residuals"
CAPTION = (
    "Quantile residuals of the rows that were fitted, against the mean of their predictions: standard normal if the "
    "model is right, whatever its family; 95 % are in the grey band. A bend of the red line, the median by tenths of "
    "the rows, is a pattern that the model misses; a wedge, a spread that it misses."
)
FEWEST, MOST_ROWS, MOST_DRAWS, TENTHS = 30, 2000, 1000, 10
HEIGHT, HEAD, FOOT, LEFT, BETWEEN = 130.0, 20.0, 30.0, 30.0, 8.0


def applies(result: Result) -> bool:
    """Whether there are enough rows, and draws of their predictions."""
    return bool(vectors(result, OF))


def draw(evidence: Evidence) -> Drawing:
    """Draw a cloud per observed variable."""
    names = vectors(evidence.result, OF)
    if not names:
        return Drawing(TITLE, "checks", f"There are no {FEWEST} rows with draws of their predictions.")
    shown = names[: evidence.most]
    sheet = Sheet((HEAD + HEIGHT + FOOT + BETWEEN) * len(shown))
    for i, name in enumerate(shown):
        _cloud(sheet, i * (HEAD + HEIGHT + FOOT + BETWEEN), name, evidence)
    return Drawing(TITLE, "checks", CAPTION, sheet.finished(), tuple(names[evidence.most :]))


def residuals(
    observed: Shaped[np.ndarray, " row"], drawn: Shaped[np.ndarray, "draw row"], seed: int = 0
) -> Float[np.ndarray, " row"]:
    """The residuals, random where draws equal the observation."""
    below, equal = (drawn < observed).sum(axis=0), (drawn == observed).sum(axis=0)
    u = np.random.default_rng(seed).uniform(size=len(observed))
    return np.asarray(ndtri((below + u * (equal + 1)) / (len(drawn) + 1)))


def vectors(result: Result, needed: Of) -> list[str]:
    """The observed vectors that are long enough and in all groups that a plot needs."""
    if not needed.holds(result):
        return []
    groups = [result.tree[group].to_dataset() for group in needed.groups]
    draws = result.tree["posterior_predictive"].sizes
    return [
        str(name)
        for name, variable in result.tree["observed_data"].data_vars.items()
        if variable.ndim == 1 and all(name in group for group in groups)
        if variable.size >= FEWEST <= draws["chain"] * draws["draw"]
    ]


def _cloud(sheet: Sheet, top: float, name: str, evidence: Evidence) -> None:
    predicted = evidence.group("posterior_predictive")[name]
    observed = of_same_rows(evidence.group("observed_data")[name], predicted)
    rows = np.flatnonzero(np.isfinite(observed.to_numpy().astype(float)))
    rows = rows[:: 1 + len(rows) // MOST_ROWS]
    flat = predicted.transpose("chain", "draw", *observed.dims).to_numpy().reshape(-1, observed.size)
    drawn = flat[:: 1 + len(flat) // MOST_DRAWS][:, rows]
    fitted, z = drawn.mean(axis=0), residuals(observed.to_numpy()[rows], drawn)
    order = np.argsort(fitted, kind="stable")
    tenths = [part for part in np.array_split(order, TENTHS) if part.size]
    panel = sheet.panel(LEFT, top + HEAD, WIDTH - LEFT - 12, HEIGHT, limits(fitted), (-4.0, 4.0))
    panel.bar(panel.x, (-1.96, 1.96), BAND)
    panel.y_axis(5)
    panel.line(list(panel.x), [0, 0], MUTED, 0.7, dash=True)
    panel.dots(np.clip(fitted, *panel.x), np.clip(z, *panel.y), ACCENT, 3 if len(rows) < 500 else 2)
    panel.line([fitted[part].mean() for part in tenths], [float(np.median(z[part])) for part in tenths], MARK, 1.3)
    panel.x_axis(6, "mean of the prediction")
    panel.title(f"{title(observed)}: quantile residuals", f"{len(rows):,} rows")
