"""Regressions by formula: the density of the same model written by hand, the names of results, priors by term."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
import xarray as xr
from numpyro.infer.util import log_density
from scipy.special import softmax

from credo.data.dataset import split
from credo.data.formula.arranged import arranged
from credo.data.splits import Split
from credo.diagnostics.class_scores import class_scores
from credo.errors import ConfigError
from credo.models.plates import labels
from credo.models.problem import Problem
from credo.models.regression import Regression

PRIORS = {
    "intercept": dist.Normal(0.0, 10.0),
    "beta": dist.Normal(0.0, 2.5),
    "sigma": dist.HalfNormal(5.0),
    "df": dist.Gamma(2.0, 0.1),
    "concentration": dist.HalfCauchy(1.0),
    "shape": dist.HalfCauchy(1.0),
    "gate": dist.Beta(1.0, 1.0),
    "cutpoints": dist.Normal(0.0, 2.5),
    "sd": dist.HalfNormal(2.5),
    "sigma_intercept": dist.Normal(0.0, 1.0),
    "sigma_beta": dist.Normal(0.0, 1.0),
    "sigma_sd": dist.HalfNormal(1.0),
}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = 40
    return pd.DataFrame(
        {
            "y": rng.normal(3, 2, rows),
            "age": rng.normal(50, 10, rows),
            "sex": np.where(np.arange(rows) % 3, "m", "f"),
            "ward": np.array(["a", "b", "c", "d"])[np.arange(rows) % 4],
            "count": rng.poisson(3, rows),
            "grade": np.array(["good", "fair", "poor"])[rng.integers(0, 3, rows)],
            "w": rng.uniform(1, 2, rows),
            "status": np.where(np.arange(rows) % 4, "none", "right"),
            "rank": np.arange(rows) % 3 + 1,
        }
    )


def problem(table, formula, family="gaussian", priors=(), weights=None, **settings) -> Problem:
    model = Regression(PRIORS | dict(priors), family, formula=formula, **settings)
    data = arranged(table, model.rows, weights=weights)
    return Problem(model.fitted(data), data)


def density(one: Problem, values) -> float:
    return log_density_of(one.bound, values)


def log_density_of(program, values) -> float:
    given = {name: jnp.asarray(value) for name, value in values.items()}
    return float(jax.jit(lambda latents: log_density(program, (), {}, latents)[0])(given))


def test_the_density_is_that_of_the_model_written_by_hand(table):
    y, age = table["y"].to_numpy(), table["age"].to_numpy()
    male, ward = (table["sex"] == "m").to_numpy(float), np.arange(40) % 4
    spread = y.std()

    def by_hand():
        a = numpyro.sample("intercept_at_mean", dist.Normal(y.mean(), 10 * spread))
        b = numpyro.sample("beta", dist.Normal(0.0, 2.5 * spread / jnp.array([age.std(), male.std()])).to_event(1))
        sd = numpyro.sample("sd[ward]", dist.HalfNormal(2.5 * spread))
        z = numpyro.sample("z[ward]", dist.Normal(jnp.zeros(4), 1.0).to_event(1))
        sigma = numpyro.sample("sigma", dist.HalfNormal(5.0 * spread))
        mean = a + b[0] * (age - age.mean()) + b[1] * (male - male.mean()) + sd * z[ward]
        numpyro.sample("y", dist.Normal(mean, sigma), obs=y)

    values = {
        "intercept_at_mean": 2.5,
        "beta": np.array([0.05, -0.7]),
        "sd[ward]": 0.6,
        "z[ward]": np.array([0.1, -1.0, 0.5, 2.0]),
        "sigma": 1.5,
    }
    hand = log_density_of(by_hand, values)
    np.testing.assert_allclose(density(problem(table, "y ~ age + sex + (1 | ward)"), values), hand, rtol=1e-5)


def test_correlated_effects_are_multivariate_normal_whether_centred_or_not(table):
    sd, root = np.array([0.5, 0.02]), np.array([[1.0, 0.0], [0.6, 0.8]])
    effect = np.random.default_rng(0).normal(size=(4, 2)) * sd
    common = {"intercept_at_mean": 2.0, "beta": [0.1], "sigma": 1.0, "sd[ward]": sd, "cholesky[ward]": root}
    centred = problem(table, "y ~ age + (1 + age | ward)", centred=True)
    other = problem(table, "y ~ age + (1 + age | ward)")
    scale = sd[:, None] * root
    z = np.linalg.solve(scale, effect.T).T
    jacobian = 4 * np.log(np.linalg.det(scale))
    first = density(centred, common | {"effect[ward]": effect})
    second = density(other, common | {"z[ward]": z})
    np.testing.assert_allclose(first, second - jacobian, rtol=1e-5)
    for one in (centred, other):
        site = next(site for site in one.sites if site.name == "effect[ward]")
        assert one.dims(site) == ("ward", "ward_effect")


def test_an_effect_is_correlated_with_itself_by_one_without_rounding_errors(table):
    """Ranks among rounding errors are not uniform, and calibration would raise an alarm."""
    one = problem(table, "y ~ age + (1 + age | ward)")
    for angle in np.linspace(0.1, 3.0, 40):
        root = np.array([[1.0, 0.0], [np.cos(angle), np.sin(angle)]])
        corr = one.bound.at({"cholesky[ward]": root})["corr[ward]"]["value"]
        assert np.diag(corr).tolist() == [1.0, 1.0]
        assert corr[0, 1] == pytest.approx(np.cos(angle))


@pytest.mark.parametrize("centred", [False, True])
def test_correlations_are_named_by_the_effects(table, centred):
    one = problem(table, "y ~ age + (1 + age | ward)", centred=centred)
    dims = one.dims(next(site for site in one.sites if site.name == "corr[ward]"))
    axes = [labels(one, one.data, dim, 2).tolist() for dim in dims]
    assert len(set(dims)) == 2
    assert axes == [["Intercept", "age"]] * 2


@pytest.mark.slow
def test_effects_of_groups_on_classes_are_those_of_the_program_written_by_hand(table):
    """Two contrasts of three classes, each with its own deviations and correlations."""
    age = table["age"].to_numpy()
    y, ward = pd.Categorical(table["grade"]).codes.astype(int), np.arange(40) % 4

    def by_hand():
        a = numpyro.sample("intercept_at_mean", dist.Normal(0.0, 10.0).expand([2]).to_event(1))
        sd = numpyro.sample("sd[ward]", dist.HalfNormal(2.5).expand([2, 2]).to_event(2))
        root = numpyro.sample("cholesky[ward]", dist.LKJCholesky(2, 1.0).expand([2]).to_event(1))
        z = numpyro.sample("z[ward]", dist.Normal(0.0, 1.0).expand([2, 4, 2]).to_event(3))
        eta = [jnp.zeros(40)]
        for k in range(2):
            effect = z[k] @ (jnp.diag(sd[k]) @ root[k]).T
            eta.append(a[k] + effect[ward, 0] + effect[ward, 1] * age)
        numpyro.sample("y", dist.CategoricalLogits(jnp.stack(eta, 1)), obs=y)

    rng = np.random.default_rng(0)
    cholesky = np.array([[[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.0], [-0.8, 0.6]]])
    values = {"intercept_at_mean": rng.normal(size=2), "sd[ward]": rng.uniform(0.1, 0.5, (2, 2))}
    values |= {"cholesky[ward]": cholesky, "z[ward]": rng.normal(size=(2, 4, 2))}
    values = {name: jnp.asarray(value) for name, value in values.items()}
    one = problem(table, "grade ~ 1 + (1 + age | ward)", "categorical", autoscale=False)
    hand, ours = (log_density_of(of, values) for of in (by_hand, one.bound))
    np.testing.assert_allclose(ours, hand, rtol=1e-8)
    assert one.dims(next(site for site in one.sites if site.name == "effect[ward]")) == (
        "contrast",
        "ward",
        "ward_effect",
    )
    centred = problem(table, "grade ~ 1 + (1 + age | ward)", "categorical", autoscale=False, centred=True)
    scale = np.asarray(values["sd[ward]"])[..., None] * cholesky
    effect = np.einsum("kij,klj->kli", scale, values.pop("z[ward]"))
    jacobian = 4 * sum(np.log(np.linalg.det(root)) for root in scale)
    np.testing.assert_allclose(density(centred, values | {"effect[ward]": effect}), hand - jacobian, rtol=1e-8)


def test_results_have_the_names_of_terms_and_levels(table):
    one = problem(table, "y ~ age*sex + (1 + age | ward)")
    dims = {site.name: one.dims(site) for site in one.sites}
    assert dims["beta"] == ("feature",)
    assert one.data["feature"].values.tolist() == ["age", "sex[m]", "age:sex[m]"]
    assert dims["sd[ward]"] == ("ward_effect",)
    assert dims["effect[ward]"] == ("ward", "ward_effect")
    assert one.data["ward"].values.tolist() == ["a", "b", "c", "d"]
    one.check()


def test_the_intercept_is_that_of_uncentred_predictors(table):
    one = problem(table, "y ~ age")
    found = one.bound.at({"intercept_at_mean": jnp.array(3.0), "beta": jnp.array([0.1]), "sigma": jnp.array(1.0)})
    np.testing.assert_allclose(found["intercept"]["value"], 3 - 0.1 * table["age"].mean(), rtol=1e-5)


def test_general_priors_are_in_units_of_the_data_and_those_of_terms_are_not(table):
    one = problem(table, "y ~ age + sex", priors={"age": dist.Normal(0.5, 0.1)})
    told = one.model.mathematics
    assert "beta of age ~ Normal(0.5, 0.1)" in told
    assert f"beta of sex ~ Normal(0, {2.5 * table['y'].std(ddof=0) / (table['sex'] == 'm').std(ddof=0):.3g})" in told
    assert f"intercept at the means of the predictors ~ Normal({table['y'].mean():.3g}, " in told
    plain = problem(table, "y ~ age", autoscale=False).model.mathematics
    assert "beta of age ~ Normal(0, 2.5)" in plain
    assert "sigma ~ HalfNormal(5)" in plain


def test_a_prior_of_a_group_stands_at_its_own_key(table):
    one = problem(table, "y ~ 1 + (1 | ward)", priors={"sd_ward": dist.HalfCauchy(0.3)})
    assert "sd of Intercept by ward ~ HalfCauchy(0.3)" in one.model.mathematics


def test_a_scale_with_a_formula_has_the_density_of_the_program_written_by_hand(table):
    y, age, w = (table[name].to_numpy() for name in ("y", "age", "w"))
    male, spread = (table["sex"] == "m").to_numpy(float), y.std()

    def by_hand():
        a = numpyro.sample("intercept_at_mean", dist.Normal(y.mean(), 10 * spread))
        b = numpyro.sample("beta", dist.Normal(0.0, 2.5 * spread / jnp.array([age.std()])).to_event(1))
        c = numpyro.sample("sigma_intercept_at_mean", dist.Normal(np.log(spread), 1.0))
        d = numpyro.sample("sigma_beta", dist.Normal(0.0, jnp.array([0.3, 1 / w.std()])).to_event(1))
        sigma = jnp.exp(c + d[0] * (male - male.mean()) + d[1] * (w - w.mean()))
        numpyro.sample("y", dist.Normal(a + b[0] * (age - age.mean()), sigma), obs=y)

    priors = {"sigma_sex": dist.Normal(0.0, 0.3)}
    one = problem(table, "y ~ age", formula_sigma="sigma ~ sex + w", priors=priors)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        values = {"intercept_at_mean": 2.5, "beta": rng.normal(0, 0.1, 1), "sigma_intercept_at_mean": 0.4}
        values |= {"sigma_beta": rng.normal(0, 0.5, 2)}
        hand = log_density_of(by_hand, values)
        np.testing.assert_allclose(density(one, values), hand, rtol=1e-6)
    told = one.model.mathematics
    assert "sigma ~ sex + w   (link log)" in told
    assert "beta of sex in log sigma ~ Normal(0, 0.3)" in told
    assert one.data["sigma_feature"].values.tolist() == ["sex[m]", "w"]
    assert {site.name for site in one.latents} == set(values)
    one.check()


def test_effects_of_groups_on_the_scale_have_the_density_of_the_program_written_by_hand(table):
    """One factor has effects on the mean and on log sigma, with deviations of their own."""
    y, w, ward = table["y"].to_numpy(), table["w"].to_numpy(), np.arange(40) % 4
    spread = y.std()

    def by_hand():
        a = numpyro.sample("intercept_at_mean", dist.Normal(y.mean(), 10 * spread))
        sd = numpyro.sample("sd[ward]", dist.HalfNormal(2.5 * spread))
        z = numpyro.sample("z[ward]", dist.Normal(0.0, 1.0).expand([4]).to_event(1))
        c = numpyro.sample("sigma_intercept_at_mean", dist.Normal(np.log(spread), 1.0))
        d = numpyro.sample("sigma_beta", dist.Normal(0.0, jnp.array([1 / w.std()])).to_event(1))
        t = numpyro.sample("sigma_sd[ward]", dist.HalfNormal(0.5))
        u = numpyro.sample("sigma_z[ward]", dist.Normal(0.0, 1.0).expand([4]).to_event(1))
        log_sigma = c + d[0] * (w - w.mean()) + t * u[ward]
        numpyro.sample("y", dist.Normal(a + sd * z[ward], jnp.exp(log_sigma)), obs=y)

    priors = {"sigma_sd_ward": dist.HalfNormal(0.5)}
    one = problem(table, "y ~ (1 | ward)", formula_sigma="w + (1 | ward)", priors=priors)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        values = {"intercept_at_mean": 2.5, "sd[ward]": 0.6, "z[ward]": rng.normal(size=4)}
        values |= {"sigma_intercept_at_mean": 0.4, "sigma_beta": rng.normal(0, 0.5, 1)}
        values |= {"sigma_sd[ward]": 0.3, "sigma_z[ward]": rng.normal(size=4)}
        np.testing.assert_allclose(density(one, values), log_density_of(by_hand, values), rtol=1e-6)
    assert {site.name for site in one.latents} == set(values)
    assert "sd of Intercept by ward in log sigma ~ HalfNormal(0.5)" in one.model.mathematics
    one.check()


def test_correlated_effects_on_the_scale_have_axes_and_units_of_their_own(table):
    """The mean's slopes are in units of the target, those of log sigma are not."""
    age, w, ward = table["age"].to_numpy(), table["w"].to_numpy(), np.arange(40) % 4
    y = table["y"].to_numpy()

    def by_hand():
        a = numpyro.sample("intercept_at_mean", dist.Normal(y.mean(), 10 * y.std()))
        sd = numpyro.sample("sd[ward]", dist.HalfNormal(2.5 * y.std() * jnp.array([1, 1 / age.std()])).to_event(1))
        root = numpyro.sample("cholesky[ward]", dist.LKJCholesky(2, 1.0))
        z = numpyro.sample("z[ward]", dist.Normal(0.0, 1.0).expand([4, 2]).to_event(2))
        c = numpyro.sample("sigma_intercept_at_mean", dist.Normal(np.log(y.std()), 1.0))
        t = numpyro.sample("sigma_sd[ward]", dist.HalfNormal(jnp.array([1.0, 1 / w.std()])).to_event(1))
        other = numpyro.sample("sigma_cholesky[ward]", dist.LKJCholesky(2, 3.0))
        u = numpyro.sample("sigma_z[ward]", dist.Normal(0.0, 1.0).expand([4, 2]).to_event(2))
        mean, scale = z @ (sd[:, None] * root).T, u @ (t[:, None] * other).T
        mean = a + mean[ward, 0] + mean[ward, 1] * age
        numpyro.sample("y", dist.Normal(mean, jnp.exp(c + scale[ward, 0] + scale[ward, 1] * w)), obs=y)

    priors = {"sigma_corr_ward": dist.LKJ(2, 3.0)}
    one = problem(table, "y ~ (1 + age | ward)", formula_sigma="sigma ~ (1 + w | ward)", priors=priors)
    rng = np.random.default_rng(0)
    values = {"intercept_at_mean": 2.5, "sigma_intercept_at_mean": 0.4, "sd[ward]": [0.5, 0.01]}
    values |= {"sigma_sd[ward]": [0.2, 0.1], "cholesky[ward]": [[1.0, 0.0], [0.6, 0.8]]}
    values |= {"sigma_cholesky[ward]": [[1.0, 0.0], [-0.8, 0.6]]}
    values |= {"z[ward]": rng.normal(size=(4, 2)), "sigma_z[ward]": rng.normal(size=(4, 2))}
    np.testing.assert_allclose(density(one, values), log_density_of(by_hand, values), rtol=1e-6)
    one.check()
    assert one.data["sigma_ward_effect"].values.tolist() == ["Intercept", "w"]
    dims = {site.name: one.dims(site) for site in one.sites}
    assert dims["effect[ward]"] == ("ward", "ward_effect")
    assert dims["sigma_effect[ward]"] == ("ward", "sigma_ward_effect")
    assert dims["sigma_z[ward]"] == ("ward", "sigma_ward_effect")


