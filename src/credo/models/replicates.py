"""Rows that a trained energy was not shown, and as many states of the model: what its fit is judged by."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np
import xarray as xr
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from credo.models.energy_distribution import EnergyDistribution
from credo.models.problem import Problem

MOST = 1000
"""Rows, and states, that are compared."""

_MOST_NUMBERS = 2**18
"""Numbers of all rows together: large states are compared in fewer rows."""


def replicates(
    problem: Problem,
    states: EnergyDistribution,
    y: Float[Array, "row dim"],
    conditions: tuple[Shaped[np.ndarray, "row ..."], ...],
    samples: Float[np.ndarray, "draw chain dim"] | None,
    key: PRNGKeyArray,
) -> xr.Dataset:
    """`observed` [row, number] and `replicated` [state, number], in units of the data's deviations where y is real.

    Exact draws are taken where there is a way to them, else those of the sampler's chains. Of a conditional energy a
    row is what is given and y, and `replicated` has the same conditions row by row.

    Args:
        problem: what was trained.
        states: the model's distribution of held-out rows, or of the training rows where none are held out.
        y: these rows.
        conditions: what is given, of the same rows.
        samples: draws of the sampler's chains, of energies of y alone.
        key: for new draws.
    """
    most = min(MOST, max(_MOST_NUMBERS // y.shape[1], 100))
    rows = _some(len(y), most)
    attrs = {
        "rows": "train" if problem.test is None else "test",
        "sampler": "exact draws",
        "adjusted": int(True),
        "paired": int(states.model.conditional),
    }
    if states.model.conditional or states.normaliser is not None:
        drawn = _drawn(states, key, len(y) if states.model.conditional else most)
    else:
        assert samples is not None  # noqa: S101 -- for the type checker: only conditional energies have none
        flat = samples.reshape(-1, samples.shape[-1])
        drawn = flat[_some(len(flat), most)]
    if states.normaliser is None:
        sampler = states.sampler.of(states.energy)
        attrs |= {"sampler": sampler.name, "adjusted": int(sampler.unbiased)}
    observed = np.asarray(y)[rows]
    if states.model.conditional:
        drawn = drawn[rows]
        given = [np.reshape(one, (len(one), -1))[rows] for one in conditions]
        observed, drawn = (np.concatenate([*given, one], axis=1) for one in (observed, drawn))
    unit = np.ones(observed.shape[1]) if states.model.support.is_discrete else observed.std(0)
    unit = np.where(unit > 0, unit, 1.0)
    both: Mapping[str, Any] = {
        "observed": (("row", "number"), (observed / unit).astype(np.float32)),
        "replicated": (("state", "number"), (drawn / unit).astype(np.float32)),
    }
    return xr.Dataset(both, attrs=attrs)


def _some(count: int, most: int) -> Int[np.ndarray, "some"]:
    """Evenly spread numbers below a count."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


@eqx.filter_jit
def _each(states: EnergyDistribution, key: PRNGKeyArray) -> Float[Array, "row dim"]:
    return states.states(states.sample(key))


def _drawn(states: EnergyDistribution, key: PRNGKeyArray, count: int) -> Float[np.ndarray, "state dim"]:
    """So many states of the model, of a conditional energy one for each row."""
    whole = EnergyDistribution(states.energy, states.model, states.sampler, states.normaliser, count, states.scalar)
    return np.asarray(_each(whole, key))
