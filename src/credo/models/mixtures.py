"""Conditional mixtures p(y | x) = sum_k w_k(x) f(y; theta_k(x)), made of the raw numbers that a network gives.

A family f says how raw numbers become its parameters and what its density, CDF, draws and moments are. A mixture's raw
numbers [n_raw] are those of the weights, then those of each component; `mixture` cuts and binds them.

Scales are floor * resolution + unit * softplus(raw): `resolution` is the step in which a target is recorded, `unit` the
size of a raw step, both in the target's own units. All densities are computed in log space, by forms that neither
overflow nor cancel, in float32 and float64, however far an observation is from every component.
"""

# ruff: noqa: D102 -- what a family's methods do is said once, by `Family`

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from math import inf, log, pi
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import Array, lax, random
from jax.nn import log_sigmoid, log_softmax, sigmoid, softplus
from jax.scipy.special import betainc, gammaincc, gammaln, logsumexp, ndtr
from jax.typing import ArrayLike
from numpyro.distributions import constraints

from credo.errors import ConfigError
from credo.models.supports import describe

Parameters = dict[str, Array]
"""Of one component or of many [..., component], each [..., target]."""

WEIGHTS = ("softmax", "stick_breaking")

LEAST_DF = 2.1
"""Degrees of freedom of `student_t` are above this, so that it has a mean and a variance."""

LEAST_MEAN = 1e-6
"""Means of `beta` are at least this far from 0 and 1."""

_HALF_LOG_2PI = 0.5 * log(2 * pi)


