"""Divergences against closed forms, by every way to compute them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from credo.errors import ConfigError
from credo.information.divergence import jensen_shannon, kl, reverse

pytestmark = pytest.mark.slow  # `make proofs` runs them

CASES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "N01_N12": lambda: (dist.Normal(0, 1), dist.Normal(1, 2)),
    "N12_N01": lambda: (dist.Normal(1, 2), dist.Normal(0, 1)),
    "bern_03_07": lambda: (dist.Bernoulli(0.3), dist.Bernoulli(0.7)),
    "unif_01_02": lambda: (dist.Uniform(0, 1), dist.Uniform(0, 2)),
    "unif_02_01": lambda: (dist.Uniform(0, 2), dist.Uniform(0, 1)),
    "cat": lambda: (dist.Categorical(jnp.array(P)), dist.Categorical(jnp.array(Q))),
    "laplace01_N01": lambda: (dist.Laplace(0, 1), dist.Normal(0, 1)),
}
DISCRETE = {"bern_03_07", "cat"}
P, Q = [0.7, 0.2, 0.1], [0.4, 0.3, 0.3]
"""The reference does not name them: of probabilities in tenths only these, in any order, have its figure to 1e-12."""

KEY = jax.random.key(0)


@pytest.fixture
def known(reference: Callable[[str], Any]) -> dict[str, float]:
    return {name: float(value) for name, value in reference("closed_forms.json")["kl"].items()}


def test_every_figure_has_a_case(known: dict[str, float]) -> None:
    assert set(known) == set(CASES)


@pytest.mark.parametrize("method", ["auto", "closed", "quadrature"])
@pytest.mark.parametrize("case", CASES)
def test_exact(case: str, method: str, known: dict[str, float]) -> None:
    if case in DISCRETE and method == "quadrature":
        pytest.skip("an integral of a mass")
    found = kl(*CASES[case](), method=method)
    assert float(found.value) == pytest.approx(known[case], abs=1e-8)
    assert float(found.error) < 1e-8


@pytest.mark.parametrize("case", CASES)
def test_monte_carlo(case: str, known: dict[str, float]) -> None:
    """Within 4 standard errors: right draws fail once in 16,000 cases, so once in 2,700 changes of the seed."""
    value, error = kl(*CASES[case](), method="monte_carlo", key=KEY, draws=20_000)
    assert (error < 0.05) & ((value == known[case]) | (abs(value - known[case]) <= 4 * error))


PAIRS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "gamma": (lambda: dist.Gamma(2.0, 1.5), lambda: dist.Gamma(3.0, 0.5)),
    "beta": (lambda: dist.Beta(2.0, 3.0), lambda: dist.Beta(4.0, 1.5)),
    "laplace to normal": (lambda: dist.Laplace(0.5, 2.0), lambda: dist.Normal(-1.0, 0.7)),
    "uniform": (lambda: dist.Uniform(-1.0, 2.0), lambda: dist.Uniform(-3.0, 2.0)),
    "narrow and far": (lambda: dist.Normal(1e4, 1e-3), lambda: dist.Normal(1e4 + 2e-3, 2e-3)),
    "plane": (
        lambda: dist.MultivariateNormal(jnp.array([1.0, -1.0]), jnp.array([[1.0, 0.6], [0.6, 0.8]])),
        lambda: dist.MultivariateNormal(jnp.zeros(2), jnp.array([[2.0, -0.5], [-0.5, 1.0]])),
    ),
    "independent": (
        lambda: dist.Normal(jnp.array([0.0, 1.0]), 1.0).to_event(1),
        lambda: dist.Normal(jnp.array([0.5, 0.0]), jnp.array([2.0, 0.5])).to_event(1),
    ),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_formula_and_quadrature_agree(pair: str) -> None:
    p, q = (make() for make in PAIRS[pair])
    closed, integral = kl(p, q, method="closed"), kl(p, q, method="quadrature")
    assert float(integral.value) == pytest.approx(float(closed.value), abs=1e-8)
    assert abs(integral.value - float(closed.value)) <= integral.error + 1e-12
    assert reverse(q, p, method="closed").value == closed.value


def test_poisson_against_its_sum() -> None:
    n = jnp.arange(200)
    p, q = dist.Poisson(3.0), dist.Poisson(5.0)
    total = (jnp.exp(p.log_prob(n)) * (p.log_prob(n) - q.log_prob(n))).sum()
    assert float(kl(p, q).value) == pytest.approx(float(total), abs=1e-12)


def test_a_sum_that_is_cut_off_is_not_called_exact() -> None:
    p, q = dist.Kumaraswamy(2.0, 3.0), dist.Beta(2.0, 3.0)
    with pytest.raises(ConfigError, match=r"^information\.method: expected a closed form, .* Kumaraswamy"):
        kl(p, q, method="closed")
    found = kl(p, q)
    value, error = kl(p, q, method="monte_carlo", key=KEY)
    assert abs(value - found.value) < 4 * error


def test_modes_far_apart() -> None:
    """Half the mass in each of two narrow peaks: ln 2 beside the other peak's own divergence of 0."""
    two = dist.MixtureSameFamily(dist.Categorical(jnp.full(2, 0.5)), dist.Normal(jnp.array([-50.0, 50.0]), 0.01))
    one = dist.Normal(50.0, 0.01)
    assert kl(one, two).value == pytest.approx(np.log(2), abs=1e-9)
    assert jensen_shannon(one, two).value == pytest.approx(0.75 * np.log(4 / 3), abs=1e-9)


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (lambda: dist.Normal(0, 1), lambda: dist.HalfNormal(1.0)),
        (lambda: dist.Exponential(1.0), lambda: dist.Uniform(0, 1)),
        (lambda: dist.Binomial(3, 0.5), lambda: dist.Binomial(2, 0.5)),
        (lambda: dist.Bernoulli(0.5), lambda: dist.Bernoulli(1.0)),
        (lambda: dist.Bernoulli(logits=0.0), lambda: dist.Bernoulli(0.0)),
        (lambda: dist.Categorical(jnp.array([0.5, 0.5])), lambda: dist.Categorical(jnp.array([0.0, 1.0]))),
        (lambda: dist.Bernoulli(0.5), lambda: dist.Normal(0, 1)),
        (lambda: dist.Normal(0, 1), lambda: dist.Poisson(1.0)),
        (
            lambda: dist.Uniform(0, 1).expand((2,)).to_event(1),
            lambda: dist.Uniform(0, 0.5).expand((2,)).to_event(1),
        ),
    ],
)
def test_infinite_where_the_support_is_too_small(p: Callable[[], Any], q: Callable[[], Any]) -> None:
    assert kl(p(), q()).value == np.inf
    assert kl(p(), q(), method="monte_carlo", key=KEY).value == np.inf