def test_centred_effects_on_the_scale_are_those_of_their_standardised_values(table):
    common = {"intercept_at_mean": 2.0, "sigma_intercept_at_mean": 0.3, "sigma_sd[ward]": 0.4}
    z = np.random.default_rng(0).normal(size=4)
    centred, other = (problem(table, "y ~ 1", formula_sigma="(1 | ward)", centred=one) for one in (True, False))
    first = density(centred, common | {"sigma_effect[ward]": 0.4 * z})
    second = density(other, common | {"sigma_z[ward]": z})
    np.testing.assert_allclose(first, second - 4 * np.log(0.4), rtol=1e-6)


def test_two_factors_of_one_axis_are_refused(table):
    twice = table.assign(sigma_ward=table["sex"])
    with pytest.raises(ConfigError, match=r"^model.formula_sigma: two factors would have the axis 'sigma_ward_effect'"):
        problem(twice, "y ~ (1 + age | sigma_ward)", formula_sigma="(1 + w | ward)")


@pytest.mark.parametrize(
    ("sigma", "sentence"),
    [
        ("sigma ~ agee", "model.formula_sigma: the data has no column 'agee'; did you mean 'age'?"),
        ("age ~ sex", "model.formula_sigma: expected sigma ~ TERMS, as in 'sigma ~ age', but got 'age ~ sex'"),
        ("sigma ~ (1 | wardd)", "model.formula_sigma: the data has no column 'wardd'; did you mean 'ward'?"),
        (
            "sigma ~ (1 | log(w))",
            "model.formula_sigma: expected a column as the group, as in (1 | g), but got (1|log(w))",
        ),
        (
            "sigma ~ (1 || ward)",
            "model.formula_sigma: (x || g) is lme4's for effects without correlation; write (x | g)",
        ),
        ("sigma ~ (offset(w) | ward)", "model.formula_sigma: (offset(w)|ward) has an offset, which has no effect"),
        ("sigma ~ log(age - 100)", "model.formula_sigma: the term log(age - 100) is nan in row 1"),
    ],
)
def test_refusals_of_the_formula_of_a_scale(table, sigma, sentence):
    with pytest.raises(ConfigError) as refused:
        problem(table, "y ~ age", formula_sigma=sigma)
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize("name", ["sigma", "beta", "intercept", "sd", "cutpoints", "sd_ward"])
def test_a_term_with_the_name_of_another_prior_is_refused(table, name):
    with pytest.raises(
        ConfigError, match=rf"the term '{name}' has the key of another prior, .* data\.rename={{{name}:"
    ):
        problem(table.rename(columns={"w": name}), f"y ~ age + {name} + (1 | ward)")


