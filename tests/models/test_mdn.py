"""Mixture density networks: known answers of a linear one, units, priors, FiLM, and what is refused."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from numpyro import handlers
from scipy import stats

from credo.errors import ConfigError
from credo.inference.density import log_joint
from credo.inference.result import Result
from credo.models.mdn import Mdn
from credo.models.mixtures import ConditionalMixture
from credo.models.problem import Problem
from registry import values

CONF = Path(__file__).parents[2] / "conf" / "model" / "mdn.yaml"
KEY = jax.random.PRNGKey(0)
ON_THE_LINE = [
    "gaussian",
    *(pytest.param(one, marks=pytest.mark.slow) for one in ("gaussian_full", "logistic", "laplace", "student_t")),
]


def mdn(weight: float = 1.0, bias: float = 1.0, **settings: Any) -> Mdn:
    """A small network with the other settings of its YAML."""
    known: dict[str, Any] = values(CONF)
    prior = {"weight": dist.Normal(0.0, weight), "bias": dist.Normal(0.0, bias)}
    return Mdn(prior=prior, **(known | {"hidden": [6, 6], "dtype": "float64"} | settings))


def data(y: Any, context: bool = False) -> xr.Dataset:
    """Two inputs of any scale, and two more numbers as the context."""
    random, y = np.random.default_rng(5), np.asarray(y)
    rows = len(y)
    variables: dict[str, Any] = {
        "y": (("row", "target")[: y.ndim], y),
        "x": (("row", "feature"), random.normal([1, -20], [1, 30], (rows, 2))),
    }
    if context:
        variables["context"] = (("row", "context_feature"), random.normal(3, 2, (rows, 2)))
    coords: dict[str, Any] = {"feature": ["age", "sex"]}
    if y.ndim == 2:
        coords["target"] = ["first", "second"]
    return xr.Dataset(variables, coords)


def targets(family: str = "gaussian", rows: int = 60, columns: int | None = None) -> np.ndarray:
    """Targets that a family allows."""
    random = np.random.default_rng(1)
    shape: Any = rows if columns is None else (rows, columns)
    if family == "beta":
        return random.beta(2, 3, shape)
    if family in ("poisson", "discretized_logistic"):
        return random.poisson(4, shape)
    return 7 + 3 * random.standard_t(4, shape)


def perturbed(model: Mdn, seed: int = 0, size: float = 0.5) -> dict[str, Any]:
    """Weights that are not those of the beginning."""
    random = np.random.default_rng(seed)
    return {name: value + size * random.normal(size=value.shape) for name, value in model.start(KEY).items()}


def arrays(rows: xr.Dataset) -> tuple[Any, ...]:
    return tuple(rows[name].to_numpy() for name in ("x", "context") if name in rows)


@jax.jit
def conditional(model: Mdn, weights: dict[str, Any], x: Any, context: Any = None) -> ConditionalMixture:
    return model.conditional(weights, x, context)


def y_of(rows: xr.Dataset) -> np.ndarray:
    y = rows["y"].to_numpy()
    return y.reshape(len(y), -1)


@pytest.fixture(scope="module")
def line() -> Problem:
    """One Gaussian, whose mean is linear in the inputs and whose scale is constant."""
    rows = data(np.zeros(50))
    y = 4 + rows["x"].to_numpy() @ [2.0, -0.1] + 0.7 * np.random.default_rng(2).normal(size=50)
    rows["y"] = ("row", y)
    return Problem(mdn(components=1, hidden=[], scale="constant").fitted(rows), rows)


@pytest.fixture(scope="module")
def linear(line: Problem, infer: Callable[..., Result]) -> tuple[Problem, Result]:
    return line, infer(line, "mle", starts=2)


@pytest.mark.slow
def test_one_linear_gaussian_is_least_squares(linear: tuple[Problem, Result]) -> None:
    problem, result = linear
    (x,), y = arrays(problem.data), problem.data["y"].to_numpy()
    weights = {str(name): value.to_numpy()[0, 0] for name, value in result.tree["network"].data_vars.items()}
    found = conditional(problem.model, weights, x)
    design = np.column_stack([np.ones(50), x])
    fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    assert np.allclose(found.mean[:, 0], fitted, rtol=0, atol=1e-5)
    assert np.allclose(found.parameters["scale"], np.sqrt(np.mean((y - fitted) ** 2)), rtol=1e-5)
    assert np.allclose(result.tree["log_likelihood"]["y"], found.log_prob(y[:, None]))


def test_the_predictive_is_judged_and_not_the_weights(line: Problem) -> None:
    assert line.judged == ("predicted_mean", "log_density")
    assert {site.group for site in line.latents} == {"network"}


@pytest.mark.slow
def test_the_result_has_what_is_judged_and_the_weights_beside(linear: tuple[Problem, Result]) -> None:
    problem, result = linear
    assert problem.judged == result.sampled
    assert list(result.tree["posterior"].data_vars) == ["predicted_mean", "log_density"]
    assert list(result.tree["network"].data_vars) == [site.name for site in problem.latents]
    probed = result.tree["posterior"]["predicted_mean"].to_numpy()[0, 0]
    weights = {str(name): value.to_numpy()[0, 0] for name, value in result.tree["network"].data_vars.items()}
    assert np.allclose(probed, conditional(problem.model, weights, *arrays(problem.data)).mean[:, 0])


SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "layer norm, residual": {"norm": "layer", "residual": True, "activation": "tanh"},
    "group norm, stick breaking": {"norm": "group", "groups": 3, "mixing": "stick_breaking"},
    "linear": {"hidden": []},
    "film": {"context": "film", "context_hidden": [5], "norm": "layer"},
    "concat": {"context": "concat"},
    "two targets": {"family": "gaussian_full", "columns": 2},
    "constant": {"scale": "constant", "family": "student_t"},
    "float32": {"dtype": "float32"},
}


QUICK = ("plain",)


@pytest.mark.parametrize(
    "settings",
    [pytest.param(one, id=name, marks=() if name in QUICK else pytest.mark.slow) for name, one in SETTINGS.items()],
)
def test_training_starts_at_every_latent(settings: dict[str, Any]) -> None:
    """And there the program is the sum of the conditional's log densities and of the priors' of these weights."""
    settings = dict(settings)
    rows = data(targets(columns=settings.pop("columns", None)), context="context" in settings)
    model = mdn(**settings).fitted(rows)
    problem, start = Problem(model, rows), model.start(KEY)
    assert {name: value.shape for name, value in start.items()} == {site.name: site.shape for site in problem.latents}
    predicted = conditional(model, start, *arrays(rows))
    assert predicted.log_weights.shape == (60, 3)
    assert predicted.log_weights.dtype == model.dtype
    expected = float(jax.jit(lambda m: m.log_prob(y_of(rows)).sum())(predicted))
    for value in start.values():
        scale = 1 / math.sqrt(value.shape[1]) if value.ndim > 1 else 1.0
        expected += stats.norm(0, scale).logpdf(value).sum()
    tolerance = 1e-10 if model.dtype == "float64" else 1e-5
    assert jax.jit(log_joint)(problem.bound, start) == pytest.approx(expected, rel=tolerance)
    assert not all(np.array_equal(start[name], value) for name, value in model.start(jax.random.PRNGKey(1)).items())


def test_a_residual_layer_adds_its_input() -> None:
    rows = data(targets())
    plain, residual = (mdn(residual=one).fitted(rows) for one in (False, True))
    weights = perturbed(plain)
    flat = weights | {"layers_1_weight": np.zeros((6, 6)), "layers_1_bias": np.zeros(6)}
    shallow = {name: value for name, value in weights.items() if not name.startswith("layers_1")}
    expected = conditional(mdn(hidden=[6]).fitted(rows), shallow, *arrays(rows)).mean
    assert np.allclose(conditional(residual, flat, *arrays(rows)).mean, expected)  # mish(0) = 0
    assert not np.allclose(conditional(plain, flat, *arrays(rows)).mean, expected)


def test_a_norm_begins_as_no_change_and_is_counted_from_there() -> None:
    model = mdn(norm="layer").fitted(data(targets()))
    start = model.start(KEY)
    assert np.all(start["norms_0_weight"] == 0)
    made = model._network({name: jnp.asarray(value) for name, value in start.items()})
    assert np.all(made.norms[0].weight == 1)


@pytest.mark.parametrize("family", ON_THE_LINE)
def test_densities_are_in_the_targets_own_units(family: str) -> None:
    """Of ten times the targets, and three more, with the same weights."""
    y = targets(family)
    one, ten = data(y), data(10 * y + 3)
    before, after = (mdn(family=family, dtype="float64").fitted(rows) for rows in (one, ten))
    weights = perturbed(before)
    x = arrays(one)[0]
    low, high = conditional(before, weights, x), conditional(after, weights, x)
    assert np.allclose(high.log_prob(y_of(ten)), low.log_prob(y_of(one)) - math.log(10), rtol=0, atol=1e-8)
    assert np.allclose(high.mean, 10 * low.mean + 3)


def test_inputs_are_standardised_by_the_training_rows() -> None:
    rows = data(targets(), context=True)
    moved = rows.assign(x=5 - 100 * rows["x"], context=rows["context"] * 7 + 1)
    one, other = (mdn(context="film").fitted(each) for each in (rows, moved))
    weights = perturbed(one)
    turned = weights | {"trunk_layers_0_weight": -weights["trunk_layers_0_weight"]}
    assert np.allclose(
        conditional(one, weights, *arrays(rows)).mean, conditional(other, turned, *arrays(moved)).mean, rtol=1e-9
    )


def test_a_weight_is_known_before_to_a_scale_that_its_layers_inputs_share() -> None:
    """The logarithm of a centred Gaussian density falls by (w / sd)^2 / 2."""
    rows = data(targets(), context=True)
    problem = Problem(mdn(2.0, 3.0, context="film", context_hidden=[5], norm="layer").fitted(rows), rows)
    latents = [site.name for site in problem.latents]

    @jax.jit
    def falls() -> dict[str, Any]:
        messages = handlers.trace(handlers.seed(problem.bound, KEY)).get_trace()
        found = {}
        for name in latents:
            fn = messages[name]["fn"]
            zero = jnp.zeros(fn.shape())
            found[name] = fn.log_prob(zero) - fn.log_prob(zero.at[(-1,) * zero.ndim].set(1.7))
        return found

    expected = {
        "trunk_layers_0_weight": 2 / math.sqrt(2),
        "trunk_layers_1_weight": 2 / math.sqrt(6),
        "trunk_head_weight": 2 / math.sqrt(6),
        "context_layers_0_weight": 2 / math.sqrt(2),
        "context_head_weight": 2 / math.sqrt(5),
    }
    for name, fall in falls().items():
        assert 1.7 / math.sqrt(2 * fall) == pytest.approx(expected.get(name, 3.0)), name
    assert set(expected) < set(latents)


@pytest.mark.parametrize(
    ("family", "constant", "other", "context"),
    [
        ("gaussian", ("scale",), "loc", "film"),
        pytest.param("gaussian_full", ("scale",), "loc", "concat", marks=pytest.mark.slow),
        ("discretized_logistic", ("scale",), "loc", "concat"),
        pytest.param("student_t", ("scale", "df"), "loc", "concat", marks=pytest.mark.slow),
        pytest.param("beta", ("precision",), "mean", "concat", marks=pytest.mark.slow),
    ],
)
def test_a_constant_scale_is_the_same_in_all_rows(
    family: str, constant: tuple[str, ...], other: str, context: str
) -> None:
    columns = 2 if family == "gaussian_full" else None
    rows = data(targets(family, columns=columns), context=True)
    models = [mdn(family=family, scale=scale, context=context).fitted(rows) for scale in ("constant", "network")]
    weights = perturbed(models[0])
    fixed, free = (conditional(model, weights, *arrays(rows)).parameters for model in models)
    for name in constant:
        assert np.ptp(fixed[name], axis=0).max() == 0
        assert np.ptp(free[name], axis=0).min() > 0
    assert np.ptp(fixed[other], axis=0).min() > 0
    assert np.array_equal(fixed[other], free[other])


def test_film_begins_as_its_trunk_alone_to_the_bit() -> None:
    rows = data(targets(), context=True)
    film, alone = mdn(context="film").fitted(rows), mdn().fitted(rows.drop_vars("context"))
    x, context = arrays(rows)
    start = film.start(KEY)
    trunk = {name.removeprefix("trunk_"): v for name, v in start.items() if name.startswith("trunk_")}
    begun = film.conditional(start, x, context)
    for other in (film.conditional(start, x, 100 * context), alone.conditional(trunk, x)):
        assert np.array_equal(other.log_weights, begun.log_weights)
        assert all(np.array_equal(other.parameters[name], begun.parameters[name]) for name in ("loc", "scale"))
    trained = start | {"context_head_weight": start["context_head_weight"] + 0.3}
    assert not np.allclose(film.conditional(trained, x, context).mean, film.conditional(trained, x, -context).mean)


def test_concat_sees_the_context_as_further_inputs() -> None:
    rows = data(targets(), context=True)
    model = mdn(context="concat").fitted(rows)
    x, context = arrays(rows)
    weights = perturbed(model)
    assert weights["layers_0_weight"].shape == (6, 4)
    joined = rows.drop_vars(["context", "x", "feature"]).assign(x=(("row", "feature"), np.hstack([x, context])))
    together = conditional(mdn().fitted(joined), weights, *arrays(joined))
    assert np.allclose(conditional(model, weights, x, context).mean, together.mean)
    assert not np.allclose(conditional(model, weights, x, -context).mean, together.mean)


def test_correlated_targets_have_one_joint_density() -> None:
    rows = data(targets(columns=2))
    model = mdn(family="gaussian_full", components=2).fitted(rows)
    weights = perturbed(model)
    predicted = conditional(model, weights, *arrays(rows))
    p, y = predicted.parameters, y_of(rows)
    expected = np.zeros((60, 2))
    for k in range(2):
        factor = np.asarray(p["scale"])[:, k, :, None] * np.asarray(p["lower"])[:, k]
        for i in range(60):
            gap = np.linalg.solve(factor[i], y[i] - p["loc"][i, k])
            expected[i, k] = -0.5 * gap @ gap - np.log(np.diag(factor[i])).sum() - math.log(2 * math.pi)
    expected += np.asarray(predicted.log_weights)
    assert np.abs(np.asarray(p["lower"])[..., 1, 0]).min() > 1e-6
    assert np.allclose(predicted.log_prob(y), np.logaddexp(*expected.T))


@pytest.mark.parametrize("family", ON_THE_LINE)
def test_far_away_a_density_has_a_slope(family: str) -> None:
    """A thousand standard deviations away, in float32, where the density itself of a Gaussian is zero."""
    y = targets(family)
    rows = data(y)
    model = mdn(family=family, dtype="float32", floor=0.0, hidden=[]).fitted(rows)
    far = y_of(rows) + 1000 * y.std() * np.where(np.arange(60) % 2, 1, -1)[:, None]

    def total(weights: dict[str, Any]) -> Any:
        return conditional(model, weights, *arrays(rows)).log_prob(far).sum()

    value, slope = jax.jit(jax.value_and_grad(total))(model.start(KEY))
    assert np.isfinite(value)
    assert all(np.isfinite(each).all() for each in slope.values())
    assert max(np.abs(each).max() for each in slope.values()) > 0


@pytest.mark.parametrize(
    ("family", "mixing"),
    [
        ("gaussian", "softmax"),
        pytest.param("student_t", "stick_breaking", marks=pytest.mark.slow),
        ("beta", "softmax"),
        ("poisson", "stick_breaking"),
        pytest.param("discretized_logistic", "softmax", marks=pytest.mark.slow),
    ],
)
def test_components_begin_over_the_targets_quantiles(family: str, mixing: str) -> None:
    """Near the means of the lowest, the middle and the highest third of the rows, and with about equal weights."""
    y = targets(family)
    rows = data(y)
    model = mdn(family=family, mixing=mixing).fitted(rows)
    begun = conditional(model, model.start(KEY), *arrays(rows))
    middle = np.asarray(begun.family.mean(begun.parameters)).mean(0)[:, 0]
    thirds = [part.mean() for part in np.array_split(np.sort(y), 3)]
    assert np.allclose(middle, thirds, rtol=0, atol=0.2 * y.std())
    assert np.allclose(np.exp(begun.log_weights), 1 / 3, rtol=0, atol=0.1)


def test_components_of_two_targets_begin_along_their_main_axis() -> None:
    one = np.random.default_rng(0).normal(size=90)
    y = np.column_stack([one, 5 - 20 * one])
    rows = data(y)
    model = mdn().fitted(rows)
    begun = conditional(model, model.start(KEY), *arrays(rows)).parameters["loc"].mean(0)
    order = np.argsort(begun[:, 0])
    assert np.all(np.diff(begun[order, 0]) > 0.5)
    assert np.all(np.diff(begun[order, 1]) < -10)


def test_more_components_than_rows_still_begin() -> None:
    rows = data([1.0, 2.0, 4.0])
    model = mdn(components=5).fitted(rows)
    assert np.isfinite(conditional(model, model.start(KEY), *arrays(rows)).log_prob(y_of(rows))).all()


def test_no_scale_is_below_the_floor() -> None:
    """Two steps of 0.25 between the targets' values."""
    y = np.round(4 * targets()) / 4
    rows = data(y)
    model = mdn(floor=2.0).fitted(rows)
    weights = model.start(KEY) | {"head_bias": np.full(9, -50.0)}
    assert np.allclose(conditional(model, weights, *arrays(rows)).parameters["scale"], 0.5)


IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "components": ({"components": 0}, "components: expected at least 1, but got 0"),
    "family": ({"family": "normal"}, "family: expected one of gaussian, .*, but got 'normal'"),
    "mixing": ({"mixing": "sum"}, "mixing: expected one of softmax, stick_breaking, but got 'sum'"),
    "activation": ({"activation": "exp"}, "activation: expected one of mish, .*, but got 'exp'"),
    "norm": ({"norm": "batch"}, "norm: expected one of none, layer, group, but got 'batch'"),
    "context": ({"context": "add"}, "context: expected one of concat, film, but got 'add'"),
    "scale": ({"scale": "fixed"}, "scale: expected one of network, constant, but got 'fixed'"),
    "dtype": ({"dtype": "float16"}, "dtype: expected one of float32, float64, but got 'float16'"),
    "floor": ({"floor": -1.0}, r"floor: expected a number of at least 0, but got -1\.0"),
    "low": ({"family": "discretized_logistic", "low": 3}, "high: expected low < high, or neither .* 3 and None"),
    "low of another family": ({"low": 0}, "low: only discretized_logistic has ends, but the family is gaussian"),
    "high of another family": (
        {"low": 0, "high": 3},
        "low: only discretized_logistic has ends, but the family is gaussian",
    ),
    "groups": ({"norm": "group", "groups": 4}, r"groups: expected a number that divides \[6, 6\], but got 4"),
    "film without a layer": (
        {"context": "film", "hidden": []},
        "hidden: film modulates hidden layers, but there are none; give it one",
    ),
}


