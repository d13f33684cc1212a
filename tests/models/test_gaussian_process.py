"""Gaussian processes: right against scikit-learn, quadrature and, by eigenfunctions, the exact ones."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
import xarray as xr
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as theirs

from credo.calibration.fits import fits, judge
from credo.calibration.simulator import Simulator
from credo.diagnostics.answer import answer
from credo.errors import ConfigError
from credo.experiment.parts import make_inference
from credo.inference.base import NO_LISTENER
from credo.inference.density import log_joint
from credo.models.covariances import COVARIANCES, eigenfunctions, spectral_density
from credo.models.dependent import Chain
from credo.models.gaussian_process import GaussianProcess
from credo.models.problem import Problem
from registry import compose

PRIORS = {
    "amplitude": dist.HalfNormal(1.0),
    "lengthscale": dist.InverseGamma(3.0, 2.0),
    "period": dist.LogNormal(0.0, 0.5),
    "sigma": dist.HalfNormal(1.0),
}
KERNELS = {
    "rbf": 1.3**2 * theirs.RBF(0.7),
    "matern32": 1.3**2 * theirs.Matern(0.7, nu=1.5),
    "matern52": 1.3**2 * theirs.Matern(0.7, nu=2.5),
    "periodic": 1.3**2 * theirs.ExpSineSquared(0.7, 1.1),
    "linear": 1.3**2 * theirs.DotProduct(1e-9),
    "rbf + matern32": 1.3**2 * theirs.RBF(0.7) + 0.4**2 * theirs.Matern(1.9, nu=1.5),
    "rbf*periodic": 1.3**2 * theirs.RBF(0.7) * theirs.ExpSineSquared(1.9, 1.1),
}
NUMBERS = {"amplitude": 1.3, "lengthscale": 0.7, "period": 1.1, "sigma": 0.5}
SEVERAL = {"amplitude[rbf]": 1.3, "amplitude[matern32]": 0.4, "lengthscale[rbf]": 0.7, "lengthscale[matern32]": 1.9}
SEVERAL |= {"lengthscale[periodic]": 1.9}


def process(kernel="rbf", *, approximation="none", basis=15, boundary=1.5, ard=False, standardise=False):
    return GaussianProcess(PRIORS, kernel, approximation, basis, boundary, ard, standardise)


def rows(n=12, features=1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features))
    y = np.sin(2 * x[:, 0]) + 0.3 * rng.normal(size=n)
    return xr.Dataset({"y": ("obs", y), "x": (("obs", "feature"), x)})


def numbers(model):
    return {site: jnp.asarray(SEVERAL.get(site, NUMBERS[prior])) for site, prior in model._sites().items()}


def fitted(model, data):
    return model.fitted(data)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_process_is_that_of_scikit_learn(kernel):
    """The log marginal likelihood and the predictions, to 1e-8."""
    features = 1 if "periodic" in kernel else 2
    data, new = rows(features=features), rows(5, features, seed=1)["x"].to_numpy()
    model = fitted(process(kernel), data)
    other = GaussianProcessRegressor(KERNELS[kernel], alpha=0.5**2, optimizer=None)
    other.fit(data["x"].to_numpy(), data["y"].to_numpy())
    latents = numbers(model)
    problem = Problem(model, data)
    fn = problem.bound.at(latents)["y"]["fn"]
    log_likelihood = float(fn.log_prob(jnp.asarray(data["y"].to_numpy())).sum())
    assert log_likelihood == pytest.approx(other.log_marginal_likelihood_value_, abs=1e-8)
    found = model.conditional(latents, jnp.asarray(new))
    mean, sd = other.predict(new, return_std=True)
    np.testing.assert_allclose(found.mean[:, 0], mean, atol=1e-8)
    np.testing.assert_allclose(found.variance[:, 0], sd**2 + 0.5**2, atol=1e-8)


def test_the_density_of_a_row_given_all_others_is_that_of_the_process_without_it():
    data = rows()
    model = fitted(process(), data)
    latents = numbers(model)
    fn = Problem(model, data).bound.at(latents)["y"]["fn"]
    found = fn.given_others(jnp.asarray(data["y"].to_numpy()))
    for i in (0, 5, 11):
        others = fitted(process(), data.drop_isel(obs=i))
        alone = others.conditional(latents, jnp.asarray(data["x"].to_numpy()[i : i + 1]))
        assert float(found[i]) == pytest.approx(
            float(alone.log_prob(data["y"].to_numpy()[i : i + 1, None])[0]), abs=1e-8
        )


def test_held_out_rows_are_given_the_training_rows():
    data, new = rows(), rows(4, seed=1)
    model = fitted(process(), data)
    problem = Problem(model, data, new)
    latents = numbers(model)
    found = problem.bound_test.at(latents)["y"]["fn"]
    expected = model.conditional(latents, jnp.asarray(new["x"].to_numpy()))
    np.testing.assert_allclose(found.log_prob(new["y"].to_numpy()), expected.log_prob(new["y"].to_numpy()[:, None]))


def test_units_do_not_change_a_standardised_process():
    """The same rows in other units have the same latents' density, but for the target's unit."""
    data = rows()
    scaled = data.assign(y=100 + 7 * data["y"], x=3 - 5 * data["x"])
    found = []
    for one in (data, scaled):
        model = fitted(process(standardise=True), one)
        fn = Problem(model, one).bound.at(numbers(model))["y"]["fn"]
        found.append(float(fn.log_prob(jnp.asarray(one["y"].to_numpy())).sum()))
    assert found[0] - found[1] == pytest.approx(len(data["y"]) * np.log(7), abs=1e-8)


@pytest.mark.parametrize("name", ["rbf", "matern32", "matern52"])
@pytest.mark.parametrize("features", [1, 2])
def test_eigenfunctions_make_the_covariance(name, features):
    """In the middle of a wide box with many of them; Matérn's 3/2 has the slowest tail of frequencies."""
    x = np.random.default_rng(0).uniform(-1, 1, (6, features))
    lengths = jnp.array([0.8, 1.2])[:features]
    waves, omega = eigenfunctions(jnp.asarray(x), jnp.full(features, 6.0), 60)
    found = (waves * spectral_density(name, omega, lengths)) @ waves.T
    exact = COVARIANCES[name][0](jnp.asarray(x), jnp.asarray(x), {"lengthscale": lengths})
    np.testing.assert_allclose(found, exact, atol=3e-3 if name == "matern32" else 3e-4)