def test_a_prior_of_no_term_is_refused(table):
    with pytest.raises(ConfigError, match=r"model\.prior\.agee: the model reads no such prior; did you mean 'age'"):
        problem(table, "y ~ age", priors={"agee": dist.Normal()})


@pytest.mark.parametrize(
    ("formula", "settings", "names"),
    [
        ("y ~ age", {}, {"prior.sd", "centred", "correlated", "lkj"}),
        ("y ~ age + (1 | ward)", {}, {"correlated", "lkj"}),
        ("y ~ age + (1 + age | ward)", {}, set()),
        ("y ~ age + (1 + age | ward)", {"correlated": False}, {"lkj"}),
        ("y ~ 0 + (1 | ward)", {}, {"prior.beta", "prior.intercept", "correlated", "lkj"}),
        ("y ~ age + (1 | ward)", {"priors": {"age": dist.Normal(), "sd_ward": dist.HalfNormal()}},
         {"prior.beta", "prior.sd", "correlated", "lkj"}),
    ],
)  # fmt: skip
def test_settings_without_an_effect_are_known(table, formula, settings, names):
    found = problem(table, formula, **settings).model.unread
    unused = ("concentration", "cutpoints", "df", "gate", "shape", "sigma_intercept", "sigma_beta", "sigma_sd")
    others = {f"prior.{name}" for name in unused}
    assert set(found) == names | others


