"""Conditional mixtures: densities, CDFs, draws, moments and CRPS of every family, against SciPy and against each other.

Seeds are fixed. Statistical tests reject at p < 1e-5, and for moments beyond 5 standard errors: of the about 60 such
comparisons a right program fails one in less than 1 of 1,000 seeds.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax import random
from numpyro.infer.util import log_density
from scipy import integrate, stats

from credo.errors import ConfigError
from credo.models.mixtures import (
    FAMILIES,
    WEIGHTS,
    Component,
    ConditionalMixture,
    check_targets,
    crps,
    initial,
    log_weights,
    make_component,
    mixture,
    raw_size,
)

pytestmark = pytest.mark.slow  # `make proofs` runs them

COUNTS = ("discretized_gaussian", "discretized_logistic", "discretized_logistic_bounded", "poisson", "categorical")
SETTINGS: dict[str, dict[str, Any]] = {word: {} for word in FAMILIES} | {
    "discretized_gaussian": {"unit": 2.0},
    "discretized_logistic": {"unit": 2.0},
    "discretized_logistic_bounded": {"low": 0, "high": 20, "unit": 4.0},
    "beta": {"unit": 0.15},
    "poisson": {"unit": 3.0},
    "categorical": {"levels": 4},
}
CASES = tuple(SETTINGS)
PLACED = tuple(case for case in CASES if case != "categorical")
"""Those with locations and scales."""
CONTINUOUS = tuple(case for case in CASES if case not in COUNTS)
QUICK = ("gaussian", "logistic", "laplace", "discretized_logistic", "categorical")


def quick(cases: Iterable[str]) -> list[Any]:
    """Cases of which those that take long to compile are proofs; all are held to SciPy every time."""
    return [pytest.param(case, marks=() if case in QUICK else pytest.mark.slow) for case in cases]


def make(case: str, **settings: Any) -> Component:
    return make_component(case.removesuffix("_bounded"), **SETTINGS[case] | settings)


def some(case: str, components: int = 3, targets: int = 1, rows: int = 1, how: str = "softmax", seed: int = 0) -> Any:
    """A mixture whose raw numbers are standard Gaussian."""
    family = make(case)
    n = raw_size(family, how, components, targets)
    return mixture(family, how, 1.5 * random.normal(random.PRNGKey(seed), (rows, n)), components, targets)


def values(case: str, components: ConditionalMixture) -> np.ndarray:
    """All whole numbers that have mass."""
    if case == "categorical":
        return np.arange(4)
    return np.arange(0, 21) if case.endswith("bounded") else np.arange(-400, 400) if case[0] == "d" else np.arange(200)


def integral(f: Callable[[float], float], m: ConditionalMixture, case: str) -> float:
    """Over the support, piece by piece around the components and towards the edges."""
    middle, sd = (np.ravel(a) for a in (m.family.mean(m.parameters), jnp.sqrt(m.family.variance(m.parameters))))
    steps = 2.0 ** np.arange(-3, 30 if case == "student_t" else 8)
    ends = np.concatenate([middle, *(middle + s * sd for s in [*steps, *-steps])])
    if case == "beta":
        edges = 2.0 ** -np.arange(1, 50)
        ends = np.concatenate([ends[(ends > 0) & (ends < 1)], edges, 1 - edges, [0, 1]])
    ends = np.unique(ends)
    nodes, weights = np.polynomial.legendre.leggauss(20)
    z = ends[:-1, None] + np.diff(ends)[:, None] * (nodes + 1) / 2
    return float((np.diff(ends)[:, None] * weights / 2 * f(z)).sum())


def density(m: ConditionalMixture) -> Callable[[Any], np.ndarray]:
    return lambda z: np.exp(np.asarray(m.log_prob(np.reshape(z, (-1, 1, 1))))).reshape(np.shape(z))


def cdf(m: ConditionalMixture) -> Callable[[Any], np.ndarray]:
    return lambda z: np.asarray(m.cdf(np.reshape(z, (-1, 1, 1)))).reshape(np.shape(z))


@pytest.mark.parametrize("case", quick(CASES))
@pytest.mark.parametrize("components", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_density_has_mass_one_and_the_moments(case: str, components: int) -> None:
    m = some(case, components, seed=3)
    f, mean = density(m), m.mean.item()
    if case in COUNTS:
        z = values(case, m)
        assert f(z).sum() == pytest.approx(1, abs=1e-10)
        assert (f(z) * z).sum() == pytest.approx(mean, rel=1e-9)
        assert (f(z) * (z - mean) ** 2).sum() == pytest.approx(m.variance.item(), rel=1e-9)
        return
    assert integral(f, m, case) == pytest.approx(1, abs=1e-6)
    assert integral(lambda z: f(z) * z, m, case) == pytest.approx(mean, abs=1e-6)
    if case != "student_t":  # whose second moment converges too slowly
        assert integral(lambda z: f(z) * (z - mean) ** 2, m, case) == pytest.approx(m.variance.item(), rel=1e-6)


@pytest.mark.parametrize("case", ["gaussian", "gaussian_full", "logistic"])
def test_density_of_two_targets_has_mass_one(case: str) -> None:
    m = some(case, 2, targets=2, seed=1)
    least, most = (m.mean + side * 14 * jnp.sqrt(m.variance) for side in (-1, 1))
    x, y = (np.linspace(least[0, i], most[0, i], 801) for i in range(2))
    f = np.exp(np.asarray(m.log_prob(np.stack(np.meshgrid(x, y, indexing="ij"), -1)[:, :, None])))[..., 0]
    assert np.trapezoid(np.trapezoid(f, y), x) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("case", quick(CONTINUOUS))
@pytest.mark.parametrize("targets", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_slope_of_the_cdf_is_the_density(case: str, targets: int) -> None:
    m = some(case, targets=targets, rows=4)
    y = m.sample(random.PRNGKey(1), (50,))
    slope = jax.grad(lambda y: m.cdf(y).sum())(y)
    each = m.family.log_density(m.parameters, y[..., None, :])
    assert jnp.allclose(slope, jnp.exp(m.log_weights[..., None] + each).sum(-2), rtol=1e-8)
    if targets == 1:
        assert jnp.allclose(slope[..., 0], jnp.exp(m.log_prob(y)), rtol=1e-8)


@pytest.mark.parametrize("case", quick(CONTINUOUS))
def test_slope_of_the_cdf_at_a_location(case: str) -> None:
    m = some(case, 1)
    y = m.family.mean(m.parameters)[0]
    assert jax.grad(lambda y: m.cdf(y).sum())(y).item() == pytest.approx(jnp.exp(m.log_prob(y)).item(), rel=1e-9)


@pytest.mark.parametrize("case", COUNTS)
def test_steps_of_the_cdf_are_the_masses(case: str) -> None:
    m = some(case)
    z, f, total = values(case, m), density(m), cdf(m)
    assert np.allclose(total(z) - total(z - 1), f(z), atol=1e-12)
    assert np.allclose(total(z + 0.7), total(z), atol=1e-15)
    if case == "discretized_logistic_bounded":
        loc, scale = m.parameters["loc"], m.parameters["scale"]
        below = (jnp.exp(m.log_weights)[..., None] / (1 + jnp.exp((loc - 0.5) / scale))).sum()
        above = (jnp.exp(m.log_weights)[..., None] / (1 + jnp.exp((19.5 - loc) / scale))).sum()
        assert f(0) == pytest.approx(below.item())
        assert f(20) == pytest.approx(above.item())


@pytest.mark.parametrize("case", quick(CASES))
@pytest.mark.parametrize("how", WEIGHTS)
def test_draws_follow_the_cdf(case: str, how: str) -> None:
    m = some(case, targets=2, rows=2, how=how, seed=4)
    draws = np.asarray(m.sample(random.PRNGKey(7), (4000,)))
    assert draws.shape == (4000, 2, 2)
    assert np.asarray(m.family.support(draws)).all()
    for row, target in np.ndindex(2, 2):
        own = draws[:, row, target]

        def total(z: Any, row: int = row, target: int = target) -> np.ndarray:
            z = np.broadcast_to(np.reshape(z, (-1, 1, 1)), (np.size(z), 2, 2))
            return np.asarray(m.cdf(z))[:, row, target]

        if case not in COUNTS:
            assert stats.kstest(own, total).pvalue > 1e-5
            continue
        cuts = np.unique(np.quantile(own, np.linspace(0, 1, 12)[1:-1]))
        expected = np.diff([0, *total(cuts), 1]) * len(own)
        counted = np.bincount(np.searchsorted(cuts, own), minlength=len(cuts) + 1)
        keep = expected > 0
        assert not counted[~keep].any()
        assert stats.chisquare(counted[keep], expected[keep]).pvalue > 1e-5


@pytest.mark.parametrize("case", quick(CASES))
def test_draws_have_the_moments(case: str) -> None:
    m = some(case, targets=2, seed=5)
    draws = np.asarray(m.sample(random.PRNGKey(8), (40_000,)))[:, 0]
    assert (np.abs(draws.mean(0) - m.mean[0]) < 5 * jnp.sqrt(m.variance[0] / len(draws))).all()
    if case != "student_t":
        square = (draws - draws.mean(0)) ** 2
        assert (np.abs(square.mean(0) - m.variance[0]) < 5 * square.std(0) / len(draws) ** 0.5).all()


def test_full_covariance() -> None:
    family = make("gaussian_full")
    raw = random.normal(random.PRNGKey(0), (1, raw_size(family, "softmax", 1, 3)))
    m = mixture(family, "softmax", raw, 1, 3)
    p = {name: np.asarray(value)[0, 0] for name, value in m.parameters.items()}
    factor = p["scale"][:, None] * p["lower"]
    exact = stats.multivariate_normal(p["loc"], factor @ factor.T)
    y = np.random.default_rng(0).normal(size=(20, 1, 3))
    assert np.allclose(m.log_prob(y)[:, 0], exact.logpdf(y[:, 0]), rtol=1e-10)
    assert np.allclose(m.variance[0], np.diag(factor @ factor.T))
    draws = np.asarray(m.sample(random.PRNGKey(1), (40_000,)))[:, 0]
    z = np.linalg.solve(factor, (draws - p["loc"]).T)
    assert np.abs(z @ z.T / len(draws) - np.eye(3)).max() < 5 * (2 / len(draws)) ** 0.5


EXACT: dict[str, Callable[[dict[str, Any]], Any]] = {
    "gaussian": lambda p: stats.norm(p["loc"], p["scale"]),
    "logistic": lambda p: stats.logistic(p["loc"], p["scale"]),
    "laplace": lambda p: stats.laplace(p["loc"], p["scale"]),
    "student_t": lambda p: stats.t(p["df"], p["loc"], p["scale"]),
    "beta": lambda p: stats.beta(p["mean"] * p["precision"], p["complement"] * p["precision"]),
    "poisson": lambda p: stats.poisson(p["rate"]),
}


@pytest.mark.parametrize("case", EXACT)
@pytest.mark.parametrize("dtype", [pytest.param(jnp.float32, marks=pytest.mark.slow), jnp.float64])
def test_against_scipy(case: str, dtype: Any) -> None:
    # In float32 the CDF of beta loses digits where one of its two parameters is large and the other is not.
    family = make(case, unit=1.0, floor=0.05 if case == "beta" else 1e-3)
    raw = (3 * random.normal(random.PRNGKey(2), (200, family.size(1)))).astype(dtype)
    p = family.parameters(raw, 1)
    exact = EXACT[case]({name: np.asarray(value, float) for name, value in p.items()})
    y = family.sample(p, random.PRNGKey(3))
    assert y.dtype == family.log_prob(p, y).dtype == family.cdf(p, y).dtype == dtype
    wide = np.asarray(y, float)
    log_density = exact.logpmf(wide) if case in COUNTS else exact.logpdf(wide)
    error = 1e-9 if dtype == jnp.float64 else 2e-4
    assert np.allclose(family.log_prob(p, y), log_density[:, 0], rtol=error, atol=error)
    assert np.allclose(family.cdf(p, y), exact.cdf(wide), atol=error)
    assert np.allclose(family.mean(p), exact.mean(), rtol=error)
    assert np.allclose(family.variance(p), exact.var(), rtol=50 * error)  # df - 2 cancels


@pytest.mark.parametrize(
    ("case", "p", "y"),
    [
        ("poisson", {"rate": 1e6}, 1_000_700.0),
        ("beta", {"mean": 0.25, "complement": 0.75, "precision": 1e6}, 0.2505),
        ("student_t", {"loc": 0.0, "scale": 1.0, "df": 1e6}, 1.5),
    ],
)
def test_large_parameters_keep_their_digits_in_float32(case: str, p: dict[str, float], y: float) -> None:
    at = np.float32(y)
    log_density = EXACT[case](p).logpmf if case == "poisson" else EXACT[case](p).logpdf
    single = {name: jnp.asarray([value], jnp.float32) for name, value in p.items()}
    assert make(case).log_prob(single, jnp.asarray([at])).item() == pytest.approx(log_density(float(at)), abs=1e-3)


@pytest.mark.parametrize("dtype", [jnp.float32, pytest.param(jnp.float64, marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", ["beta", "poisson"])
@pytest.mark.parametrize("size", [30.0, 300.0, 3e4, 1e6])
def test_cdf_and_its_slope_at_large_parameters(case: str, size: float, dtype: Any) -> None:
    mean = np.linspace(0.2, 0.8, 500).astype(dtype)[:, None]
    p = (
        {"rate": mean * size}
        if case == "poisson"
        else {"mean": mean, "complement": 1 - mean, "precision": mean**0 * size}
    )
    p = {name: jnp.asarray(value, dtype) for name, value in p.items()}
    family = make(case)
    y = family.sample(p, random.PRNGKey(0))
    exact = EXACT[case]({name: np.asarray(value, float) for name, value in p.items()})
    error = 5e-4 if dtype == jnp.float32 else 1e-8
    assert np.allclose(family.cdf(p, y), exact.cdf(np.asarray(y, float)), atol=error)
    if case == "beta" and dtype == jnp.float64:
        slope = jax.grad(lambda y: family.cdf(p, y).sum())(jnp.concatenate([y[1:], family.mean(p)[:1]]))
        at = np.concatenate([y[1:], family.mean(p)[:1]])
        assert np.allclose(slope, exact.pdf(at), rtol=1e-5, atol=1e-5)
    if case == "poisson":
        slope = jax.grad(lambda rate: family.cdf({"rate": rate}, y).sum())(p["rate"])
        assert np.allclose(slope, -exact.pmf(np.asarray(y, float)), rtol=2e-3, atol=1e-6)


def far(case: str, m: ConditionalMixture) -> np.ndarray:
    """Targets a thousand deviations away from every component, or as far as the support goes."""
    mean, sd = m.family.mean(m.parameters), jnp.sqrt(m.family.variance(m.parameters))
    low, high = (np.asarray(a) for a in ((mean - 1000 * sd).min(-2), (mean + 1000 * sd).max(-2)))
    if case == "beta":
        low, high = np.full_like(low, 1e-30), np.full_like(high, 1 - 1e-7)
    if case in COUNTS:
        low, high = np.floor(low), np.ceil(high)
    if case == "poisson":
        low = np.zeros_like(low)
    if case.endswith("bounded"):
        low, high = np.zeros_like(low), np.full_like(high, 20)
    if case == "categorical":
        low, high = np.zeros_like(low), np.full_like(high, 3)
    return np.stack([low, high])


@pytest.mark.parametrize("case", quick(CASES))
@pytest.mark.parametrize("dtype", [jnp.float32, pytest.param(jnp.float64, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("how", "size", "floor"), [("softmax", 1.0, 1e-3), ("stick_breaking", 30.0, 1e-3), ("softmax", 1000.0, 0.0)]
)
def test_extremes_are_finite(case: str, how: str, dtype: Any, floor: float, size: float) -> None:
    family = make(case, floor=floor)
    n = raw_size(family, how, 3, 2)
    raw = (size * random.normal(random.PRNGKey(9), (5, n))).astype(dtype)
    raw = raw.at[:, 0].set(-1000.0)  # a weight that underflows
    y = far(case, mixture(family, how, raw.astype(jnp.float64), 3, 2)).astype(dtype)

    def total(raw: Any, y: Any) -> Any:
        return mixture(family, how, raw, 3, 2).log_prob(y).sum()

    value, slopes = jax.value_and_grad(total, (0, 1))(raw, y)
    m = mixture(family, how, raw, 3, 2)
    assert value.dtype == dtype
    assert jnp.isfinite(value)
    assert all(jnp.isfinite(slope).all() for slope in slopes)
    assert ((m.cdf(y) >= 0) & (m.cdf(y) <= 1 + 1e-6)).all()
    assert jnp.isfinite(m.mean).all()
    assert jnp.isfinite(m.variance).all()


@pytest.mark.parametrize("how", WEIGHTS)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_weights_sum_to_one(how: str, dtype: Any) -> None:
    n = 6 - (how == "stick_breaking")
    raw = (30 * random.normal(random.PRNGKey(0), (1000, n))).astype(dtype)
    w = log_weights(raw, how)
    assert w.shape == (1000, 6)
    assert w.dtype == dtype
    assert jnp.isfinite(w).all()
    assert jnp.allclose(jnp.exp(w).sum(-1), 1, atol=20 * float(jnp.finfo(dtype).eps))
    assert jnp.allclose(jnp.exp(log_weights(jnp.zeros(n, dtype), how)), 1 / 6)
    assert log_weights(jnp.zeros((2, 1 - (how == "stick_breaking"))), how).tolist() == [[0.0], [0.0]]


def test_stick_breaking_is_the_cumulative_product() -> None:
    raw = random.normal(random.PRNGKey(0), (20, 4))
    assert jnp.allclose(jnp.exp(log_weights(raw, "stick_breaking")), dist.transforms.StickBreakingTransform()(raw))


def test_gaussian_likelihood_is_largest_at_least_squares() -> None:
    """Newton's method from the start that `initial` gives, for y = a + b x, against lstsq."""
    x = np.random.default_rng(0).normal(size=50)
    y = (1 + 2 * x + 0.3 * np.random.default_rng(1).normal(size=50))[:, None]
    design = np.stack([np.ones(50), x], 1)
    family = make("gaussian", floor=0.0)

    def loss(theta: Any) -> Any:
        raw = jnp.stack([jnp.zeros(50), design @ theta[:2], jnp.full(50, theta[2])], 1)
        return -mixture(family, "softmax", raw, 1, 1).log_prob(y).sum()

    start = initial(family, "softmax", y.mean(0, keepdims=True), y.std(0))
    theta = jnp.asarray([start[1], 0.0, start[2]])
    gradient, curvature = jax.jit(jax.grad(loss)), jax.jit(jax.hessian(loss))
    for _ in range(60):
        values, vectors = jnp.linalg.eigh(curvature(theta))
        step = vectors @ (vectors.T @ gradient(theta) / jnp.maximum(jnp.abs(values), 1))
        theta = theta - step * jnp.minimum(1, 0.5 / jnp.linalg.norm(step))
    exact, (rest,), *_ = np.linalg.lstsq(design, y[:, 0])
    assert np.allclose(theta[:2], exact, atol=1e-8)
    assert np.logaddexp(0, theta[2]) == pytest.approx((rest / 50) ** 0.5, abs=1e-8)


