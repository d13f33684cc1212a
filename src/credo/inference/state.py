"""The state of chains or optimisers as plain named arrays, for a keeper, and back."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def packed(states: Any) -> dict[str, np.ndarray]:
    """The leaves of a pytree: `state/0`, `state/1`, ..."""
    return {f"state/{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(states))}


def unpacked(arrays: Mapping[str, np.ndarray], shape: Any) -> Any:
    """The pytree again; `shape` has its structure."""
    leaves, structure = jax.tree.flatten(shape)
    return jax.tree.unflatten(structure, [jnp.asarray(arrays[f"state/{i}"]) for i in range(len(leaves))])
