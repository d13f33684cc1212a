"""The curvature of a log density at its mode: standard errors, flat directions, and modes on a boundary.

The observed information is taken in unconstrained coordinates and carried to the latents' own space by the delta
method; at a stationary point this equals the inverse of the information in that space.
"""

import json
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from numpyro import handlers

from credo.inference.density import Program, Values, constrain
from credo.models.problem import BoundModel, Problem

_MOST = 1000
"""Beyond so many latent scalars no Hessian is formed, and standard errors are not given."""

_EDGE = 1e-6
"""A latent is on the boundary of its support when its unconstrained coordinate moves it by less, relatively."""

_FLAT = 1e-8
"""An eigenvalue of the information scaled to unit diagonal below this is a flat direction."""


@dataclass(frozen=True)
class Curvature:
    """What the Hessian says.

    Attributes:
        information: minus the Hessian of the log density in unconstrained space [dim, dim].
        eigenvalues: of the information without boundary coordinates, scaled to unit diagonal, ascending.
        standard_errors: by site, in its own space; NaN on a boundary or along a flat direction.
        boundary: names of the scalars on the boundary of their support.
        flat: names of the scalars along which the log density is flat.
        newton_decrement: how far the mode still is, in standard errors (Boyd & Vandenberghe 2004, section 9.5).
    """

    information: np.ndarray
    eigenvalues: np.ndarray
    standard_errors: dict[str, np.ndarray]
    boundary: tuple[str, ...]
    flat: tuple[str, ...]
    newton_decrement: float

    def distances(self, z: np.ndarray, mode: np.ndarray) -> np.ndarray:
        """How far points [points, dim] are from the mode [dim], in standard errors."""
        deviation = z - mode
        squared = np.einsum("si,ij,sj->s", deviation, self.information, deviation)
        return np.sqrt(np.maximum(squared, 0.0))

    def attributes(self) -> dict[str, Any]:
        """The names and numbers that go beside the table of starts."""
        return {
            "boundary": json.dumps(self.boundary),
            "flat": json.dumps(self.flat),
            "newton_decrement": self.newton_decrement,
        }


class LogDensity(Protocol):
    """What was maximised: a pytree whose numbers are arguments of the compiled program."""

    def log_density(self, program: Program, z: Values) -> Array:
        """The log density of the unconstrained latents."""
        ...


def inspect(method: LogDensity, problem: Problem, z: dict[str, np.ndarray]) -> Curvature:
    """Look at a mode.

    Args:
        method: what was maximised.
        problem: the model and its data.
        z: the mode, unconstrained.
    """
    flat, _ = ravel_pytree(z)
    dim = flat.size
    if dim > _MOST:
        return Curvature(np.full((dim, dim), np.nan), np.array([]), {}, (), (), np.nan)
    sites = () if any(s.discrete for s in problem.latents) else tuple(s.name for s in problem.named("deterministic"))
    hessian, gradient, values, jacobian = jax.tree.map(np.asarray, _derivatives(method, sites, problem.bound, z))
    scale = 1.0 + np.abs(np.concatenate([np.ravel(values[name]) for name in z]))
    own = np.concatenate([jacobian[name].reshape(-1, dim) for name in z])
    names = [name for site in z for name in _scalar_names(site, np.shape(values[site]))]
    on_edge = np.max(np.abs(own), axis=1) < _EDGE * scale
    free = np.max(np.abs(own) / scale[:, None], axis=0) >= _EDGE
    eigenvalues, vectors, deviations = _spectrum(-hessian[np.ix_(free, free)])
    level = eigenvalues > _FLAT
    root, null = np.zeros((dim, int(level.sum()))), np.zeros((dim, int((~level).sum())))
    root[free] = (vectors[:, level] / np.sqrt(eigenvalues[level])) / deviations[:, None]
    null[free] = vectors[:, ~level] / deviations[:, None]
    errors = {}
    for name, slope in jacobian.items():
        rows = slope.reshape(-1, dim)
        stuck = np.max(np.abs(rows), axis=1) < _EDGE * (1.0 + np.abs(np.ravel(values[name])))
        undefined = stuck | _moves(rows, null)
        errors[name] = np.where(undefined, np.nan, np.linalg.norm(rows @ root, axis=1)).reshape(np.shape(values[name]))
    drifting = _moves(own, null)
    return Curvature(
        information=-hessian,
        eigenvalues=eigenvalues,
        standard_errors=errors,
        boundary=tuple(name for name, edge in zip(names, on_edge, strict=True) if edge),
        flat=tuple(name for name, drifts in zip(names, drifting, strict=True) if drifts),
        newton_decrement=float(np.linalg.norm(gradient @ root)) if np.all(level) else np.nan,
    )


def _spectrum(information: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eigenvalues and vectors of the information scaled to unit diagonal, and the scales."""
    diagonal = np.diag(information)
    deviations = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scaled = information / np.outer(deviations, deviations)
    if not np.all(np.isfinite(scaled)):
        return np.full(len(scaled), np.nan), np.eye(len(scaled)), deviations
    values, vectors = np.linalg.eigh(scaled)
    return values, vectors, deviations


def _moves(rows: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Which scalars (rows of the Jacobian) move along a flat direction, beyond what cancels."""
    if not null.size:
        return np.zeros(len(rows), bool)
    along = np.abs(rows @ null)
    return np.any(along > 1e-3 * np.max(np.abs(rows) @ np.abs(null)), axis=1)


def _scalar_names(site: str, shape: tuple[int, ...]) -> list[str]:
    return [f"{site}[{', '.join(map(str, index))}]" if index else site for index in np.ndindex(*shape)]


@partial(jax.jit, static_argnums=1)
def _derivatives(method: LogDensity, deterministic: tuple[str, ...], program: BoundModel, z: Values) -> Any:
    """Hessian and gradient of the log density, and the sites' values and Jacobians with respect to flat z."""
    flat, unravel = ravel_pytree(z)

    def value(flat: Array) -> Array:
        return method.log_density(program, unravel(flat))

    def sites(flat: Array) -> Values:
        latents = constrain(program, unravel(flat))
        if not deterministic:
            return latents
        seeded = handlers.seed(program, jax.random.PRNGKey(0))
        messages = handlers.trace(handlers.substitute(seeded, data=latents)).get_trace()
        return {**latents, **{name: messages[name]["value"] for name in deterministic}}

    jacobian = jax.tree.map(lambda a: a.reshape(-1, flat.size), jax.jacfwd(sites)(flat))
    return jax.hessian(value)(flat), jax.grad(value)(flat), jax.tree.map(jnp.asarray, sites(flat)), jacobian
