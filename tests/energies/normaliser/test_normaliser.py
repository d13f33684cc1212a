"""The ways to an exact log Z: the reference answers, their gradients, finer ones, and the draws that they make.

Moments of independent draws are compared with known ones at 4.5 standard errors. Of about 40 comparisons right draws
miss one with probability 3e-4 together. The seeds are fixed.
"""

from collections.abc import Callable
from itertools import product
from math import exp, gamma, inf, log, pi
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.random import split
from scipy.special import ndtr

from credo.energies.base import Energy, Given
from credo.energies.ising import Ising
from credo.energies.normaliser.base import Closed, Enumerated, Integrated, Normaliser, Transferred
from credo.energies.polynomial import Polynomial
from credo.energies.polynomial import PolynomialModel as Polynomials
from credo.energies.potts import Potts
from credo.energies.quadratic import Quadratic
from credo.energies.rbm import BernoulliRbm, GaussianRbm

DRAWS = 20_000
LINE = (-inf, inf)
CRITICAL = log(1 + 2**0.5) / 2
P = np.array([[2.0, 0.6], [0.6, 1.0]])


def seeded(visible: int, hidden: int, seed: int) -> BernoulliRbm:
    """A machine of the reference answers, of scale 0.5."""
    rng = np.random.default_rng(seed)
    return BernoulliRbm(*(rng.normal(0, 0.5, shape) for shape in ((visible, hidden), visible, hidden)))


def quartic(t1: float, t2: float) -> Polynomial:
    """E(x) = t1 x^2 / 2 + t2 x^4."""
    return Polynomial([t1 / 2, t2], (2, 4))


def torus(temperature: float) -> Ising:
    return Ising.lattice((4, 4), inverse_temperature=temperature)


ON_A_LINE = Polynomials((2, 4)).normaliser
"""As `energy=polynomial` has it."""
ON_A_TORUS = Transferred((4, 4), True)

# From ../shared/reference/closed_forms.json: enumeration and transfer matrices, and quadrature, by other programs.
REFERENCE: dict[str, tuple[Normaliser, Callable[[], Any], float]] = {
    "rbm 6 x 4": (Enumerated(), lambda: seeded(6, 4, 0), 7.025233101076649),
    "rbm 10 x 8": (Enumerated(), lambda: seeded(10, 8, 1), 13.15872482803186),
    "enumerated K=0.2": (Enumerated(), lambda: torus(0.2), 11.771470358541583),
    "enumerated K=0.4": (Enumerated(), lambda: torus(0.4), 14.561093023844045),
    "enumerated critical": (Enumerated(), lambda: torus(CRITICAL), 15.52191545875528),
    "transferred K=0.2": (ON_A_TORUS, lambda: torus(0.2), 11.771470358541583),
    "transferred K=0.4": (ON_A_TORUS, lambda: torus(0.4), 14.561093023844045),
    "transferred critical": (ON_A_TORUS, lambda: torus(CRITICAL), 15.52191545875528),
    "open critical": (
        Transferred((4, 4), False),
        lambda: Ising.lattice((4, 4), inverse_temperature=CRITICAL, periodic=False),
        13.67631524139214,
    ),
    "ring h=0": (Transferred((10,), True), lambda: Ising.lattice((10,), 0.5), 8.1330609176471),
    "ring h=0.3": (Transferred((10,), True), lambda: Ising.lattice((10,), 0.5, 0.3), 9.206236073066016),
    "ring of 16": (Transferred((16,), True), lambda: Ising.lattice((16,), 1.0, 0.1), 18.562611112550314),
    "(-1, 0.5)": (ON_A_LINE, lambda: quartic(-1.0, 0.5), 1.04616344312408),
    "(1, 0.1)": (ON_A_LINE, lambda: quartic(1.0, 0.1), 0.765331055384968),
    "(-4, 1)": (ON_A_LINE, lambda: quartic(-4.0, 1.0), 1.6799262428937867),
    "double well": (ON_A_LINE, lambda: Polynomial([1.0, -2.0, 1.0], (0, 2, 4)), log(1.9737321500898242)),
}

CLOSED: dict[str, tuple[Normaliser, Callable[[], Any], float]] = {
    "x^4": (ON_A_LINE, lambda: Polynomial([1.0], (4,)), log(2 * gamma(1.25))),
    "x^4 / 10^8": (ON_A_LINE, lambda: Polynomial([1e-8], (4,)), log(2 * gamma(1.25) * 100)),
    "gaussian": (Closed(), lambda: Quadratic([1.0, -1.0], P), log(2 * pi) - 0.5 * log(2 - 0.36)),
    "plane": (
        Integrated(128, (LINE, LINE), (0.0, 0.0), (1.0, 1.0), 9.0),
        lambda: Quadratic([0.5, -0.5], P),
        log(2 * pi) - 0.5 * log(2 - 0.36),
    ),
    "box": (
        Integrated(64, ((0.0, 1.0), (-1.0, 2.0)), (0.0, 0.0), (1.0, 1.0), 4.5),
        lambda: Slope(jnp.array([2.0, -1.0])),
        log((1 - exp(-2)) / 2) + log(exp(2) - exp(-1)),
    ),
    "one gaussian unit": (
        Enumerated(),
        lambda: GaussianRbm([[0.7]], [0.2], [-0.3]),
        0.5 * log(2 * pi) + log(1 + exp(-0.3 + 0.2 * 0.7 + 0.7**2 / 2)),
    ),
}


