"""Expectations E_p[f(x)] under a NumPyro distribution p: exact sums, quadrature, or Monte Carlo with its error.

Quadrature substitutes x = m + s sinh(t / (1 - t^2)) along each axis, with the median m and the spread s of draws of p,
so that neither long tails nor narrow peaks are missed, and leaves the regions in t to SciPy's `cubature`.
"""

from collections.abc import Callable, Sequence
from math import inf, log
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped
from numpyro.distributions import constraints
from scipy.integrate import cubature

from credo.errors import ConfigError

METHODS = ("auto", "closed", "monte_carlo", "quadrature")
DRAWS = 10_000

_TOLERANCES = {1: (1e-10, 1e-12), 2: (1e-8, 1e-10)}
"""The relative and the absolute error that are asked for, for each number of dimensions."""

_DIVISIONS = {1: 10_000, 2: 1_000}
"""How often regions are divided at most."""

_QUANTILES = {1: (0.001, 0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98, 0.999), 2: (0.02, 0.5, 0.98)}
"""Of the draws, at which regions are divided from the start."""

_DOUBLINGS = 40
"""How often the distance from the edge of a peak doubles at most, on the way to the next."""

_FARTHEST = 100.0
"""Beyond this |arsinh((x - m) / s)| the integrand counts as constant; a tail that matters there does not converge."""

Function = Callable[[Array], Array]
"""Numbers [..., batch] for x [..., batch, event]."""

Box = Sequence[tuple[float, float]]


class Estimate(NamedTuple):
    """A value [batch] and its error [batch]: 0 where exact, an integral's estimated bound, or a standard error."""

    value: Any
    error: Any


def check_method(method: str) -> None:
    """Refuse a word that is no method."""
    if method not in METHODS:
        raise ConfigError(f"information.method: expected one of {', '.join(METHODS)}, but got {method!r}")


def log_density(p: dist.Distribution, x: Shaped[Array, "..."]) -> Float[Array, "..."]:
    """Log p(x) [..., batch], -inf outside the support and where a probability is 0.

    NumPyro's own is that of the nearest allowed value or of the smallest number, to keep gradients finite.
    """
    if isinstance(p, dist.BernoulliProbs):
        log_p = jnp.where(x == 1, jnp.log(p.probs), jnp.log1p(-p.probs))
    else:
        log_p = p.log_prob(x)
    smallest = log_p <= np.finfo(log_p.dtype).min
    return jnp.where(p.support(x) & ~smallest, log_p, -jnp.inf)


def expected(
    p: dist.Distribution,
    function: Function,
    *,
    method: str = "auto",
    key: PRNGKeyArray | None = None,
    draws: int = DRAWS,
    bounds: Box | None = None,
    near: Sequence[dist.Distribution] = (),
) -> Estimate:
    """E_p[function(x)]; infinite where the function is infinite on a set that has a probability.

    `auto` sums where p can be enumerated, integrates in one or two dimensions and draws otherwise.

    Args:
        p: The distribution; quadrature takes one without batch dimensions.
        function: f; its values where p is 0 do not count.
        method: One of `METHODS`; `closed` here means an exact sum.
        key: Of Monte Carlo.
        draws: Of Monte Carlo.
        bounds: (low, high) for each dimension, within which quadrature integrates; `None` for all of p's support.
        near: Further distributions, at the ends of whose supports f may jump.

    Raises:
        ConfigError: For another method, one that p does not allow, Monte Carlo without a key, and an integral that is
            not found.
    """
    check_method(method)
    enumerable = p.has_enumerate_support and not p.event_shape
    if enumerable and method in ("auto", "closed"):
        return _summed(p, function)
    if method == "closed":
        raise ConfigError(
            f"information.method: expected a closed form, but there is none for {type(p).__name__}; "
            "use method='quadrature' or 'monte_carlo'"
        )
    if method == "quadrature" or (method == "auto" and _integrable(p, bounds)):
        return _integrated(p, function, _box(p, bounds), near)
    return _drawn(p, function, key, draws)


