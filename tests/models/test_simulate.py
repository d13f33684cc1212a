"""The prior predictive: shapes, and moments that follow from the model's definition."""

from typing import Any

import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from scipy import stats
from scipy.special import expit

from credo.errors import ConfigError
from credo.models import priors
from credo.models.base import Model
from credo.models.bernoulli import Bernoulli
from credo.models.gaussian import Gaussian
from credo.models.hierarchical import Hierarchical
from credo.models.regression import Regression
from credo.models.simulate import simulate
from credo.models.uniform import Uniform

ROWS = 20_000
X = np.random.default_rng(0).normal(size=(ROWS, 2))


def drawn(model: Model, seed: int = 0, **variables: Any) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    data = xr.Dataset({"y": ("obs", np.zeros(ROWS)), **variables})
    return simulate(model, data, seed)


def mean_z(values: np.ndarray, mean: Any) -> float:
    """How many standard errors the mean of independent values is away from what it should be."""
    deviation = values - mean
    return float(abs(deviation.mean()) / (deviation.std() / np.sqrt(len(deviation))))


# Every test compares one or two moments of 20,000 independent draws within four standard errors: 12 comparisons, and
# with new seeds a false alarm once in 1,300 times.
def test_bernoulli() -> None:
    observed, truth = drawn(Bernoulli({"p": dist.Beta(3.0, 2.0)}))
    assert (observed.keys(), observed["y"].shape, truth.keys()) == ({"y"}, (ROWS,), {"p"})
    assert 0 < truth["p"] < 1
    assert set(np.unique(observed["y"])) == {0, 1}
    assert mean_z(observed["y"], truth["p"]) < 4


def test_gaussian() -> None:
    prior = {"loc": dist.Normal(5.0, 1.0), "sigma": dist.HalfNormal(2.0)}
    observed, truth = drawn(Gaussian(prior, None, (0, 1)))
    assert truth.keys() == {"loc", "sigma"}
    assert mean_z(observed["y"], truth["loc"]) < 4
    assert mean_z((observed["y"] - truth["loc"]) ** 2, truth["sigma"] ** 2) < 4


def test_uniform() -> None:
    """Theta comes from the whole prior, although in inference its support is cut by the data."""
    observed, truth = drawn(Uniform({"theta": dist.Pareto(1.0, 2.0)}))
    assert truth["theta"] > 1
    assert observed["y"].min() > 0
    assert mean_z(observed["y"], truth["theta"] / 2) < 4


@pytest.mark.parametrize(
    ("family", "mean"), [("gaussian", lambda m: m), ("bernoulli", expit), ("poisson", np.exp), ("student_t", None)]
)
def test_regression(family: str, mean: Any) -> None:
    prior = {
        "intercept": dist.Normal(0.0, 0.5),
        "beta": dist.Normal(0.0, 0.5),
        "sigma": dist.HalfNormal(1.0),
        "df": dist.Gamma(40.0, 4.0),
    }
    observed, truth = drawn(Regression(prior, family), x=(("obs", "feature"), X))
    linear = truth["intercept"] + X @ truth["beta"]
    assert truth["beta"].shape == (2,)
    if mean is not None:
        assert mean_z(observed["y"], mean(linear)) < 4
        return
    standard = (observed["y"] - linear) / truth["sigma"]
    assert stats.kstest(standard, stats.t(truth["df"]).cdf).pvalue > 1e-4


def test_latents_have_the_prior() -> None:
    """Two thousand coefficients, half of them included on average."""
    prior = {
        "intercept": dist.Normal(0.0, 1.0),
        "beta": dist.Laplace(1.0, 2.0),
        "sigma": dist.HalfNormal(1.0),
    }
    x = (("obs", "feature"), np.ones((2, 2000)))
    observed, truth = simulate(Regression(prior, "gaussian"), xr.Dataset({"y": ("obs", [0.0, 0.0]), "x": x}), 1)
    assert observed["y"].shape == (2,)
    assert stats.kstest(truth["beta"], stats.laplace(1, 2).cdf).pvalue > 1e-4


def test_internal_sites_are_no_truth() -> None:
    prior = dict.fromkeys(["intercept", "beta"], dist.Normal(0.0, 1.0)) | {"inclusion": dist.BernoulliProbs(0.5)}
    _, truth = drawn(Regression(prior, "bernoulli"), x=(("obs", "feature"), X))
    assert truth.keys() == {"intercept", "beta", "inclusion"}
    assert set(truth["inclusion"]) <= {0, 1}


@pytest.mark.parametrize("centred", [True, False])
def test_hierarchical(centred: bool) -> None:
    prior = {"mu": dist.Normal(3.0, 1.0), "tau": dist.HalfNormal(2.0)}
    observed, truth = drawn(Hierarchical(prior, centred), sigma=("obs", np.full(ROWS, 0.5)))
    assert truth.keys() == ({"mu", "tau", "theta"} if centred else {"mu", "tau", "z", "theta"})
    assert mean_z(truth["theta"], truth["mu"]) < 4
    assert mean_z((truth["theta"] - truth["mu"]) ** 2, truth["tau"] ** 2) < 4
    assert mean_z(observed["y"], truth["theta"]) < 4


def test_the_seed_decides() -> None:
    model = Bernoulli({"p": dist.Beta(1.0, 1.0)})
    first, again, other = (drawn(model, seed)[0]["y"] for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("model", "latent"),
    [
        (Gaussian({"loc": priors.flat("real")}, 1.0, (0, 1)), "loc"),
        (Uniform({"theta": priors.flat("positive")}), "theta"),
    ],
)
def test_a_flat_prior_cannot_be_drawn_from(model: Model, latent: str) -> None:
    with pytest.raises(ConfigError, match=rf"^model\.prior\.{latent}: .* a flat prior has no draws$"):
        drawn(model)
