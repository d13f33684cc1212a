"""Some observations stand for all, where one number per draw and observation would be too much.

They are drawn at random without replacement, by a generator whose seed is the hash of what was observed: all runs with
the same observations look at the same ones, whatever their model.
"""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Int

from credo.models.observations import Observation
from credo.models.sites import Site

SIZE = 2000
"""So many of the observations of a site are drawn."""


def subsamples(
    sites: Iterable[Site], observations: Mapping[str, Observation], most: int
) -> dict[str, Int[np.ndarray, "row"]]:
    """The rows that are drawn, ascending, of each site with more than so many rows that count.

    A site whose log density has other axes than its rows is not among them.
    """
    found = {}
    for site in sites:
        if site.name in observations and len(site.shape) - site.event_dims == 1:
            one = observations[site.name]
            seen = one.seen_rows(1)
            rows = np.arange(site.shape[0]) if seen is None else np.flatnonzero(seen)
            if len(rows) > max(most, SIZE):
                found[site.name] = rows[np.sort(_generator(one).choice(len(rows), SIZE, replace=False))]
    return found


def _generator(observation: Observation) -> np.random.Generator:
    values = np.ascontiguousarray(observation.value.astype(float))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(values.tobytes()).digest()))
