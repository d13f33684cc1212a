"""Grids, contrasts, slopes and samples of a regression with a formula, against sums by hand."""

import io

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from credo.cli import predict
from credo.errors import ConfigError
from credo.runs import counterfactual, formula_model
from runs.test_formula_model import DRAWS, saved


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = 30
    return pd.DataFrame(
        {
            "y": rng.normal(3, 2, rows),
            "age": rng.uniform(20, 80, rows),
            "sex": np.where(np.arange(rows) % 3, "m", "f"),
            "ward": np.array(["a", "b", "c"])[np.arange(rows) % 3],
            "sick": np.arange(rows) % 2,
            "grade": np.array(["poor", "fair", "good"])[np.arange(rows) % 3],
            "day": np.arange(rows) + 20_000.0,
        }
    )


@pytest.fixture(scope="module")
def gaussian(table, tmp_path_factory):
    """Intercept, age, sex and their product, and groups."""
    folder, rng = tmp_path_factory.mktemp("run"), np.random.default_rng(0)
    draws = {
        "intercept_at_mean": rng.normal(3, 0.1, DRAWS),
        "beta": rng.normal([0.1, -1.0, 0.02], 0.05, (DRAWS, 3)),
        "sd[ward]": np.full(DRAWS, 2.0),
        "z[ward]": rng.normal(size=(DRAWS, 3)),
        "sigma": np.full(DRAWS, 0.5),
    }
    saved(table, folder, "y ~ age * sex + (1 | ward)", draws, "gaussian", "data.rename={Age: age}")
    return folder, draws


