"""What an energy-based model draws: square states as pictures beside observed ones, else the energies of its chains."""

from math import isqrt

import numpy as np

from credo.report.drawing import Drawing
from credo.report.evidence import Evidence
from credo.report.sheet import ACCENT, INK, MARK, WIDTH, Panel, Sheet

GROUP = "samples"
TITLE = "Samples of the model"
OF_IMAGES = (
    "Left: states that {sampler} drew of the model, one of each chain, half of which began away from the data. Right: "
    "observed rows."
)
OF_ENERGIES = (
    "The energy along chains of {sampler} that sample the model. Blue ones began away from the data, orange ones at "
    "it: they should look alike."
)
HEIGHT, HEAD, FOOT, LEFT, GAP = 200.0, 20.0, 26.0, 44.0, 40.0
SIDE, LEAST = 8, 16
"""Pictures along each side of a panel; the fewest pixels of a picture."""


def draw(evidence: Evidence) -> Drawing:
    """Draw pictures or energies."""
    samples, observed = evidence.group("samples"), evidence.group("observed_data")
    if "y" not in samples:
        return Drawing(TITLE, "answer", "The model was not sampled.")
    states = samples["y"].transpose("chain", "draw", "target").values[:, -1]
    sampler = str(samples.attrs.get("sampler", "a sampler"))
    if "y" in observed and observed["y"].ndim == 2 and LEAST <= states.shape[1] == isqrt(states.shape[1]) ** 2:
        rows = observed["y"].values
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, SIDE**2).astype(int))]
        return Drawing(TITLE, "answer", OF_IMAGES.format(sampler=sampler), _pictures(states, rows).finished())
    return Drawing(TITLE, "checks", OF_ENERGIES.format(sampler=sampler), _energies(evidence).finished())


def _pictures(states: np.ndarray, rows: np.ndarray) -> Sheet:
    sheet = Sheet(HEAD + HEIGHT + 8)
    low, high = np.quantile(rows, (0.0, 1.0))
    for i, (images, title) in enumerate(((states, "model"), (rows, "data"))):
        left = (WIDTH - 2 * HEIGHT - GAP) / 2 + i * (HEIGHT + GAP)
        panel = sheet.panel(left, HEAD, HEIGHT, HEIGHT, (0.0, 1.0), (0.0, 1.0))
        panel.title(title, color=INK)
        _mosaic(panel, np.clip((images - low) / max(high - low, 1e-12), 0, 1))
    return sheet


def _mosaic(panel: Panel, images: np.ndarray) -> None:
    """Pictures [picture, pixel] in rows, with a gap of one pixel, as shades from 0 to 1."""
    side = isqrt(images.shape[1])
    canvas = np.full((SIDE * (side + 1), SIDE * (side + 1)), 0.0)
    for n, image in enumerate(images[: SIDE**2]):
        row, column = divmod(n, SIDE)
        across, down = column * (side + 1), row * (side + 1)
        canvas[across : across + side, down : down + side] = image.reshape(side, side).T
    shades = np.repeat(np.repeat(canvas, 3, 0), 3, 1)
    places = np.linspace(0, 1, len(shades))
    panel.shade(places, places, shades[:, ::-1], INK)


def _energies(evidence: Evidence) -> Sheet:
    energies = evidence.group("samples")["energy"].transpose("chain", "draw").values
    shown = energies[:: max(len(energies) // 16, 1)]
    low, high = float(np.quantile(energies, 0.001)), float(np.quantile(energies, 0.999))
    sheet = Sheet(HEAD + 130 + FOOT)
    panel = sheet.panel(
        LEFT, HEAD, WIDTH - LEFT - 4, 130, (0.0, float(energies.shape[1])), (low, high if high > low else low + 1)
    )
    panel.y_axis(4, lines=True)
    panel.x_axis(6, "draw")
    for i, chain in enumerate(shown):
        panel.line(np.arange(len(chain)), chain, ACCENT if i < len(shown) // 2 else MARK, 0.6, 0.6)
    panel.title("energy, in nats", color=INK)
    return sheet
