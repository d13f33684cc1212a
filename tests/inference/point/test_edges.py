"""Falls of the log density and edges of the space, on plain functions of unconstrained coordinates."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from credo.inference.point import edges, profile
from credo.inference.point.edges import Edges
from credo.inference.point.spectrum import decompose

Value = Callable[[jax.Array], jax.Array]


def falls(value: Value, mode: list[float], *, bounded: bool = False) -> np.ndarray:
    """Of each coordinate's profile, then of the eigenvectors [2 dim, 2]."""
    z = jnp.array(mode)
    spectrum = decompose(-np.asarray(jax.hessian(value)(z)), np.ones(len(mode), bool))
    directions, covariance = jnp.asarray(spectrum.directions()), jnp.asarray(spectrum.covariance)
    return np.asarray(profile.falls(value, z, directions, covariance, jnp.full(len(mode), bounded)))


def events(count: float) -> Value:
    """The log likelihood of a log rate; its mode is log(count)."""
    return lambda z: count * z[0] - jnp.exp(z[0])


def test_a_quadratic_falls_by_one_half() -> None:
    precision = jnp.array([[5.0, 4.0], [4.0, 5.0]])
    assert falls(lambda z: -0.5 * z @ precision @ z, [0.0, 0.0]) == pytest.approx(0.5)


@pytest.mark.parametrize("count", [0.3, 1.0, 3.0, 1000.0])
def test_a_few_events_are_skewed_and_regular(count: float) -> None:
    """In closed form n (exp(s) - 1 - s) at s = -+ n^-1/2."""
    fall = falls(events(count), [np.log(count)])[0]
    step = np.array([-1.0, 1.0]) / np.sqrt(count)
    assert fall == pytest.approx(count * (np.exp(step) - 1 - step))
    is_open, is_flat = profile.judge(fall[None], 0.0)
    assert not is_open.any()
    assert not is_flat.any()


@pytest.mark.parametrize("count", [1, 2, 10])
def test_the_scale_of_a_few_values_is_regular(count: int) -> None:
    fall = falls(lambda z: -count * z[0] - 0.5 * count * jnp.exp(-2 * z[0]), [0.0])
    assert not any(found.any() for found in profile.judge(fall, 0.0))


def test_a_curved_ridge_is_followed() -> None:
    """Rosenbrock's ridge falls by 25 nats along the straight line, and by 1/2 along itself."""
    fall = falls(lambda z: -((1 - z[0]) ** 2) - 100 * (z[1] - z[0] ** 2) ** 2, [1.0, 1.0])
    assert fall[0] == pytest.approx(0.5, abs=0.4)  # it is left where it has fallen by 0.9
    assert fall[0].max() < 1


@pytest.mark.parametrize("top", [0.5005, 0.501, 0.49])
def test_a_flat_top_is_seen(top: float) -> None:
    """-(x - 1/2)^4, where an optimiser stopped beside the top."""
    is_open, is_flat = profile.judge(falls(lambda z: -((z[0] - 0.5) ** 4), [top]), 0.0)
    assert is_flat.all()
    assert not is_open.any()


@pytest.mark.parametrize("mode", [5.0, 20.0, 25.0])
def test_a_tail_is_open_to_its_side(mode: float) -> None:
    """exp(-x) never stops to fall: an optimiser stops somewhere."""
    is_open, _ = profile.judge(falls(lambda z: -jnp.exp(-z[0]), [mode]), 1e-14)
    assert is_open.tolist() == [[False, True]] * 2


def test_no_latent_goes_out_of_all_measure() -> None:
    """A wide parabola on a log scale is looked at within e^6; what has no scale at all is open."""

    def wide(sd: float) -> Value:
        return lambda z: jnp.where(jnp.abs(z[0]) > 6.1, jnp.nan, -0.5 * (z[0] / sd) ** 2)

    assert falls(wide(20.0), [0.0], bounded=True) == pytest.approx(0.5)
    assert falls(wide(100.0), [0.0], bounded=True) == pytest.approx(0.0)
    assert np.isinf(falls(wide(20.0), [0.0])).all()


