"""The state of chains or optimisers as plain named arrays, for a checkpointer, and back."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from credo.errors import RunError


def packed(states: Any) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The leaves of a pytree: `state/0`, `state/1`, ..."""
    return {f"state/{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(states))}


def unpacked(arrays: Mapping[str, Shaped[np.ndarray, "..."]], shape: Any) -> Any:
    """The pytree again; `shape` has its structure.

    Raises:
        RunError: the arrays are not those of such a state.
    """
    leaves, structure = jax.tree.flatten(shape)
    for i, leaf in enumerate(leaves):
        array = arrays.get(f"state/{i}")
        if array is None or array.shape != leaf.shape or array.dtype != leaf.dtype:
            got = "none" if array is None else f"{array.dtype}{list(array.shape)}"
            raise RunError(
                f"the checkpoint is not of this run: expected {leaf.dtype}{list(leaf.shape)} for state/{i}, but got "
                f"{got}; begin a new run of the same"
            )
    return jax.tree.unflatten(structure, [jnp.asarray(arrays[f"state/{i}"]) for i in range(len(leaves))])