@pytest.mark.parametrize("case", PLACED)
@pytest.mark.parametrize("how", WEIGHTS)
def test_components_begin_at_the_quantiles(case: str, how: str) -> None:
    at = np.array([[2.0, 3.0], [5.0, 6.0], [9.0, 12.0]]) / (20 if case == "beta" else 1)
    spread = np.array([0.8, 1.2]) / (20 if case == "beta" else 1)
    family = make(case)
    raw = jnp.asarray(initial(family, how, at, spread))[None]
    m = mixture(family, how, raw, 3, 2)
    assert np.allclose(m.log_weights, -np.log(3))
    start = m.parameters["loc"] if case.startswith("disc") else family.mean(m.parameters)
    assert np.allclose(start[0], at, rtol=1e-9)
    if case in ("discretized_gaussian", "discretized_logistic"):
        spread = np.sqrt(spread**2 + 1 / 12)
    if case not in ("poisson", "discretized_logistic_bounded"):
        rtol = 1e-2 if case.startswith("disc") else 1e-9
        assert np.allclose(jnp.sqrt(family.variance(m.parameters))[0], np.broadcast_to(spread, (3, 2)), rtol=rtol)


@pytest.mark.parametrize("case", PLACED)
def test_floor_bounds_the_scale(case: str) -> None:
    resolution = np.array([0.5, 2.0])
    family = make(case, floor=0.1, resolution=resolution)
    p = family.parameters(jnp.full((1, family.size(2)), -1e3), 2)
    least = {"beta": lambda p: p["precision"] ** -0.5, "poisson": lambda p: p["rate"] ** 0.5}.get(
        case, lambda p: p["scale"]
    )(p)
    assert np.allclose(least, 0.1 * resolution)


