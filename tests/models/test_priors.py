"""Priors: their densities against SciPy, and the sentence for an impossible parameter."""

from collections.abc import Callable
from typing import Any, ClassVar

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
from credo.models import priors
from credo.models.uniform import Above

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
}
CONF = paths.built_in() / "conf" / "prior"


def make(name: str) -> Callable[..., Any]:
    """What the `_target_` of `conf/prior/NAME.yaml` names."""
    return get_object(target(name))


def target(name: str) -> str:
    return str(OmegaConf.load(CONF / f"{name}.yaml")._target_)


def test_every_prior_is_here() -> None:
    assert {file.stem for file in CONF.glob("*.yaml")} == DENSITIES.keys() | {"flat"}


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
    (name, key) for name, (keys, *_) in DENSITIES.items() for key in keys if key not in ("loc", "low", "high", "probs")
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