@pytest.mark.parametrize(
    ("sigma", "settings", "names"),
    [
        ("age", {}, {"prior.sd", "prior.sigma_sd", "centred", "correlated", "lkj"}),
        ("(1 | ward)", {}, {"prior.sd", "correlated", "lkj"}),
        ("(1 + w | ward)", {}, {"prior.sd"}),
        (
            "(1 | ward)",
            {"priors": {"sigma_sd_ward": dist.HalfNormal()}},
            {"prior.sd", "prior.sigma_sd", "correlated", "lkj"},
        ),
    ],
)
def test_settings_of_groups_have_an_effect_on_the_scale_alone(table, sigma, settings, names):
    found = problem(table, "y ~ age", formula_sigma=sigma, **settings).model.unread
    others = {f"prior.{name}" for name in ("concentration", "cutpoints", "df", "gate", "shape", "sigma")}
    assert set(found) == names | others


def test_a_term_of_the_scale_with_the_name_of_another_prior_is_refused(table):
    with pytest.raises(ConfigError) as refused:
        problem(table.rename(columns={"w": "beta"}), "y ~ age", formula_sigma="beta")
    assert str(refused.value) == (
        "model.formula_sigma: the term 'beta' has the key of another prior, model.prior.sigma_beta; rename its column, "
        "as in data.rename={beta: beta_x}"
    )


