"""What a program observes: the values of its own observed sites, however it computes them, and which of them count."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
from numpyro import handlers

from credo.models.dependence import independent
from credo.models.priors import Placeholders

if TYPE_CHECKING:
    from credo.models.problem import BoundModel, Site


class Observation(NamedTuple):
    """What a site observed.

    - **value** - its values.
    - **seen** - which of them count, over the first of their dims; `None` where all do.
    """

    value: np.ndarray
    seen: np.ndarray | None

    @property
    def with_gaps(self) -> np.ndarray:
        """The values, NaN where one does not count."""
        if self.seen is None:
            return self.value
        seen = self.seen.reshape(self.seen.shape + (1,) * (self.value.ndim - self.seen.ndim))
        return np.where(seen, self.value.astype(float), np.nan)

    def seen_rows(self, ndim: int) -> np.ndarray | None:
        """Which rows of a log density with `ndim` dims count; `None` where all do."""
        if self.seen is None or self.seen.ndim < ndim:
            return None
        return np.asarray(self.seen.any(axis=tuple(range(ndim, self.seen.ndim))))


def observe(program: "BoundModel", sites: tuple["Site", ...]) -> dict[str, Observation]:
    """The observations by site; one that depends on a latent is no data and is left out.

    Where a program observes its data as they are, nothing is computed.
    """
    found: dict[str, Any] = {site.name: (site.value, site.seen) for site in sites if site.kind == "observed"}
    if not all(map(_is_known, found.values())):
        found = _computed(program, found, {site.name: _shape(site) for site in sites if site.kind == "latent"})
    return {name: Observation(*_plain(*pair)) for name, pair in found.items()}


def _computed(program: "BoundModel", names: Mapping[str, Any], latents: Mapping[str, Any]) -> dict[str, Any]:
    from credo.models.problem import site_of

    def run(free: tuple[jax.Array, Mapping[str, Any]], program: "BoundModel") -> dict[str, Any]:
        with handlers.trace() as messages, Placeholders(), handlers.seed(rng_seed=free[0]):
            handlers.substitute(program, data=free[1])()
        sites = {name: site_of(messages[name]) for name in names}
        return {name: (site.value, site.seen) for name, site in sites.items()}

    key = jax.random.PRNGKey(0)
    fixed = independent(run, (key, latents), program)
    known = [name for name in names if all(jax.tree.leaves(fixed[name]))]
    values: dict[str, Any] = jax.jit(lambda program: {name: run((key, {}), program)[name] for name in known})(program)
    return values


def _shape(site: "Site") -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(site.shape, int if site.discrete else float)


def _plain(value: Any, seen: Any) -> tuple[np.ndarray, np.ndarray | None]:
    mask = None if seen is None else np.asarray(seen)
    return np.asarray(value), None if mask is None or mask.all() else mask


def _is_known(pair: Any) -> bool:
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(pair))
