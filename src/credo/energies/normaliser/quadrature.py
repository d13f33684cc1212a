"""Log Z by adaptive quadrature in one to three dimensions, with an estimate of its error.

Z = exp(-E_0) integral of exp(-(E(x) - E_0)) dx with the least energy E_0, which neither overflows nor vanishes. Each
axis is x = x_0 + s sinh(u), u = t / (1 - t^2) with t within -1 and 1, about the minimum x_0, where s is the distance at
which E has risen by half a nat: narrow wells within wide bounds and heavy tails are then smooth in t. The rule is Gauss
and Kronrod's of 21 nodes per axis, in regions that SciPy's `cubature` halves where its error is largest.
"""

from collections.abc import Callable, Sequence
from math import inf, log
from typing import NamedTuple

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float
from scipy.integrate import cubature
from scipy.ndimage import minimum_filter
from scipy.optimize import minimize

from credo.errors import ConfigError

_GRID = {1: 2001, 2: 101, 3: 31}
"""Points along each axis among which wells are looked for, for each number of dimensions."""

_DIVISIONS = {1: 10_000, 2: 2_000, 3: 200}
"""How often regions are divided at most."""

_TOLERANCES = {1: 1e-10, 2: 1e-8, 3: 1e-5}
"""The relative error of Z that is asked for, where nothing else is."""

_WELLS = 6
"""How many wells, the deepest ones, the axis of one dimension is divided at."""

_FARTHEST = 100.0
"""Beyond this |u| the integrand counts as constant, so that a tail which is not negligible there does not converge."""

Density = Callable[[np.ndarray], np.ndarray]


class Quadrature(NamedTuple):
    """Log Z in nats and the estimate of its absolute error."""

    log_z: float
    error: float


class _Well(NamedTuple):
    """A minimum [dim] of an energy, how far it reaches along each axis [dim], and its energy."""

    at: Float[np.ndarray, "dim"]
    reach: Float[np.ndarray, "dim"]
    energy: float


def log_z(
    energy: Callable[[Array], ArrayLike], bounds: Sequence[tuple[float, float]], *, tolerance: float | None = None
) -> Quadrature:
    """Log of the integral of exp(-E(x)) over a box, in float64 whatever JAX's own precision.

    It chooses its nodes by the values it sees, so that it can be neither compiled nor differentiated. Wells are looked
    for on a grid: one that is much narrower than the steps of that grid, beside others, can be missed.

    Example:
        Of a standard normal: log(2 pi) / 2.

        >>> round(log_z(lambda x: 0.5 * (x @ x), [(-inf, inf)]).log_z, 6)
        0.918939

    Args:
        energy: E of one x [dim], from JAX, an `Energy` or any function; infinite where there is no density.
        bounds: (low, high) for each of one to three dimensions; -inf and inf are allowed.
        tolerance: Of Z, relative; without it 1e-10 in one dimension, 1e-8 in two and 1e-5 in three.

    Returns:
        Log Z and its error, both in nats.

    Raises:
        ConfigError: For bounds that are no box, and where the integral is infinite, not a number, or not found to
            within the tolerance.
    """
    box = np.asarray(bounds, float)
    if box.ndim != 2 or len(box) not in _GRID or box.shape[1] != 2 or not (box[:, 0] < box[:, 1]).all():
        raise ConfigError(f"evidence.bounds: expected (low, high) for 1 to 3 dimensions, low < high, but got {bounds}")
    tolerance = _TOLERANCES[len(box)] if tolerance is None else tolerance
    if not tolerance > 0:
        raise ConfigError(f"evidence.tolerance: expected a positive number, but got {tolerance}")
    with jax.enable_x64(True), np.errstate(all="ignore"):
        compiled = jax.jit(jax.vmap(energy))
        wells = _wells(lambda x: np.asarray(compiled(x), float), jax.jit(jax.value_and_grad(energy)), box)
        return _integral(lambda x: np.asarray(compiled(x), float), wells, box, tolerance)


