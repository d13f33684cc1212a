"""Handwritten digits: 1,797 images of 8 x 8 pixels in 17 shades of grey.

Alpaydin, E. and Kaynak, C. (1998). Cascading classifiers. Kybernetika, 34(4); the test set, as scikit-learn has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, override

import numpy as np
import xarray as xr

from credo.data.base import Source
from credo.data.bundled import bundled
from credo.data.dataset import ROWS, make
from credo.data.holdout import hold_out
from credo.errors import ConfigError
from credo.ranges import Natural, Part, Several, count

if TYPE_CHECKING:
    from credo.models.base import Model

SIZE = (8, 8)
PIXELS = tuple(f"p{row}{column}" for row in range(SIZE[0]) for column in range(SIZE[1]))
"""The first number is the row, from the top."""

SCALES = ("unit", "binary")
WHITE = 16
"""The largest of the shades 0, 1, ..., 16."""


@dataclass(frozen=True)
class Digits(Source):
    """`y` [obs, pixel], an image per row; the digit that it shows is the coordinate `digit` [obs].

    The attribute `picture` of `y` is the height and width of an image. For a model of a target given inputs, the digit
    is `y` [obs], a number of the coordinate `class`, and the image is `x` [obs, height, width, channel], or
    [obs, feature] for a model that takes no images.

    Attributes:
        scale: `unit`, shade / 16 within 0 and 1; or `binary`, 1 where a pixel is at least half of the largest shade.
        dequantise: whether the shades become a density on (0, 1): (shade + u) / 17 with u ~ U(0, 1) (Theis et al. 2016,
            section 3.1). The log likelihood of whole shades is at least that of the density, minus 64 ln 17 nats.
        digits: those to keep; `None` keeps all.
        rows: how many of them, in the file's order; `None` takes all.
        test_fraction: the share of the rows that is held out.
        split_seed: the seed of the split and of u.
    """

    scale: str
    dequantise: bool
    digits: Sequence[Annotated[int, count(0, 9)]] | None
    rows: Several | None
    test_fraction: Part
    split_seed: Natural

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise ConfigError(f"data.scale: expected one of {', '.join(SCALES)}, but got {self.scale!r}")
        if self.dequantise and self.scale == "binary":
            raise ConfigError(
                "data.dequantise: expected false for binary pixels, which have no shades, but got true; "
                "set data.scale=unit or data.dequantise=false"
            )
        if self.digits is not None and not self.digits:
            raise ConfigError("data.digits: expected digits from 0 to 9, or null, but got []")

    @override
    def load(self, model: "Model", seed: int) -> xr.Dataset:
        table = bundled("digits.csv.gz", (*PIXELS, "digit"), delimiter=",").astype(int)
        kept = table[table["digit"].isin(range(10) if self.digits is None else self.digits)][: self.rows]
        if self.rows is not None and len(kept) < self.rows:
            raise ConfigError(f"data.rows: expected at most the {len(kept)} images there are, but got {self.rows}")
        pixels, shown = self._scaled(kept[list(PIXELS)].to_numpy()), kept["digit"].to_numpy()
        if model is not None and "x" in model.arguments()[0]:
            data = _labelled(pixels, shown, as_images=model.takes_images)
        else:
            data = _images(pixels, shown)
        return hold_out(data, self.test_fraction, self.split_seed)

    def _scaled(self, shades: np.ndarray) -> np.ndarray:
        if self.scale == "binary":
            return 2 * shades >= WHITE
        if self.dequantise:
            return (shades + np.random.default_rng(self.split_seed).uniform(size=shades.shape)) / (WHITE + 1)
        return shades / WHITE


def _images(pixels: np.ndarray, shown: np.ndarray) -> xr.Dataset:
    """Images as targets."""
    data = make({"y": ((ROWS, "pixel"), pixels)}, {"pixel": list(PIXELS), "digit": (ROWS, shown)})
    data["y"].attrs["picture"] = SIZE
    return data


def _labelled(pixels: np.ndarray, shown: np.ndarray, *, as_images: bool) -> xr.Dataset:
    """Images or their pixels as inputs, and the digits that they show as classes."""
    digits, classes = np.unique(shown, return_inverse=True)
    names = {"class": list(map(str, digits))}
    if as_images:
        images = pixels.reshape(-1, *SIZE, 1).astype(float)
        return make({"y": ((ROWS,), classes), "x": ((ROWS, "height", "width", "channel"), images)}, names)
    given = {"y": ((ROWS,), classes), "x": ((ROWS, "feature"), pixels.astype(float))}
    return make(given, names | {"feature": list(PIXELS)})
