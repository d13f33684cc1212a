"""Priors: their densities against SciPy, and the sentence for an impossible parameter."""

import re
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf
from scipy import stats

from credo.config import paths
from credo.config.supports import within
from credo.errors import ConfigError
from credo.experiment.parts import make_model
from credo.models import combined, priors
from credo.models.priors_of_terms import in_words
from credo.models.truncated import truncated_normal
from credo.models.uniform import Above
from registry import compose


class Within(NamedTuple):
    """A density divided by the probability of an interval."""

    whole: Any
    low: float
    high: float

    def logpdf(self, x: float) -> float:
        return float(self.whole.logpdf(x) - np.log(self.whole.cdf(self.high) - self.whole.cdf(self.low)))


class Formula(NamedTuple):
    """A density that SciPy has not."""

    logpdf: Callable[[float], float]


ENDS = {"low": 0.0, "high": 2.5}
DENSITIES: dict[str, tuple[dict[str, float], Any, float]] = {
    "gaussian": ({"loc": 1.0, "scale": 2.0}, stats.norm(1, 2), 0.3),
    "uniform": ({"low": -1.0, "high": 3.0}, stats.uniform(-1, 4), 0.3),
    "beta": ({"concentration1": 2.0, "concentration0": 5.0}, stats.beta(2, 5), 0.3),
    "gamma": ({"concentration": 3.0, "rate": 2.0}, stats.gamma(3, scale=1 / 2), 0.3),
    "inverse_gamma": ({"concentration": 3.0, "rate": 2.0}, stats.invgamma(3, scale=2), 0.3),
    "exponential": ({"rate": 2.0}, stats.expon(scale=1 / 2), 0.3),
    "half_normal": ({"scale": 2.0}, stats.halfnorm(scale=2), 0.3),
    "half_cauchy": ({"scale": 2.0}, stats.halfcauchy(scale=2), 0.3),
    "student_t": ({"df": 3.0, "loc": 1.0, "scale": 2.0}, stats.t(3, 1, 2), 0.3),
    "laplace": ({"loc": 1.0, "scale": 2.0}, stats.laplace(1, 2), 0.3),
    "pareto": ({"scale": 2.0, "alpha": 3.0}, stats.pareto(3, scale=2), 2.5),
    "lognormal": ({"loc": 0.5, "scale": 2.0}, stats.lognorm(2, scale=np.exp(0.5)), 0.3),
    "bernoulli": ({"probs": 0.3}, stats.bernoulli(0.3), 1.0),
    "asymmetric_laplace": (
        {"loc": 1.0, "scale": 2.0, "asymmetry": 3.0},
        stats.laplace_asymmetric(3.0, 1, 2),
        0.3,
    ),
    "asymmetric_laplace_quantile": (
        {"loc": 1.0, "scale": 2.0, "quantile": 0.8},
        stats.laplace_asymmetric(2.0, 1, 2 / np.sqrt(0.8 * 0.2)),
        0.3,
    ),
    "beta_proportion": ({"mean": 0.25, "concentration": 8.0}, stats.beta(2, 6), 0.3),
    "cauchy": ({"loc": 1.0, "scale": 2.0}, stats.cauchy(1, 2), 0.3),
    "chi2": ({"df": 3.0}, stats.chi2(3), 0.3),
    "dagum": ({"concentration": 3.0, "sharpness": 2.0, "scale": 1.5}, stats.burr(2, 3, scale=1.5), 0.3),
    "gompertz": ({"concentration": 3.0, "rate": 2.0}, stats.gompertz(3, scale=1 / 2), 0.3),
    "gumbel": ({"loc": 1.0, "scale": 2.0}, stats.gumbel_r(1, 2), 0.3),
    "kumaraswamy": (
        {"concentration1": 2.0, "concentration0": 5.0},
        Formula(lambda x: np.log(2 * 5 * x) + 4 * np.log1p(-(x**2))),
        0.3,
    ),
    "levy": ({"loc": 0.1, "scale": 2.0}, stats.levy(0.1, 2), 0.3),
    "log_uniform": ({"low": 0.1, "high": 5.0}, stats.loguniform(0.1, 5), 0.3),
    "logistic": ({"loc": 1.0, "scale": 2.0}, stats.logistic(1, 2), 0.3),
    "power_law": ({"alpha": -3.0, "low": 0.1, "high": 5.0}, stats.truncpareto(2, 50, scale=0.1), 0.3),
    "relaxed_bernoulli": (
        {"temperature": 2.0, "probs": 0.3},
        Formula(lambda x: np.log(2 * 3 / 7) - 3 * np.log(x * (1 - x)) - 2 * np.log(3 / 7 / x**2 + 1 / (1 - x) ** 2)),
        0.3,
    ),
    "soft_laplace": ({"loc": 1.0, "scale": 2.0}, stats.hypsecant(1, 2), 0.3),
    "truncated_cauchy": ({"loc": 1.0, "scale": 2.0, **ENDS}, Within(stats.cauchy(1, 2), 0, 2.5), 0.3),
    "truncated_laplace": ({"loc": 1.0, "scale": 2.0, **ENDS}, Within(stats.laplace(1, 2), 0, 2.5), 0.3),
    "truncated_logistic": ({"loc": 1.0, "scale": 2.0, **ENDS}, Within(stats.logistic(1, 2), 0, 2.5), 0.3),
    "truncated_normal": ({"loc": 1.0, "scale": 2.0, **ENDS}, Within(stats.norm(1, 2), 0, 2.5), 0.3),
    "von_mises": ({"loc": 1.0, "concentration": 2.0}, stats.vonmises(2, 1), 0.3),
    "weibull": ({"scale": 2.0, "concentration": 3.0}, stats.weibull_min(3, scale=2), 0.3),
}
TOGETHER = {"horseshoe", "regularised_horseshoe", "r2d2", "dirichlet", "lkj", "multivariate_normal"}
"""Priors of several numbers together."""