def test_a_support_within_the_other() -> None:
    assert kl(dist.HalfNormal(1.0), dist.Normal(0, 1)).value == pytest.approx(np.log(2), abs=1e-10)
    assert kl(dist.Bernoulli(1.0), dist.Bernoulli(0.25)).value == pytest.approx(np.log(4), abs=1e-12)
    assert kl(dist.Bernoulli(logits=1e4), dist.Bernoulli(logits=-1e4)).value == pytest.approx(1e4)
    assert kl(dist.Categorical(jnp.array([0.0, 1.0])), dist.Categorical(jnp.array([0.5, 0.5]))).value == (
        pytest.approx(np.log(2))
    )


def test_a_divergence_from_itself_is_zero() -> None:
    p = dist.StudentT(3.0, 1.0, 2.0)
    assert kl(p, p).value == pytest.approx(0, abs=1e-12)
    assert jensen_shannon(p, p).value == pytest.approx(0, abs=1e-12)


def test_a_tail_that_is_too_heavy_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^information\.method: quadrature expected a finite integral"):
        kl(dist.Cauchy(0, 1), dist.Normal(0, 1))


def test_batches() -> None:
    p, q = dist.Normal(jnp.zeros(3), 1.0), dist.Normal(jnp.array([0.0, 1.0, 2.0]), 1.0)
    np.testing.assert_allclose(kl(p, q).value, [0, 0.5, 2])
    value, error = kl(p, q, method="monte_carlo", key=KEY)
    assert value.shape == error.shape == (3,)
    bits = dist.Bernoulli(jnp.array([0.3, 0.3])).to_event(1), dist.Bernoulli(jnp.array([0.7, 0.7])).to_event(1)
    assert kl(*bits).value == pytest.approx(2 * float(kl(dist.Bernoulli(0.3), dist.Bernoulli(0.7)).value))
    assert kl(dist.Bernoulli(0.3), dist.Bernoulli(jnp.array([0.3, 0.7]))).value.shape == (2,)


