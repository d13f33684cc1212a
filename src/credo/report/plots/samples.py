"""What an energy-based model draws: states that are pictures beside observed ones, else the energies of its chains."""

import numpy as np

from credo.inference.kind import of
from credo.report.drawing.base import Drawing
from credo.report.drawing.density import finite
from credo.report.drawing.sheet import ACCENT, FAINT, INK, MARK, WIDTH, Panel, Sheet
from credo.report.view import Evidence

OF = of(groups=("samples",))
TITLE = "Samples of the model"
OF_PICTURES = (
    "Left: states of {chains} chains of {sampler}, the last of each; those in the upper half of the picture began away "
    "from the data, the others at it. Right: observed rows."
)
DRAWN = "Left: independent states, drawn of the model. Right: observed rows."
OF_ENERGIES = (
    "The energy along chains of {sampler} that sample the model. Blue ones began away from the data, red ones at "
    "it: they should look alike."
)
HEIGHT, HEAD, FOOT, LEFT, GAP = 240.0, 20.0, 26.0, 44.0, 40.0
SIDE = 8
"""Pictures along each side of a panel."""
FRAME = 0.25
"""The width of the gap between pictures, in their longer sides, of which it is at least one pixel."""


def draw(evidence: Evidence) -> Drawing:
    """Draw pictures or energies."""
    samples, observed = evidence.group("samples"), evidence.group("observed_data")
    if "y" not in samples:
        return Drawing(TITLE, "answer", "The model was not sampled.")
    sampler = str(samples.attrs.get("sampler", "a sampler"))
    if "picture" not in samples.attrs or "y" not in observed or observed["y"].ndim != 2:
        return Drawing(TITLE, "checks", OF_ENERGIES.format(sampler=sampler), _energies(evidence).finished())
    height, width = (int(n) for n in samples.attrs["picture"])
    states, rows = spread(samples["y"].transpose("chain", "draw", "target").values[:, -1]), spread(observed["y"].values)
    sheet = _pictures(*(images.reshape(-1, height, width) for images in (states, rows)))
    caption = DRAWN if sampler == "exact draws" else OF_PICTURES.format(sampler=sampler, chains=len(states))
    return Drawing(TITLE, "answer", caption, sheet.finished())


def spread(rows: np.ndarray) -> np.ndarray:
    """As many of the rows as there is room for, evenly spaced."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, SIDE**2).astype(int))]


def _pictures(states: np.ndarray, rows: np.ndarray) -> Sheet:
    sheet = Sheet(HEAD + HEIGHT + 4)
    shown = finite(rows)
    low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.0, 1.0)
    for i, (images, title) in enumerate(((states, "model"), (rows, "data"))):
        left = (WIDTH - 2 * HEIGHT - GAP) / 2 + i * (HEIGHT + GAP)
        panel = sheet.panel(left, HEAD, HEIGHT, HEIGHT, (0.0, 1.0), (0.0, 1.0))
        panel.title(title, color=INK)
        _mosaic(panel, np.clip((images - low) / max(high - low, 1e-12), 0, 1))
    return sheet


def _mosaic(panel: Panel, images: np.ndarray) -> None:
    """Pictures [picture, height, width] of shades from 0 to 1, in rows, each with its own margin."""
    _, height, width = images.shape
    longer = max(height, width)
    cell = 1 / SIDE
    pixel = cell / (longer + max(FRAME * longer, 1.0))
    panel.bar((0.0, 1.0), (1 - cell * -(-len(images) // SIDE), 1.0), FAINT)
    for n, image in enumerate(images):
        row, column = divmod(n, SIDE)
        left, top = (column + 0.5) * cell - width * pixel / 2, 1 - (row + 0.5) * cell + height * pixel / 2
        across, down = left + pixel * np.arange(width + 1), top - pixel * np.arange(height + 1)
        panel.tiles(across, down, image.T, INK)


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