CONF = paths.built_in() / "conf" / "prior"


def make(name: str) -> Callable[..., Any]:
    """What the `_target_` of `conf/prior/NAME.yaml` names."""
    return get_object(target(name))


def target(name: str) -> str:
    return str(OmegaConf.load(CONF / f"{name}.yaml")._target_)


def test_every_prior_is_here() -> None:
    assert {file.stem for file in CONF.glob("*.yaml")} == DENSITIES.keys() | {"flat", "mixture", "shifted"} | TOGETHER


@pytest.mark.parametrize("name", DENSITIES)
def test_its_file_gives_all_that_it_needs(name: str) -> None:
    assert OmegaConf.load(CONF / f"{name}.yaml").keys() == {"_target_", *DENSITIES[name][0]}


@pytest.mark.parametrize("name", DENSITIES)
def test_density(name: str) -> None:
    parameters, exact, at = DENSITIES[name]
    expected = exact.logpmf(at) if name == "bernoulli" else exact.logpdf(at)
    assert make(name)(**parameters).log_prob(at).item() == pytest.approx(expected, abs=1e-12)
    assert priors.is_discrete(make(name)(**parameters)) == (name == "bernoulli")
    assert not priors.is_improper(make(name)(**parameters))


POSITIVE = [
    (name, key)
    for name, (keys, *_) in DENSITIES.items()
    for key in keys
    if key not in ("loc", "low", "high", "probs", "mean", "quantile") and (name, key) != ("power_law", "alpha")
]


def refusal(target: str, **settings: float) -> str:
    """What is said of a prior in a configuration."""
    prior = {"_target_": target, **settings}
    config = OmegaConf.create({"model": {"_target_": "credo.models.bernoulli.Bernoulli", "prior": {"p": prior}}})
    with pytest.raises(ConfigError) as refused:
        make_model(config)
    return str(refused.value)


@pytest.mark.parametrize(("name", "key"), POSITIVE)
@pytest.mark.parametrize("value", [-1.0, 0.0])
def test_a_positive_parameter_is_named(name: str, key: str, value: float) -> None:
    said = refusal(target(name), **DENSITIES[name][0] | {key: value})
    assert said == f"model.prior.p.{key}: expected a positive number, but got {value}"


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_probability_is_named(value: float) -> None:
    said = refusal(target("bernoulli"), probs=value)
    assert said == f"model.prior.p.probs: expected a number between 0 and 1, but got {value}"