def test_unit_is_the_size_of_a_raw_step() -> None:
    one, other = make("gaussian"), make("gaussian", unit=[10.0, 2.0], resolution=[10.0, 2.0])
    raw = random.normal(random.PRNGKey(0), (1, raw_size(one, "softmax", 3, 2)))
    y = np.array([[0.3, -0.4]])
    plain = mixture(one, "softmax", raw, 3, 2).log_prob(y)
    assert np.allclose(mixture(other, "softmax", raw, 3, 2).log_prob(y * [10, 2]), plain - np.log(20))


# CRPS


@pytest.mark.parametrize("y", [-30.0, 0.0, 0.3, 2.5])
def test_crps_of_a_gaussian(y: float) -> None:
    """Gneiting & Raftery 2007, equation 21."""
    m = some("gaussian", 1)
    loc, scale = m.parameters["loc"].item(), m.parameters["scale"].item()
    z = (y - loc) / scale
    exact = scale * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    assert crps(m, [[y]]).item() == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("y", [0, 1])
def test_crps_of_the_reference(y: int, reference: Callable[[str], Any]) -> None:
    family = make("gaussian", floor=1.0)
    m = mixture(family, "softmax", jnp.asarray([[0.0, 0.0, -1e3]]), 1, 1)
    assert crps(m, [[y]]).item() == pytest.approx(
        reference("closed_forms.json")["crps"][f"normal_mu0_s1_y{y}"], abs=1e-12
    )