def _integral(energies: Density, wells: list[_Well], box: Float[np.ndarray, "dim 2"], tolerance: float) -> Quadrature:
    at, reach, least = wells[0]

    def density(t: Float[np.ndarray, "node dim"]) -> Float[np.ndarray, "node"]:
        u = np.clip(t / (1 - t**2), -_FARTHEST, _FARTHEST)
        x = np.clip(at + reach * np.sinh(u), *box.T)
        slope = np.logaddexp(u, -u) - log(2) + np.log1p(t**2) - 2 * np.log1p(-(t**2))
        return np.exp(least - energies(x) + slope.sum(-1))

    low, high = _folded(box.T, wells[0])
    found = cubature(
        density,
        low,
        high,
        rtol=tolerance,
        max_subdivisions=_DIVISIONS[len(box)],
        points=[t for t in _breaks(wells) if ((low < t) & (t < high)).all()] if len(box) == 1 else [],
    )
    total, error = float(found.estimate), float(found.error)
    if not (0 < total < inf and error < inf):
        raise ConfigError(f"evidence: expected a finite integral of exp(-E) over {box.tolist()}, but got {total}")
    if found.status != "converged":
        raise ConfigError(
            f"evidence.tolerance: expected a relative error of Z of at most {tolerance}, but got {error / total:.1g}; "
            "choose a larger tolerance or narrower bounds, or an energy whose Z is finite"
        )
    return Quadrature(log(total) - least + float(np.log(reach).sum()), error / total)


def _folded(x: Float[np.ndarray, "*points dim"], about: _Well) -> Float[np.ndarray, "*points dim"]:
    """The t of points x."""
    u = np.arcsinh((x - about.at) / about.reach)
    return np.where(np.isinf(u), np.sign(u), 2 * u / (1 + np.sqrt(1 + 4 * u**2)))


def _breaks(wells: list[_Well]) -> list[Float[np.ndarray, "dim"]]:
    """Points t at and about the wells beside the deepest one, at which regions are divided."""
    deepest, *others = wells
    return [_folded(well.at + side * well.reach, deepest) for well in others for side in (0.0, -8.0, 8.0)]


def _wells(
    energies: Density, slope: Callable[..., tuple[Array, Array]], box: Float[np.ndarray, "dim 2"]
) -> list[_Well]:
    """The deepest wells, the deepest first.

    Raises:
        ConfigError: Where the energy has no finite minimum.
    """
    axes = [_points(low, high, _GRID[len(box)]) for low, high in box]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    seen = energies(grid.reshape(-1, len(box))).reshape(grid.shape[:-1])
    seen = np.where(np.isnan(seen), inf, seen)
    lowest = (seen == minimum_filter(seen, 3, mode="nearest")) & np.isfinite(seen)
    order = np.argsort(seen[lowest])[:_WELLS]
    wells: list[_Well] = []
    for start in grid[lowest][order]:
        at, least = _descended(slope, start, box)
        if not any((np.abs(at - well.at) <= well.reach).all() for well in wells):
            wells.append(_Well(at, _reach(energies, at, least, box), least))
    wells.sort(key=lambda well: well.energy)
    if not wells or not np.isfinite(wells[0].energy):
        raise ConfigError(f"evidence: expected an energy with a finite minimum within {box.tolist()}, but found none")
    return wells


def _points(low: float, high: float, n: int) -> Float[np.ndarray, "point"]:
    """Points from bound to bound, on infinite axes ever farther apart."""
    if low > -inf and high < inf:
        return np.linspace(low, high, n)
    if low == -inf and high == inf:
        return np.sinh(np.linspace(-12.0, 12.0, n))
    away = np.expm1(np.linspace(0.0, 12.0, n))
    return low + away if low > -inf else high - away


def _descended(
    slope: Callable[..., tuple[Array, Array]], start: Float[np.ndarray, "dim"], box: Float[np.ndarray, "dim 2"]
) -> tuple[Float[np.ndarray, "dim"], float]:
    """The minimum near a start, and its energy."""

    def value_and_slope(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, by_x = slope(x)
        return float(value), np.asarray(by_x, float)

    found = minimize(value_and_slope, start, jac=True, method="L-BFGS-B", bounds=box)
    first = value_and_slope(start)[0]
    return (found.x, float(found.fun)) if found.fun <= first else (start, first)


def _reach(
    energies: Density, at: Float[np.ndarray, "dim"], least: float, box: Float[np.ndarray, "dim 2"]
) -> Float[np.ndarray, "dim"]:
    """How far from a minimum the energy has risen by half a nat along each axis, to a factor of two."""
    steps = 2.0 ** np.arange(-80, 80)
    reach = np.ones(len(box))
    for axis, bound in enumerate(box):
        x = np.tile(at, (2, len(steps), 1))
        x[..., axis] = np.clip(at[axis] + np.array([[-1.0], [1.0]]) * steps, *bound)
        risen = ~(energies(x.reshape(-1, len(box))).reshape(2, -1) < least + 0.5)
        if risen.any():
            reach[axis] = steps[risen.any(0).argmax()]
        elif np.isfinite(bound).all():
            reach[axis] = bound[1] - bound[0]
    return reach