def test_rounding_is_allowed_for() -> None:
    fall = np.array([[0.24, 0.5], [2.0, 0.51]])
    assert [found.any() for found in profile.judge(fall, 0.0)] == [True, True]
    assert [found.any() for found in profile.judge(fall, 0.02)] == [False, False]
    assert [found.any() for found in profile.judge(fall - 1, 0.1)] == [False, False]


def look(value: Value, latents: Value, mode: list[float]) -> Edges:
    z = jnp.array(mode)
    outlook = edges.look_around(value, latents, z)
    return edges.judge(outlook, np.asarray(jax.grad(value)(z)), 1e-12)


def rare(cases: float, people: float) -> Value:
    """A probability on the logit scale."""
    return lambda z: cases * z[0] - people * jnp.logaddexp(0.0, z[0])


@pytest.mark.parametrize("cases", [1.0, 3.0])
def test_a_rare_event_is_inside(cases: float) -> None:
    p = cases / 1e7
    assert look(rare(cases, 1e7), jax.nn.sigmoid, [np.log(p / (1 - p))]).side == 0


@pytest.mark.parametrize(("cases", "mode", "side"), [(0.0, -24.0, -1), (10.0, 24.0, 1)])
def test_what_never_or_always_happens_is_on_the_boundary(cases: float, mode: float, side: int) -> None:
    found = look(rare(cases, 10.0), jax.nn.sigmoid, [mode])
    assert (found.side, found.unbounded) == (side, 0)


def test_what_still_moves_to_the_boundary_is_not_there() -> None:
    """Half a nat is left: the optimiser did not arrive."""
    assert look(rare(0.0, 10.0), jax.nn.sigmoid, [-3.0]).side == 0


def test_the_unit_of_a_scale_does_not_matter() -> None:
    for unit in (1e-9, 1.0, 1e9):
        value = lambda z, unit=unit: -20 * z[0] - 10 * (unit / jnp.exp(z[0])) ** 2  # noqa: E731
        assert look(value, jnp.exp, [float(np.log(unit))]).side == 0


def test_what_the_data_says_nothing_of_is_not_on_the_boundary() -> None:
    assert look(lambda z: 0.0 * z[0], jax.nn.sigmoid, [0.3]).side == 0


def test_the_real_line_has_no_boundary() -> None:
    assert look(lambda z: -jnp.exp(-z[0]), lambda z: z, [24.0]).side == 0


def test_a_support_that_moves_has_a_boundary() -> None:
    """`high ~ U(low, 2)` at low = high; `low` itself is inside."""

    def latents(z: jax.Array) -> jax.Array:
        low = jax.nn.sigmoid(z[0])
        return jnp.stack([low, low + (2 - low) * jax.nn.sigmoid(z[1])])

    def value(z: jax.Array) -> jax.Array:
        low, high = latents(z)
        return -jnp.log(2 - low) - 50 * (1.5 - low - high) ** 2

    low = 0.7569  # where the derivative of the above along low = high vanishes, to four digits
    assert look(value, latents, [np.log(low / (1 - low)), -25.0]).side.tolist() == [0, -1]


@pytest.mark.parametrize("mode", [-20.0, -300.0])
def test_a_density_without_a_bound_is_seen(mode: float) -> None:
    found = look(lambda z: -z[0], jnp.exp, [mode])
    assert (found.unbounded, found.end[0, 0]) == (-1, pytest.approx(0.0, abs=1e-9))


def test_a_scale_that_has_not_arrived_is_not_unbounded() -> None:
    assert look(lambda z: -z[0] - 0.5 * (1e-5 / jnp.exp(z[0])) ** 2, jnp.exp, [0.0]).unbounded == 0