class Slope(Energy):
    """E(x) = theta.x."""

    theta: jax.Array

    @property
    def dim(self) -> int:
        return len(self.theta)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.theta @ x


class Around(Energy):
    """E(y; x) = scale (y - x)^2 / 2."""

    scale: jax.Array
    dim = 1  # type: ignore[assignment]

    def __call__(self, y: jax.Array, x: jax.Array) -> jax.Array:  # type: ignore[override]
        return 0.5 * self.scale * jnp.square(y - x).sum()


@jax.jit
def log_z(ways: tuple[Normaliser, ...], energy: Any) -> list[jax.Array]:
    return [way.log_z(energy) for way in ways]


@jax.jit
def drawn(way: Normaliser, energy: Any, keys: jax.Array) -> jax.Array:
    """Independent draws [draw, ...]."""
    return jax.vmap(lambda key: way.draws(energy, key))(keys)


@pytest.mark.parametrize("name", [*REFERENCE, *CLOSED])
def test_log_z_is_the_known_one_and_finer_nodes_agree(name: str) -> None:
    """Compiled; what has no nodes is its own finer one."""
    way, make, known = (REFERENCE | CLOSED)[name]
    finer, nodes = way.finer(), isinstance(way, Integrated)
    assert (finer is way) != nodes
    assert getattr(finer, "points", 0) == 2 * getattr(way, "points", 0)
    found = log_z((way, finer) if nodes else (way,), make())
    np.testing.assert_allclose(found, known, rtol=1e-10, atol=1e-10)


def test_too_few_nodes_are_seen_by_finer_ones() -> None:
    """Of eight nodes within 1e4 the quartic's Z is far off, and so is the difference."""
    way, known = Integrated(8, (LINE,), (0.0,), (1.0,), 1e4), CLOSED["x^4"][2]
    coarse, fine = log_z((way, way.finer()), Polynomial([1.0], (4,)))
    assert abs(coarse - known) > 0.05
    assert abs(coarse - fine) > 0.5 * abs(coarse - known)


# E[x^2 / 2] and E[x^4] of exp(-(t1 x^2 / 2 + t2 x^4)), from the same file
MOMENTS = {
    (-1.0, 0.5): (0.32261613580729614, 0.8226161358088127),
    (1.0, 0.1): (0.3077635928664711, 0.9611820356676414),
    (-4.0, 1.0): (0.4163727435641901, 1.0827454871283801),
}


SLOPE = jax.jit(jax.grad(ON_A_LINE.log_z))


@pytest.mark.parametrize("theta", MOMENTS)
def test_the_gradient_of_log_z_has_the_moments(theta: tuple[float, float]) -> None:
    slope = SLOPE(quartic(*theta)).theta
    np.testing.assert_allclose(-slope * np.array([0.5, 1.0]), MOMENTS[theta], rtol=1e-9)


def test_the_gradient_of_a_box_has_its_mean() -> None:
    """E[x] of exp(-2 x) within 0 and 1 is 1/2 - 1 / (e^2 - 1)."""
    way, make, _ = CLOSED["box"]
    assert float(-jax.jit(jax.grad(way.log_z))(make()).theta[0]) == pytest.approx(0.5 - 1 / (exp(2) - 1), rel=1e-12)


X = np.array([[-1.0], [0.0], [0.5]])


def test_of_a_conditional_energy_every_row_has_its_own() -> None:
    way = Integrated(64, ((-1.0, 1.0),), (0.0,), (1.0,), 4.5)
    energy = Given(Around(jnp.array(4.0)), (jnp.asarray(X),))
    at = np.array([[-1.0], [1.0]])
    known = np.log(np.diff(ndtr(2 * (at - X[:, 0])), axis=0)[0] * np.sqrt(2 * pi / 4))
    np.testing.assert_allclose(log_z((way,), energy)[0], known, rtol=1e-12)
    draws = drawn(way, energy, split(jax.random.PRNGKey(0), 4000))
    assert draws.shape == (4000, 3, 1)
    nodes = np.linspace(-1, 1, 20_001)
    for row, x in enumerate(X[:, 0]):
        p = np.exp(-2 * (nodes - x) ** 2)
        compare(draws[:, row], {"y": (lambda y: y[:, 0], float((p * nodes).sum() / p.sum()))})


def compare(draws: Any, features: dict[str, tuple[Callable[..., Any], float]]) -> None:
    """Draws [draw, dim] by the means of their features, each with its known one."""
    for name, (feature, known) in features.items():
        values = feature(np.asarray(draws))
        error = values.std() / np.sqrt(len(values))
        assert abs(values.mean() - known) < 4.5 * error, name


