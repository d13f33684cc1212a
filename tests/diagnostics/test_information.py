"""Information gained, KL(posterior || prior): against closed forms of conjugate pairs, over seeds."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from scipy.signal import lfilter

from credo.diagnostics import collect, information
from credo.diagnostics.information import GROUP, Information
from credo.diagnostics.summary import summarise
from credo.information.divergence import kl
from credo.models.base import Model
from credo.models.problem import Problem

from .conftest import draws_result

SEEDS, DRAWS = 50, (4, 500)


class OfPrior(Model):
    """A latent with any prior; what is observed of it does not matter where the posterior is known."""

    def __call__(self, y):
        x = numpyro.sample("x", self.prior["x"])
        numpyro.sample("y", dist.Normal(1.0 * jnp.ravel(x)[0], 1.0), obs=y)

    @property
    def accepted(self):
        return {"x": (dist.constraints.real, dist.constraints.boolean)}


PAIRS = {
    "Beta-Bernoulli": (dist.Beta(2.0, 2.0), dist.Beta(15.0, 9.0)),
    "Normal-Normal": (dist.Normal(0.0, 10.0), dist.Normal(3.0, 0.5)),
    "Gamma-Exponential": (dist.Gamma(2.0, 1.0), dist.Gamma(22.0, 14.0)),
}


def gained(prior, draws, **more):
    problem = Problem(OfPrior({"x": prior}), xr.Dataset({"y": 0.0}))
    result = draws_result({"x": draws}, observed={"y": 0.0}, **more)
    return Information(0.005).derived(problem, None, result, jax.random.PRNGKey(0))


def errors(prior, posterior, draw):
    """By how many standard errors each seed is off."""
    truth = float(kl(posterior, prior).value)
    found = [gained(prior, draw(seed)).tree[GROUP] for seed in range(SEEDS)]
    return np.array([(one["value"].item() - truth) / one["error"].item() for one in found])


def independent(posterior, seed):
    return np.asarray(posterior.sample(jax.random.PRNGKey(seed), DRAWS), float)


@pytest.mark.parametrize("pair", PAIRS)
def test_the_gain_of_a_conjugate_pair_is_right_to_its_error(pair):
    """Within two standard errors in at least 43 of 50 seeds: 95 % is expected, and 43 or more in 99.3 % of cases."""
    prior, posterior = PAIRS[pair]
    off = errors(prior, posterior, lambda seed: independent(posterior, seed))
    assert (abs(off) < 2).sum() >= 43
    assert abs(off.mean()) < 0.6


def test_the_error_of_autocorrelated_draws_knows_of_it():
    """AR(1) chains with the coefficient 0.8, whose means have three times the error."""
    prior, posterior = PAIRS["Normal-Normal"]

    def draw(seed):
        noise = np.random.default_rng(seed).normal(size=(DRAWS[0], DRAWS[1] + 100))
        return 3.0 + 0.5 * lfilter([0.6], [1.0, -0.8], noise)[:, 100:]

    off = errors(prior, posterior, draw)
    assert (abs(off) < 2).sum() >= 43
    assert abs(off.mean()) < 0.6


def test_draws_that_repeat_as_those_of_metropolis_do_give_the_same():
    prior, posterior = PAIRS["Normal-Normal"]
    rng = np.random.default_rng(0)
    draws = np.repeat(rng.normal(3.0, 0.5, size=(4, 1000)), 4, axis=1)
    found = gained(prior, draws).tree[GROUP]
    assert abs(found["value"].item() - float(kl(posterior, prior).value)) < 3 * found["error"].item()


def test_a_discrete_latent_has_a_gain():
    prior, posterior = dist.BernoulliProbs(0.5), dist.BernoulliProbs(0.9)
    found = gained(prior, np.random.default_rng(0).binomial(1, 0.9, size=DRAWS)).tree[GROUP]
    assert abs(found["value"].item() - float(kl(posterior, prior).value)) < 3 * found["error"].item()


def test_the_prior_of_an_effect_is_that_over_its_group():
    """theta | mu ~ N(mu, 1) and mu ~ N(0, 2) make theta ~ N(0, sqrt(5)) before the data."""

    class Two(OfPrior):
        def __call__(self, y):
            mu = numpyro.sample("mu", self.prior["x"])
            with numpyro.plate("group", 2):
                theta = numpyro.sample("theta", dist.Normal(mu, 1.0))
            numpyro.sample("y", dist.Normal(theta.sum(), 1.0), obs=y)

    problem = Problem(Two({"x": dist.Normal(0.0, 2.0)}), xr.Dataset({"y": 0.0}))
    draws = np.random.default_rng(0).normal(1.0, 0.5, size=(4, 1000, 2))
    result = draws_result({"mu": draws[..., 0], "theta": draws}, observed={"y": 0.0})
    found = Information(0.005).derived(problem, None, result, jax.random.PRNGKey(0)).tree[GROUP]
    assert found["scalar"].values.tolist() == ["mu", "theta[0]", "theta[1]"]
    for name, scale in {"mu": 2.0, "theta[0]": 5**0.5, "theta[1]": 5**0.5}.items():
        one = found.to_dataset().sel(scalar=name)
        truth = float(kl(dist.Normal(1.0, 0.5), dist.Normal(0.0, scale)).value)
        assert abs(one["value"].item() - truth) < 3 * one["error"].item()


def test_what_the_data_say_nothing_of_is_noted_and_the_metrics_have_its_name():
    prior = dist.Normal(0.0, 1.0)
    result = gained(prior, np.random.default_rng(0).normal(size=(4, 4000)))
    check = Information(0.05)(result, summarise(result))
    assert check.status == "note"
    assert "next to nothing of x" in check.advice
    assert abs(collect.PARTS["the information gained"](result, summarise(result))["information/x"]) < 0.05


def test_improper_priors_and_few_draws_say_nothing():
    prior = dist.Normal(0.0, 1.0)
    assert GROUP not in gained(prior, np.random.default_rng(0).normal(size=(4, 10))).tree.children
    improper = dist.ImproperUniform(dist.constraints.real, (), ())
    assert GROUP not in gained(improper, np.random.default_rng(0).normal(size=DRAWS)).tree.children


def test_particles_are_no_surer_than_their_repeats_agree():
    from credo.inference.kind import Kind

    rng = np.random.default_rng(0)
    apart = rng.normal(size=(4, 500)) + np.array([[0.0], [1.0], [2.0], [3.0]])
    result = replace(gained(dist.Normal(0.0, 10.0), apart), kind=Kind.WEIGHTED)
    assert information._error(result, (apart**2)[None]) > 1.0
