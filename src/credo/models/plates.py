"""What the elements of a plate are called: by the coordinate of its name, or by the words of the column of its name."""

import numpy as np
import xarray as xr
from jaxtyping import Shaped

from credo.models.problem import Problem

LEVEL = "_level"
"""Behind a column's name: the coordinate of its words, in the order of their codes."""


def labels(problem: Problem, data: xr.Dataset | None, dim: str, size: int) -> Shaped[np.ndarray, "label"]:
    """The labels along a dim; else 0, 1, ...

    A plate `hospital`, or `hospitals`, around a latent has the words of the column `hospital`, whose codes are its
    index. Around an observed site it is a plate of rows, which are called as the column has them, row by row.

    Args:
        problem: the model.
        data: the rows that are meant.
        dim: the plate's name, or that of an axis of the data.
        size: how many there are.
    """
    if data is None:
        return np.arange(size)
    is_of_rows = any(dim in site.dims for site in problem.named("observed"))
    for name in (dim, dim.removesuffix("s")):
        if name in data.coords and data.sizes.get(name) == size:
            return data.coords[name].to_numpy()
        words = f"{name}{LEVEL}"
        if words not in data.coords or name not in data.data_vars:
            continue
        own = data.coords[words].to_numpy()
        if is_of_rows:
            own = own[data[name].to_numpy()]
            if len(set(own.tolist())) < len(own):
                continue
        if len(own) == size:
            return own
    return np.arange(size)
