"""What conditional models say of new rows, all draws together: against one draw's mixture, and against itself.

Seeds are fixed. Kolmogorov-Smirnov tests reject at p < 1e-4, and moments beyond 5 standard errors: a right program
fails one of the two former and of the 24 latter in 1 of about 5,000 seeds.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from scipy import stats

from credo.models import predict
from credo.models.mixtures import Component, ConditionalMixture, crps, make_component, mixture, raw_size
from credo.models.predict import Predictive

pytestmark = pytest.mark.slow  # `make proofs` runs them

KEY = jax.random.PRNGKey(0)


class Linear(eqx.Module):
    """A mixture whose raw numbers are linear in the inputs and in the context."""

    family: Component
    components: int = eqx.field(static=True)
    targets: int = eqx.field(static=True)

    def conditional(self, latents: dict[str, Array], x: Array, context: Array | None = None) -> ConditionalMixture:
        raw = latents["bias"] + x @ latents["weight"]
        if context is not None:
            raw = raw + context
        return mixture(self.family, "softmax", raw, self.components, self.targets)


def linear(family: str, draws: int = 4, targets: int = 1, **settings: Any) -> tuple[Linear, dict[str, np.ndarray]]:
    """Two components, and draws of weights."""
    random = np.random.default_rng(3)
    model = Linear(make_component(family, **settings), 2, targets)
    n = raw_size(model.family, "softmax", 2, targets)
    return model, {"bias": random.normal(size=(draws, n)), "weight": random.normal(0, 0.5, (draws, 3, n))}


def inputs(rows: int = 6) -> np.ndarray:
    return np.random.default_rng(4).normal(size=(rows, 3))


def each(model: Linear, draws: dict[str, np.ndarray], x: np.ndarray) -> list[ConditionalMixture]:
    """The mixtures of every draw."""
    conditional = jax.jit(model.conditional)
    return [conditional({name: values[i] for name, values in draws.items()}, x) for i in range(len(draws["bias"]))]


FAMILIES: dict[str, tuple[dict[str, Any], int]] = {
    "discretized_gaussian": ({"unit": 2.0, "floor": 0.1}, 2),
    "gaussian_full": ({"unit": 2.0}, 2),
    "discretized_logistic": ({"unit": 2.0, "floor": 0.1}, 2),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_one_draw_is_the_mixture_itself(family: str) -> None:
    settings, targets = FAMILIES[family]
    model, draws = linear(family, 1, targets, **settings)
    x = inputs()
    (one,) = each(model, draws, x)
    y, predictive = np.asarray(one.sample(KEY)), Predictive(model, draws)
    mean, sd = predictive.moments(x)
    for found, expected in (
        (predictive.log_density(x, y), one.log_prob(y)),
        (predictive.cdf(x, y), one.cdf(y)),
        (predictive.mean(x), one.mean),
        (mean, one.mean),
        (sd, jnp.sqrt(one.variance)),
        (predictive.weights(x), jnp.exp(one.log_weights)),
    ):
        assert isinstance(found, np.ndarray)
        assert found.shape == expected.shape
        assert np.allclose(found, expected, rtol=1e-10)


def test_several_draws_are_averaged() -> None:
    """Densities and CDFs are means over draws; the variance is that within draws and that between their means."""
    model, draws = linear("gaussian", 5, 2)
    x = inputs()
    mixtures = each(model, draws, x)
    y, predictive = np.asarray(mixtures[0].sample(KEY)), Predictive(model, draws)
    densities = np.array([one.log_prob(y) for one in mixtures])
    assert np.allclose(predictive.log_density(x, y), np.logaddexp.reduce(densities) - np.log(5))
    assert np.ptp(densities, axis=0).min() > 0.01  # draws differ
    assert np.allclose(predictive.cdf(x, y), np.mean([one.cdf(y) for one in mixtures], axis=0))
    mean, sd = predictive.moments(x)
    means = np.array([one.mean for one in mixtures])
    assert np.allclose(mean, means.mean(0))
    assert np.allclose(sd**2, np.mean([one.variance for one in mixtures], axis=0) + means.var(0))
    weights = predictive.weights(x)
    assert weights.shape == (6, 2)
    assert np.allclose(weights, np.mean([np.exp(one.log_weights) for one in mixtures], axis=0))
    assert np.allclose(weights.sum(1), 1, rtol=0, atol=1e-12)


def test_crps_is_that_of_the_mixture_of_all_draws() -> None:
    model, draws = linear("gaussian", 3)
    x = inputs()
    mixtures = each(model, draws, x)
    y = np.asarray(mixtures[0].sample(KEY))
    log_w = jnp.concatenate([one.log_weights for one in mixtures], 1) - np.log(3)
    parameters = {name: jnp.concatenate([one.parameters[name] for one in mixtures], 1) for name in ("loc", "scale")}
    together = ConditionalMixture(model.family, log_w, parameters)
    assert np.allclose(Predictive(model, draws).crps(x, y), crps(together, y))


PROBABILITIES = np.array([0.001, 0.05, 0.3, 0.5, 0.9, 0.999])


@pytest.mark.parametrize(("family", "unit", "error"), [("gaussian", 3.0, 1e-12), ("beta", 0.15, 1e-7)])
def test_quantiles_invert_the_cdf(family: str, unit: float, error: float) -> None:
    """As far as a number close to 1 allows."""
    model, draws = linear(family, unit=unit)
    x = inputs()
    predictive = Predictive(model, draws)
    quantile = predictive.quantile(x, PROBABILITIES)
    assert quantile.shape == (6, 1, 6)
    for level, probability in enumerate(PROBABILITIES):
        assert np.allclose(predictive.cdf(x, quantile[:, :, level]), probability, rtol=0, atol=error)


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("poisson", {"unit": 3.0}),
        ("discretized_logistic", {"unit": 4.0, "low": -2, "high": 3}),
    ],
)
def test_quantiles_of_whole_numbers_are_the_least_that_suffice(family: str, settings: dict[str, Any]) -> None:
    model, draws = linear(family, **settings)
    x = inputs()
    predictive = Predictive(model, draws)
    quantile = predictive.quantile(x, PROBABILITIES)
    assert np.array_equal(quantile, np.round(quantile))
    for level, probability in enumerate(PROBABILITIES):
        assert np.all(predictive.cdf(x, quantile[:, :, level]) >= probability)
        assert np.all(predictive.cdf(x, quantile[:, :, level] - 1) < probability)


@pytest.mark.parametrize(
    ("family", "settings", "targets", "ends", "error"),
    [("gaussian_full", {"floor": 0.2, "unit": 2.0}, 2, (-200, 200), 1e-8), ("beta", {"unit": 0.15}, 1, (0, 1), 1e-3)],
)
def test_a_density_has_mass_one(
    family: str, settings: dict[str, Any], targets: int, ends: tuple[float, float], error: float
) -> None:
    """And the mass up to a level is the CDF there, as Euler and Maclaurin have it."""
    model, draws = linear(family, 3, targets, **settings)
    x = inputs(3)
    predictive = Predictive(model, draws)
    grid = np.linspace(*ends, 4001)[1:-1] + np.arange(targets)[:, None]
    density, step = predictive.density(x, grid), grid[0, 1] - grid[0, 0]
    assert density.shape == (3, targets, 3999)
    mass = step * np.cumsum(density, axis=2)
    assert np.allclose(mass[..., -1], 1, rtol=0, atol=error)
    below = predictive.cdf(x, np.tile(grid[:, 1999], (3, 1)))
    assert np.ptp(below) > 1e-3
    assert np.allclose(mass[..., 1999] - 0.5 * step * density[..., 1999], below, rtol=0, atol=1e-3)


def test_the_mass_of_whole_numbers_is_one() -> None:
    model, draws = linear("poisson", unit=3.0)
    x, predictive = inputs(), Predictive(model, draws)
    density = predictive.density(x, np.arange(100.0)[None])[:, 0]
    assert np.allclose(density.sum(1), 1, rtol=0, atol=1e-10)
    cdf = np.column_stack([predictive.cdf(x, np.full((6, 1), float(level)))[:, 0] for level in range(5)])
    assert np.allclose(np.cumsum(density, axis=1)[:, :5], cdf)


@pytest.mark.parametrize(
    ("family", "settings", "outside"),
    [
        ("poisson", {}, [-2.0, -1.0]),
        ("beta", {}, [-0.05, 1.05]),
        ("discretized_logistic", {"low": 0, "high": 9}, [-1.0, 10.0]),
    ],
)
def test_no_density_is_outside_the_support(family: str, settings: dict[str, Any], outside: list[float]) -> None:
    model, draws = linear(family, **settings)
    assert np.all(Predictive(model, draws).density(inputs(), np.array([outside])) == 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_draws_have_the_moments(family: str) -> None:
    """And come from all draws of the weights."""
    settings, targets = FAMILIES[family]
    model, draws = linear(family, 3, targets, **settings)
    x, predictive = inputs(3), Predictive(model, draws)
    y = predictive.sample(KEY, x, 40_000)
    assert y.shape == (40_000, 3, targets)
    mean, sd = predictive.moments(x)
    standard = (y - mean) / sd
    assert np.abs(standard.mean(0)).max() < 5 / np.sqrt(len(y))
    error = np.sqrt((standard**2).var(0) / len(y))
    assert (np.abs((standard**2).mean(0) - 1) / error).max() < 5
    assert not np.array_equal(y, predictive.sample(jax.random.PRNGKey(1), x, 40_000))


def two(gap: float, draws: int = 1) -> tuple[Linear, dict[str, np.ndarray]]:
    """Two Gaussians of scale 1/2 and of equal weights, `gap` apart, at any inputs, around the first input."""
    raw = np.log(np.expm1(0.5 - 1e-3))
    bias = np.array([0, 0, -gap / 2, raw, gap / 2, raw])
    slope = np.zeros((3, 6))
    slope[0, [2, 4]] = 1
    return Linear(make_component("gaussian"), 2, 1), {
        "bias": np.tile(bias, (draws, 1)),
        "weight": np.tile(slope, (draws, 1, 1)),
    }


def test_modes_of_two_components_apart_are_two() -> None:
    x = inputs(4)
    modes = Predictive(*two(6.0)).modes(x)
    assert [len(row) for row in modes] == [1] * 4
    step = (6 + 2 * 0.5 * 3.1) / 511
    assert np.allclose([row[0] for row in modes], x[:, :1] + [-3, 3], rtol=0, atol=step)


def test_modes_of_two_components_that_merge_is_one() -> None:
    """Two equal Gaussians have one mode if they are less than two standard deviations apart."""
    x = inputs(4)
    for gap, count in ((0.9, 1), (1.2, 2)):
        assert [len(row[0]) for row in Predictive(*two(gap, draws=2)).modes(x, points=2048)] == [count] * 4


def test_modes_of_whole_numbers_are_whole() -> None:
    model, draws = linear("poisson", unit=9.0)
    modes = Predictive(model, draws).modes(inputs())
    found = np.concatenate([row[0] for row in modes])
    assert found.size
    assert np.array_equal(found, np.round(found))


def test_batches_give_what_one_batch_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    model, draws = linear("gaussian", 3, 2, unit=2.0)
    x, predictive = inputs(10), Predictive(model, draws)
    context = np.random.default_rng(5).normal(size=(10, raw_size(model.family, "softmax", 2, 2)))
    y = predictive.sample(KEY, x, 1, context)[0]
    grid = np.linspace(-3, 3, 5) + np.zeros((2, 1))
    sizes: list[int] = []
    apply = predict._apply

    def counted(function: Any, model: Any, draws: Any, seen: Any, *rest: Any) -> Any:
        sizes.append(len(seen))
        return apply(function, model, draws, seen, *rest)

    def all_of_it() -> list[np.ndarray]:
        return [
            predictive.log_density(x, y, context),
            predictive.quantile(x, np.array([0.2, 0.7]), context),
            predictive.density(x, grid, context),
        ]

    monkeypatch.setattr(predict, "_apply", counted)
    whole = all_of_it()
    assert sizes == [10] * 3
    monkeypatch.setattr(predict, "_BATCH", 12)
    sizes.clear()
    for found, expected in zip(all_of_it(), whole, strict=True):
        assert np.allclose(found, expected, rtol=1e-10, atol=1e-12)
    assert sizes == [4] * 9
    monkeypatch.setattr(predict, "_BATCH", 1)
    assert np.allclose(predictive.log_density(x, y, context), whole[0])


@pytest.mark.parametrize(("family", "settings"), [("gaussian", {}), ("discretized_logistic", {"unit": 2.0})])
def test_pit_of_the_models_own_draws_is_uniform(family: str, settings: dict[str, Any]) -> None:
    model, draws = linear(family, **settings)
    x, predictive = inputs(1500), Predictive(model, draws)
    y = predictive.sample(jax.random.PRNGKey(1), x, 1)[0]
    pit = predictive.pit(KEY, x, y)
    assert pit.shape == (1500, 1)
    assert stats.kstest(pit[:, 0], "uniform").pvalue > 1e-4
    low = predictive.cdf(x, y - 1) if family != "gaussian" else predictive.cdf(x, y)
    assert np.all((low <= pit) & (pit <= predictive.cdf(x, y)))
    wrong = predictive.pit(KEY, x, y + 1)
    assert stats.kstest(wrong[:, 0], "uniform").pvalue < 1e-4


def test_pit_is_drawn_anew_in_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model, draws = linear("discretized_logistic", 2)
    x = np.zeros((12, 3))
    monkeypatch.setattr(predict, "_BATCH", 6)
    pit = Predictive(model, draws).pit(KEY, x, np.ones((12, 1)))
    assert len(np.unique(pit)) == 12


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (200, 200), (201, 200), (1000, 200)])
def test_more_than_200_draws_are_thinned(count: int, expected: int) -> None:
    model, _ = linear("gaussian")
    values = np.arange(float(count))
    predictive = Predictive(model, {"bias": values[:, None], "weight": values[:, None, None]})
    kept = predictive.draws["bias"][:, 0]
    assert len(kept) == expected
    assert (kept[0], kept[-1]) == (0, count - 1)
    assert np.array_equal(kept, predictive.draws["weight"][:, 0, 0])
    if count > 1:
        assert np.diff(kept).max() - np.diff(kept).min() <= 1