def _summed(p: dist.Distribution, function: Function) -> Estimate:
    """The sum over all values of p."""
    values = p.enumerate_support(expand=False)

    def total(x: Array) -> Array:
        mass = jnp.exp(log_density(p, x))
        return jnp.where(mass > 0, mass * function(x), 0.0).sum(0)

    value = jax.jit(total)(values)
    return Estimate(value, jnp.zeros_like(value))


def _drawn(p: dist.Distribution, function: Function, key: PRNGKeyArray | None, draws: int) -> Estimate:
    """The mean over draws and its standard error."""
    if key is None:
        raise ConfigError("information.key: Monte Carlo expected a key, but got none; give key=jax.random.key(seed)")
    if draws < 2:
        raise ConfigError(f"information.draws: expected at least 2, but got {draws}")
    values = jax.jit(function)(p.sample(key, (draws,)))
    value = values.mean(0)
    finite = jnp.isfinite(value)
    error = jnp.where(finite, values, 0.0).std(0, ddof=1) / draws**0.5
    return Estimate(value, jnp.where(finite, error, 0.0))


def _integrable(p: dist.Distribution, bounds: Box | None) -> bool:
    """Whether `auto` integrates."""
    small = not p.batch_shape and p.event_shape in ((), (1,), (2,))
    return small and not p.support.is_discrete and (bounds is not None or _ends(p) is not None)


def _ends(p: dist.Distribution) -> Float[np.ndarray, "dim 2"] | None:
    """The support's (low, high); `None` where it is no box."""
    support = p.support
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    line = support is constraints.real or support is constraints.real_vector
    low, high = getattr(support, "lower_bound", None), getattr(support, "upper_bound", None)
    if not line and low is None and high is None:
        return None
    shape = p.event_shape or (1,)
    ends = (-inf if low is None else np.asarray(low), inf if high is None else np.asarray(high))
    return np.stack([np.broadcast_to(end, shape).astype(float) for end in ends], axis=1)


def _box(p: dist.Distribution, bounds: Box | None) -> Float[np.ndarray, "dim 2"]:
    """Where to integrate."""
    dim = int(np.prod(p.event_shape, dtype=int))
    if p.batch_shape or dim not in _TOLERANCES or p.support.is_discrete:
        raise ConfigError(
            "information.method: quadrature expected one continuous distribution of one or two dimensions, but got "
            f"{type(p).__name__} of batch {p.batch_shape} and event {p.event_shape}; use method='monte_carlo'"
        )
    box = _ends(p) if bounds is None else np.asarray(bounds, float)
    if box is None or box.shape != (dim, 2) or not (box[:, 0] < box[:, 1]).all():
        raise ConfigError(
            f"information.bounds: expected (low, high), low < high, for each of {dim} dimensions, but got {bounds}"
        )
    return box


def _integrated(
    p: dist.Distribution, function: Function, box: Float[np.ndarray, "dim 2"], near: Sequence[dist.Distribution]
) -> Estimate:
    """The integral of p f over a box."""
    with jax.enable_x64(True), np.errstate(all="ignore"):
        draws = np.asarray(p.sample(jax.random.key(0), (2001,)), float).reshape(2001, -1)
        axes = _Axes(np.median(draws, 0), _spread(draws))
        integrand = _Integrand(p, function, axes, box)
        dim = len(box)
        relative, absolute = _TOLERANCES[dim]
        low, high = axes.folded(box.T)
        breaks = [*_breaks(np.quantile(draws, _QUANTILES[dim], axis=0)), *_corners(near)]
        points = [t for t in map(axes.folded, breaks) if ((low < t) & (t < high)).all()]
        found = cubature(
            integrand, low, high, rtol=relative, atol=absolute, max_subdivisions=_DIVISIONS[dim], points=points
        )
    value, error = float(found.estimate), float(found.error)
    if integrand.infinite:
        return Estimate(inf, 0.0)
    if found.status != "converged" or not np.isfinite(value):
        raise ConfigError(
            f"information.method: quadrature expected a finite integral, but got {value} with error {error:.1g}; "
            "the value may be infinite, or use method='monte_carlo' or narrower bounds"
        )
    return Estimate(value, error)