class Family(eqx.Module):
    """What a component of a mixture is.

    A family writes `names`, `support`, `parameters`, `initial`, `log_density`, `cdf`, `sample`, `mean`, `variance` and,
    for whole numbers, `hull`. Targets are independent within a component unless it writes `log_prob` too.

    Attributes:
        floor: The least scale, in resolutions; a floor of 0 is one of the floating numbers' epsilon.
        resolution: The step between a target's values, [] or [target].
        unit: A target's size, [] or [target]: raw locations are multiples of it.
    """

    names: ClassVar[tuple[str, ...]] = ("loc", "scale")
    reach: ClassVar[range] = range(-1, 7)
    """Beyond a component's mean +- its deviation * 2^j for these j, its CDF is 0 or 1 as far as CRPS can tell."""

    floor: float = 1e-3
    resolution: ArrayLike = 1.0
    unit: ArrayLike = 1.0

    def __check_init__(self) -> None:
        if not 0 <= self.floor < inf:
            raise ConfigError(f"floor: expected a number of at least 0, but got {self.floor}")
        for key in ("resolution", "unit"):
            value = np.asarray(getattr(self, key))
            if not (np.isfinite(value) & (value > 0)).all():
                raise ConfigError(f"{key}: expected positive numbers, but got {value}")

    @property
    def support(self) -> Any:
        """Where a target may be, a constraint on a number."""
        return constraints.real

    @property
    def word(self) -> str:
        """The family's word in `FAMILIES`."""
        return next(word for word, family in FAMILIES.items() if type(self) is family)

    @property
    def words(self) -> str:
        """The support in words."""
        return describe(self.support)

    def size(self, targets: int) -> int:
        """How many raw numbers a component has."""
        return len(self.names) * targets

    def parameters(self, raw: Array, targets: int) -> Parameters:
        """The parameters for raw numbers [..., size]."""
        loc, scale = self._cut(raw, targets)[:2]
        return {"loc": self._like(self.unit, raw) * loc, "scale": self._scale(scale)}

    def initial(self, at: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """The raw numbers [..., size] of components whose locations are `at` [..., target] and deviations `spread`."""
        return np.concatenate([at / self.unit, self._raw_scale(at, spread)], -1)

    def log_prob(self, p: Parameters, y: Array) -> Array:
        """The log density, or log mass, [...] of y [..., target]."""
        return self.log_density(p, y).sum(-1)

    def log_density(self, p: Parameters, y: Array) -> Array:
        """That of each target alone, [..., target]."""
        raise NotImplementedError

    def cdf(self, p: Parameters, y: Array) -> Array:
        """P(Y <= y) of each target alone, [..., target]."""
        raise NotImplementedError

    def sample(self, p: Parameters, key: Array, shape: tuple[int, ...] = ()) -> Array:
        """Draws [*shape, ..., target]."""
        raise NotImplementedError

    def mean(self, p: Parameters) -> Array:
        """Means [..., target]."""
        return p["loc"]

    def variance(self, p: Parameters) -> Array:
        """Variances [..., target]."""
        raise NotImplementedError

    def hull(self, p: Parameters) -> tuple[ArrayLike, ArrayLike]:
        """Between which whole numbers all mass lies, but for 1e-12."""
        raise NotImplementedError

    def _cut(self, raw: Array, targets: int) -> tuple[Array, ...]:
        """The raw numbers [..., target] of each name."""
        n = len(self.names)
        return tuple(jnp.moveaxis(raw[..., : n * targets].reshape(*raw.shape[:-1], n, targets), -2, 0))

    def _least(self, like: Array) -> Array:
        return jnp.maximum(self.floor, np.finfo(like.dtype).eps) * self._like(self.resolution, like)

    def _scale(self, raw: Array) -> Array:
        return self._least(raw) + self._like(self.unit, raw) * softplus(raw)

    def _raw_scale(self, at: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """What `_scale` makes `spread` of, where the floor allows."""
        above = np.broadcast_to((spread - self.floor * np.asarray(self.resolution)) / self.unit, at.shape)
        return _inverse_softplus(above)

    @staticmethod
    def _like(value: ArrayLike, like: Array) -> Array:
        return jnp.asarray(value, like.dtype)


class Gaussian(Family):
    """N(loc, scale^2) for each target."""

    def log_density(self, p: Parameters, y: Array) -> Array:
        loc, scale = self.marginals(p)
        return -0.5 * jnp.square((y - loc) / scale) - jnp.log(scale) - _HALF_LOG_2PI

    def cdf(self, p: Parameters, y: Array) -> Array:
        loc, scale = self.marginals(p)
        return ndtr((y - loc) / scale)

    def sample(self, p: Parameters, key: Array, shape: tuple[int, ...] = ()) -> Array:
        return p["loc"] + p["scale"] * _noise(random.normal, key, shape, p["loc"])

    def variance(self, p: Parameters) -> Array:
        return jnp.square(self.marginals(p)[1])

    def marginals(self, p: Parameters) -> tuple[Array, Array]:
        """The location and deviation of each target alone."""
        return p["loc"], p["scale"]


class GaussianFull(Gaussian):
    """N(loc, L L^T) with the Cholesky factor L = diag(scale) C, where C is lower triangular with ones on its diagonal.

    `scale` is thus the deviation of each target given those before it, and the floor holds for that.
    """

    def size(self, targets: int) -> int:
        return 2 * targets + targets * (targets - 1) // 2

    def parameters(self, raw: Array, targets: int) -> Parameters:
        lower = jnp.broadcast_to(jnp.eye(targets, dtype=raw.dtype), (*raw.shape[:-1], targets, targets))
        lower = lower.at[..., *np.tril_indices(targets, -1)].set(raw[..., 2 * targets :])
        return super().parameters(raw, targets) | {"lower": lower}

    def initial(self, at: np.ndarray, spread: np.ndarray) -> np.ndarray:
        targets = at.shape[-1]
        below = np.zeros((*at.shape[:-1], self.size(targets) - 2 * targets))
        return np.concatenate([super().initial(at, spread), below], -1)

    def log_prob(self, p: Parameters, y: Array) -> Array:
        u = (y - p["loc"]) / p["scale"]
        lower = jnp.broadcast_to(p["lower"], (*u.shape, u.shape[-1]))
        z = lax.linalg.triangular_solve(lower, u[..., None], left_side=True, lower=True, unit_diagonal=True)[..., 0]
        return (-0.5 * jnp.square(z) - jnp.log(p["scale"]) - _HALF_LOG_2PI).sum(-1)

    def sample(self, p: Parameters, key: Array, shape: tuple[int, ...] = ()) -> Array:
        noise = _noise(random.normal, key, shape, p["loc"])
        turned = jnp.einsum("...ij,...j->...i", p["lower"], noise, precision=lax.Precision.HIGHEST)
        return p["loc"] + p["scale"] * turned

    def marginals(self, p: Parameters) -> tuple[Array, Array]:
        return p["loc"], p["scale"] * jnp.sqrt(jnp.square(p["lower"]).sum(-1))


class Logistic(Family):
    """The density of CDF sigmoid((y - loc) / scale)."""

    def initial(self, at: np.ndarray, spread: np.ndarray) -> np.ndarray:
        return super().initial(at, spread * np.sqrt(3) / pi)

    def log_density(self, p: Parameters, y: Array) -> Array:
        z = (y - p["loc"]) / p["scale"]
        return log_sigmoid(z) + log_sigmoid(-z) - jnp.log(p["scale"])

    def cdf(self, p: Parameters, y: Array) -> Array:
        return sigmoid((y - p["loc"]) / p["scale"])

    def sample(self, p: Parameters, key: Array, shape: tuple[int, ...] = ()) -> Array:
        return p["loc"] + p["scale"] * _noise(random.logistic, key, shape, p["loc"])

    def variance(self, p: Parameters) -> Array:
        return jnp.square(p["scale"] * pi) / 3


class DiscretizedLogistic(Logistic):
    """A logistic rounded to whole numbers: P(Y = j) = F(j + 1/2) - F(j - 1/2) (Salimans et al. 2017, section 2.1).

    Between `low` and `high`, these two take all mass below and above. The mass is in log space and exact, by
    sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b)).

    Attributes:
        low: The least value, or None with `high` None for all whole numbers.
        high: The largest. Moments and CRPS sum over the range.
    """

    low: int | None = eqx.field(default=None, static=True)
    high: int | None = eqx.field(default=None, static=True)

    def __check_init__(self) -> None:
        if self.low is None and self.high is None:
            return
        if self.low is None or self.high is None or not self.low < self.high:
            raise ConfigError(
                f"high: expected low < high, or neither for all whole numbers, but got {self.low} and {self.high}"
            )
        if int(self.low) != self.low or int(self.high) != self.high:
            raise ConfigError(f"low, high: expected whole numbers, but got {self.low} and {self.high}")

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest value."""
        return (-inf, inf) if self.low is None or self.high is None else (self.low, self.high)

    @property
    def support(self) -> Any:
        return constraints.integer_interval(*self.ends)

    @property
    def words(self) -> str:
        return "a whole number" + (f" between {self.low} and {self.high}" if self.low is not None else "")

    def log_density(self, p: Parameters, y: Array) -> Array:
        low, high = self.ends
        below = log_sigmoid((y + 0.5 - p["loc"]) / p["scale"])
        above = log_sigmoid(-(y - 0.5 - p["loc"]) / p["scale"])
        inner = below + above + jnp.log(-jnp.expm1(-1 / p["scale"]))
        return jnp.where(y <= low, below, jnp.where(y >= high, above, inner))

    def cdf(self, p: Parameters, y: Array) -> Array:
        low, high = self.ends
        y = jnp.floor(y)
        return jnp.where(y < low, 0, jnp.where(y >= high, 1, super().cdf(p, y + 0.5)))

    def sample(self, p: Parameters, key: Array, shape: tuple[int, ...] = ()) -> Array:
        return jnp.clip(jnp.floor(super().sample(p, key, shape) + 0.5), *self.ends)

    def mean(self, p: Parameters) -> Array:
        return self._moments(p)[0]

    def variance(self, p: Parameters) -> Array:
        return self._moments(p)[1]

    def hull(self, p: Parameters) -> tuple[ArrayLike, ArrayLike]:
        return self.ends if self.low is not None else (p["loc"] - 30 * p["scale"] - 1, p["loc"] + 30 * p["scale"] + 1)

    def _moments(self, p: Parameters) -> tuple[Array, Array]:
        """By sums over the range or, without one, over 80 values on either side.

        A scale above 2 needs more, but leaves no trace of the rounding other than its own variance of 1/12: the next
        term of the Poisson summation is of order exp(-2 pi^2 scale) <= 1e-17.
        """
        low, high = self.ends
        offsets = np.arange(-80, 81) if self.low is None else np.arange(low, high + 1)
        middle = jnp.round(p["loc"]) if self.low is None else jnp.zeros_like(p["loc"])
        values = middle[..., None] + self._like(offsets, p["loc"])
        each = {name: value[..., None] for name, value in p.items()}
        mass = jnp.exp(self.log_density(each, values))
        # Sums about the middle of the values, since their own size would cost digits.
        centre = values[..., values.shape[-1] // 2]
        mean = centre + (mass * (values - centre[..., None])).sum(-1)
        variance = (mass * jnp.square(values - mean[..., None])).sum(-1)
        if self.low is not None:
            return mean, variance
        wide = p["scale"] > 2
        return jnp.where(wide, p["loc"], mean), jnp.where(wide, super().variance(p) + 1 / 12, variance)


class Laplace(Family):
    """exp(-|y - loc| / scale) / (2 scale)."""

    def initial(self, at: np.ndarray, spread: np.ndarray) -> np.ndarray:
        return super().initial(at, spread / np.sqrt(2))

    def log_density(self, p: Parameters, y: Array) -> Array:
        return -jnp.abs(y - p["loc"]) / p["scale"] - jnp.log(2 * p["scale"])

    def cdf(self, p: Parameters, y: Array) -> Array:
        z = (y - p["loc"]) / p["scale"]
        return 0.5 * jnp.exp(jnp.minimum(z, 0)) - 0.5 * jnp.expm1(-jnp.maximum(z, 0))

    def sample(self, p: Parameters, key: Array, shape: tuple[int, ...] = ()) -> Array:
        return p["loc"] + p["scale"] * _noise(random.laplace, key, shape, p["loc"])

    def variance(self, p: Parameters) -> Array:
        return 2 * jnp.square(p["scale"])


class StudentT(Family):
    """Student's t with `df` = 2.1 + softplus(raw) degrees of freedom. Its CDF has no derivative by them."""

    names: ClassVar[tuple[str, ...]] = ("loc", "scale", "df")
    reach: ClassVar[range] = range(-4, 16)

    def parameters(self, raw: Array, targets: int) -> Parameters:
        return super().parameters(raw, targets) | {"df": LEAST_DF + softplus(self._cut(raw, targets)[2])}

    def initial(self, at: np.ndarray, spread: np.ndarray) -> np.ndarray:
        df = 8.0
        raw = super().initial(at, spread * np.sqrt(1 - 2 / df))
        return np.concatenate([raw, _inverse_softplus(np.full(at.shape, df - LEAST_DF))], -1)

    def log_density(self, p: Parameters, y: Array) -> Array:
        z, half = (y - p["loc"]) / p["scale"], p["df"] / 2
        norm = half * _log1p(0.5 / half) - 0.5 + _stirling_error(half + 0.5) - _stirling_error(half)
        return norm - _HALF_LOG_2PI - jnp.log(p["scale"]) - (half + 0.5) * _log1p(jnp.square(z) / p["df"])

    def cdf(self, p: Parameters, y: Array) -> Array:
        return _student_cdf(*jnp.broadcast_arrays((y - p["loc"]) / p["scale"], p["df"]))

    def sample(self, p: Parameters, key: Array, shape: tuple[int, ...] = ()) -> Array:
        return p["loc"] + p["scale"] * random.t(key, p["df"], shape + p["df"].shape, p["df"].dtype)

    def variance(self, p: Parameters) -> Array:
        return jnp.square(p["scale"]) * p["df"] / (p["df"] - 2)


class Beta(Family):
    """Beta(mean * precision, (1 - mean) * precision), with variance mean (1 - mean) / (1 + precision).

    The mean is sigmoid(raw), and the precision 1 / d^2 where d has the form, and the floor, of a scale; `unit` acts on
    d alone. Densities are by Loader's (2000) form: the divergence of the mean from y, times the precision. The CDF has
    no derivative by the parameters; in float32 it loses digits where one of mean * precision and its counterpart is
    above 1,000 and the other below 60.
    """

    names: ClassVar[tuple[str, ...]] = ("mean", "dispersion")
    reach: ClassVar[range] = range(-3, 4)

    @property
    def support(self) -> Any:
        return constraints.open_interval(0.0, 1.0)

    @property
    def words(self) -> str:
        return "a number above 0 and below 1"

    def parameters(self, raw: Array, targets: int) -> Parameters:
        mean, dispersion = self._cut(raw, targets)
        one, other = (LEAST_MEAN + (1 - 2 * LEAST_MEAN) * sigmoid(m) for m in (mean, -mean))
        return {"mean": one, "complement": other, "precision": self._scale(dispersion) ** -2}

    def initial(self, at: np.ndarray, spread: np.ndarray) -> np.ndarray:
        mean = np.clip(at, 10 * LEAST_MEAN, 1 - 10 * LEAST_MEAN)
        inner = (mean - LEAST_MEAN) / (1 - 2 * LEAST_MEAN)
        # A variance of mean (1 - mean) cannot be reached.
        part = np.minimum(np.square(spread) / (mean * (1 - mean)), 0.5)
        return np.concatenate([np.log(inner / (1 - inner)), self._raw_scale(mean, np.sqrt(part / (1 - part)))], -1)

    def log_density(self, p: Parameters, y: Array) -> Array:
        y = self._inside(y)
        m, n, precision = p["mean"], p["complement"], p["precision"]
        divergence = _deviance(m, y) + _deviance(n, 1 - y)
        norm = 0.5 * (jnp.log(m) + jnp.log(n) + jnp.log(precision)) - _HALF_LOG_2PI
        rest = _stirling_error(precision) - _stirling_error(m * precision) - _stirling_error(n * precision)
        return norm + rest - precision * divergence - jnp.log(y) - jnp.log1p(-y)

    def cdf(self, p: Parameters, y: Array) -> Array:
        inside = self._inside(y)
        m, n, precision, inside = jnp.broadcast_arrays(p["mean"], p["complement"], p["precision"], inside)
        large = _is_large(jnp.minimum(m, n) * precision)
        a, b = (jnp.where(large, 1, part * precision) for part in (m, n))
        small = jnp.clip(betainc(a, b, inside), 0, 1)
        at = jnp.where(large, inside, m)
        off, spread = (at - m) / (m * n), jnp.sqrt(m * n * precision)
        deviance = precision * (_deviance(m, at) + _deviance(n, 1 - at))
        above = _upper_tail(deviance, off * spread, (n - m) / (3 * spread), _is_near(off))
        return jnp.where(y <= 0, 0, jnp.where(y >= 1, 1, jnp.where(large, 1 - above, small)))

    def sample(self, p: Parameters, key: Array, shape: tuple[int, ...] = ()) -> Array:
        a, b = p["mean"] * p["precision"], p["complement"] * p["precision"]
        return self._inside(random.beta(key, a, b, shape + a.shape, a.dtype))

    def mean(self, p: Parameters) -> Array:
        return p["mean"]

    def variance(self, p: Parameters) -> Array:
        return p["mean"] * p["complement"] / (1 + p["precision"])

    @staticmethod
    def _inside(y: Array) -> Array:
        return jnp.clip(y, np.finfo(y.dtype).tiny, 1 - np.finfo(y.dtype).epsneg)


class Poisson(Family):
    """Counts with `rate` = (floor * resolution)^2 + unit * softplus(raw): the floor is one of the deviation."""

    names: ClassVar[tuple[str, ...]] = ("rate",)

    @property
    def support(self) -> Any:
        return constraints.nonnegative_integer

    def parameters(self, raw: Array, targets: int) -> Parameters:
        (rate,) = self._cut(raw, targets)
        return {"rate": jnp.square(self._least(rate)) + self._like(self.unit, raw) * softplus(rate)}

    def initial(self, at: np.ndarray, spread: np.ndarray) -> np.ndarray:  # noqa: ARG002 -- a rate has its own
        return _inverse_softplus((at - np.square(self.floor * np.asarray(self.resolution))) / self.unit)

    def log_density(self, p: Parameters, y: Array) -> Array:
        rate, count = p["rate"], jnp.maximum(y, 1)
        some = -_deviance(count, rate) - 0.5 * jnp.log(count) - _HALF_LOG_2PI - _stirling_error(count)
        return jnp.where(y < 1, -rate, some)

    def cdf(self, p: Parameters, y: Array) -> Array:
        count, rate = jnp.broadcast_arrays(jnp.floor(lax.stop_gradient(y)), p["rate"])
        a = jnp.maximum(count, 0) + 1
        large = _is_large(a)
        small = gammaincc(jnp.where(large, 1, a), jnp.where(large, 1, rate))
        at = jnp.where(large, rate, a)
        off, root = (at - a) / a, jnp.sqrt(a)
        total = _upper_tail(_deviance(a, at), off * root, 1 / (3 * root), _is_near(off))
        return jnp.where(count < 0, 0, jnp.where(large, total, small))

    def sample(self, p: Parameters, key: Array, shape: tuple[int, ...] = ()) -> Array:
        return random.poisson(key, p["rate"], shape + p["rate"].shape).astype(p["rate"].dtype)

    def mean(self, p: Parameters) -> Array:
        return p["rate"]

    def variance(self, p: Parameters) -> Array:
        return p["rate"]

    def hull(self, p: Parameters) -> tuple[ArrayLike, ArrayLike]:
        away = 10 * jnp.sqrt(p["rate"]) + 20
        return jnp.maximum(p["rate"] - away, 0), p["rate"] + away


FAMILIES: dict[str, type[Family]] = {
    "gaussian": Gaussian,
    "gaussian_full": GaussianFull,
    "logistic": Logistic,
    "discretized_logistic": DiscretizedLogistic,
    "laplace": Laplace,
    "student_t": StudentT,
    "beta": Beta,
    "poisson": Poisson,
}


def make_family(word: str, **settings: Any) -> Family:
    """The family of a word, with its settings.

    Raises:
        ConfigError: For a word that is none of `FAMILIES`, and settings that are impossible or that it does not have.
    """
    if word not in FAMILIES:
        raise ConfigError(f"family: expected one of {', '.join(FAMILIES)}, but got {word!r}")
    known = [field.name for field in fields(FAMILIES[word])]
    if unknown := settings.keys() - known:
        raise ConfigError(f"{min(unknown)}: {word} has no such setting; it has {', '.join(known)}")
    return FAMILIES[word](**settings)


def check_targets(family: Family, y: ArrayLike, *, key: str = "data.target") -> None:
    """Refuse targets [rows, target] outside a family's support; the error names `key` and the first such row."""
    y = np.asarray(y)
    outside = ~np.asarray(family.support(y))
    if outside.any():
        first = tuple(np.argwhere(outside)[0])
        raise ConfigError(f"{key}: {family.word} needs {family.words} in every row, but row {first[0]} has {y[first]}")


def log_weights(raw: Array, how: str) -> Array:
    """The logarithms of a mixture's weights [..., component], which are equal where raw is 0.

    By `softmax` raw is [..., components]; by `stick_breaking` it is [..., components - 1], and each weight is a part
    v_k of what its predecessors have left: w_k = v_k prod_{j<k} (1 - v_j), v_k = sigmoid(raw_k - log(K - k)).
    """
    _check_how(how)
    if how == "softmax":
        return log_softmax(raw)
    left = np.arange(raw.shape[-1], 0, -1)
    logit = raw - jnp.log(jnp.asarray(left, raw.dtype))
    none = jnp.zeros((*raw.shape[:-1], 1), raw.dtype)
    rest = jnp.concatenate([none, jnp.cumsum(log_sigmoid(-logit), -1)], -1)
    return rest + jnp.concatenate([log_sigmoid(logit), none], -1)


def raw_size(family: Family, how: str, components: int, targets: int) -> int:
    """How many raw numbers a mixture takes for each row.

    Raises:
        ConfigError: For unknown words and for less than one component or target.
    """
    _check_how(how)
    for key, count in (("components", components), ("targets", targets)):
        if count < 1:
            raise ConfigError(f"{key}: expected at least 1, but got {count}")
    return components - (how == "stick_breaking") + components * family.size(targets)


def initial(family: Family, how: str, quantiles: ArrayLike, spread: ArrayLike) -> np.ndarray:
    """Raw numbers [n_raw] of equal weights and components that lie at quantiles of the targets.

    Args:
        family: The components' family.
        how: One of `WEIGHTS`.
        quantiles: Where each component lies, [component, target].
        spread: The components' deviations, [] or [target] or [component, target].
    """
    at = np.asarray(quantiles, float)
    if at.ndim != 2:
        raise ConfigError(f"quantiles: expected an array [component, target], but got one of shape {at.shape}")
    free = raw_size(family, how, *at.shape) - at.shape[0] * family.size(at.shape[1])
    raw = family.initial(at, np.broadcast_to(np.asarray(spread, float), at.shape))
    return np.concatenate([np.zeros(free), np.ravel(raw)])


class ConditionalMixture(dist.Distribution):
    """sum_k w_k f(y; theta_k) for each row, of targets [rows, target].

    A value outside the family's support has log density -inf, and no gradient.

    Attributes:
        family: The components' family.
        log_weights: [rows, component].
        parameters: Each [rows, component, target].
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    pytree_data_fields = ("family", "log_weights", "parameters")

    def __init__(self, family: Family, log_weights: Array, parameters: Parameters) -> None:
        self.family, self.log_weights, self.parameters = family, log_weights, parameters
        targets = next(iter(parameters.values())).shape[log_weights.ndim]
        super().__init__(log_weights.shape[:-1], (targets,))

    @property
    def support(self) -> Any:
        """Where targets may be."""
        return constraints.independent(self.family.support, 1)

    def component_log_prob(self, y: ArrayLike) -> Array:
        """The logarithms of w_k f(y; theta_k), [..., rows, component]."""
        y = self._targets(y)
        return self.log_weights + self.family.log_prob(self.parameters, y[..., None, :])

    def log_prob(self, value: ArrayLike) -> Array:
        """The log density [..., rows] of targets [..., rows, target]."""
        y = self._targets(value)
        inside = self.family.support(y).all(-1)
        return jnp.where(inside, logsumexp(self.component_log_prob(y), -1), -inf)

    def responsibilities(self, y: ArrayLike) -> Array:
        """The probability of each component given the targets, [..., rows, component]."""
        return jax.nn.softmax(self.component_log_prob(y), -1)

    def cdf(self, value: ArrayLike) -> Array:
        """P(Y <= y) of each target alone, [..., rows, target]."""
        return _cdf(self.family, self.log_weights, self.parameters, self._targets(value))

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draws [*sample_shape, rows, target]."""
        which, within = random.split(key)
        shape = (*sample_shape, *self.batch_shape)
        k = random.categorical(which, self.log_weights, shape=shape)
        rows = self.log_weights.ndim - 1

        def chosen(each: Array) -> Array:
            index = k.reshape(*shape, *(1,) * (each.ndim - rows))
            each = jnp.broadcast_to(each, (*sample_shape, *each.shape))
            return jnp.take_along_axis(each, index, len(shape)).squeeze(len(shape))

        return self.family.sample(jax.tree.map(chosen, self.parameters), within)

    @property
    def mean(self) -> Array:
        """Means [rows, target]."""
        return self._average(self.family.mean(self.parameters))

    @property
    def variance(self) -> Array:
        """Variances [rows, target]."""
        off = self.family.mean(self.parameters) - self.mean[..., None, :]
        return self._average(self.family.variance(self.parameters) + jnp.square(off))

    def _average(self, each: Array) -> Array:
        return (jnp.exp(self.log_weights)[..., None] * each).sum(-2)

    def _targets(self, y: ArrayLike) -> Array:
        return jnp.asarray(y, self.log_weights.dtype)


def mixture(family: Family, how: str, raw: Array, components: int, targets: int) -> ConditionalMixture:
    """The mixture of each row.

    Args:
        family: The components' family, of `make_family`.
        how: How raw numbers become weights, one of `WEIGHTS`.
        raw: [rows, n_raw]: those of the weights, then those of each component.
        components: How many there are.
        targets: How many there are.

    Raises:
        ConfigError: As `raw_size`, and where raw has another size.
    """
    n = raw_size(family, how, components, targets)
    if raw.shape[-1] != n:
        raise ConfigError(
            f"components: {components} of {targets} targets take {n} raw numbers, but got {raw.shape[-1]}"
        )
    free, rest = jnp.split(raw, [n - components * family.size(targets)], -1)
    each = rest.reshape(*raw.shape[:-1], components, -1)
    return ConditionalMixture(family, log_weights(free, how), family.parameters(each, targets))


def crps(mixture: ConditionalMixture, y: ArrayLike, *, batch: int = 64) -> Array:
    """The continuous ranked probability score, the integral of (F(z) - 1{z >= y})^2, of each target [rows, target].

    Gaussian mixtures have a closed form (Grimit et al. 2006, equation 5); so have the marginals of `gaussian_full`. For
    whole numbers the integral is a sum over all values from the lowest to the highest component, whose cost is that
    distance. Otherwise F is integrated by Gauss-Legendre rules of 10 points between y and each component's mean +- its
    deviation times powers of 2, which leaves an error below 1e-8 of the score in float64, and rounding in float32.

    Args:
        mixture: Of rows.
        y: Their targets [rows, target].
        batch: The rows that are computed at a time: memory.
    """
    family, rows = mixture.family, mixture.log_weights.ndim - 1
    score: Callable[..., Array] = _crps_sum if family.support.is_discrete else _crps_integral
    score = _crps_closed if isinstance(family, Gaussian) else score
    y = jnp.broadcast_to(jnp.asarray(y, mixture.log_weights.dtype), mixture.shape())
    flat = jax.tree.map(lambda a: a.reshape(-1, *a.shape[rows:]), (mixture.log_weights, mixture.parameters, y))
    return lax.map(lambda row: score(family, *row), flat, batch_size=batch).reshape(y.shape)


def _crps_closed(family: Any, log_w: Array, p: Parameters, y: Array) -> Array:
    w, (loc, scale) = jnp.exp(log_w)[:, None], family.marginals(p)
    both = jnp.sqrt(jnp.square(scale)[:, None] + jnp.square(scale))
    pairs = w[:, None] * w * _absolute_mean(loc[:, None] - loc, both)
    return (w * _absolute_mean(y - loc, scale)).sum(0) - 0.5 * pairs.sum((0, 1))


def _absolute_mean(loc: Array, scale: Array) -> Array:
    """E|X| for X ~ N(loc, scale^2)."""
    z = loc / scale
    return 2 * scale * jnp.exp(-0.5 * jnp.square(z) - _HALF_LOG_2PI) + loc * (2 * ndtr(z) - 1)


def _crps_sum(family: Family, log_w: Array, p: Parameters, y: Array) -> Array:
    low, high = family.hull(p)
    least = jnp.floor(jnp.broadcast_to(low, (len(log_w), *y.shape)).min(0)).astype(y.dtype)
    most = jnp.ceil(jnp.broadcast_to(high, (len(log_w), *y.shape)).max(0)).astype(y.dtype)
    steps = jnp.arange(256, dtype=y.dtype)[:, None]

    def more(state: tuple[Array, Array]) -> Array:
        return (least + state[0] < most).any()

    def add(state: tuple[Array, Array]) -> tuple[Array, Array]:
        j = least + state[0] + steps
        gap = jnp.square(_cdf(family, log_w, p, j) - (j >= y))
        return state[0] + 256, state[1] + jnp.where(j < most, gap, 0).sum(0)

    # Outside the hull F is 0 or 1, so that each value up to y costs 1.
    outside = jnp.maximum(least - y, 0) + jnp.maximum(y - most, 0)
    return lax.while_loop(more, add, (jnp.zeros((), y.dtype), outside))[1]


_NODES, _NODE_WEIGHTS = (np.polynomial.legendre.leggauss(10)[0] + 1) / 2, np.polynomial.legendre.leggauss(10)[1] / 2


def _crps_integral(family: Family, log_w: Array, p: Parameters, y: Array) -> Array:
    steps = 2.0 ** np.asarray(family.reach)
    around = jnp.asarray(np.concatenate([-steps, [0.0], steps]), y.dtype)[:, None, None]
    ends = family.mean(p) + jnp.sqrt(family.variance(p)) * around
    ends = jnp.concatenate([ends.reshape(-1, y.size), y[None]])
    if isinstance(family, Beta):
        near = 2.0 ** -np.arange(1, 41)
        edges = jnp.asarray(np.concatenate([[0.0, 1.0], near, 1 - near]), y.dtype)
        ends = jnp.concatenate([jnp.clip(ends, 0, 1), jnp.broadcast_to(edges[:, None], (edges.size, y.size))])
    ends = lax.stop_gradient(jnp.sort(ends, 0))
    width = jnp.diff(ends, axis=0)
    z = ends[:-1] + width * jnp.asarray(_NODES, y.dtype)[:, None, None]
    gap = jnp.square(_cdf(family, log_w, p, z) - (z >= y))
    return (jnp.asarray(_NODE_WEIGHTS, y.dtype)[:, None, None] * width * gap).sum((0, 1))


def _cdf(family: Family, log_w: Array, p: Parameters, y: Array) -> Array:
    return (jnp.exp(log_w)[..., None] * family.cdf(p, y[..., None, :])).sum(-2)


def _check_how(how: str) -> None:
    if how not in WEIGHTS:
        raise ConfigError(f"weights: expected one of {', '.join(WEIGHTS)}, but got {how!r}")


def _noise(draw: Any, key: Array, shape: tuple[int, ...], like: Array) -> Array:
    return draw(key, shape + like.shape, like.dtype)


def _inverse_softplus(value: np.ndarray) -> np.ndarray:
    value = np.maximum(value, 1e-3)
    return value + np.log(-np.expm1(-value))


def _stirling_error(x: Array) -> Array:
    """What log Gamma(x) exceeds (x - 1/2) log x - x + log(2 pi) / 2 by; by its series where the terms would cancel."""
    small = x < 16
    a, b = jnp.where(small, x, 1), jnp.where(small, 16, x)
    s = 1 / jnp.square(b)
    series = (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - s / 1188) * s) * s) * s) / b
    return jnp.where(small, gammaln(a) - (a - 0.5) * jnp.log(a) + a - _HALF_LOG_2PI, series)


