"""Gibbs sampling in blocks (Geman & Geman 1984): each block from its law given the others, all its units at once.

Of an RBM the blocks are its two layers. Of an Ising or a Potts model they are the colours of its graph, no two of whose
sites are neighbours: of even lattices the black and white fields of a chequerboard. States are kept as [site, chain]
with the sites in the order of their colours, where the neighbours of a block are whole rows.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.nn import sigmoid, softmax

from credo.energies.base import Energy
from credo.energies.ising import Edges, Ising
from credo.energies.potts import Potts
from credo.energies.rbm import GaussianRbm, Rbm
from credo.energies.samplers.base import Sampler, Walkers, name_of
from credo.energies.samplers.uniforms import uniforms
from credo.errors import ConfigError


class Gibbs(Sampler):
    """One sweep over all blocks is a transition.

    Attributes:
        backwards: whether a sweep goes from the last colour to the first one.
    """

    backwards: bool = eqx.field(static=True, default=False)

    word: ClassVar[str] = "gibbs"

    def check(self, energy: Energy) -> None:
        """Refuse all but Ising and Potts models and RBMs."""
        if not isinstance(energy, Ising | Potts | Rbm):
            raise ConfigError(
                f"sampler: gibbs knows the conditional laws of ising, potts and rbm, but not of {name_of(energy)}; "
                "choose mh for discrete units, mala for real numbers, or auto"
            )

    def backward(self) -> "Gibbs":
        """The sweep in the other order of colours."""
        return Gibbs(self.steps, not self.backwards)

    def step(self, energy: Energy, walkers: Walkers, key: Array) -> tuple[Walkers, Array]:
        """One sweep of all chains; nothing is rejected."""
        if not isinstance(energy, Rbm):
            return self.run(energy, walkers, key, 1)
        return walkers._replace(x=_layers(energy, walkers.x, key)), jnp.ones((), walkers.x.dtype)

    def run(
        self, energy: Energy, walkers: Walkers, key: Array, steps: int | None = None, *, adapt: bool = False
    ) -> tuple[Walkers, Array]:
        """Many sweeps; nothing is rejected."""
        if isinstance(energy, Rbm):
            return super().run(energy, walkers, key, steps, adapt=adapt)
        self.check(energy)
        colours = coloured(energy.edges, energy.dim)  # type: ignore[attr-defined]
        order = np.concatenate([colour.sites for colour in colours])
        conditional: Any = _spins if isinstance(energy, Ising) else _kinds

        def sweep(x: Array, key: Array) -> tuple[Array, None]:
            for colour in reversed(colours) if self.backwards else colours:
                key, block_key = jax.random.split(key)
                u = uniforms(block_key, (len(colour.sites), x.shape[1]), x.dtype)
                x = lax.dynamic_update_slice(x, conditional(energy, colour, x, u), (colour.first, 0))
            return x, None

        x, _ = lax.scan(sweep, walkers.x.T[order], jax.random.split(key, self.steps if steps is None else steps))
        return walkers._replace(x=x[np.argsort(order)].T), jnp.ones((), x.dtype)


def _layers(machine: Rbm, v: Array, key: Array) -> Array:
    """New visible units [chain, visible], by way of hidden ones [chain, hidden]."""
    hidden_key, visible_key = jax.random.split(key)
    h = (uniforms(hidden_key, (len(v), machine.hidden), v.dtype) < sigmoid(machine.drive(v))).astype(v.dtype)
    mean = jax.vmap(lambda h: machine.visible_given(h).mean)(h)
    if isinstance(machine, GaussianRbm):
        return (mean + machine.scale * jax.random.normal(visible_key, v.shape, v.dtype)).astype(v.dtype)
    return (uniforms(visible_key, v.shape, v.dtype) < mean).astype(v.dtype)


class Colour(NamedTuple):
    """Sites without edges between them, in the order in which states are kept.

    - **first** - where its rows begin.
    - **sites** - their numbers in the model, [site].
    - **neighbours** - the rows of their neighbours, [site, degree], filled up with 0.
    - **edges** - the edges to them, [site, degree], filled up with the number of edges.
    """

    first: int
    sites: np.ndarray
    neighbours: np.ndarray
    edges: np.ndarray


@lru_cache(maxsize=16)
def coloured(edges: Edges, count: int) -> tuple[Colour, ...]:
    """The colours of a graph of `count` sites, each site in turn getting the first that no neighbour has."""
    near: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for number, (one, other) in enumerate(edges):
        near[one].append((other, number))
        near[other].append((one, number))
    colour = np.full(count, -1)
    for site in range(count):
        taken = {colour[other] for other, _ in near[site]}
        colour[site] = next(c for c in range(count) if c not in taken)
    order = np.argsort(colour, kind="stable")
    row = np.argsort(order)
    found, first = [], 0
    for c in range(colour.max() + 1):
        sites = np.flatnonzero(colour == c)
        found.append(Colour(first, sites, *_table([near[site] for site in sites], row, len(edges))))
        first += len(sites)
    return tuple(found)


def _table(near: Sequence[Sequence[tuple[int, int]]], row: np.ndarray, none: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of neighbours and the edges to them, [site, degree] each."""
    shape = len(near), max(map(len, near))
    neighbours, edges = np.zeros(shape, int), np.full(shape, none)
    for i, pairs in enumerate(near):
        for k, (other, number) in enumerate(pairs):
            neighbours[i, k], edges[i, k] = row[other], number
    return neighbours, edges


def _couplings(energy: Any, colour: Colour) -> Array:
    """Coupling beta J of each neighbour, [site, degree], 0 where there is none."""
    padded = jnp.concatenate([energy.couplings, jnp.zeros(1, energy.couplings.dtype)])
    return energy.inverse_temperature * padded[colour.edges]


def _spins(energy: Ising, colour: Colour, x: Array, u: Array) -> Array:
    """Spins [site, chain] of a colour given all of them, x [sites, chain]."""
    couplings = _couplings(energy, colour).astype(x.dtype)
    field = (energy.inverse_temperature * energy.fields[colour.sites])[:, None].astype(x.dtype)
    for k in range(couplings.shape[1]):
        field = field + couplings[:, k, None] * x[colour.neighbours[:, k]]
    return jnp.where(u < sigmoid(2 * field), 1.0, -1.0).astype(x.dtype)


def _kinds(energy: Potts, colour: Colour, x: Array, u: Array) -> Array:
    """Kinds [site, chain] of a colour given all of them, x [sites, chain]."""
    couplings = _couplings(energy, colour).astype(x.dtype)[:, None]
    kinds = jnp.asarray(energy.values, x.dtype)[:, None]
    logits = (energy.inverse_temperature * energy.fields[colour.sites]).astype(x.dtype)[..., None]
    for k in range(couplings.shape[2]):
        logits = logits + couplings[..., k, None] * (x[colour.neighbours[:, k]][:, None] == kinds)
    below = jnp.cumsum(softmax(jnp.broadcast_to(logits, (len(u), len(kinds), u.shape[1])), 1)[:, :-1], 1)
    return (u[:, None] >= below).sum(1).astype(x.dtype)
