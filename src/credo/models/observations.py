"""What a program observes: the values of its own observed sites, however it computes them, and which of them count."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Shaped
from numpyro import handlers

from credo.errors import ConfigError
from credo.models.base import Model
from credo.models.binding import BoundModel
from credo.models.dependence import independent, used
from credo.models.priors import Placeholders
from credo.models.sites import Site, site_of


class Observation(NamedTuple):
    """What a site observed.

    - **value** - its values.
    - **seen** - which of them count, over the first of their dims; `None` where all do.
    """

    value: Shaped[np.ndarray, "..."]
    seen: Bool[np.ndarray, "..."] | None

    @property
    def with_gaps(self) -> Shaped[np.ndarray, "..."]:
        """The values, NaN where one does not count."""
        if self.seen is None:
            return self.value
        seen = self.seen.reshape(self.seen.shape + (1,) * (self.value.ndim - self.seen.ndim))
        return np.where(seen, self.value.astype(float), np.nan)

    def seen_rows(self, ndim: int) -> Bool[np.ndarray, "..."] | None:
        """Which rows of a log density with `ndim` dims count; `None` where all do."""
        if self.seen is None or self.seen.ndim < ndim:
            return None
        return np.asarray(self.seen.any(axis=tuple(range(ndim, self.seen.ndim))))


def observe(program: BoundModel, sites: tuple[Site, ...]) -> dict[str, Observation]:
    """The observations by site; one that depends on a latent is no data and is left out.

    Where a program observes its data as they are, nothing is computed.
    """
    found: dict[str, Any] = {site.name: (site.value, site.seen) for site in sites if site.kind == "observed"}
    if not all(map(_is_known, found.values())):
        found = _computed(program, found, {site.name: _shape(site) for site in sites if site.kind == "latent"})
    return {name: Observation(*_plain(*pair)) for name, pair in found.items()}


def _computed(program: BoundModel, names: Mapping[str, Any], latents: Mapping[str, Any]) -> dict[str, Any]:
    def run(free: tuple[jax.Array, Mapping[str, Any]], program: BoundModel) -> dict[str, Any]:
        with handlers.trace() as messages, Placeholders(), handlers.seed(rng_seed=free[0]):
            handlers.substitute(program, data=free[1])()
        sites = {name: site_of(messages[name]) for name in names}
        return {name: (site.value, site.seen) for name, site in sites.items()}

    key = jax.random.PRNGKey(0)
    fixed = independent(run, (key, latents), program)
    known = [name for name in names if all(jax.tree.leaves(fixed[name]))]
    values: dict[str, Any] = jax.jit(lambda program: {name: run((key, {}), program)[name] for name in known})(program)
    return values


def unread(program: BoundModel) -> tuple[str, ...]:
    """The names of the program's arrays on which nothing depends: no log density, and no value that it computes.

    It is asked of the operations; where they cannot be traced, every array counts as read.
    """

    def outcome(arrays: dict[str, Any]) -> list[Any]:
        bound = replace(program, arrays=arrays)
        with handlers.trace() as messages, Placeholders(), handlers.seed(rng_seed=jax.random.PRNGKey(0)):
            bound()
        of_interest = [message for message in messages.values() if message["type"] in {"sample", "deterministic"}]
        return [
            message["value"] if site_of(message).kind == "deterministic" else message["fn"].log_prob(message["value"])
            for message in of_interest
        ]

    try:
        read = used(outcome, program.arrays)
    except Exception:  # noqa: BLE001 - a program may do with numbers what cannot be traced
        return ()
    return tuple(name for name in program.arrays if name not in read)


def _shape(site: Site) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(site.shape, int if site.discrete else float)


def _plain(value: Any, seen: Any) -> tuple[Shaped[np.ndarray, "..."], Bool[np.ndarray, "..."] | None]:
    mask = None if seen is None else np.asarray(seen)
    return np.asarray(value), None if mask is None or mask.all() else mask


def _is_known(pair: Any) -> bool:
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(pair))


def check_support(site: Site, observation: Observation, row_dim: str, model: Model) -> None:
    """Raise `ConfigError` if what a site observed is not all within its support."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(site.constraint)):
        return  # the support depends on a latent
    value = observation.value
    inside = np.asarray(site.constraint(value))
    if observation.seen is not None:
        counts = observation.seen_rows(inside.ndim)
        inside = (
            inside if counts is None else inside | ~counts.reshape(counts.shape + (1,) * (inside.ndim - counts.ndim))
        )
    if np.all(inside):
        return
    where = tuple(int(i) for i in np.argwhere(~inside)[0])
    place = f"{row_dim} {where[0] if len(where) == 1 else where} has" if where else "got"
    raise ConfigError(
        f"{model.likelihood_key}: every {site.name} must be {site.support}, but {place} {_short(value[where])}; choose "
        "another model or other data"
    )


def _short(value: Shaped[np.ndarray, "..."]) -> str:
    """A number, or those of an event."""
    return f"{value:.6g}" if value.ndim == 0 else f"({', '.join(f'{one:.6g}' for one in np.ravel(value))})"