@pytest.mark.parametrize("case", quick(CASES))
@pytest.mark.parametrize("components", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_crps_is_the_integral(case: str, components: int) -> None:
    m = some(case, components, rows=3, seed=6)
    y = np.array(m.sample(random.PRNGKey(2)))
    y[0] = {"beta": 0.999, "discretized_logistic_bounded": 20, "categorical": 3}.get(case, 60)
    for row in range(3):
        one = jax.tree.map(lambda a, row=row: a[row : row + 1], m.parameters)
        alone = ConditionalMixture(m.family, m.log_weights[row : row + 1], one)
        at, total = y[row].item(), cdf(alone)
        if case in COUNTS:
            z = values(case, alone)
            exact = ((total(z) - (z >= at)) ** 2).sum()
        else:
            ends = {"beta": (0, 1)}.get(case, (-np.inf, np.inf))
            steps = (
                [] if case == "beta" else np.sort([*m.family.mean(one).ravel() + 4, *m.family.mean(one).ravel() - 4])
            )
            cuts = np.unique([ends[0], *steps, *np.ravel(m.family.mean(one)), at, ends[1]])
            exact = sum(
                integrate.quad(lambda z, F=total, y=at: float((F(z) - (z >= y)) ** 2), a, b, epsabs=1e-10)[0]
                for a, b in pairwise(cuts)
            )
        assert crps(m, y)[row].item() == pytest.approx(exact, rel=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_crps_in_float32(case: str) -> None:
    double = some(case, targets=2, rows=5, seed=6)
    single = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), double)
    y = double.sample(random.PRNGKey(2)).astype(jnp.float32)
    y = jnp.clip(y, 1e-6, 1 - 1e-6) if case == "beta" else y
    scores = crps(single, y)
    assert scores.dtype == jnp.float32
    assert np.allclose(scores, crps(double, y), rtol=2e-4, atol=1e-5)


