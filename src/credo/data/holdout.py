"""Rows that are held out of the inference, to judge its predictions."""

import numpy as np
import xarray as xr

from credo.data.dataset import ROWS
from credo.errors import ConfigError


def hold_out(dataset: xr.Dataset, fraction: float, seed: int, least: int = 2) -> xr.Dataset:
    """Mark a random fraction of the rows as the test set, by a coordinate `split` [obs].

    Every group keeps a row for training, so that all groups have been seen, and so many are left as are needed at
    `least`. No split is made if `fraction` is 0.

    Raises:
        ConfigError: `fraction` is not in [0, 1), holds out no row, or leaves too few for training.
    """
    if not 0 <= fraction < 1:
        raise ConfigError(f"data.test_fraction: expected a number of at least 0 and below 1, but got {fraction}")
    total = dataset.sizes[ROWS]
    count = round(fraction * total)
    if fraction and not count:
        raise ConfigError(f"data.test_fraction: {fraction} of {total} rows holds out none; use a larger fraction, or 0")
    free = _free(dataset, seed) if fraction else np.arange(total)
    if total - count < least or count > free.size:
        few = "two" if least == 2 else "one"
        need = f"one row per group and {few} in all" if "group" in dataset else f"{few} row{'s' * (least > 1)}"
        raise ConfigError(
            f"data.test_fraction: {fraction} of {total} rows leaves {total - count} for training, but expected at "
            f"least {need}; use a smaller fraction or more rows"
        )
    if not fraction:
        return dataset
    return mark(dataset, free[:count])


def _free(dataset: xr.Dataset, seed: int) -> np.ndarray:
    """The places [row] of the rows that may be held out, in a random order: all but one per group."""
    total = dataset.sizes[ROWS]
    groups = dataset["group"].to_numpy() if "group" in dataset else np.zeros(total, int)
    order = np.random.default_rng(seed).permutation(total)
    _, kept = np.unique(groups[order], return_index=True)
    return np.delete(order, kept)


def mark(dataset: xr.Dataset, test: np.ndarray) -> xr.Dataset:
    """Mark the rows at the places `test` [held-out row], counted from 0, by a coordinate `split` [obs]."""
    labels = np.full(dataset.sizes[ROWS], "train")
    labels[test] = "test"
    return dataset.assign_coords(split=(ROWS, labels))