@pytest.mark.parametrize(("settings", "sentence"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_settings_are_named(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        mdn(**settings)
    assert re.fullmatch(sentence, str(error.value)), error.value


@pytest.mark.parametrize("latent", ["weight", "bias"])
def test_a_prior_that_is_missing_is_named(latent: str) -> None:
    known = values(CONF)
    prior = {name: dist.Normal(0.0, 1.0) for name in ("weight", "bias") if name != latent}
    rows = data(targets())
    with pytest.raises(
        ConfigError, match=rf"^model\.prior\.{latent}: the model needs a prior of {latent}, but there is"
    ):
        Problem(Mdn(prior=prior, **known).fitted(rows), rows).check()


def constant_feature() -> xr.Dataset:
    rows = data(targets())
    rows["x"][:, 1] = 4.0
    return rows


def constant_context() -> xr.Dataset:
    rows = data(targets(), context=True)
    rows["context"][:, 0] = 4.0
    return rows


COUNTS = [3, 1, 2, 5]
UNFIT: dict[str, tuple[dict[str, Any], Callable[[], xr.Dataset], str]] = {
    "film without context": (
        {"context": "film"},
        lambda: data(targets()),
        r"model\.context: film needs a context, but the data has none; name its columns in data\.context",
    ),
    "constant target": (
        {},
        lambda: data(np.ones(7)),
        r"data\.target: the target is constant on the 7 training rows; choose another",
    ),
    "second target constant": (
        {},
        lambda: data(np.column_stack([np.arange(7.0), np.ones(7)])),
        r"data\.target: the target 'second' is constant on the 7 training rows; choose another",
    ),
    "constant feature": (
        {},
        constant_feature,
        r"data\.features: the feature 'sex' is constant on the 60 training rows; leave it out",
    ),
    "constant context": (
        {},
        constant_context,
        r"data\.context: the context '0' is constant on the 60 training rows; leave it out",
    ),
    "no x": (
        {},
        lambda: data(targets()).drop_vars(["x", "feature"]),
        "data: the model 'mdn' needs the variable 'x', but the data has only y; choose other data, or another model",
    ),
    "poisson has no scale": (
        {"family": "poisson", "scale": "constant"},
        lambda: data(COUNTS),
        r"model\.scale: poisson has no scale that could be constant; use scale=network",
    ),
    "beta": (
        {"family": "beta"},
        lambda: data([0.2, 0.4, 1.0]),
        r"model\.family=beta: every y must be a number above 0 and below 1, but row 2 has 1; .*",
    ),
    "poisson": (
        {"family": "poisson"},
        lambda: data([3, -1, 2]),
        r"model\.family=poisson: every y must be a whole number of at least 0, but row 1 has -1; .*",
    ),
    "poisson, not whole": (
        {"family": "poisson"},
        lambda: data([3.0, 1.0, 2.5]),
        r"model\.family=poisson: every y must be a whole number of at least 0, but row 2 has 2\.5; .*",
    ),
    "discretized_logistic": (
        {"family": "discretized_logistic"},
        lambda: data([0.5, 1.0, 2.0]),
        r"model\.family=discretized_logistic: every y must be a whole number, but row 0 has 0\.5; .*",
    ),
    "beyond the ends": (
        {"family": "discretized_logistic", "low": 0, "high": 4},
        lambda: data(COUNTS),
        r"model\.family=discretized_logistic: every y must be a whole number from 0 to 4, but row 3 has 5; .*",
    ),
    "one of two targets": (
        {"family": "poisson"},
        lambda: data([[1, 2], [2, 3], [4, -1]]),
        r"model\.family=poisson: every y must be a whole number of at least 0, but row .*2.* has .*-1.*; .*",
    ),
}


@pytest.mark.parametrize(("settings", "rows", "sentence"), UNFIT.values(), ids=UNFIT)
def test_data_that_does_not_fit_is_named(
    settings: dict[str, Any], rows: Callable[[], xr.Dataset], sentence: str
) -> None:
    given = rows()
    with pytest.raises(ConfigError) as error:
        Problem(mdn(**settings).fitted(given), given).check()
    assert re.fullmatch(sentence, str(error.value)), error.value


@pytest.mark.parametrize(
    ("family", "y"),
    [
        ("beta", [0.2, 0.4, 0.9]),
        ("poisson", [0, 1, 7]),
        ("poisson", [0.0, 2.0]),
        ("discretized_logistic", [-3, 4]),
        ("discretized_gaussian", [3.0, 8.0]),
    ],
)
def test_targets_within_the_support_are_taken(family: str, y: Any) -> None:
    rows = data(y)
    Problem(mdn(family=family).fitted(rows), rows).check()


def test_targets_need_no_names() -> None:
    rows = data(targets(columns=2)).drop_vars("target")
    Problem(mdn().fitted(rows), rows).check()