def test_without_a_formula_there_are_no_groups_and_no_units():
    found = Regression(PRIORS, "student_t").unread
    assert {"prior.sd", "autoscale", "centred", "correlated", "lkj", "prior.shape"} <= set(found)
    assert not {"prior.df", "prior.sigma"} & set(found)


def test_weights_multiply_the_log_likelihood_of_rows(table):
    values = {"intercept_at_mean": 2.0, "beta": [0.1], "sigma": 1.0}
    plain, weighted = problem(table, "y ~ age"), problem(table, "y ~ age", weights="w")
    log_likelihood = plain.bound.at({name: jnp.asarray(one) for name, one in values.items()})["y"]
    each = log_likelihood["fn"].log_prob(table["y"].to_numpy())
    more = float((each * (table["w"].to_numpy() - 1)).sum())
    np.testing.assert_allclose(density(weighted, values) - density(plain, values), more, rtol=1e-4)


@pytest.mark.parametrize(
    ("formula", "family", "shapes"),
    [
        ("grade ~ age", "categorical", {"beta": (1, 2), "intercept_at_mean": (2,)}),
        ("grade ~ age + (1 | ward)", "categorical", {"sd[ward]": (2,), "z[ward]": (2, 4)}),
        ("rank ~ age", "ordinal", {"beta": (1,), "cutpoints": (2,)}),
        ("count ~ age + offset(w)", "zero_inflated_negative_binomial", {"beta": (1,), "gate": (), "concentration": ()}),
        ("censored(w, status) ~ age", "weibull", {"beta": (1,), "shape": ()}),
        ("y ~ 0 + sex", "student_t", {"beta": (2,), "df": ()}),
        ("count ~ 1 + (0 + age | ward)", "poisson", {"sd[ward]": (1,), "intercept_at_mean": ()}),
    ],
)
def test_every_shape_of_model_can_be_traced(table, formula, family, shapes):
    one = problem(table, formula, family)
    one.check()
    found = {site.name: site.shape for site in one.latents}
    assert shapes.items() <= found.items()


