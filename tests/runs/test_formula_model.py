"""A regression with a formula, saved and loaded: what it says of new rows, against sums by hand."""

from types import SimpleNamespace

import jax
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from credo.cli import predict
from credo.config import schema
from credo.config.make import make
from credo.data.formula.arranged import arranged
from credo.errors import ConfigError
from credo.models.base import Model
from credo.models.problem import Problem
from credo.runs import exported, formula_model
from registry import compose

DRAWS = 40


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = 30
    return pd.DataFrame(
        {
            "y": rng.normal(3, 2, rows),
            "age": rng.normal(50, 10, rows),
            "sex": np.where(np.arange(rows) % 3, "m", "f"),
            "ward": np.array(["a", "b", "c"])[np.arange(rows) % 3],
            "n": 20,
            "k": rng.integers(0, 20, rows),
            "grade": np.array(["poor", "fair", "good"])[np.arange(rows) % 3],
        }
    )


def saved(table, folder, formula, draws, family="gaussian", *data):
    """A model whose latents have these draws, written into a folder."""
    words = ("data=csv", "data.path=t.csv", *data, "model=regression", f"model.family={family}")
    config = compose(*words, f'model.formula="{formula}"')
    model = make(config, "model", Model, without=schema.BESIDE["model"])
    dataset = arranged(table, model.rows, missing=config.data.missing)
    problem = Problem(model.fitted(dataset), dataset)
    exported.save(folder, config, problem, posterior(draws))


def posterior(draws):
    """A result of one chain."""
    variables = {
        name: (("chain", "draw", *[f"{name}_{i}" for i in range(np.ndim(values) - 1)]), np.asarray(values)[None])
        for name, values in draws.items()
    }
    return SimpleNamespace(tree=xr.DataTree.from_dict({"posterior": xr.Dataset(variables)}))


def load(folder, **keys):
    return formula_model.load(folder / "model", trusted=True, **keys)


