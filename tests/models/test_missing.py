"""Missing cells of predictors as latents: the density of the program written by hand, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from numpyro.infer.util import log_density

from credo.data.formula.arranged import arranged
from credo.data.splits import Split
from credo.errors import ConfigError
from credo.models.problem import Problem
from credo.models.regression import Regression
from models.test_formula_regression import PRIORS


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    age, dose = rng.normal(50, 10, 30), rng.uniform(1, 3, 30)
    age[[4, 20]] = dose[7] = np.nan
    return pd.DataFrame(
        {
            "y": rng.normal(3, 2, 30),
            "age": age,
            "dose": dose,
            "sex": np.where(np.arange(30) % 3, "m", "f"),
            "ward": np.array(["a", "b"])[np.arange(30) % 2],
        }
    )


def problem(table, formula, priors=(), **settings) -> Problem:
    model = Regression(PRIORS | dict(priors), "gaussian", formula=formula, **settings)
    data = arranged(table, model.rows, missing="impute")
    return Problem(model.fitted(data), data)


def test_the_density_is_that_of_the_program_written_by_hand(table):
    y, male, ward = table["y"].to_numpy(), (table["sex"] == "m").to_numpy(float), np.arange(30) % 2
    known = table[["age", "dose"]].to_numpy()
    mean, sd = np.nanmean(known, 0), np.nanstd(known, 0)

    def by_hand():
        cells = numpyro.sample("missing[age]", dist.Normal(mean[0], sd[0]).expand([2]).to_event(1))
        other = numpyro.sample("missing[dose]", dist.Normal(2.0, 0.1).expand([1]).to_event(1))
        age = jnp.asarray(known[:, 0]).at[jnp.array([4, 20])].set(cells)
        dose = jnp.asarray(known[:, 1]).at[7].set(other[0])
        b = numpyro.sample("beta", dist.Normal(0.0, 2.5).expand([4]).to_event(1))
        a = numpyro.sample("intercept_at_mean", dist.Normal(0.0, 10.0))
        tau = numpyro.sample("sd[ward]", dist.HalfNormal(2.5).expand([1]).to_event(1))
        z = numpyro.sample("z[ward]", dist.Normal(0.0, 1.0).expand([2, 1]).to_event(2))
        sigma = numpyro.sample("sigma", dist.HalfNormal(5.0))
        at = [np.nan_to_num(known[:, j], nan=mean[j]) for j in (0, 1)]
        x = jnp.stack([age, male, age * male, dose], 1)
        centre = jnp.array([at[0].mean(), male.mean(), (at[0] * male).mean(), at[1].mean()])
        numpyro.sample("y", dist.Normal(a + (x - centre) @ b + tau[0] * z[ward, 0] * age, sigma), obs=y)

    one = problem(
        table, "y ~ age*sex + dose + (0 + age | ward)", {"missing_dose": dist.Normal(2.0, 0.1)}, autoscale=False
    )
    both = [jax.jit(lambda values, of=of: log_density(of, (), {}, values)[0]) for of in (by_hand, one.bound)]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        values = {
            "missing[age]": rng.normal(50, 10, 2),
            "missing[dose]": rng.normal(2, 0.1, 1),
            "beta": rng.normal(0, 0.1, 4),
            "intercept_at_mean": 2.0,
            "sd[ward]": np.array([0.1]),
            "z[ward]": rng.normal(size=(2, 1)),
            "sigma": 2.0,
        }
        hand, ours = (float(density(values)) for density in both)
        np.testing.assert_allclose(ours, hand, rtol=1e-8)
    assert {site.name for site in one.latents} == set(values)
    assert one.data["row of age"].values.tolist() == [5, 21]
    assert one.data.attrs["imputed"] == "2 of age, 1 of dose"
    assert "1 missing cells of dose ~ Normal(2, 0.1)" in one.model.mathematics
    one.check()


def test_a_missing_cell_under_a_logarithm_is_lognormal_and_goes_through_it(table):
    y, age, dose = (table[name].to_numpy() for name in ("y", "age", "dose"))
    logs, mean = np.log(age), np.nanmean(dose)
    m, s = np.nanmean(logs), np.nanstd(logs)

    def by_hand():
        cells = numpyro.sample("missing[age]", dist.LogNormal(m, s).expand([2]).to_event(1))
        other = numpyro.sample("missing[dose]", dist.Normal(mean, np.nanstd(dose)).expand([1]).to_event(1))
        x = jnp.log(jnp.asarray(age).at[jnp.array([4, 20])].set(cells))
        d = jnp.asarray(dose).at[7].set(other[0])
        b = numpyro.sample("beta", dist.Normal(0.0, 2.5).expand([2]).to_event(1))
        a = numpyro.sample("intercept_at_mean", dist.Normal(0.0, 10.0))
        c = numpyro.sample("sigma_intercept_at_mean", dist.Normal(0.0, 1.0))
        e = numpyro.sample("sigma_beta", dist.Normal(0.0, 1.0).expand([1]).to_event(1))
        at = np.where(np.isnan(logs), m, logs)
        centre = jnp.array([at.mean() / np.log(10), np.where(np.isnan(dose), mean, dose).mean()])
        eta = a + (jnp.stack([x / np.log(10), d], 1) - centre) @ b
        numpyro.sample("y", dist.Normal(eta, jnp.exp(c + e[0] * (x - at.mean()))), obs=y)

    one = problem(table, "y ~ log10(age) + dose", formula_sigma="sigma ~ np.log(age)", autoscale=False)
    both = [jax.jit(lambda values, of=of: log_density(of, (), {}, values)[0]) for of in (by_hand, one.bound)]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        values = {"missing[age]": rng.lognormal(m, s, 2), "missing[dose]": rng.normal(2, 0.1, 1)}
        values |= {"beta": rng.normal(size=2), "intercept_at_mean": 2.0, "sigma_intercept_at_mean": 0.5}
        values |= {"sigma_beta": rng.normal(size=1)}
        hand, ours = (float(density(values)) for density in both)
        np.testing.assert_allclose(ours, hand, rtol=1e-8)
    assert f"2 missing cells of age ~ LogNormal({m:.3g}, {s:.3g})" in one.model.mathematics
    one.check()


def test_a_prior_of_numbers_without_a_logarithm_is_refused_under_one(table):
    with pytest.raises(ConfigError) as refused:
        problem(table, "y ~ log(age)", {"missing_age": dist.Normal(50.0, 10.0)})
    assert str(refused.value) == (
        "model.prior.missing_age: the formula takes the logarithm of 'age', but this prior allows numbers that have "
        "none; choose one of positive numbers, as in prior@model.prior.missing_age=lognormal"
    )
    problem(table, "y ~ log(age)", {"missing_age": dist.Gamma(25.0, 0.5)}).check()


def test_a_prior_of_a_column_without_missing_cells_is_refused(table):
    with pytest.raises(ConfigError, match=r"model\.prior\.missing_sex: the model reads no such prior"):
        problem(table, "y ~ age + sex", {"missing_sex": dist.Normal()})


def test_held_out_rows_may_have_missing_cells(table):
    model = Regression(PRIORS, "gaussian", formula="y ~ scale(age)")
    data = arranged(table, model.rows, missing="impute", split=Split(0.3))
    train = (data["split"] == "train").to_numpy()
    known = Problem(model.fitted(data.isel(obs=train)), data.isel(obs=train)).model.known.missing[0]
    ages = table["age"][train]
    np.testing.assert_allclose([known.mean, known.sd], [ages.mean(), ages.std(ddof=0)], rtol=1e-12)
    assert known.size == 2


@pytest.mark.parametrize(
    ("formula", "sentence"),
    [
        (
            "y ~ age + log(age)",
            "data.missing=impute: a term of model.formula is no straight line in the missing cells of age, as bs(x",
        ),
        ("y ~ bs(age, df=5)", "data.missing=impute: a term of model.formula is no straight line in the missing cells"),
        ("y ~ log1p(age)", "data.missing=impute: a term of model.formula is no straight line in the missing cells"),
        ("y ~ log(age - 20)", "data.missing=impute: a term of model.formula is no straight line in the missing cells"),
        ("y ~ log(age - 100)", "model.formula: the term log(age - 100) is nan in row 1"),
        ("y ~ age + I(age**2)", "data.missing=impute: a term of model.formula is no straight line in the missing"),
        ("y ~ age + sex2", "data.missing=impute: column 'sex2' is a factor and has a missing value in row 2, but only"),
        ("y ~ age + (1 | sex2)", "data.missing=impute: column 'sex2' is a factor and has a missing value in row 2"),
        ("y2 ~ age", "data: column 'y2' has 1 missing value, first in row 1; remove or fill it"),
        ("y ~ empty", "data.missing=impute: column 'empty' has 1 known training cells, but expected two at least"),
    ],
)
def test_refusals(table, formula, sentence):
    holes = table.assign(sex2=table["sex"].where(table.index != 1), y2=table["y"].where(table.index > 0))
    holes["empty"] = [1.0] + [np.nan] * 29
    with pytest.raises(ConfigError) as refused:
        problem(holes, formula)
    assert str(refused.value).startswith(sentence)


def test_a_product_of_two_missing_cells_of_one_row_is_refused(table):
    with pytest.raises(ConfigError, match="no straight line in the missing cells of age, dose"):
        problem(table.assign(dose=table["dose"].where(table.index != 4)), "y ~ age:dose")