@pytest.mark.parametrize(
    ("formula", "family", "sentence"),
    [
        ("censored(w, status) ~ age", "poisson", "model.family=poisson: it takes no censored target; use one of"),
        ("grade ~ age", "ordinal", "model.family=ordinal: the target 'grade' holds text ("),
        (
            "y ~ y",
            "gaussian",
            "model.formula: the target 'y' is among its own predictors or groups; leave it out right",
        ),
        ("y ~ age + (1 | y)", "gaussian", "model.formula: the target 'y' is among its own predictors or groups"),
        ("log(w) ~ log(w)", "gaussian", "model.formula: the target 'w' is among its own predictors or groups"),
        ("censored(w, status) ~ w", "weibull", "model.formula: the target 'w' is among its own predictors or groups"),
        ("grade ~ age", "bernoulli", "model.family=bernoulli has two classes, but 'grade' has 3"),
    ],
)
def test_refusals(table, formula, family, sentence):
    with pytest.raises(ConfigError) as refused:
        problem(table, formula, family)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"family": "gausian"}, "family: expected one of gaussian, "),
        ({"family": "logistic"}, "but got 'logistic'; logistic regression is bernoulli"),
        ({"family": "poisson", "link": "probit"}, "link: family=poisson takes one of log, identity, softplus, but got"),
        ({"family": "categorical"}, "family: categorical needs a model.formula, as in 'class ~ x'"),
        ({"family": "gaussian", "formula_sigma": "sigma ~ x"}, "formula_sigma: it needs a model.formula beside it"),
        (
            {"family": "poisson", "formula": "y ~ x", "formula_sigma": "sigma ~ x"},
            "formula_sigma: family=poisson has no sigma; use one of gaussian, student_t, lognormal, or leave it out",
        ),
        ({"family": "binomial"}, "family: binomial needs a model.formula, as in 'p(successes, trials) ~ x'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, sentence):
    with pytest.raises(ConfigError) as refused:
        Regression(PRIORS, **settings)
    assert sentence in str(refused.value)


def test_classes_of_held_out_rows_have_scores(table):
    """Their probabilities are the softmax of the linear predictors, averaged over the draws."""
    rng, rows = np.random.default_rng(3), Regression(PRIORS, "categorical", formula="grade ~ age").rows
    data = arranged(table, rows, split=Split(test_fraction=0.25))
    train, test = split(data)
    model = Regression(PRIORS, "categorical", formula="grade ~ age").fitted(train)
    draws = {"intercept_at_mean": rng.normal(size=(20, 2)), "beta": rng.normal(size=(20, 1, 2)) / 10}
    variables = {
        name: (("chain", "draw", *[f"{name}_{i}" for i in range(v.ndim - 1)]), v[None]) for name, v in draws.items()
    }
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(variables)})
    problem = Problem(model, train, test)
    found = model.derived(problem, SimpleNamespace(tree=tree, kind="chains"), jax.random.PRNGKey(0)).tree["classes"]
    age = test["x"].to_numpy()[:, 0] - train["x"].to_numpy().mean()
    eta = draws["intercept_at_mean"][:, None] + age[:, None] * draws["beta"]
    by_hand = softmax(np.concatenate([np.zeros((20, len(age), 1)), eta], -1), -1).mean(0)
    np.testing.assert_allclose(found["probability"], by_hand, rtol=1e-4)
    y = test["y"].to_numpy()
    scores = class_scores(found.to_dataset())
    assert scores["cross_entropy_test"] == pytest.approx(-np.log(by_hand[np.arange(len(y)), y]).mean(), rel=1e-4)
    assert scores["accuracy_test"] == pytest.approx((by_hand.argmax(1) == y).mean())
    assert list(found["class"].to_numpy()) == ["fair", "good", "poor"]
