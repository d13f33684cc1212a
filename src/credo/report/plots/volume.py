"""How nested sampling climbed: the log likelihood and the share of the evidence by the volume that is left."""

import numpy as np

from credo.inference.kind import of
from credo.report.drawing.base import Drawing
from credo.report.drawing.sheet import CHAINS, WIDTH, Sheet
from credo.report.view import Evidence

OF = of(groups=("levels",))
TITLE = "Likelihood and evidence by volume"
CAPTION = (
    "From left to right, less and less of the prior is above the level. Upper panel: the level, which should hardly "
    "rise at the right end. Lower panel: the part of the evidence between two levels, a hill that should be over at "
    "the right end. A second hill, or a sudden rise of the level, is a phase transition. The lines of the repeats "
    "should lie on each other."
)
HEIGHT, HEAD, FOOT, LEFT, GAP = 90.0, 20.0, 30.0, 44.0, 40.0
_RANGE = 0.1
"""The share of the lowest levels that are left out above, where the likelihood hardly counts."""


def draw(evidence: Evidence) -> Drawing:
    """Draw both by the log of the volume, one line per repeat."""
    levels = evidence.group("levels").transpose("repeat", "batch")
    volume, level, share = (levels[name].values.astype(float) for name in ("log_volume", "log_likelihood", "share"))
    nats = -volume
    known = np.isfinite(level)
    if not known.any():
        return Drawing(TITLE, "checks", "The likelihood is finite at no level.")
    across = (0.0, max(float(nats.max()), 1.0))
    low, high = float(np.quantile(level[known], _RANGE)), float(level[known].max())
    margin = max(0.05 * (high - low), 1e-3)
    sheet = Sheet(2 * (HEAD + HEIGHT) + GAP + FOOT - HEAD)
    wide = WIDTH - LEFT - 14
    above = sheet.panel(LEFT, HEAD, wide, HEIGHT, across, (low - margin, high + margin))
    below = sheet.panel(LEFT, HEAD + HEIGHT + GAP, wide, HEIGHT, across, (0, 1.1 * float(share.max())))
    for panel in (above, below):
        panel.y_axis(3, lines=True)
    for number in range(len(level)):
        color = CHAINS[number % len(CHAINS)]
        above.line(nats[number], np.where(known[number], level[number], np.nan), color, 1.0, 0.8)
        below.line(nats[number], share[number], color, 1.0, 0.8)
    above.title("log likelihood at the level", f"{len(level)} repeats")
    below.title("share of the evidence between two levels", "one per batch")
    below.x_axis(6, "-log X, where X is the share of the prior above the level")
    return Drawing(TITLE, "checks", CAPTION, sheet.finished())
