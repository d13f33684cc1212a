"""`model.reparam`: what is sampled changes, the posterior does not."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.data.eight_schools import EightSchools
from credo.diagnostics.answer import answer
from credo.errors import ConfigError
from credo.experiment.parts import build
from credo.inference.base import NO_LISTENER
from credo.inference.density import log_joint
from credo.models.base import Model
from credo.models.hierarchical import Hierarchical
from credo.models.problem import Problem
from registry import compose

PRIORS = {"mu": dist.Normal(0.0, 5.0), "tau": dist.HalfCauchy(5.0), "sigma": dist.HalfNormal(1.0)}


class Many(Model):
    """A latent of each kind that a reparametriser is for."""

    def __call__(self, y):
        t = numpyro.sample("t", dist.StudentT(4.0, 1.0, 2.0))
        log = numpyro.sample("log", dist.LogNormal(0.5, 0.3))
        direction = numpyro.sample("direction", dist.ProjectedNormal(jnp.array([1.0, 0.5])))
        series = numpyro.sample("series", dist.Normal(jnp.zeros(8), 1.0).to_event(1))
        numpyro.sample("y", dist.Normal(t + log + direction[0] + series.sum(), 1.0), obs=y)


def schools(**more):
    data = EightSchools().load(None, 0)
    return Problem(Hierarchical(PRIORS, centred=True), data, **more)


def many(**more):
    return Problem(Many({}), xr.Dataset({"y": 0.3}), **more)


@pytest.mark.parametrize("centred", [0.0, 0.3, 0.9])
def test_the_joint_density_is_that_of_the_centred_program_times_the_jacobian(centred):
    tau, mu, theta = 2.0, 1.0, np.linspace(-3.0, 4.0, 8)
    plain = float(log_joint(schools().bound, {"mu": mu, "tau": tau, "theta": theta}))
    sampled = tau ** (centred - 1) * (theta - mu) + centred * mu
    other = schools(reparam={"theta": centred})
    assert "theta" in [site.name for site in other.named("deterministic")]
    found = float(log_joint(other.bound, {"mu": mu, "tau": tau, "theta_decentered": sampled}))
    assert found == pytest.approx(plain + 8 * (1 - centred) * np.log(tau), rel=1e-5)


def test_another_number_compiles_nothing():
    one, other = (schools(reparam={"theta": number}).bound for number in (0.2, 0.7))
    assert jax.tree.structure(one) == jax.tree.structure(other)


def test_what_is_known_of_a_site_is_known_of_what_stands_for_it():
    sites = {site.name: site for site in schools(reparam={"theta": "loc_scale"}).sites}
    assert sites["theta_decentered"].local
    assert sites["theta_decentered"].dims == sites["theta"].dims


@pytest.mark.parametrize(
    ("site", "name", "sampled"),
    [
        ("t", "loc_scale", "t_decentered"),
        ("log", "transform", "log_base"),
        ("direction", "projected_normal", "direction_normal"),
        ("series", "haar", "series_haar"),
        ("series", "discrete_cosine", "series_dct"),
    ],
)
def test_each_reparametriser_samples_something_else(site, name, sampled):
    assert sampled in [one.name for one in many(reparam={site: name}).latents]


def test_what_stands_for_a_site_is_known_as_its_parametrisation():
    sites = {one.name: one for one in many(reparam={"t": "loc_scale", "series": "haar"}).latents}
    assert (sites["t_decentered"].effect, sites["series_haar"].effect) == ("t", "series")
    assert not sites["log"].effect


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tt": "loc_scale"}, "model.reparam.tt: the model has no latent 'tt'; did you mean 't'?"),
        ({"t": "loc_scal"}, "model.reparam.t: there is no reparametriser 'loc_scal'; did you mean 'loc_scale'?"),
        ({"y": "loc_scale"}, "model.reparam.y: y is observed, and only latents can be reparametrised"),
        ({"t": 2.0}, "model.reparam.t: expected a number from 0 to below 1, but got 2.0"),
        (
            {"t": "transform"},
            "model.reparam.t=transform: it does not apply to this site, whose distribution is Student",
        ),
        ({"log": "loc_scale"}, "model.reparam.log=loc_scale: it does not apply"),
        (5, "model.reparam: expected names by latent"),
    ],
)
def test_what_does_not_apply_is_refused_in_a_sentence(given, words):
    with pytest.raises(ConfigError) as refused:
        _ = many(reparam=given).sites
    assert str(refused.value).startswith(words)


@pytest.mark.slow
def test_the_posterior_of_eight_schools_is_the_same_and_its_divergences_vanish():
    """Means within four joint standard errors: nine means give a false alarm in one of 1,700 runs."""
    plain, found = answered(), answered("model.reparam={theta: loc_scale}")
    own, other = (one.summary.set_index("variable") for one in (plain, found))
    for name in [one for one in own.index if one.startswith(("mu", "theta["))]:
        error = np.hypot(own.loc[name, "mcse_mean"], other.loc[name, "mcse_mean"])
        assert abs(own.loc[name, "mean"] - other.loc[name, "mean"]) < 4 * error
    assert found.metrics["divergences"] == 0


def answered(*words):
    config = compose(
        "data=eight_schools", "model=hierarchical", "model.centred=true", "inference.draws=4000",
        "inference.target_accept=0.99", *words,
    )  # fmt: skip
    parts = build(config)
    problem, _ = parts.problem(0)
    return answer(problem, parts.inference, parts.diagnostics, jax.random.PRNGKey(0), NO_LISTENER)
