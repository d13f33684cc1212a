"""Is each row where the others say? The probability integral transform of each observation, left out by itself.

P(Y <= y) by the draws from the prediction for its row, weighted as if the row had not been seen, by Pareto smoothed
importance sampling; random within a step (Gelfand, Dey & Chang 1992; Vehtari, Gelman & Gabry 2017).
"""

import numpy as np
from jaxtyping import Float, Shaped

from credo import pareto
from credo.diagnostics.summary import title
from credo.inference.kind import Kind, of
from credo.inference.pointwise import of_same_rows
from credo.inference.result import Result
from credo.report.drawing.base import Drawing
from credo.report.drawing.sheet import MUTED, WIDTH, Sheet
from credo.report.plots.pit import bars, histogram
from credo.report.plots.residuals import FEWEST, vectors
from credo.report.view import Evidence

OF = of(Kind.CHAINS, groups=("posterior_predictive", "observed_data", "log_likelihood"))
TITLE = "Leave-one-out probability integral transform"
CAPTION = (
    "Where each observation lies in what the model, fitted to the others, predicts for it, from 0 (below all of it) "
    "to 1 (above); the height 1 is as many as expected. Right predictions give a flat histogram: 19 in 20 bars end in "
    "the grey band, the others are red. High ends: predictions are too narrow; a high middle: too wide; a slope: too "
    "low or too high."
)
MOST_ROWS, MOST_DRAWS = 1000, 1000
HEIGHT, HEAD, FOOT, LEFT, BETWEEN = 90.0, 32.0, 30.0, 34.0, 8.0


def applies(result: Result) -> bool:
    """Whether there are enough rows with draws of their predictions and their likelihood."""
    return bool(_names(result))


def _names(result: Result) -> list[str]:
    """The vectors with a likelihood of each row; one distribution of all rows together has but one."""
    likely = result.tree["log_likelihood"]
    return [name for name in vectors(result, OF) if set(likely[name].dims) > {"chain", "draw"}]


def draw(evidence: Evidence) -> Drawing:
    """Draw a histogram per observed variable."""
    names = _names(evidence.result)
    if not names:
        return Drawing(
            TITLE,
            "checks",
            f"There are no {FEWEST} rows with draws of their predictions and a likelihood of their own.",
        )
    shown = names[: evidence.most]
    sheet = Sheet((HEAD + HEIGHT + FOOT + BETWEEN) * len(shown))
    sheet.text(4, 10, "relative frequency", MUTED, 7)
    for i, name in enumerate(shown):
        heights, band = histogram(_of(evidence, name))
        highest = 1.08 * max(1.0, float(heights.max()), band[1])
        top = HEAD + i * (HEAD + HEIGHT + FOOT + BETWEEN)
        panel = sheet.panel(LEFT, top, WIDTH - LEFT - 14, HEIGHT, (0, 1), (0, highest))
        bars(panel, heights, band)
        panel.y_axis(4)
        panel.x_axis(5, "leave-one-out probability integral transform")
        panel.title(title(evidence.group("observed_data")[name]))
    return Drawing(TITLE, "checks", CAPTION, sheet.finished(), tuple(names[evidence.most :]))


def loo_pit(
    observed: Shaped[np.ndarray, " row"],
    drawn: Shaped[np.ndarray, "draw row"],
    log_likelihood: Float[np.ndarray, "draw row"],
    seed: int = 0,
) -> Float[np.ndarray, " row"]:
    """The transform of each row; of whole numbers random between its two ends."""
    tail = pareto.length(len(log_likelihood))
    weights = np.exp(pareto.smooth(-log_likelihood.T, tail).log_weight).T
    below, equal = ((weights * where).sum(axis=0) for where in (drawn < observed, drawn == observed))
    u = np.random.default_rng(seed).uniform(size=len(observed))
    return np.clip(below + u * equal, 0.0, 1.0)


def _of(evidence: Evidence, name: str) -> Float[np.ndarray, " row"]:
    observed = of_same_rows(evidence.group("observed_data")[name], evidence.group("posterior_predictive")[name])
    values = observed.to_numpy()
    rows = np.flatnonzero(np.isfinite(values.astype(float)))
    kept = rows[:: 1 + len(rows) // MOST_ROWS]
    every = [
        evidence.group(group)[name].transpose("chain", "draw", ...).to_numpy()
        for group in ("posterior_predictive", "log_likelihood")
    ]
    drawn, likely = (part.reshape(-1, part.shape[-1]) for part in every)
    step = 1 + len(drawn) // MOST_DRAWS
    own = kept if likely.shape[1] == values.size else np.searchsorted(rows, kept)  # the likelihood has no gaps
    return loo_pit(values[kept], drawn[::step, kept], likely[::step, own].astype(float))
