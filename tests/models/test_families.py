"""Every family against SciPy, or against its own sum or integral; every link against its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import integrate, special, stats

from credo.models.families import FAMILIES
from credo.models.families.family import LINKS
from credo.models.regression import Regression
from credo.models.scaled import Censored, Sorted, Stacked, scaled

pytestmark = pytest.mark.slow  # `make proofs` runs them

ETA = 0.4
NUMBERS = {
    "sigma": 0.7,
    "df": 5.0,
    "concentration": 3.0,
    "shape": 1.7,
    "gate": 0.3,
    "trials": 9,
    "cutpoints": jnp.array([-1.0, 0.2, 1.5]),
}
MU, SHARE = np.exp(ETA), 1 / (1 + np.exp(-ETA))


def _inflated(mass):
    return lambda y: 0.3 * (y == 0) + 0.7 * mass(y)


def _nb(y):
    return stats.nbinom(3.0, 3.0 / (3.0 + MU)).pmf(y)


def _ordinal(y):
    below = np.array([0, *(1 / (1 + np.exp(-(np.array([-1.0, 0.2, 1.5]) - ETA)))), 1])
    return np.diff(below)[y]


WEIBULL_SCALE = MU / np.exp(np.log(1.0) + float(jax.scipy.special.gammaln(1 + 1 / 1.7)))
KNOWN = {
    "gaussian": (stats.norm(ETA, 0.7).pdf, 1.3),
    "student_t": (stats.t(5.0, ETA, 0.7).pdf, 1.3),
    "bernoulli": (stats.bernoulli(SHARE).pmf, 1),
    "binomial": (stats.binom(9, SHARE).pmf, 4),
    "categorical": (lambda y: np.exp([0, ETA, -0.2])[y] / np.exp([0, ETA, -0.2]).sum(), 1),
    "ordinal": (_ordinal, 2),
    "poisson": (stats.poisson(MU).pmf, 2),
    "negative_binomial": (_nb, 2),
    "zero_inflated_poisson": (_inflated(stats.poisson(MU).pmf), 0),
    "zero_inflated_negative_binomial": (_inflated(_nb), 0),
    "gamma": (stats.gamma(1.7, scale=MU / 1.7).pdf, 1.1),
    "lognormal": (stats.lognorm(0.7, scale=np.exp(ETA)).pdf, 1.1),
    "beta": (stats.beta(3 * SHARE, 3 * (1 - SHARE)).pdf, 0.4),
    "beta_binomial": (stats.betabinom(9, 3 * SHARE, 3 * (1 - SHARE)).pmf, 4),
    "weibull": (stats.weibull_min(1.7, scale=WEIBULL_SCALE).pdf, 1.1),
    "exponential": (stats.expon(scale=MU).pdf, 1.1),
    "von_mises": (stats.vonmises(3.0, 2 * np.arctan(ETA)).pdf, 0.9),
}


def made(name, eta=None):
    family = FAMILIES[name]
    eta = jnp.array([[ETA, -0.2]] if name == "categorical" else [ETA]) if eta is None else eta
    return family.likelihood(eta, family.links[0], NUMBERS)


def test_every_family_has_a_known_answer():
    assert set(KNOWN) == set(FAMILIES)


@pytest.mark.parametrize("name", KNOWN)
def test_the_density_is_that_of_scipy(name):
    density, y = KNOWN[name]
    np.testing.assert_allclose(np.exp(made(name).log_prob(jnp.array([y]))), density(y), rtol=2e-5)


@pytest.mark.parametrize("name", [name for name in KNOWN if name not in ("lognormal", "categorical", "ordinal")])
def test_the_mean_is_the_inverse_link_of_the_linear_predictor(name):
    family = FAMILIES[name]
    expected = LINKS[family.links[0]](jnp.array(ETA)) * (9 if family.takes_trials else 1)
    expected = expected * (0.7 if "gate" in family.parameters else 1)
    np.testing.assert_allclose(made(name).mean, expected, rtol=1e-5)


LINKED = {"probit": stats.norm.cdf(ETA), "cloglog": 1 - np.exp(-MU), "inverse": 1 / ETA, "softplus": np.log1p(MU)}


@pytest.mark.parametrize("link", LINKED)
def test_links(link):
    np.testing.assert_allclose(LINKS[link](jnp.array(ETA)), LINKED[link], rtol=1e-6)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_ordinal_probabilities_add_up_to_one(link):
    one = FAMILIES["ordinal"].likelihood(jnp.array([ETA]), link, NUMBERS)
    np.testing.assert_allclose(one.probs.sum(-1), 1, rtol=1e-6)
    assert (one.probs > 0).all()


SURVIVING = [name for name, family in FAMILIES.items() if family.log_survival is not None]


@pytest.mark.parametrize("name", SURVIVING)
def test_a_censored_value_counts_by_the_integral_beyond_it(name):
    density, y = KNOWN[name]
    above = integrate.quad(density, y, np.inf)[0]
    values = jnp.array([y, y, y])
    one = Censored(made(name, jnp.full(3, ETA)), jnp.array([-1, 0, 1]), FAMILIES[name].log_survival)
    np.testing.assert_allclose(np.exp(one.log_prob(values)), [1 - above, density(y), above], rtol=2e-5)


LOWER = {
    "gaussian": stats.norm(ETA, 0.7).ppf,
    "gamma": stats.gamma(1.7, scale=MU / 1.7).ppf,
    "lognormal": stats.lognorm(0.7, scale=np.exp(ETA)).ppf,
    "weibull": stats.weibull_min(1.7, scale=WEIBULL_SCALE).ppf,
    "exponential": stats.expon(scale=MU).ppf,
}


@pytest.mark.parametrize("name", SURVIVING)
@pytest.mark.parametrize("probability", [1e-9, 1e-20])
def test_a_value_far_below_the_others_keeps_its_gradient_beside_censored_ones(name, probability):
    # P(Y < y) is lost in 1 - P(Y < y), of which neither an observed nor a right-censored row needs the logarithm.
    y = jnp.array([float(LOWER[name](probability))])

    def log_density(eta, status):
        one = made(name, jnp.full(1, eta))
        one = one if status is None else Censored(one, jnp.array([status]), FAMILIES[name].log_survival)
        return one.log_prob(y).sum()

    alone, observed, above = (jax.value_and_grad(log_density)(ETA, status) for status in (None, 0, 1))
    np.testing.assert_allclose(observed, alone, rtol=1e-5)
    np.testing.assert_allclose(above, (0.0, 0.0), atol=1e-6)


@pytest.mark.parametrize("shape", [1, 2, 5, 30, 400])
def test_the_survival_of_a_gamma_distribution_is_exact_in_both_tails(shape):
    """Of a whole shape P(Y > y) is a finite sum; far below, P(Y < y) is y^shape / shape! less its next term."""
    survival, counts = FAMILIES["gamma"].log_survival, np.arange(shape)

    def found(x):
        return survival(dist.Gamma(float(shape), 1.0), jnp.asarray(x))

    for x in (
        shape + np.sqrt(shape) * np.array([-0.5, 0.5, 3.0]),
        shape + 8 * np.sqrt(shape) + np.array([29.9, 30.1, 5000]),
    ):
        terms = counts * np.log(x)[:, None] - special.gammaln(counts + 1)
        np.testing.assert_allclose(found(x), special.logsumexp(terms, axis=1) - x, rtol=1e-5)
        slopes = jax.vmap(jax.grad(found))(jnp.asarray(x))
        np.testing.assert_allclose(slopes, -np.exp(stats.gamma(shape).logpdf(x) - found(x)), rtol=1e-4)
    low = 1e-3
    expected = shape * np.log(low) - special.gammaln(shape + 1) + np.log1p(-low * shape / (shape + 1))
    if expected > np.log(np.finfo(found(low).dtype).tiny):
        assert float(jnp.log(-jnp.expm1(found(low)))) == pytest.approx(expected, abs=1e-4)


def test_sorted_cutpoints_have_the_density_of_order_statistics():
    import numpyro.distributions as dist

    prior = Sorted(dist.Normal(0.0, 2.0), 2)
    grid = jnp.linspace(-9, 9, 181)
    pairs = jnp.stack(jnp.meshgrid(grid, grid, indexing="ij"), -1)
    mass = np.exp(prior.log_prob(pairs))[np.triu_indices(181)].sum() * 0.01
    assert abs(mass - 1) < 0.03
    drawn = prior.sample(jax.random.PRNGKey(0), (5,))
    assert (jnp.diff(drawn, axis=-1) > 0).all()


def test_a_scaled_prior_is_one_of_the_scaled_number():
    import numpyro.distributions as dist

    np.testing.assert_allclose(
        scaled(dist.Normal(1.0, 2.0), 3.0, jnp.array(4.0)).log_prob(5.0), stats.norm(7, 8).logpdf(5.0), rtol=1e-6
    )
    np.testing.assert_allclose(
        scaled(dist.HalfNormal(2.0), 3.0, jnp.array(4.0)).log_prob(5.0), stats.halfnorm(0, 8).logpdf(5.0), rtol=1e-6
    )
    both = Stacked([dist.Normal(0.0, jnp.ones(2)), dist.Normal(1.0, jnp.full(1, 3.0))])
    np.testing.assert_allclose(both.log_prob(jnp.zeros(3)), stats.norm([0, 0, 1], [1, 1, 3]).logpdf(0), rtol=1e-6)
    assert both.sample(jax.random.PRNGKey(0), (4,)).shape == (4, 3)


def test_a_regression_says_its_family_its_link_and_its_own_parameters():
    normal, positive = dist.Normal(0.0, 1.0), dist.HalfNormal(1.0)
    priors = {"intercept": normal, "beta": normal, "sigma": positive, "df": positive}
    told = Regression(priors, "student_t").mathematics
    assert told.startswith("y_i ~ student_t, link identity, of intercept + sum_j x_ij beta_j\n")
    assert "intercept, beta_j, sigma, df ~ prior" in told
    assert "y_i ~ poisson, link log," in Regression(priors, "poisson").mathematics
