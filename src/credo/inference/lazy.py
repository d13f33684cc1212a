"""Blocks of draws as one array that is read piece by piece."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped
from xarray.backends import BackendArray
from xarray.core import indexing


class Joined(BackendArray):
    """The arrays of one name in all blocks, joined along the draws [chains, draws, ...]; read when it is indexed.

    Args:
        blocks: in order; a block may be on disk.
        name: of the arrays.
    """

    def __init__(self, blocks: Sequence[Mapping[str, Shaped[np.ndarray, "chains _ ..."]]], name: str) -> None:
        arrays = [block[name] for block in blocks]
        self._blocks, self._name = blocks, name
        self._ends = np.cumsum([array.shape[1] for array in arrays])
        self.dtype = arrays[0].dtype
        self.shape = (arrays[0].shape[0], int(self._ends[-1]), *arrays[0].shape[2:])

    @property
    def nbytes(self) -> int:
        """Bytes of the whole."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    @property
    def ndim(self) -> int:
        """Dimensions."""
        return len(self.shape)

    def whole(self) -> Shaped[np.ndarray, "chains draws ..."]:
        """All of it."""
        return np.concatenate([block[self._name] for block in self._blocks], axis=1)

    def lazy(self) -> indexing.LazilyIndexedArray:
        """As xarray takes it."""
        return indexing.LazilyIndexedArray(self)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[Any, ...]) -> Shaped[np.ndarray, "..."]:
        """Integers and slices."""
        slices = [part if isinstance(part, slice) else slice(part, part + 1) for part in key]
        draws = np.arange(self.shape[1])[slices[1]]
        parts = [np.array(self._blocks[0][self._name][(slices[0], slice(0, 0), *slices[2:])])]
        for block, end in zip(self._blocks, self._ends, strict=True):
            first = end - block[self._name].shape[1]
            mine = draws[(draws >= first) & (draws < end)] - first
            if mine.size:
                rows = slice(mine[0], mine[-1] + 1, slices[1].step)
                parts.append(np.array(block[self._name][(slices[0], rows, *slices[2:])]))
        values = np.concatenate(parts, axis=1)
        return values[tuple(slice(None) if isinstance(part, slice) else 0 for part in key)]