def _deviance(a: Array, b: Array) -> Array:
    """The a log(a / b) + b - a of positive numbers, with all its digits also where a is close to b (Loader 2000)."""
    near = jnp.abs(a - b) < 0.1 * (a + b)
    v = jnp.where(near, a - b, 0) / (a + b)
    return jnp.where(near, (a - b) * v + 2 * a * v * _atanh_rest(v), a * (jnp.log(a) - jnp.log(b)) + b - a)


def _log1p(x: Array) -> Array:
    """The log(1 + x) of positive numbers; XLA's own has lost half of its digits at 1e-4 in float32."""
    near = x < 0.2
    v = jnp.where(near, x, 0) / (2 + jnp.where(near, x, 0))
    return jnp.where(near, 2 * v * (1 + _atanh_rest(v)), jnp.log1p(x))


def _atanh_rest(v: Array) -> Array:
    """The series artanh(v) / v - 1 = v^2 / 3 + v^4 / 5 + ... for |v| <= 0.1."""
    square, total = jnp.square(v), jnp.zeros_like(v)
    for j in range(8, 0, -1):
        total = square * (1 / (2 * j + 1) + total)
    return total


def _is_large(size: Array) -> Array:
    """Whether the first terms of `_upper_tail` err less than the incomplete beta and gamma functions round."""
    return size > (0.004 / np.finfo(size.dtype).eps) ** 0.4