class Steep(dist.Distribution):
    """A user's own distribution."""

    arg_constraints: ClassVar[dict[str, Any]] = {"slope": dist.constraints.greater_than(2.0)}
    support = dist.constraints.unit_interval

    def __init__(self, slope: float) -> None:
        self.slope = slope
        super().__init__()


def test_a_distribution_of_the_users_own_judges_its_parameters() -> None:
    said = refusal(f"{__name__}.Steep", slope=1.5)
    assert said == "model.prior.p.slope: expected a number above 2, but got 1.5"
    said = refusal("numpyro.distributions.Gamma", concentration=1.0, rate=-3.0)
    assert said == "model.prior.p.rate: expected a positive number, but got -3.0"


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0)])
def test_an_empty_interval_is_named(low: float, high: float) -> None:
    with pytest.raises(ConfigError, match=rf"^high: expected a number above low = {low}, but got {high}$"):
        priors.uniform(low, high)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: priors.log_uniform(2.0, 1.0), "high: expected a number above low = 2.0, but got 1.0"),
        (lambda: priors.power_law(-2.0, 2.0, 1.0), "high: expected a number above low = 2.0, but got 1.0"),
        (
            lambda: priors.power_law(-1.0, 2.0, None),
            "alpha: expected a number below -1, as there is no high, but got -1.0",
        ),
        (
            lambda: truncated_normal(0.0, 1.0, None, None),
            "low: expected a number at low, at high, or at both, but got null at both",
        ),
        (lambda: truncated_normal(0.0, 1.0, 1.0, 0.0), "high: expected a number above low = 1.0, but got 0.0"),
        (
            lambda: truncated_normal(0.0, 1.0, 99.0, None),
            (
                "low: what is left from 99 to inf has too small a probability to be computed; "
                "move loc towards it, or widen scale"
            ),
        ),
        (
            lambda: combined.mixture(0.5, dist.Normal(0.0, 1.0), priors.flat("real")),
            "second: expected a prior with a density of one number, but got ImproperUniform",
        ),
        (
            lambda: combined.mixture(0.5, truncated_normal(0.0, 1.0, None, 0.0), dist.Gamma(1.0, 1.0)),
            "second: expected a prior on a number of at most 0 or on a part of it, but got one on a positive number",
        ),
        (
            lambda: combined.shifted(1.0, dist.BernoulliProbs(0.5)),
            "base: expected a prior with a density of one number, but got BernoulliProbs",
        ),
    ],
)
def test_what_is_no_distribution_is_refused(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}$"):
        make()


@pytest.mark.parametrize("first", [dist.Normal(0.0, 1.0), dist.LogNormal(0.0, 1.0)], ids=["real", "positive"])
@pytest.mark.parametrize("at", [-0.5, 0.5])
def test_a_mixture_has_the_density_of_both_and_its_gradient(first: Any, at: float) -> None:
    """The density of a part is 0 outside of its support, where its formula has none."""
    prior = combined.mixture(0.3, first, dist.Cauchy(0.0, 2.0))
    own = 0.3 * np.exp(first.log_prob(at)) if bool(first.support(at)) else 0.0
    assert prior.support is dist.constraints.real
    assert prior.log_prob(at) == pytest.approx(np.log(own + 0.7 * stats.cauchy(0, 2).pdf(at)), rel=1e-12)
    step = 1e-6
    slope = float(prior.log_prob(at + step) - prior.log_prob(at - step)) / (2 * step)
    assert jax.grad(prior.log_prob)(at) == pytest.approx(slope, rel=1e-6)


def test_draws_of_a_mixture_are_of_its_distribution() -> None:
    draws = combined.mixture(0.3, dist.Normal(0.0, 1.0), dist.Normal(5.0, 2.0)).sample(jax.random.PRNGKey(0), (2000,))
    cdf = lambda x: 0.3 * stats.norm(0, 1).cdf(x) + 0.7 * stats.norm(5, 2).cdf(x)  # noqa: E731 - one line of algebra
    assert stats.kstest(draws, cdf).pvalue > 1e-4


