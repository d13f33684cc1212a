"""The curvature of a log density at its mode: standard errors, and where they are none.

The observed information is taken in unconstrained coordinates and carried to the latents' own space by the delta
method; at a stationary point this equals the inverse of the information in that space. Coordinates on the boundary are
held fixed.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float

from credo.config.failure import in_words
from credo.inference.point import profile
from credo.inference.point.derivatives import Derivatives, LogDensity, differentiate, fallen, jacobian, shown
from credo.inference.point.edges import Edges, judge
from credo.inference.point.scalars import Scalars, held, moves, share
from credo.inference.point.spectrum import Spectrum, decompose
from credo.models.problem import Problem

_MOST = 1000
"""Beyond so many latent scalars no Hessian is formed, and standard errors are not given."""

_ROUNDING = 16.0
"""Rounding errors of a log density, in units in the last place."""

_SHARE = 0.25
"""A scalar whose variance has such a share along a direction without a standard error has none, either."""


@dataclass(frozen=True)
class Curvature:
    """What was seen at the mode.

    Attributes:
        unknown: why the rest is not known, in a sentence; empty where it is.
        information: minus the Hessian of the log density in unconstrained space, zero on the boundary [dim, dim].
        eigenvalues: of the information without boundary coordinates, scaled to unit diagonal, ascending.
        standard_errors: by site, in its own space; 0 of a constant, NaN on a boundary or where it would be none.
        newton_decrement: how far the mode still is, in standard errors (Boyd & Vandenberghe 2004, section 9.5).
        falls: of the log density one standard error away: of each coordinate's profile, then along each eigenvector,
            backwards and forwards; NaN where there is none [2 dim, 2].
        along: of each of these directions, the scalar that it concerns most, and whether that grows along it.
        rounding: how far the log density may be off by rounding, in nats.
        boundary: names of the scalars on the boundary of their support.
        unbounded: names of the scalars towards whose end the log density rises without a bound, and that end.
        flat: names of the scalars along which the log density is flat.
    """

    unknown: str = ""
    information: Float[np.ndarray, "dim dim"] | None = None
    eigenvalues: Float[np.ndarray, "free"] = field(default_factory=lambda: np.empty(0))
    standard_errors: dict[str, Float[np.ndarray, "..."]] = field(default_factory=dict)
    newton_decrement: float = np.nan
    falls: Float[np.ndarray, "directions 2"] = field(default_factory=lambda: np.empty((0, 2)))
    along: tuple[tuple[str, bool], ...] = ()
    rounding: float = np.nan
    boundary: tuple[str, ...] = ()
    unbounded: tuple[tuple[str, float], ...] = ()
    flat: tuple[str, ...] = ()

    @property
    def lost(self) -> Bool[np.ndarray, "directions"]:
        """The directions along which the standard error is none [2 dim].

        Eigenvectors of like eigenvalues mix latents that have nothing to do with each other: they are only asked where
        every latent has its standard error.
        """
        is_open, is_flat = profile.judge(self.falls, self.rounding)
        lost, dim = np.asarray(is_open.any(axis=1) | is_flat), len(self.falls) // 2
        return np.where(np.arange(2 * dim) < dim, lost, lost & ~lost[:dim].any())

    def distances(
        self, z: Float[np.ndarray, "points dim"], mode: Float[np.ndarray, "dim"]
    ) -> Float[np.ndarray, "points"]:
        """How far points are from the mode, in standard errors; NaN where those are none."""
        if self.information is None or self.lost.any():
            return np.where(np.any(z != mode, axis=1), np.nan, 0.0)
        squared = np.einsum("si,ij,sj->s", z - mode, self.information, z - mode)
        return np.sqrt(np.maximum(squared, 0.0))

    def attributes(self) -> dict[str, Any]:
        """The names and numbers that go beside the table of starts."""
        if self.unknown:
            return {"unknown": self.unknown, "newton_decrement": self.newton_decrement}
        lists = ("boundary", "unbounded", "flat")
        numbers = {"newton_decrement": self.newton_decrement, "rounding": self.rounding}
        return {name: json.dumps(getattr(self, name)) for name in lists} | numbers


def inspect(method: LogDensity, problem: Problem, z: dict[str, Float[np.ndarray, "..."]]) -> Curvature:
    """Look at a mode.

    Args:
        method: what was maximised.
        problem: the model and its data.
        z: the mode, unconstrained.
    """
    if sum(np.size(values) for values in z.values()) > _MOST:
        return Curvature(unknown=f"The curvature of more than {_MOST} latents is not computed.")
    try:
        derivatives, forward = differentiate(method, problem, z)
    except Exception as error:  # noqa: BLE001 - whatever it is, the estimate is there
        return Curvature(unknown=f"The log density has no second derivatives ({in_words(error)}).")
    at_mode = jax.tree.map(np.asarray, derivatives)
    edges = judge(at_mode.outlook, at_mode.gradient, _rounding(at_mode))
    inside = at_mode.jacobian
    if edges.side.any():
        away = _with_zeros(z, edges.side != 0)
        inside = jax.tree.map(np.asarray, jacobian(shown(problem), forward, problem.bound, away))
    return _curvature(method, problem, z, at_mode, inside, edges)


def _curvature(
    method: LogDensity,
    problem: Problem,
    z: dict[str, np.ndarray],
    at_mode: Derivatives,
    inside: dict[str, Float[np.ndarray, "scalars dim"]],
    edges: Edges,
) -> Curvature:
    """What the derivatives at a mode say; `inside` are those of the sites away from the boundary."""
    free = edges.side == 0
    information = np.where(np.outer(free, free), -at_mode.hessian, 0.0)
    spectrum = decompose(information, free)
    directions = spectrum.directions()
    bounded = at_mode.outlook.ends.any(axis=1)
    falls = np.array(fallen(method, problem.bound, z, directions, spectrum.covariance, bounded), float)
    falls[~directions.any(1)] = np.nan
    scalars = Scalars(problem, at_mode.values, at_mode.jacobian, {name: np.size(values) for name, values in z.items()})
    own = np.concatenate([inside[name] for name in z])
    edge = scalars.on_edge(edges, own)
    curvature = Curvature(
        information=information,
        eigenvalues=spectrum.eigenvalues,
        newton_decrement=float(np.linalg.norm(at_mode.gradient @ spectrum.root)) if spectrum.definite else np.nan,
        falls=falls,
        along=scalars.along(directions, spectrum.covariance),
        rounding=_rounding(at_mode),
        boundary=scalars.named(edge),
        unbounded=scalars.unbounded(edges, own),
        flat=scalars.flat(spectrum.null),
    )
    errors = _standard_errors(at_mode.values, at_mode.jacobian, inside, spectrum, edges, directions[curvature.lost])
    return replace(curvature, standard_errors=scalars.without(errors, edge))


def _rounding(at_mode: Derivatives) -> float:
    """How far the log density may be off by rounding, in nats."""
    return float(_ROUNDING * np.finfo(at_mode.hessian.dtype).eps * (1.0 + abs(at_mode.height)))


def _with_zeros(
    z: dict[str, Float[np.ndarray, "..."]], chosen: Bool[np.ndarray, "dim"]
) -> dict[str, Float[np.ndarray, "..."]]:
    """The point with some coordinates at zero, where the latents are in the middle of their space."""
    flat, unravel = ravel_pytree(z)
    return jax.tree.map(np.asarray, unravel(jnp.where(chosen, 0.0, flat)))


def _standard_errors(
    values: dict[str, Float[np.ndarray, "..."]],
    slopes: dict[str, Float[np.ndarray, "scalars dim"]],
    inside: dict[str, Float[np.ndarray, "scalars dim"]],
    spectrum: Spectrum,
    edges: Edges,
    lost: Float[np.ndarray, "directions dim"],
) -> dict[str, Float[np.ndarray, "..."]]:
    """By the delta method, by site; NaN where a direction is flat, or `lost`: without an error."""
    errors = {}
    for name, rows in slopes.items():
        value = values[name]
        constant = np.abs(inside[name]).max(1) <= 100 * np.finfo(rows.dtype).eps * np.abs(np.ravel(value))
        undefined = moves(rows, spectrum.null) | held(rows, inside[name], edges.side == 0) | edges.unbounded.any()
        for step in lost:
            undefined |= share(rows, step, spectrum.covariance) > _SHARE
        error = np.where(undefined, np.nan, np.linalg.norm(rows @ spectrum.root, axis=1))
        errors[name] = np.where(constant, 0.0, error).reshape(np.shape(value))
    return errors