@pytest.fixture(scope="module")
def gaussian(table, tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("run"), np.random.default_rng(0)
    draws = {
        "intercept_at_mean": rng.normal(3, 0.1, DRAWS),
        "beta": rng.normal([0.1, -1.0], 0.05, (DRAWS, 2)),
        "sd[ward]": np.full(DRAWS, 2.0),
        "z[ward]": rng.normal(size=(DRAWS, 3)),
        "sigma": np.full(DRAWS, 0.5),
    }
    saved(table, folder, "y ~ age + sex + (1 | ward)", draws, "gaussian", "data.rename={Age: age}")
    return folder, draws


def test_means_and_deviations_are_those_of_the_draws(table, gaussian):
    folder, draws = gaussian
    new = pd.DataFrame({"Age": [40, 60], "sex": ["m", "f"], "ward": ["b", "c"], "other": [None, None]})
    found = load(folder)(new)
    male = (table["sex"] == "m").mean()
    x = np.array([[40, 1 - male], [60, -male]]) - [table["age"].mean(), 0]
    each = draws["intercept_at_mean"] + x @ draws["beta"].T + 2.0 * draws["z[ward]"][:, [1, 2]].T
    assert list(found) == ["y_mean", "y_sd", "y_q5", "y_q25", "y_q50", "y_q75", "y_q95"]
    np.testing.assert_allclose(found["y_mean"], each.mean(1), rtol=1e-4)
    np.testing.assert_allclose(found["y_sd"], np.sqrt(0.25 + each.var(1)), rtol=1e-3)
    np.testing.assert_allclose(found["y_q50"], np.median(each, 1), atol=0.4)


def test_a_new_level_of_a_group_is_refused_or_drawn_as_the_others(table, gaussian):
    folder, _ = gaussian
    new = pd.DataFrame({"age": [40], "sex": ["m"], "ward": ["z"]})
    with pytest.raises(ConfigError, match=r"column 'ward' has the level 'z' in row 1, .*; --new-groups gives it"):
        load(folder)(new)
    found = load(folder, new_groups=True)(new)
    assert 1.5 < found["y_sd"][0] < 2.7  # sqrt(0.5^2 + 2^2) = 2.06, by 40 draws


def test_what_a_new_table_lacks_is_named(gaussian):
    folder, _ = gaussian
    with pytest.raises(ConfigError, match="the table has no column 'ward', which the formula"):
        load(folder)(pd.DataFrame({"age": [40], "sex": ["m"]}))
    with pytest.raises(ConfigError, match="column 'age' has 1 missing value, first in row 2"):
        load(folder)(pd.DataFrame({"age": [40, None], "sex": ["m", "f"], "ward": ["a", "a"]}))
    with pytest.raises(ConfigError, match="'sex' has the level 'x' in row 1, which the model has not seen"):
        load(folder)(pd.DataFrame({"age": [40], "sex": ["x"], "ward": ["a"]}))


def test_classes_have_probabilities_under_their_own_names(table, tmp_path):
    draws = {"beta": np.full((DRAWS, 1), 0.1), "cutpoints": np.tile([4.0, 6.0], (DRAWS, 1))}
    saved(table.assign(grade=np.arange(len(table)) % 3 + 1), tmp_path, "grade ~ age", draws, "ordinal")
    found = load(tmp_path)(pd.DataFrame({"age": [50.0]}))
    assert list(found) == ["grade[1]", "grade[2]", "grade[3]"]
    below = 1 / (1 + np.exp(-(np.array([4.0, 6.0]) - 5.0)))
    np.testing.assert_allclose(found.iloc[0], np.diff([0, *below, 1]), rtol=1e-4)


def test_counts_of_trials_need_the_trials_of_new_rows(table, tmp_path):
    draws = {"intercept_at_mean": np.zeros(DRAWS)}
    saved(table, tmp_path, "p(k, n) ~ 1", draws, "binomial")
    found = load(tmp_path)(pd.DataFrame({"n": [10, 40]}))
    np.testing.assert_allclose(found["k_mean"], [5, 20], rtol=1e-5)
    with pytest.raises(ConfigError, match="the table has no column 'n'"):
        load(tmp_path)(pd.DataFrame({"k": [10, 40]}))


def test_classes_without_order_have_the_softmax_of_their_predictors(table, tmp_path):
    draws = {"intercept_at_mean": np.tile([0.2, -0.3], (DRAWS, 1)), "beta": np.tile([[0.1, 0.0]], (DRAWS, 1, 1))}
    saved(table, tmp_path, "grade ~ age", draws, "categorical")
    found = load(tmp_path)(pd.DataFrame({"age": [table["age"].mean() + 10]}))
    odds = np.exp([0, 1.2, -0.3])
    np.testing.assert_allclose(found.iloc[0], odds / odds.sum(), rtol=1e-4)


def test_a_column_that_was_text_is_text_in_a_new_file_that_holds_numbers_alone(table, tmp_path):
    table = table.assign(ward=np.array(["01", "02", "A1"])[np.arange(len(table)) % 3])
    effects = {"sd[ward]": np.ones(DRAWS), "z[ward]": np.tile([1.0, 3.0, 5.0], (DRAWS, 1))}
    draws = {"intercept_at_mean": np.zeros(DRAWS), **effects, "sigma": np.ones(DRAWS)}
    saved(table, tmp_path, "y ~ (1 | ward)", draws, "gaussian", "data.rename={Ward: ward}")
    model = load(tmp_path)
    for name in ("ward", "Ward"):
        (tmp_path / "new.csv").write_text(f"{name}\n01\n02\n")
        found = model(exported.rows(tmp_path, tmp_path / "new.csv", model.texts))
        np.testing.assert_allclose(found["y_mean"], [1, 3], rtol=1e-5)


def test_a_date_is_text_to_who_asks_what_the_model_takes(table, tmp_path):
    draws = {"intercept_at_mean": np.zeros(DRAWS), "beta": np.ones((DRAWS, 1)), "sigma": np.ones(DRAWS)}
    saved(table.assign(day=table["age"]), tmp_path, "y ~ day", draws, "gaussian", "data.dates={day: days}")
    model = load(tmp_path)
    assert model.inputs == {"day": "string"}
    assert "y_mean" in model(pd.DataFrame({"day": ["2024-01-05"]}))


def test_what_is_wrong_in_a_new_file_is_said_of_that_file_and_its_own_columns(gaussian, tmp_path):
    folder, _ = gaussian
    for cells, sentence in (
        ("old,m,a", "column 'Age' holds 'old' in row 1, but expected a number; write it as in the file of the run"),
        (",m,a", "column 'Age' has 1 missing value, first in row 1; remove or fill it"),
        ("40,,a", "column 'sex' has a missing value in row 1; fill it"),
        ("40,m,", "column 'ward' has a missing value in row 1; fill it"),
        ("2026-03-01,m,a", "column 'Age' holds dates; the model expects numbers, as in the file of the run"),
        ("40,x,a", "column 'sex' has the level 'x' in row 1, which the model has not seen; expected one of 'f', 'm'"),
    ):
        new = tmp_path / "new.csv"
        new.write_text(f"Age,sex,ward\n{cells}\n")
        with pytest.raises(ConfigError) as refused:
            predict.run([str(folder), str(new), "--trust"])
        assert str(refused.value) == f"credo predict: {new}: {sentence}"


def test_a_scale_with_a_formula_is_that_of_each_new_row(table, tmp_path):
    draws = {"intercept_at_mean": np.zeros(DRAWS), "sigma_intercept_at_mean": np.zeros(DRAWS)}
    draws |= {"sigma_beta": np.full((DRAWS, 1), 0.1)}
    saved(table, tmp_path, "y ~ 1", draws, "gaussian", 'model.formula_sigma="sigma ~ age"')
    found = load(tmp_path)(pd.DataFrame({"age": [40.0, 60.0]}))
    np.testing.assert_allclose(found["y_sd"], np.exp(0.1 * ([40, 60] - table["age"].mean())), rtol=1e-4)
    with pytest.raises(ConfigError, match="the table has no column 'age'"):
        load(tmp_path)(pd.DataFrame({"sex": ["m"]}))


def test_groups_have_scales_of_their_own_in_new_rows_and_a_new_one_is_drawn_as_the_others(table, tmp_path):
    """The variance of a new group is E exp(2 sd z) = exp(2 sd^2); alarm of 4 errors, 1 in 10,000."""
    sd, count, z = 0.3, 1000, np.array([-1.0, 0.0, 2.0])
    draws = {"intercept_at_mean": np.zeros(count), "sigma_intercept_at_mean": np.zeros(count)}
    draws |= {"sigma_sd[ward]": np.full(count, sd), "sigma_z[ward]": np.tile(z, (count, 1))}
    saved(table, tmp_path, "y ~ 1", draws, "gaussian", 'model.formula_sigma="(1 | ward)"')
    found = load(tmp_path)(pd.DataFrame({"ward": ["c", "a", "b"]}))
    np.testing.assert_allclose(found["y_sd"], np.exp(sd * z[[2, 0, 1]]), rtol=1e-4)
    new = pd.DataFrame({"ward": ["b", "z"]})
    with pytest.raises(ConfigError, match=r"column 'ward' has the level 'z' in row 2, .*; --new-groups gives it"):
        load(tmp_path)(new)
    known, drawn = load(tmp_path, new_groups=True)(new)["y_sd"]
    np.testing.assert_allclose(known, 1.0, rtol=1e-4)
    error = np.exp(2 * sd**2) * np.sqrt(np.expm1(4 * sd**2) / count)
    assert abs(drawn**2 - np.exp(2 * sd**2)) < 4 * error


@pytest.mark.parametrize("centred", [False, True])
def test_a_new_group_differs_in_a_point_estimate_too(table, tmp_path, centred):
    """One draw of the others has 1,000 of the new one; its sd within 5 errors (11 %), false alarm 1e-6."""
    draws = {"intercept_at_mean": [1.0], "sd[ward]": [2.0], "sigma": [0.5]}
    draws["effect[ward]" if centred else "z[ward]"] = [[1.0, 0.0, -1.0]]
    saved(table, tmp_path, "y ~ (1 | ward)", draws, "gaussian", f"model.centred={str(centred).lower()}")
    found = load(tmp_path, new_groups=True)(pd.DataFrame({"ward": ["a", "z"]}))
    np.testing.assert_allclose(found["y_sd"], [0.5, np.sqrt(0.5**2 + 2.0**2)], rtol=0.11)
    assert abs(found["y_mean"][1] - 1.0) < 5 * 2.0 / np.sqrt(1000)


def test_a_new_group_has_effects_of_its_own_on_mean_and_scale(table, tmp_path):
    """The two are drawn apart: a correlation of 1,000 independent pairs is beyond 0.13 with a chance of 1 in 25,000."""
    count = 1000
    draws = {"intercept_at_mean": np.zeros(count), "sigma_intercept_at_mean": np.zeros(count)}
    for prefix in ("", "sigma_"):
        draws |= {f"{prefix}sd[ward]": np.ones(count), f"{prefix}z[ward]": np.zeros((count, 3))}
    saved(table, tmp_path, "y ~ (1 | ward)", draws, "gaussian", 'model.formula_sigma="(1 | ward)"')
    one = load(tmp_path, new_groups=True)
    _, arrays = one.arrays(pd.DataFrame({"ward": ["z"]}))
    _, grown = one.model.with_new_levels(one.draws, arrays, jax.random.PRNGKey(0))
    new = [np.asarray(grown[f"{prefix}z[ward]"])[:, 3] for prefix in ("", "sigma_")]
    assert abs(np.corrcoef(*new)[0, 1]) < 0.13


def test_a_model_of_imputed_cells_predicts_rows_without_any(table, tmp_path):
    holes = table.assign(age=table["age"].where(table.index > 1))
    mean = holes["age"].mean()
    draws = {"intercept_at_mean": np.zeros(DRAWS), "beta": np.full((DRAWS, 1), 0.5), "sigma": np.ones(DRAWS)}
    draws |= {"missing[age]": np.tile([40.0, 60.0], (DRAWS, 1))}
    saved(holes, tmp_path, "y ~ age", draws, "gaussian", "data.missing=impute")
    model = load(tmp_path)
    np.testing.assert_allclose(model(pd.DataFrame({"age": [60.0]}))["y_mean"], 0.5 * (60 - mean), rtol=1e-4)
    with pytest.raises(ConfigError, match="column 'age' has 1 missing value, first in row 1; remove or fill it"):
        model(pd.DataFrame({"age": [None]}))
