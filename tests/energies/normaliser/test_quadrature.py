"""Log Z by quadrature: the reference answers, closed forms in one to three dimensions, and what is refused."""

from collections.abc import Callable
from math import gamma, inf, log, pi
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from credo.energies.normaliser.quadrature import log_z
from credo.energies.polynomial import Polynomial
from credo.energies.quadratic import Quadratic
from credo.errors import ConfigError

Reference = Callable[[str], Any]
LINE = [(-inf, inf)]


def test_quartic_and_double_well(reference: Reference) -> None:
    known = reference("closed_forms.json")["partition_1d"]
    assert log_z(Polynomial([1.0], (4,)), LINE).log_z == pytest.approx(log(known["exp(-x^4)"]), abs=1e-12)
    assert known["exp(-x^4)"] == pytest.approx(2 * gamma(1.25), rel=1e-14)
    well = Polynomial([1.0, -2.0, 1.0], (0, 2, 4))
    assert log_z(well, LINE).log_z == pytest.approx(log(known["exp(-(x^2-1)^2)"]), abs=1e-12)


@pytest.mark.parametrize("theta", [(-1.0, 0.5), (1.0, 0.1), (-4.0, 1.0)])
def test_quartic_potentials(reference: Reference, theta: tuple[float, float]) -> None:
    known = reference("closed_forms.json")["quartic_potential"][f"quartic_pot_theta{theta}"]
    energy = Polynomial([theta[0] / 2, theta[1]], (2, 4))
    assert log_z(energy, LINE).log_z == pytest.approx(known["logZ"], abs=1e-10)


def correlated(dim: int, correlation: float, scale: float = 1.0) -> Quadratic:
    covariance = scale**2 * (correlation + (1 - correlation) * np.eye(dim))
    return Quadratic(np.arange(1.0, dim + 1), np.linalg.inv(covariance))


def mixture(apart: float, scale: float) -> Callable[[jax.Array], jax.Array]:
    """Minus the log of two Gaussians' sum, of scales 1 and `scale`; its Z is 2."""

    def energy(x: jax.Array) -> jax.Array:
        first = jax.scipy.stats.norm.logpdf(x[0])
        return -jnp.logaddexp(first, jax.scipy.stats.norm.logpdf(x[0], apart, scale))

    return energy


Case = tuple[Any, list[tuple[float, float]], float]

CASES: dict[str, Callable[[], Case]] = {
    "huge offset": lambda: (Polynomial([1e5, 1.0], (0, 2)), LINE, 0.5 * log(pi) - 1e5),
    "huge negative offset": lambda: (Polynomial([-1e5, 1.0], (0, 2)), LINE, 0.5 * log(pi) + 1e5),
    "half a line": lambda: (Polynomial([2.0], (1,)), [(0.0, inf)], -log(2)),
    "the other half": lambda: (Polynomial([-2.0], (1,)), [(-inf, 3.0)], 6 - log(2)),
    "constant": lambda: (Polynomial([3.0], (0,)), [(-1.0, 4.0)], log(5) - 3),
    "tail alone": lambda: (Polynomial([1.0], (2,)), [(1.0, 1.5)], log(0.5 * pi**0.5 * float(erf(1.5) - erf(1.0)))),
    "far and narrow": lambda: (Quadratic([432.0], [[1e4]]), LINE, 0.5 * log(2 * pi / 1e4)),
    "narrow in wide bounds": lambda: (Quadratic([3.0], [[1e4]]), [(-1e6, 1e6)], 0.5 * log(2 * pi / 1e4)),
    "wide": lambda: (Quadratic([-2.0], [[1e-8]]), LINE, 0.5 * log(2 * pi * 1e8)),
    "cauchy": lambda: (lambda x: jnp.log1p(x[0] ** 2), LINE, log(pi)),
    "heavy": lambda: (lambda x: 0.75 * jnp.log1p(x[0] ** 2), LINE, log(pi**0.5 * gamma(0.25) / gamma(0.75))),
    "kink": lambda: (lambda x: jnp.abs(x[0]), LINE, log(2)),
    "two wells": lambda: (mixture(50.0, 0.01), LINE, log(2)),
    "a hole": lambda: (lambda x: jnp.where(x[0] > 0, x[0], jnp.inf), LINE, 0.0),
    "plane": lambda: (correlated(2, 0.9), LINE * 2, 0.5 * log((2 * pi) ** 2 * 0.19)),
    "small plane": lambda: (
        correlated(2, -0.5, 1e-3),
        [(-5.0, 5.0), (-inf, inf)],
        0.5 * log((2 * pi * 1e-6) ** 2 * 0.75),
    ),
    "ring": lambda: (lambda x: (x @ x - 1) ** 2, LINE * 2, log(pi * 0.5 * pi**0.5 * float(1 + erf(1.0)))),
    "space": lambda: (correlated(3, 0.0), LINE * 3, 1.5 * log(2 * pi)),
    "cube": lambda: (lambda x: x.sum(), [(0.0, 1.0)] * 3, 3 * log(1 - np.exp(-1))),
}


@pytest.mark.parametrize("case", CASES)
def test_closed_forms(case: str) -> None:
    energy, bounds, known = CASES[case]()
    found = log_z(energy, bounds)
    assert found.error <= {1: 1e-10, 2: 1e-8, 3: 1e-5}[len(bounds)]
    assert found.log_z == pytest.approx(known, rel=1e-14, abs=max(1e-9, found.error))


def test_error_covers_the_truth_at_a_loose_tolerance() -> None:
    found = log_z(correlated(3, 0.6), LINE * 3, tolerance=1e-3)
    exact = float(correlated(3, 0.6).log_z())
    assert abs(found.log_z - exact) <= found.error <= 1e-3


REFUSED: dict[str, tuple[Any, Any, dict[str, float], str]] = {
    "upside down": (Polynomial([-1.0], (2,)), LINE, {}, r"^evidence"),
    "downhill": (Polynomial([1.0], (1,)), LINE, {}, r"^evidence"),
    "constant": (Polynomial([0.0], (0,)), LINE, {}, r"^evidence"),
    "log": (lambda x: 0.5 * jnp.log1p(x[0] ** 2), LINE, {}, r"^evidence.*relative error|finite integral"),
    "pole": (lambda x: jnp.log(jnp.abs(x[0])), [(-1.0, 1.0)], {}, r"^evidence"),
    "nan": (lambda x: x[0] * jnp.nan, LINE, {}, r"finite minimum within \[\[-inf, inf\]\], but found none"),
    "four": (lambda x: x @ x, LINE * 4, {}, r"evidence\.bounds: expected \(low, high\) for 1 to 3 dimensions"),
    "turned": (lambda x: x @ x, [(1.0, 0.0)], {}, r"evidence\.bounds"),
    "tolerance": (lambda x: x @ x, LINE, {"tolerance": 0.0}, r"evidence\.tolerance: expected a positive number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    energy, bounds, settings, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message):
        log_z(energy, bounds, **settings)
