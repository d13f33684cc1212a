"""What the scalars of a variable are called: `theta[Choate]`, `w[a, 1]`, `beta[0]` where a dim has no coordinate."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any


def scalar_labels(name: str, dims: Sequence[str], coords: Mapping[Any, Any], shape: Sequence[int]) -> list[str]:
    """The names of a variable's scalars, in the order of its values; `name` itself if it is one.

    Example:
        >>> import xarray as xr
        >>> scalar_labels("theta", ["school"], {"school": xr.DataArray(["A", "B"])}, [2])
        ['theta[A]', 'theta[B]']
        >>> scalar_labels("mu", [], {}, [])
        ['mu']

    Args:
        name: of the variable.
        dims: its dims.
        coords: labels by dim; those of another length than the variable's are not its own.
        shape: its shape.
    """
    if not dims or not shape:
        return [name]
    labels = [coords[dim].to_numpy() if dim in coords else () for dim in dims]
    axes = [own if len(own) == size else range(size) for own, size in zip(labels, shape, strict=True)]
    return [f"{name}[{', '.join(map(str, index))}]" for index in product(*axes)]
