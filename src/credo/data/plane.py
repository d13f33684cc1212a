"""Densities in the plane on which density estimators are tried, with many modes, holes, edges or curved ridges.

Where it is known, the entropy in nats is given: the mean negative log likelihood of no density can be less on average.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import override

import numpy as np
import xarray as xr

from credo.config.nearest import nearest
from credo.data.dataset import ROWS, make
from credo.data.generated import Generated
from credo.errors import ConfigError
from credo.ranges import NonNegative

Points = Callable[[np.random.Generator, int, float], np.ndarray]
"""So many points [obs, target] of a density with some noise."""

ENTROPIES = {
    ("two_moons", 0.05): 0.28923,
    ("two_moons", 0.1): 1.00758,
    ("eight_gaussians", 0.5): 2.83237,
    ("checkerboard", 0.0): log(32),
    ("four_rings", 0.08): 2.62215,
}
"""The entropy in nats, by density and noise."""


@dataclass(frozen=True)
class Plane(Generated):
    """`y` [obs, target] with the targets y1 and y2, drawn independently from one density.

    | density | points | entropy in nats |
    | --- | --- | --- |
    | `two_moons` | interleaved half circles of radius 1, as scikit-learn's `make_moons`, plus noise | 1.00758 for 0.1 |
    | `eight_gaussians` | radius 4 on 8 compass points plus noise, then all divided by sqrt(2) | 2.83237 for 0.5 |
    | `checkerboard` | uniform on the dark squares, of side 2, of [-4, 4]^2, plus noise | ln 32 for 0 |
    | `four_rings` | radii 0.75, 1.5, 2.25 or 3, plus noise along the radius | 2.62215 for 0.08 |

    Attributes:
        density: one of `DENSITIES`.
        noise: the standard deviation of the Gaussian noise.
    """

    density: str
    noise: NonNegative

    def __post_init__(self) -> None:
        if self.density not in DENSITIES:
            raise ConfigError(f"data.density: got {self.density!r}; {nearest(self.density, DENSITIES)}")

    @property
    def entropy(self) -> float | None:
        """The density's entropy in nats; `None` where it is not known for this noise."""
        return ENTROPIES.get((self.density, self.noise))

    @override
    def draw(self, generator: np.random.Generator) -> xr.Dataset:
        points = DENSITIES[self.density](generator, self.rows, self.noise)
        known = {} if self.entropy is None else {"entropy": self.entropy}
        return make({"y": ((ROWS, "target"), points)}, {"target": ["y1", "y2"]}, known)


def _two_moons(generator: np.random.Generator, rows: int, noise: float) -> np.ndarray:
    angle, inner = generator.uniform(0, np.pi, rows), generator.integers(2, size=rows)
    moons = _circle(angle) * np.where(inner, -1, 1)[:, None] + inner[:, None] * np.array([1.0, 0.5])
    return moons + noise * generator.normal(size=(rows, 2))


def _eight_gaussians(generator: np.random.Generator, rows: int, noise: float) -> np.ndarray:
    centre = 4 * _circle(generator.integers(8, size=rows) * np.pi / 4)
    return (centre + noise * generator.normal(size=(rows, 2))) / np.sqrt(2)


def _checkerboard(generator: np.random.Generator, rows: int, noise: float) -> np.ndarray:
    across = generator.integers(4, size=rows)
    up = 2 * generator.integers(2, size=rows) + across % 2
    corner = 2.0 * np.stack([across, up], axis=1) - 4
    return corner + generator.uniform(0, 2, (rows, 2)) + noise * generator.normal(size=(rows, 2))


def _four_rings(generator: np.random.Generator, rows: int, noise: float) -> np.ndarray:
    radius = 0.75 * generator.integers(1, 5, size=rows) + noise * generator.normal(size=rows)
    return radius[:, None] * _circle(generator.uniform(0, 2 * np.pi, rows))


def _circle(angle: np.ndarray) -> np.ndarray:
    """Points [row, 2] of the unit circle."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


DENSITIES: dict[str, Points] = {
    "two_moons": _two_moons,
    "eight_gaussians": _eight_gaussians,
    "checkerboard": _checkerboard,
    "four_rings": _four_rings,
}