@pytest.fixture(scope="module")
def bernoulli(table, tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("run"), np.random.default_rng(1)
    draws = {"intercept_at_mean": rng.normal(0, 0.3, DRAWS), "beta": rng.normal([1.0, -0.5], 0.2, (DRAWS, 2))}
    saved(table, folder, "sick ~ log(age) + sex", draws, "bernoulli")
    return folder, draws


def load(folder, **keys):
    return formula_model.load(folder / "model", trusted=True, **keys)


def asked(capsys, folder, *words):
    predict.run([str(folder), *words, "--trust"])
    said = capsys.readouterr()
    return pd.read_csv(io.StringIO(said.out)), said.err


def test_a_grid_has_every_combination_and_holds_the_rest(table, gaussian, capsys):
    folder, draws = gaussian
    found, told = asked(capsys, folder, "--grid", "Age=20:80:20", "sex=m,f")
    assert found["age"].tolist() == [20, 20, 40, 40, 60, 60, 80, 80]
    assert found["sex"].tolist() == ["m", "f"] * 4
    assert told == "HELD ward=a\n"
    male, centre = (table["sex"] == "m").to_numpy(float), table["age"].mean()
    both = (table["age"] * male).mean()
    x = np.stack(
        [found["age"] - centre, (found["sex"] == "m") - male.mean(), found["age"] * (found["sex"] == "m") - both]
    )
    each = draws["intercept_at_mean"] + x.T @ draws["beta"].T + 2.0 * draws["z[ward]"][:, 0]
    np.testing.assert_allclose(found["y_mean"], each.mean(1), rtol=1e-4)


def test_a_grid_holds_numbers_at_their_means(table, gaussian, capsys):
    found, told = asked(capsys, gaussian[0], "--grid", "sex=f,m")
    assert told == f"HELD age={table['age'].mean():.6g}, ward=a\n"
    np.testing.assert_allclose(found["age"], table["age"].mean())


def test_a_contrast_is_the_mean_difference_over_the_rows_of_the_run(table, gaussian, capsys):
    folder, draws = gaussian
    found, told = asked(capsys, folder, "--contrast", "sex=f,m")
    assert told == "ROWS the 30 of the run's own table\n"
    each = draws["beta"][:, 1] + draws["beta"][:, 2] * table["age"].mean()
    assert found.loc[0, ["term", "contrast", "of"]].tolist() == ["sex", "m - f", "y"]
    by_hand = [each.mean(), each.std(), np.quantile(each, 0.05)]
    np.testing.assert_allclose(found.loc[0, ["mean", "sd", "q5"]].to_numpy(float), by_hand, rtol=1e-4)


def test_a_contrast_of_probabilities_averages_over_rows(table, bernoulli):
    folder, draws = bernoulli
    found = counterfactual.contrast(load(folder), table, "sex", "f,m")
    male, log_age = (table["sex"] == "m").to_numpy(float), np.log(table["age"].to_numpy())
    eta = draws["intercept_at_mean"][:, None] + np.outer(draws["beta"][:, 0], log_age - log_age.mean())
    p = [1 / (1 + np.exp(-eta - draws["beta"][:, 1:] * (sex - male.mean()))) for sex in (0, 1)]
    each = (p[1] - p[0]).mean(1)
    np.testing.assert_allclose(found["mean"], each.mean(), rtol=1e-4)
    np.testing.assert_allclose(found["q95"], np.quantile(each, 0.95), rtol=1e-4)


def test_a_slope_is_the_mean_derivative_of_the_expected_target(table, bernoulli):
    """d p / d age = p (1 - p) beta / age, where the predictor is log(age)."""
    folder, draws = bernoulli
    found = counterfactual.slope(load(folder), table, "age")
    male, age = (table["sex"] == "m").to_numpy(float), table["age"].to_numpy()
    eta = draws["intercept_at_mean"][:, None] + np.outer(draws["beta"][:, 0], np.log(age) - np.log(age).mean())
    p = 1 / (1 + np.exp(-eta - np.outer(draws["beta"][:, 1], male - male.mean())))
    each = (p * (1 - p) * draws["beta"][:, :1] / age).mean(1)
    assert found.loc[0, ["term", "contrast", "of"]].tolist() == ["age", "dY/dX", "sick"]
    np.testing.assert_allclose(found["mean"], each.mean(), rtol=1e-4)
    np.testing.assert_allclose(found["sd"], each.std(), rtol=1e-4)


def test_slopes_of_a_spline_stay_within_what_it_has_seen(table, tmp_path):
    draws = {"intercept_at_mean": np.zeros(DRAWS), "beta": np.ones((DRAWS, 4)), "sigma": np.ones(DRAWS)}
    saved(table, tmp_path, "y ~ bs(age, df=4)", draws)
    model = load(tmp_path)
    found = counterfactual.slope(model, table, "age")
    ends = table["age"].min(), table["age"].max()
    moved = [model.predicted(table.assign(age=np.clip(table["age"] + d, *ends))) for d in (-0.01, 0.01)]
    inner = table["age"].between(table["age"].min() + 0.01, table["age"].max() - 0.01).to_numpy()
    width = np.where(inner, 0.02, 0.01)
    by_hand = ((moved[1]["y_mean"] - moved[0]["y_mean"]) / width).mean()
    np.testing.assert_allclose(found["mean"], by_hand, rtol=0.05, atol=1e-4)


def test_a_contrast_by_subgroup_is_that_of_the_subgroups_own_rows(table, bernoulli, capsys):
    folder, _ = bernoulli
    model = load(folder)
    rows = table.assign(old=table["age"] > 50)
    found = counterfactual.contrast(model, rows, "sex", "f,m", ["sex", "old"])
    assert list(found)[:5] == ["term", "contrast", "sex", "old", "of"]
    assert found[["sex", "old"]].to_numpy().tolist() == [["f", False], ["f", True], ["m", False], ["m", True]]
    for i, (_, own) in enumerate(rows.groupby(["sex", "old"])):
        alone = counterfactual.contrast(model, own, "sex", "f,m")
        np.testing.assert_allclose(found.loc[i, "mean":].astype(float), alone.loc[0, "mean":].astype(float), rtol=1e-4)
    shares = rows.groupby(["sex", "old"]).size().to_numpy() / len(rows)
    whole = counterfactual.contrast(model, rows, "sex", "f,m")
    assert shares @ found["mean"] == pytest.approx(whole.loc[0, "mean"], rel=1e-4)


def test_a_slope_by_subgroup(table, gaussian, capsys):
    """Of y ~ age * sex it is beta[age] for women, and beta[age] + beta[age:sex[m]] for men."""
    folder, draws = gaussian
    found, _ = asked(capsys, folder, "--slope", "Age", "--by", "sex")
    each = [draws["beta"][:, 0], draws["beta"][:, 0] + draws["beta"][:, 2]]
    assert found["sex"].tolist() == ["f", "m"]
    np.testing.assert_allclose(found["mean"], np.mean(each, axis=1), rtol=1e-3)
    np.testing.assert_allclose(found["sd"], np.std(each, axis=1), rtol=1e-3)


def test_classes_have_a_contrast_each_and_they_sum_to_nothing(table, tmp_path):
    draws = {"intercept_at_mean": np.tile([0.2, -0.3], (DRAWS, 1)), "beta": np.tile([[0.1, 0.0]], (DRAWS, 1, 1))}
    saved(table, tmp_path, "grade ~ age", draws, "categorical")
    found = counterfactual.contrast(load(tmp_path), table, "age", "40,60")
    assert found["of"].tolist() == ["grade[fair]", "grade[good]", "grade[poor]"]
    assert found["contrast"].tolist() == ["60 - 40"] * 3
    np.testing.assert_allclose(found["mean"].sum(), 0, atol=1e-6)


def test_samples_have_the_moments_of_the_predictive_distribution(gaussian, capsys):
    folder, _ = gaussian
    found, _ = asked(capsys, folder, "--grid", "Age=40,60", "--samples", "4000")
    assert list(found) == ["age", "sex", "ward", "sample", "y"]
    wanted, _ = asked(capsys, folder, "--grid", "Age=40,60")
    by_age = found.groupby("age")["y"]
    np.testing.assert_allclose(by_age.mean(), wanted["y_mean"], atol=5 * wanted["y_sd"].max() / np.sqrt(4000))
    np.testing.assert_allclose(by_age.std(), wanted["y_sd"], rtol=5 / np.sqrt(2 * 4000))


def test_samples_of_a_file_are_numbered_by_row(gaussian, tmp_path, capsys):
    (tmp_path / "new.csv").write_text("Age,sex,ward\n40,m,a\n60,f,b\n")
    found, _ = asked(capsys, gaussian[0], str(tmp_path / "new.csv"), "--samples", "3")
    assert found["row"].tolist() == [1, 1, 1, 2, 2, 2]
    assert found["sample"].tolist() == [1, 2, 3] * 2


def test_dates_of_a_grid_are_typed_as_dates(table, tmp_path, capsys):
    draws = {"intercept_at_mean": np.zeros(DRAWS), "beta": np.ones((DRAWS, 1)), "sigma": np.ones(DRAWS)}
    saved(table, tmp_path, "y ~ day", draws, "gaussian", "data.dates={day: days}")
    found, _ = asked(capsys, tmp_path, "--grid", "day=2024-10-04,2024-10-05")
    assert found["day"].tolist() == [20_000, 20_001]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--grid", "agee=1,2"], "--grid: the model has no column 'agee'; did you mean 'age'?"),
        (["--grid", "Age=old"], "--grid: 'age' is a number, but got 'old'; write age=20,40 or, from 20 to 80 by 10"),
        (["--grid", "Age=80:20:10"], "--grid: 'age' is a number, but got '80:20:10'"),
        (["--grid", "sex=x"], "credo predict: column 'sex' has the level 'x' in row 1, which the model has not seen"),
        (["--grid", "Age=1:1000:1", "sex=f,m", "ward=" + ",".join(["a"] * 600)], "--grid: expected at most 1,000,000"),
        (["--grid"], "--grid: expected columns and values, as in --grid age=20:80:10 sex=f,m"),
        (["new.csv", "--grid", "Age=1"], "--grid: it makes the rows, but so does new.csv; leave out one of them"),
        (["--contrast", "sex"], "--contrast: expected a column and two values, as in --contrast sex=f,m"),
        (["--contrast", "sex=f"], "--contrast: expected two values of 'sex' at least, but got 'f'; write sex=A,B"),
        (["--slope", "sex"], "--slope: 'sex' is a factor, which has no slope; use --contrast sex=A,B"),
        (["--slope", "ward"], "--slope: 'ward' is a factor"),
        (["--slope", "y"], "--slope: the model has no column 'y'"),
        (["--slope", "Age", "--by", "hospital"], "--by: the rows have no column 'hospital'; expected one of"),
        (["--by", "sex", "--grid", "Age=1"], "--by: it says over which rows differences are averaged; type --contrast"),
        (["--by"], "--by: expected one column or several, as in --by hospital or --by hospital,sex"),
        (["--samples", "0", "--grid", "Age=1"], "--samples: expected a whole number from 1 to 100,000, but got 0"),
        (["--samples", "9", "--slope", "age"], "--samples: --contrast and --slope have no draws of the target"),
        (["--samples", "9"], "credo predict: the run's model has inputs; give a CSV file with them after the run"),
    ],
)
def test_refusals(gaussian, words, sentence):
    with pytest.raises(ConfigError) as refused:
        predict.run([str(gaussian[0]), *words, "--trust"])
    assert str(refused.value).startswith(sentence)


