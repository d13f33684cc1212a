"""Does a Hamiltonian sampler reach all energies? Its steps in energy against the spread of the energy.

Betancourt (2016), "Diagnosing Suboptimal Cotangent Disintegrations in Hamiltonian Monte Carlo": where the steps are
much narrower than the spread, the chain walks slowly through the energies and the tails are explored poorly. E-BFMI,
equation 4, is the ratio of their mean squares.
"""

import numpy as np

from credo.report.drawing.base import Drawing
from credo.report.drawing.density import density, limits
from credo.report.drawing.sheet import ACCENT, CHAINS, INK, MARK, MUTED, SOFT, WIDTH, Sheet
from credo.report.view import Evidence

TITLE = "Energy"
CAPTION = (
    "Left: the energy around its mean, and its steps from draw to draw; the steps should be about as wide. Right: "
    "their ratio per chain (E-BFMI), which should be above the dashed line."
)
HEIGHT, HEAD, FOOT, SPLIT = 90.0, 20.0, 14.0, 330.0
USUAL_BAR = 0.3


def draw(evidence: Evidence) -> Drawing:
    """Draw both densities, and E-BFMI per chain."""
    stats = evidence.group("sample_stats")
    if "energy" not in stats or stats.sizes["draw"] < 2:
        return Drawing(TITLE, "checks", f"The method {evidence.result.method} has no energy.")
    energy = stats["energy"].transpose("chain", "draw").values.astype(float)
    spread, steps = energy - np.nanmean(energy), np.diff(energy, axis=1)
    bar = evidence.thresholds.get("e_bfmi") or USUAL_BAR
    sheet = Sheet(HEAD + HEIGHT + FOOT)
    _densities(sheet, spread, steps)
    with np.errstate(divide="ignore", invalid="ignore"):
        _fractions(sheet, (steps**2).mean(axis=1) / energy.var(axis=1), bar)
    return Drawing(TITLE, "checks", CAPTION, sheet.finished())


def _densities(sheet: Sheet, spread: np.ndarray, steps: np.ndarray) -> None:
    low, high = limits(np.concatenate([np.ravel(spread), np.ravel(steps)]))
    centres, wide = density(spread, low, high)
    _, narrow = density(steps, low, high)
    panel = sheet.panel(4, HEAD, SPLIT, HEIGHT, (low, high), (0, 1.05 * float(max(wide.max(), narrow.max())) or 1.0))
    panel.area(centres, 0, wide, SOFT, 0.7)
    panel.line(centres, wide, ACCENT, 1.0)
    panel.line(centres, narrow, MARK, 1.3)
    panel.x_axis(5)
    panel.title("energy")
    sheet.words(SPLIT + 4, HEAD - 4, [("spread", ACCENT), ("steps", MARK)])


def _fractions(sheet: Sheet, fractions: np.ndarray, bar: float) -> None:
    known = fractions[np.isfinite(fractions)]
    left, chains = SPLIT + 60, len(fractions)
    highest = 1.15 * max(float(known.max(initial=0)), bar, 1.0)
    panel = sheet.panel(left, HEAD, WIDTH - left - 4, HEIGHT, (-0.7, chains - 0.3), (0, highest))
    panel.y_axis(3, lines=True)
    panel.line([-0.7, chains - 0.3], [bar, bar], INK, 0.8, dash=True)
    for chain, fraction in enumerate(fractions):
        if np.isfinite(fraction):
            panel.dots([chain], [fraction], CHAINS[chain % len(CHAINS)], 6)
        if chains <= 8:
            sheet.text(float(panel.right_of(chain)), HEAD + HEIGHT + 10, str(chain), MUTED, 6.5, align="center")
    panel.title("E-BFMI by chain")