def of_quartic(theta: tuple[float, float]) -> dict[str, Any]:
    second, fourth = MOMENTS[theta]
    return {
        "x": (lambda x: x[:, 0], 0.0),
        "x^2 / 2": (lambda x: 0.5 * x[:, 0] ** 2, second),
        "x^4": (lambda x: x[:, 0] ** 4, fourth),
    }


def enumerated(energy: Any) -> dict[str, Any]:
    """Its means, and the products of neighbours, by all states."""
    states = np.array(list(product(energy.values, repeat=energy.dim)))
    p = np.asarray(jax.nn.softmax(-energy.batch(jnp.asarray(states))))
    means = {f"{i}": (lambda x, i=i: x[:, i], float(p @ states[:, i])) for i in range(energy.dim)}
    pairs = float(p @ (states[:, 0] * states[:, 1]))
    return means | {"01": (lambda x: x[:, 0] * x[:, 1], pairs)}


# From the same file: E[v] of the machine, and E[sum s_i s_j] and E[|m|] of the torus at K = 0.4.
E_V = (0.6561326514, 0.6789220068, 0.2850982507, 0.2120720282, 0.5265211476, 0.5927886585)
EDGES = np.array(torus(0.4).edges)
OF_TORUS = {
    "bonds": (lambda s: (s[:, EDGES[:, 0]] * s[:, EDGES[:, 1]]).sum(1), 22.065863716149565),
    "|m|": (lambda s: np.abs(s.mean(1)), 0.7647123932216822),
}
COVARIANCE = np.linalg.inv(P)

DRAWN: dict[str, tuple[Normaliser, Callable[[], Any], dict[str, Any]]] = {
    "rbm 6 x 4": (
        Enumerated(),
        lambda: seeded(6, 4, 0),
        {f"{i}": (lambda v, i=i: v[:, i], mean) for i, mean in enumerate(E_V)},
    ),
    "torus": (Enumerated(), lambda: torus(0.4), OF_TORUS),
    "potts": (
        Enumerated(),
        lambda: Potts.lattice((2, 2), 3, 0.4, [0.0, 0.3, -0.5]),
        enumerated(Potts.lattice((2, 2), 3, 0.4, [0.0, 0.3, -0.5])),
    ),
    "ring": (
        Transferred((5,), True),
        lambda: Ising.lattice((5,), 0.4, 0.2),
        enumerated(Ising.lattice((5,), 0.4, 0.2)),
    ),
    **{str(theta): (ON_A_LINE, lambda theta=theta: quartic(*theta), of_quartic(theta)) for theta in MOMENTS},
    # axes of very different units: a draw is moved within its cell, which is as narrow as each axis has it
    "plane": (
        Integrated(128, (LINE, LINE), (0.0, 0.0), (1.0, 1000.0), 9.0),
        lambda: Quadratic([0.0, 0.0], P / np.outer([1, 1e3], [1, 1e3])),
        {
            "xx": (lambda x: x[:, 0] ** 2, COVARIANCE[0, 0]),
            "yy": (lambda x: (x[:, 1] / 1e3) ** 2, COVARIANCE[1, 1]),
            "xy": (lambda x: x[:, 0] * x[:, 1] / 1e3, COVARIANCE[0, 1]),
        },
    ),
    "box": (
        CLOSED["box"][0],
        CLOSED["box"][1],
        {"x": (lambda x: x[:, 0], 0.5 - 1 / (exp(2) - 1)), "y": (lambda x: x[:, 1], 2 - 1 + 3 / (exp(3) - 1))},
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_draws_have_the_known_moments(name: str) -> None:
    way, make, known = DRAWN[name]
    energy = make()
    draws = np.asarray(drawn(way, energy, split(jax.random.PRNGKey(1), DRAWS)))
    assert draws.shape == (DRAWS, energy.dim)
    compare(draws, known)
    if energy.values is not None:
        assert np.isin(draws, energy.values).all()


def test_draws_stay_within_their_bounds() -> None:
    way, make, _ = CLOSED["box"]
    draws = np.asarray(drawn(way, Slope(1e4 * make().theta), split(jax.random.PRNGKey(2), DRAWS)))
    assert (draws >= [0.0, -1.0]).all()
    assert (draws <= [1.0, 2.0]).all()
    assert draws[:, 0].max() < 0.01
    assert draws[:, 1].min() > 1.97


def test_where_there_is_no_way_to_draw_there_is_none() -> None:
    key = jax.random.PRNGKey(0)
    assert Closed().draws(Quadratic([0.0], [[1.0]]), key) is None
    assert Enumerated().draws(GaussianRbm([[0.7]], [0.2], [-0.3]), key) is None  # of real numbers
    assert Enumerated().draws(seeded(17, 2, 0), key) is None  # 2^17 states
    assert Transferred((17,), True).draws(Ising.lattice((17,)), key) is None