@pytest.fixture(scope="module")
def weibull(table, tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("run"), np.random.default_rng(1)
    draws = {"intercept_at_mean": rng.normal(3, 0.3, DRAWS), "shape": rng.uniform(1, 2, DRAWS)}
    saved(table.assign(y=table["y"].abs()), folder, "y ~ 1", draws, "weibull")
    return folder, draws


def test_a_survival_curve_has_a_row_for_each_time(weibull, table, capsys, tmp_path):
    folder, draws = weibull
    table.head(2).to_csv(tmp_path / "new.csv", index=False)
    made, _ = asked(capsys, folder, str(tmp_path / "new.csv"), "--survival", "0:20:10")
    assert made[["row", "y"]].to_numpy().tolist() == [[r, t] for r in (1, 2) for t in (0, 10, 20)]
    scale = np.exp(draws["intercept_at_mean"]) / stats.weibull_min(draws["shape"]).mean()
    exact = stats.weibull_min(draws["shape"], scale=scale).sf(10)
    np.testing.assert_allclose(made["survival"][[1, 4]], exact.mean(), rtol=1e-5)
    np.testing.assert_allclose(made["q5"][1], np.quantile(exact, 0.05), rtol=1e-5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--survival", "a"], "--survival: expected times of at least 0, but got 'a'; write 10,20 or, from 0 to 30 by"),
        (["--survival", "-1"], "--survival: expected times, as in --survival 10,20 or --survival 0:30:5"),
        (["--survival", "1", "--samples", "2"], "--survival: it is asked alone; leave out --samples, --contrast and"),
    ],
)
def test_what_is_no_question_about_survival(weibull, table, capsys, tmp_path, words, said):
    table.head(2).to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(ConfigError) as refused:
        asked(capsys, weibull[0], str(tmp_path / "new.csv"), *words)
    assert str(refused.value).startswith(said)


def test_a_family_without_a_survival_curve_names_those_that_have_one(bernoulli, capsys):
    with pytest.raises(ConfigError, match=r"^--survival: model.family=bernoulli has no survival curve; use one of"):
        asked(capsys, bernoulli[0], "--grid", "age=20,40", "--survival", "10")