def test_crps_of_far_apart_scales() -> None:
    """The closed form and the integral agree where one component is a million times wider than the other."""
    from credo.models.mixtures.crps import _crps_closed, _crps_integral

    family = make("gaussian", floor=0.0)
    p = {"loc": jnp.asarray([[0.0], [50.0]]), "scale": jnp.asarray([[1e-4], [100.0]])}
    row = (family, jnp.log(jnp.asarray([0.5, 0.5])), p)
    for y in (0.0, 1e-4, 3.0, 1e5):
        assert _crps_integral(*row, jnp.asarray([y])).item() == pytest.approx(
            _crps_closed(*row, jnp.asarray([y])).item(), rel=1e-8
        )


# As a NumPyro distribution


@pytest.mark.parametrize("case", quick(CASES))
def test_it_is_a_numpyro_distribution(case: str) -> None:
    m = some(case, targets=2, rows=3)
    assert m.batch_shape == (3,)
    assert m.event_shape == (2,)
    y = m.sample(random.PRNGKey(0))

    def model(y: Any) -> None:
        with numpyro.plate("row", 3):
            numpyro.sample("y", m, obs=y)

    assert log_density(model, (y,), {}, {})[0].item() == pytest.approx(m.log_prob(y).sum().item())
    assert np.allclose(jax.jit(lambda m, y: m.log_prob(y))(m, y), m.log_prob(y))
    k = m.log_weights + m.family.log_prob(m.parameters, y[:, None])
    assert np.allclose(m.log_prob(y), jax.nn.logsumexp(k, -1))