def test_weights_of_eigenfunctions_predict_as_the_process_does():
    """The posterior of the weights, which is normal, gives the exact predictions to the error of the functions."""
    data = rows(15)
    exact = fitted(process("matern52"), data)
    model = fitted(process("matern52", approximation="hsgp", basis=40, boundary=2.5), data)
    latents = numbers(model)
    new = jnp.linspace(-1.0, 1.0, 5)[:, None]

    def mean(weight, x):
        return model.conditional(latents | {"weight": weight}, x).mean[:, 0]

    at_zero = jnp.zeros(40)
    design, ahead = (jax.jacobian(mean)(at_zero, x) for x in (jnp.asarray(data["x"].to_numpy()), new))
    precision = design.T @ design / 0.25 + jnp.eye(40)
    weight = jnp.linalg.solve(precision, design.T @ data["y"].to_numpy() / 0.25)
    expected = exact.conditional(numbers(exact), new).mean[:, 0]
    np.testing.assert_allclose(ahead @ weight, expected, atol=5e-3)


def test_the_chain_of_rows_draws_what_its_density_says():
    factor = jnp.linalg.cholesky(jnp.array([[1.0, 0.6], [0.6, 2.0]]))
    both = Chain(jnp.array([1.0, -1.0]), factor)
    draws = both.sample(jax.random.PRNGKey(0), (20_000,))
    np.testing.assert_allclose(np.cov(draws.T), [[1.0, 0.6], [0.6, 2.0]], atol=0.06)
    exact = dist.MultivariateNormal(both.loc, scale_tril=factor).log_prob(jnp.array([0.3, -0.2]))
    assert float(both.log_prob(jnp.array([0.3, -0.2])).sum()) == pytest.approx(float(exact))


def test_a_process_with_a_lengthscale_per_feature_and_one_that_was_exported():
    data = rows(features=2)
    model = fitted(process(ard=True, standardise=True), data)
    problem = Problem(model, data)
    assert {site.name: site.shape for site in problem.latents}["lengthscale"] == (2,)
    again = process(ard=True, standardise=True).restored(model.exported())
    latents = numbers(model) | {"lengthscale": jnp.array([0.5, 2.0])}
    x = jnp.asarray(data["x"].to_numpy())
    np.testing.assert_array_equal(again.conditional(latents, x).mean, model.conditional(latents, x).mean)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kernel": "rbg"}, "kernel: there is no covariance 'rbg'; did you mean 'rbf'?"),
        ({"kernel": "rbf + rbf"}, "kernel: rbf comes twice"),
        ({"approximation": "vfe"}, "approximation: expected none or hsgp, but got 'vfe'"),
        ({"kernel": "periodic", "approximation": "hsgp"}, "approximation: hsgp takes one of rbf, matern32, matern52"),
    ],
)
def test_what_a_process_cannot_be_is_refused(settings, words):
    with pytest.raises(ConfigError) as refused:
        process(**settings)
    assert str(refused.value).startswith(words)


class OfNoise(GaussianProcess):
    """A process whose noise alone is unknown."""

    def _sampled(self, features):
        return {**numbers(self), "sigma": numpyro.sample("sigma", self.prior["sigma"])}


@pytest.mark.slow
def test_the_posterior_of_the_noise_is_that_of_quadrature():
    """By NUTS within four standard errors, one false alarm in 16,000 runs."""
    model = OfNoise(PRIORS, "rbf", "none", 15, 1.5, False, False)
    data = rows()
    problem = Problem(model.fitted(data), data)
    grid = jnp.linspace(0.01, 5.0, 2000)
    weights = jax.vmap(lambda sigma: jnp.exp(log_joint(problem.bound, {"sigma": sigma})))(grid)
    method = make_inference(compose("inference=nuts", "inference.draws=4000"))
    found = answer(problem, method, {}, jax.random.PRNGKey(0), NO_LISTENER).summary.set_index("variable").loc["sigma"]
    assert abs(found["mean"] - float((grid * weights).sum() / weights.sum())) < 4 * found["mcse_mean"]


@pytest.mark.slow
def test_the_calibration_of_a_process_raises_no_alarm():
    """200 replications raise no alarm, whose rate is 1 %; that they would miss a small bias is no alarm."""
    problem = Problem(process(), rows())
    method = make_inference(compose("inference=nuts", "inference.draws=250", "inference.warmup=250"))
    found = pd.concat(fits(Simulator(problem), method, 0, range(200), lambda: None), ignore_index=True)
    judged = judge(found)
    assert judged.status != "not calibrated", judged.sentence
    assert judged.sentence.startswith("No alarm") or judged.status == "calibrated"