def test_a_shifted_prior_begins_where_it_is_moved_to() -> None:
    prior = combined.shifted(2.0, dist.Gamma(3.0, 2.0))
    assert prior.log_prob(2.3) == pytest.approx(stats.gamma(3, loc=2, scale=1 / 2).logpdf(2.3), abs=1e-12)
    assert [bool(prior.support(value)) for value in (1.9, 2.1)] == [False, True]


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        (dist.LogNormal(0.0, 1.0), "LogNormal(0, 1)"),
        (priors.power_law(-2.0, 1.0, None), "LowerTruncatedPowerLaw(-2, 1)"),
        (truncated_normal(0.0, 1.0, None, 2.0).expand((3,)), "Normal(0, 1) to 2"),
        (combined.shifted(2.0, dist.Gamma(3.0, 2.0)), "2 + Gamma(3, 2)"),
        (combined.mixture(0.3, dist.Normal(0.0, 1.0), dist.Cauchy(0.0, 2.0)), "0.3 Normal(0, 1) + 0.7 Cauchy(0, 2)"),
    ],
)
def test_a_prior_is_told_with_its_own_name_and_numbers(prior: Any, words: str) -> None:
    assert in_words(prior) == words


@pytest.mark.parametrize("support", ["real", "positive", "unit_interval"])
def test_flat_has_density_one(support: str) -> None:
    prior = priors.flat(support)
    assert priors.is_improper(prior)
    assert prior.log_prob(0.5).item() == 0.0
    assert bool(prior.support(0.5))
    assert bool(prior.support(-0.5)) == (support == "real")
    assert bool(prior.support(1.5)) == (support != "unit_interval")


@pytest.mark.parametrize(
    ("support", "inside"),
    [("real", {"real"}), ("positive", {"real", "positive"}), ("unit_interval", {"real", "positive", "unit_interval"})],
)
def test_a_flat_prior_lies_within_its_support(support: str, inside: set[str]) -> None:
    every = {word: priors.flat(word).support for word in ("real", "positive", "unit_interval")}
    assert {word for word, other in every.items() if within(every[support], other)} == inside


def test_an_unknown_support_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^support: expected one of real, positive, unit_interval, but got 'reals'$"):
        priors.flat("reals")


@pytest.mark.parametrize(
    ("prior", "low", "high"),
    [
        (dist.Gamma(2.0, 1.0), 1.5, np.inf),
        (dist.Normal(0.0, 1.0), 1.5, np.inf),
        (dist.Pareto(2.0, 1.0), 2.0, np.inf),
        (priors.uniform(0.0, 4.0), 1.5, 4.0),
        (priors.flat("positive"), 1.5, np.inf),
    ],
    ids=["gamma", "gaussian", "pareto", "uniform", "flat"],
)
def test_above_cuts_the_support_and_keeps_the_density(prior: Any, low: float, high: float) -> None:
    """A Pareto's own least value may be the higher one."""
    cut = Above(prior, 1.5)
    inside = [low + 0.1, min(high, 10.0) - 0.1]
    outside = [low - 0.1, *([high + 0.1] if np.isfinite(high) else [])]
    assert all(bool(cut.support(value)) for value in inside)
    assert not any(bool(cut.support(value)) for value in outside)
    assert cut.log_prob(inside[0]) == prior.log_prob(inside[0])


def test_above_keeps_the_end_of_a_flat_prior() -> None:
    support = Above(priors.flat("unit_interval"), 0.5).support
    assert [bool(support(value)) for value in (0.4, 0.6, 1.1)] == [False, True, False]


def test_above_draws_from_the_whole_prior() -> None:
    draws = Above(priors.uniform(0.0, 1.0), 0.9).sample(jax.random.PRNGKey(0), (1000,))
    assert stats.kstest(draws, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("name", DENSITIES)
def test_numbers_are_in_one_order_in_every_process(name: str) -> None:
    """Else every other process would compile what the compilation cache has."""
    fields = type(make(name)(**DENSITIES[name][0])).gather_pytree_data_fields()
    assert fields == tuple(sorted(fields))


def test_the_parts_of_a_mixture_are_chosen_and_set_as_priors_are() -> None:
    typed = ("prior@model.prior.loc=mixture", "prior@model.prior.loc.second=shifted")
    made = make_model(compose("model=gaussian", *typed, "model.prior.loc.second.by=2")).prior["loc"]
    assert in_words(made) == "0.5 Normal(0, 1) + 0.5 (2 + Exponential(1))"