def test_a_value_outside_the_support_has_no_density() -> None:
    for case, y in {"beta": 1.5, "poisson": -1.0, "discretized_logistic_bounded": 2.5}.items():
        assert some(case).log_prob([[y]]).item() == -np.inf


# Refusals


@pytest.mark.parametrize(
    ("word", "settings", "sentence"),
    [
        ("gauss", {}, "family: expected one of gaussian, gaussian_full, .*, but got 'gauss'"),
        ("gaussian", {"floor": -1e-3}, "floor: expected a number of at least 0, but got -0.001"),
        ("gaussian", {"floor": float("nan")}, "floor: expected a number of at least 0, but got nan"),
        ("gaussian", {"resolution": 0.0}, "resolution: expected positive numbers, but got 0.0"),
        ("gaussian", {"unit": [1.0, np.inf]}, r"unit: expected positive numbers, but got \[ 1. inf\]"),
        ("gaussian", {"low": 0}, "low: gaussian has no such setting; it has floor, resolution, unit"),
        ("discretized_logistic", {"low": 3, "high": 3}, "high: expected low < high, .*, but got 3 and 3"),
        ("discretized_logistic", {"low": 3}, "high: expected low < high, .*, but got 3 and None"),
        ("discretized_logistic", {"low": 0, "high": 2.5}, "low, high: expected whole numbers, but got 0 and 2.5"),
    ],
)
def test_a_family_that_cannot_be(word: str, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"^{sentence}$"):
        make_component(word, **settings)