class _Axes(NamedTuple):
    """The substitution x = middle + spread sinh(u), u = t / (1 - t^2), along each axis [dim]."""

    middle: Float[np.ndarray, "dim"]
    spread: Float[np.ndarray, "dim"]

    def folded(self, x: Float[np.ndarray, "*points dim"]) -> Float[np.ndarray, "*points dim"]:
        """The t of points x."""
        u = np.arcsinh((x - self.middle) / self.spread)
        return np.where(np.isinf(u), np.sign(u), 2 * u / (1 + np.sqrt(1 + 4 * u**2)))

    def unfolded(
        self, t: Float[np.ndarray, "*points dim"]
    ) -> tuple[Float[np.ndarray, "*points dim"], Float[np.ndarray, "*points"]]:
        """The points x of t and log |dx / dt|."""
        u = np.clip(t / (1 - t**2), -_FARTHEST, _FARTHEST)
        slope = np.logaddexp(u, -u) - log(2) + np.log1p(t**2) - 2 * np.log1p(-(t**2))
        return self.middle + self.spread * np.sinh(u), (slope + np.log(self.spread)).sum(-1)


class _Integrand:
    """P(x) f(x) dx / dt at points t [node, dim], and whether f was infinite where p was not 0."""

    def __init__(self, p: dist.Distribution, function: Function, axes: _Axes, box: Float[np.ndarray, "dim 2"]):
        self.axes, self.box, self.infinite = axes, box, False
        self.event = p.event_shape
        self.compiled = jax.jit(lambda x: (log_density(p, x), function(x)))

    def __call__(self, t: Float[np.ndarray, "node dim"]) -> Float[np.ndarray, "node"]:
        x, slope = self.axes.unfolded(t)
        x = np.clip(x, *self.box.T)
        size = 1 << (len(x) - 1).bit_length()  # few shapes compile few programs
        padded = np.concatenate([x, np.broadcast_to(self.axes.middle, (size - len(x), x.shape[1]))])
        log_p, f = (np.asarray(one)[: len(x)] for one in self.compiled(padded.reshape(-1, *self.event)))
        mass = np.exp(log_p + slope)
        f = np.where(mass > 0, f, 0.0)
        self.infinite |= bool(np.isinf(f).any())
        return mass * np.where(np.isinf(f), 0.0, f)


def _spread(draws: Float[np.ndarray, "draw dim"]) -> Float[np.ndarray, "dim"]:
    """Half of the middle half's width of draws."""
    low, high = np.quantile(draws, (0.25, 0.75), axis=0)
    return np.where(high > low, (high - low) / 2, 1.0)


def _breaks(quantiles: Float[np.ndarray, "quantile dim"]) -> Float[np.ndarray, "point dim"]:
    """The quantiles and, in one dimension, points ever farther apart from both edges of a wide gap.

    Without them the rest of a narrow peak, beyond its last quantile, would lie between two nodes.
    """
    x = np.unique(quantiles, axis=0)
    if x.shape[1] > 1 or len(x) < 3:
        return x
    ends = np.concatenate([[-inf], x[:, 0], [inf]])
    gaps = np.diff(ends)
    points = [x[:, 0]]
    for i, at in enumerate(x[:, 0]):
        steps = gaps[i : i + 2].min() * 2.0 ** np.arange(_DOUBLINGS)
        wide = [steps[2 * steps < gap] if np.isfinite(gap) else steps[:5] for gap in gaps[i : i + 2]]
        points += [at - wide[0], at + wide[1]]
    return np.unique(np.concatenate(points))[:, None]


def _corners(near: Sequence[dist.Distribution]) -> list[Float[np.ndarray, "dim"]]:
    """The finite ends of supports."""
    ends = [_ends(one) for one in near]
    return [end for pair in ends if pair is not None for end in pair.T if np.isfinite(end).all()]