def _is_near(off: Array) -> Array:
    return jnp.abs(off) < np.finfo(off.dtype).eps ** (1 / 3)


def _upper_tail(deviance: Array, z: Array, skew: Array, near: Array) -> Array:
    """P(Z > z) where half the square of w is the deviance: Phi(-w) + phi(w) (1/z - 1/w) (Temme 1979, 1982).

    Where z is near 0, by w = z (1 - skew z).
    """
    far_z, far = jnp.where(near, 1, z), jnp.where(near, 1, deviance)
    far_w = jnp.sign(far_z) * jnp.sqrt(2 * far)
    w = jnp.where(near, z * (1 - skew * z), far_w)
    gap = jnp.where(near, -skew, 1 / far_z - 1 / far_w)
    return jnp.clip(ndtr(-w) + jnp.exp(-0.5 * jnp.square(w) - _HALF_LOG_2PI) * gap, 0, 1)


@jax.custom_jvp
def _student_cdf(z: Array, df: Array) -> Array:
    square = jnp.square(z)
    near = square < df
    inner = 0.5 * betainc(0.5, df / 2, jnp.where(near, square / (df + square), 0.5))
    outer = 0.5 * betainc(df / 2, 0.5, jnp.where(near, 0.5, df / (df + square)))
    upper = jnp.where(near, 0.5 + inner, 1 - outer)
    return jnp.where(z > 0, upper, jnp.where(near, 0.5 - inner, outer))


@partial(_student_cdf.defjvp, symbolic_zeros=True)
def _(primals: Any, tangents: Any) -> tuple[Array, Array]:
    """The derivative by z is the density, also at 0, where the incomplete beta function has none."""
    z, df = primals
    if not isinstance(tangents[1], jax.custom_derivatives.SymbolicZero):
        raise NotImplementedError("the CDF of student_t has no derivative by its degrees of freedom")
    unit = {"loc": jnp.zeros_like(z), "scale": jnp.ones_like(z), "df": df}
    return _student_cdf(z, df), jnp.exp(StudentT().log_density(unit, z)) * tangents[0]