def test_a_mixture_that_cannot_be() -> None:
    family, raw = make("gaussian"), jnp.zeros((2, 9))
    with pytest.raises(ConfigError, match=r"^components: expected at least 1, but got 0$"):
        mixture(family, "softmax", raw, 0, 1)
    with pytest.raises(ConfigError, match=r"^targets: expected at least 1, but got 0$"):
        mixture(family, "softmax", raw, 1, 0)
    with pytest.raises(ConfigError, match=r"^weights: expected one of softmax, stick_breaking, but got 'sticks'$"):
        mixture(family, "sticks", raw, 3, 1)
    with pytest.raises(ConfigError, match=r"^components: 3 of 1 targets take 8 raw numbers, but got 9$"):
        mixture(family, "stick_breaking", raw, 3, 1)
    with pytest.raises(ConfigError, match=r"^quantiles: expected an array \[component, target\], but got .*\(3,\)$"):
        initial(family, "softmax", [1.0, 2.0, 3.0], 1.0)


@pytest.mark.parametrize(
    ("case", "bad", "words"),
    [
        ("gaussian", np.nan, "a finite number"),
        ("student_t", np.inf, "a finite number"),
        ("beta", 0.0, "a number above 0 and below 1"),
        ("beta", 1.0, "a number above 0 and below 1"),
        ("poisson", -1.0, "a whole number of at least 0"),
        ("poisson", 0.5, "a whole number of at least 0"),
        ("discretized_logistic", 0.5, "a whole number"),
        ("discretized_logistic_bounded", 21.0, "a whole number between 0 and 20"),
    ],
)
def test_targets_outside_the_support(case: str, bad: float, words: str) -> None:
    y = np.full((3, 2), 0.5 if case == "beta" else 1.0)
    check_targets(make(case), y)
    y[1, 1] = bad
    with pytest.raises(ConfigError, match=f"^data.target: [a-z_]+ needs {words} in every row, but row 1 has {bad}$"):
        check_targets(make(case), y)