def test_within_bounds() -> None:
    """The part of E_p[ln p - ln q] on the right half alone: the integral of x phi(x) - phi(x) / 2."""
    found = kl(dist.Normal(0, 1), dist.Normal(-1, 1), method="quadrature", bounds=[(0.0, np.inf)])
    assert found.value == pytest.approx(1 / np.sqrt(2 * np.pi) + 0.25, abs=1e-9)


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (lambda: dist.Uniform(0, 1), lambda: dist.Uniform(1, 2)),
        (lambda: dist.Bernoulli(0.0), lambda: dist.Bernoulli(1.0)),
        (lambda: dist.Bernoulli(0.5), lambda: dist.Normal(0, 1)),
    ],
)
def test_jensen_shannon_is_ln_2_apart(p: Callable[[], Any], q: Callable[[], Any]) -> None:
    assert float(jensen_shannon(p(), q()).value) == pytest.approx(np.log(2), abs=1e-12)


def test_jensen_shannon_by_definition() -> None:
    p, q = np.array(P), np.array(Q)
    m = (p + q) / 2
    expected = ((p * np.log(p / m)).sum() + (q * np.log(q / m)).sum()) / 2
    ours = [dist.Categorical(jnp.array(one)) for one in (P, Q)]
    assert float(jensen_shannon(*ours).value) == pytest.approx(expected, abs=1e-14)
    assert float(jensen_shannon(*ours[::-1]).value) == pytest.approx(expected, abs=1e-14)
    value, error = jensen_shannon(dist.Normal(0, 1), dist.Normal(1, 2), method="monte_carlo", key=KEY)
    assert abs(value - jensen_shannon(dist.Normal(0, 1), dist.Normal(1, 2)).value) < 4 * error


@pytest.mark.parametrize(
    ("p", "q", "how", "message"),
    [
        (lambda: dist.Normal(0, 1), None, {"method": "exact"}, r"^information\.method: expected one of .* 'exact'$"),
        (lambda: dist.Normal(0, 1), None, {"method": "monte_carlo"}, r"^information\.key: .* give key="),
        (lambda: dist.Normal(0, 1), None, {"method": "monte_carlo", "key": KEY, "draws": 1}, r"^information\.draws: "),
        (
            lambda: dist.Normal(jnp.zeros(3), 1),
            None,
            {"method": "quadrature"},
            r"^information\.method: .* batch \(3,\)",
        ),
        (lambda: dist.Normal(0, 1), None, {"method": "quadrature", "bounds": [(1, 0)]}, r"^information\.bounds: "),
        (
            lambda: dist.Normal(0, 1),
            lambda: dist.Normal(jnp.zeros(2), 1).to_event(1),
            {},
            r"^information: expected two",
        ),
    ],
)
def test_refusals(p: Callable[[], Any], q: Callable[[], Any] | None, how: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        kl(p(), q() if q else p(), **how)