# A Gaussian of whole numbers


@pytest.mark.parametrize(("loc", "scale"), [(0.3, 0.1), (5.5, 0.8), (-2.0, 3.0), (0.0, 49.0), (7.0, 1e4)])
def test_masses_of_a_rounded_gaussian(loc: float, scale: float) -> None:
    """In both tails, against SciPy's CDF in logarithms."""
    family = make("discretized_gaussian")
    y = np.round(loc + scale * np.array([-6.0, -2.0, 0.0, 1.0, 6.0]))
    away = np.abs(y - loc)
    above, below = (stats.norm.logcdf((side - away) / scale) for side in (0.5, -0.5))
    with np.errstate(divide="ignore"):
        exact = above + np.log(-np.expm1(below - above))
    p = {"loc": jnp.full(5, loc), "scale": jnp.full(5, scale)}
    np.testing.assert_allclose(family.log_density(p, jnp.asarray(y)), exact, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-3, 0.1, 3.0, 60.0])
def test_masses_have_finite_slopes_however_far_away(scale: float) -> None:
    family = make("discretized_gaussian")

    def log_mass(loc: Any, scale: Any) -> Any:
        return family.log_density({"loc": loc, "scale": scale}, jnp.asarray(4.0))

    for loc in (4.0, 4.4, 3.5, 30.0, -500.0):
        value, slopes = jax.value_and_grad(log_mass, (0, 1))(loc, scale)
        assert np.isfinite(value)
        assert np.isfinite(slopes).all()
        assert value <= 0
