"""Models whose rows are alike, saved and loaded: what they say of new rows, against sums by hand."""

import io

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from credo.cli import export, predict
from credo.errors import ConfigError
from credo.experiment.parts import build
from credo.runs import exported
from registry import compose
from runs.test_formula_model import posterior

DRAWS = 30
Y = np.array([1.0, 2.0, 4.0])


def saved(folder, draws, *words):
    """A run whose latents have these draws."""
    config = compose(*words)
    problem, _ = build(config).problem(0)
    folder.mkdir(exist_ok=True)
    exported.save(folder, config, problem, posterior(draws))


def asked(capsys, folder, *words):
    predict.run([str(folder), *map(str, words), "--trust"])
    return pd.read_csv(io.StringIO(capsys.readouterr().out))


@pytest.fixture
def file(tmp_path):
    """A file of new rows."""

    def written(**columns):
        pd.DataFrame(columns).to_csv(tmp_path / "new.csv", index=False)
        return tmp_path / "new.csv"

    return written


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("mixture"), np.random.default_rng(0)
    draws = {
        "weights": rng.dirichlet([3.0, 2.0], DRAWS),
        "loc": np.sort(rng.normal([0.0, 3.0], 0.3, (DRAWS, 2)), axis=1),
        "scale": rng.gamma(9, 0.1, (DRAWS, 2)),
    }
    saved(folder, draws, "data=inline", "data.values=[0.1,3.2,2.9,-0.2]", "model=mixture")
    return folder, draws


def test_a_mixture_says_how_likely_rows_are_and_where_they_come_from(mixture, file, capsys):
    folder, draws = mixture
    found = asked(capsys, folder, file(y=Y, other=["a", "b", "c"]))
    each = draws["weights"] * stats.norm(draws["loc"], draws["scale"]).pdf(Y[:, None, None])
    parts = each.mean(1)
    assert list(found) == ["y_log_density", "component[1]", "component[2]"]
    np.testing.assert_allclose(found["y_log_density"], np.log(parts.sum(1)), rtol=1e-4)
    np.testing.assert_allclose(found.iloc[:, 1:], parts / parts.sum(1, keepdims=True), rtol=1e-4, atol=1e-6)


def test_a_mixture_predicts_one_more_row_without_a_file(mixture, capsys):
    folder, draws = mixture
    (row,) = asked(capsys, folder).to_dict("records")
    mean = (draws["weights"] * draws["loc"]).sum(1)
    square = (draws["weights"] * (draws["loc"] ** 2 + draws["scale"] ** 2)).sum(1).mean()
    assert row["y_mean"] == pytest.approx(mean.mean(), rel=1e-4)
    assert row["y_sd"] == pytest.approx(np.sqrt(square - mean.mean() ** 2), rel=1e-4)
    assert list(asked(capsys, folder, "--samples", "7")) == ["sample", "y"]


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("chain"), np.random.default_rng(1)
    (folder / "w.csv").write_text("sky\nsun\nrain\nfog\nsun\nsun\nrain\nrain\nfog\n")
    draws = {"transition": rng.dirichlet([1.0, 1.0, 2.0], (DRAWS, 3))}
    saved(folder, draws, "data=csv", f"data.path={folder}/w.csv", "data.target=sky", "model=markov_chain")
    return folder, draws["transition"]


def test_a_chain_says_which_state_is_next(chain, file, capsys):
    folder, transition = chain
    found = asked(capsys, folder, file(sky=["sun", "fog"]))
    assert list(found) == ["sky[fog]", "sky[rain]", "sky[sun]"]
    np.testing.assert_allclose(found, transition.mean(0)[[2, 0]], rtol=1e-4)


def test_a_chain_goes_on_by_the_mean_of_powers(chain, file, capsys):
    folder, transition = chain
    found = asked(capsys, folder, file(sky=["sun", "fog"]), "--steps", "3")
    powers = [np.linalg.matrix_power(transition, k).mean(0)[state] for state in (2, 0) for k in (1, 2, 3)]
    assert found[["row", "step"]].to_numpy().tolist() == [[row, step] for row in (1, 2) for step in (1, 2, 3)]
    np.testing.assert_allclose(found.iloc[:, 2:], powers, rtol=1e-4)


def test_paths_have_the_transitions_of_the_draws(chain, file, capsys):
    """20,000 paths: each share of two states in a row within 5 standard errors, 18 of them; false alarm 1e-5."""
    folder, transition = chain
    count = 20_000
    found = asked(capsys, folder, file(sky=["rain"]), "--steps", "2", "--samples", count)
    wide = found.pivot(index="sample", columns="step", values="sky")
    for first in range(3):
        for second in range(3):
            exact = (transition[:, 1, first] * transition[:, first, second]).mean()
            names = np.array(["fog", "rain", "sun"])
            share = ((wide[1] == names[first]) & (wide[2] == names[second])).mean()
            assert abs(share - exact) < 5 * np.sqrt(exact * (1 - exact) / count)
    one = asked(capsys, folder, file(sky=["rain"]), "--samples", 4)
    assert list(one) == ["row", "sample", "sky"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"sky": ["sun", "snow"]}, r"^column 'sky' has 'snow' in row 2, .*expected one of 'fog', 'rain', 'sun'$"),
        ({"sea": ["calm"]}, r"^the table has no column 'sky'; the model was trained on sky$"),
    ],
)
def test_states_that_a_chain_does_not_know(chain, file, columns, said):
    with pytest.raises(ConfigError, match=said):
        predict.run([str(chain[0]), str(file(**columns)), "--trust"])


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    """Of columns by their roles, both standardised."""
    folder, rng = tmp_path_factory.mktemp("regression"), np.random.default_rng(2)
    table = pd.DataFrame({"a": rng.normal(50, 10, 20), "b": rng.normal(-3, 2, 20), "t": rng.normal(7, 4, 20)})
    table.to_csv(folder / "t.csv", index=False)
    draws = {
        "intercept": rng.normal(0, 0.1, DRAWS),
        "beta": rng.normal([0.5, -0.4], 0.05, (DRAWS, 2)),
        "sigma": rng.gamma(50, 0.01, DRAWS),
    }
    scaled = ("data.standardise=true", "data.standardise_target=true")
    words = ("data=csv", f"data.path={folder}/t.csv", "data.target=t", *scaled, "model=regression")
    saved(folder, draws, *words)
    return folder, table, draws


def test_a_regression_without_a_formula_predicts_in_the_columns_own_units(regression, file, capsys):
    folder, table, draws = regression
    found = asked(capsys, folder, file(b=[-1.0, 0.0], a=[40.0, 60.0]))
    x = (np.array([[40, -1], [60, 0]]) - table[["a", "b"]].mean().to_numpy()) / table[["a", "b"]].std(ddof=0).to_numpy()
    each = draws["intercept"] + x @ draws["beta"].T
    mean, unit = table["t"].mean(), table["t"].std(ddof=0)
    np.testing.assert_allclose(found["t_mean"], mean + unit * each.mean(1), rtol=1e-4)
    sd = np.sqrt(each.var(1) + (draws["sigma"] ** 2).mean())
    np.testing.assert_allclose(found["t_sd"], unit * sd, rtol=1e-4)


def test_a_model_with_inputs_needs_a_file(regression):
    with pytest.raises(ConfigError, match=r"^credo predict: the run's model has inputs; give a CSV file with them"):
        predict.run([str(regression[0]), "--trust"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--steps", "2"], r"^--steps: model=regression has no steps from row to row; leave it out, or use"),
        (["--grid", "a=1,2"], r"^--grid: it makes the rows, but so does"),
        (["--slope", "a"], r"^--slope: the run's model has no model.formula; leave it out$"),
    ],
)
def test_what_does_not_fit_a_model(regression, file, words, said):
    with pytest.raises(ConfigError, match=said):
        predict.run([str(regression[0]), str(file(a=[1.0], b=[1.0])), *words, "--trust"])


def test_a_file_without_rows_is_refused(mixture, file):
    with pytest.raises(ConfigError, match=r"^credo predict: .*new.csv has no rows; expected one at least$"):
        predict.run([str(mixture[0]), str(file(y=[])), "--trust"])


def test_steps_need_a_sequence(mixture):
    with pytest.raises(ConfigError, match=r"^--steps: model=mixture has no steps from row to row"):
        predict.run([str(mixture[0]), "--steps", "2", "--trust"])


def test_a_model_that_standardises_itself_predicts_the_same_of_standardised_data(regression, tmp_path, file, capsys):
    """What the data are scaled by is undone: inputs of a new file, and the answer."""
    folder = regression[0]
    draws = {"amplitude": np.full(2, 1.1), "lengthscale": np.full(2, 0.8), "sigma": np.full(2, 0.3)}
    words = ("data=csv", f"data.path={folder}/t.csv", "data.target=t", "model=gaussian_process")
    answers = []
    for name, scaled in (("as_is", ()), ("scaled", ("data.standardise=true", "data.standardise_target=true"))):
        saved(tmp_path / name, draws, *words, *scaled)
        answers.append(asked(capsys, tmp_path / name, file(a=[48.0, 60.0], b=[-3.0, 0.0])))
    assert list(answers[0]) == list(answers[1])
    np.testing.assert_allclose(answers[1], answers[0], rtol=1e-3)
    assert answers[0]["t_mean"].between(0, 15).all()


@pytest.mark.filterwarnings("ignore:.*AnyType")  # MLflow's, of its own types
def test_mlflow_serves_it(chain, tmp_path):
    import mlflow.pyfunc

    folder, transition = chain
    export.run([str(folder), str(tmp_path / "served"), "--trust"])
    found = mlflow.pyfunc.load_model(str(tmp_path / "served")).predict(pd.DataFrame({"sky": ["rain"]}))
    np.testing.assert_allclose(found, transition.mean(0)[[1]], rtol=1e-4)


@pytest.mark.parametrize("model", ["bernoulli", "gaussian", "normal_inverse_gamma", "uniform"])
def test_every_model_of_one_column_says_how_likely_its_rows_are(model, tmp_path, file, capsys):
    latents = {
        "bernoulli": {"p": 0.3},
        "gaussian": {"loc": 0.2},
        "normal_inverse_gamma": {"sigma2": 1.5, "mu": 0.4},
        "uniform": {"theta": 2.0},
    }
    one = {
        "bernoulli": stats.bernoulli(0.3).logpmf(1),
        "gaussian": stats.norm(0.2, 1).logpdf(1),
        "normal_inverse_gamma": stats.norm(0.4, 1.5**0.5).logpdf(1),
        "uniform": np.log(0.5),
    }
    draws = {name: np.full(3, value) for name, value in latents[model].items()}
    typed = ["model.sigma=1"] if model == "gaussian" else []
    values = "[1,0.5]" if model == "uniform" else "[1,0,1]"
    saved(tmp_path, draws, "data=inline", f"data.values={values}", f"model={model}", *typed)
    found = asked(capsys, tmp_path, file(y=[1]))
    assert found["y_log_density"].tolist() == pytest.approx([one[model]], rel=1e-5)
    assert list(asked(capsys, tmp_path))[:2] == ["y_mean", "y_sd"]


def test_a_row_outside_the_support_is_impossible(tmp_path, file, capsys):
    saved(tmp_path, {"theta": np.full(3, 2.0)}, "data=inline", "data.values=[1,0.5]", "model=uniform")
    assert asked(capsys, tmp_path, file(y=[2.5, -1.0]))["y_log_density"].tolist() == [-np.inf, -np.inf]


def test_a_reparametrised_run_predicts_by_its_own_latents(tmp_path, file, capsys):
    """What is sampled in place of beta is none of the program's latents; beta is not drawn from its prior."""
    pd.DataFrame({"x": [0.0, 1.0, 2.0], "t": [1.0, 2.0, 3.5]}).to_csv(tmp_path / "t.csv", index=False)
    draws = {
        "intercept": np.full(4, 1.0),
        "beta_decentered": np.full((4, 1), 9.0),
        "beta": np.full((4, 1), 2.0),
        "sigma": np.full(4, 0.1),
    }
    words = ("data=csv", f"data.path={tmp_path}/t.csv", "data.target=t", "model=regression")
    saved(tmp_path, draws, *words, "model.reparam={beta: loc_scale}")
    assert asked(capsys, tmp_path, file(x=[3.0]))["t_mean"].tolist() == pytest.approx([7.0])


def test_draws_of_an_earlier_version_that_lack_a_latent_are_refused(regression, tmp_path):
    """Rather than replaced by draws of its prior."""
    folder, _, draws = regression
    place = tmp_path / "model"
    place.mkdir()
    for name in ("model.yaml", "columns.json", "learned.npz"):
        (place / name).write_bytes((folder / "model" / name).read_bytes())
    np.savez(place / "weights.npz", **{name: values for name, values in draws.items() if name != "beta"})
    with pytest.raises(ConfigError, match=r"no draws of 'beta'"):
        exported.load(place, trusted=True)


@pytest.fixture(scope="module", params=["false", "true"], ids=["not_centred", "centred"])
def schools(request, tmp_path_factory):
    """Groups with known standard errors, whose target is standardised."""
    folder, rng = tmp_path_factory.mktemp("schools"), np.random.default_rng(3)
    table = pd.DataFrame({"effect": rng.normal(8, 10, 8), "se": rng.uniform(9, 18, 8)})
    table.to_csv(folder / "t.csv", index=False)
    draws = {"mu": rng.normal(0, 0.3, DRAWS), "tau": rng.gamma(4, 0.2, DRAWS)}
    draws["theta" if request.param == "true" else "z"] = rng.normal(5, 1, (DRAWS, 8))
    words = ("data.target=effect", "data.features=[]", "data.sigma=se", "data.standardise_target=true")
    words += ("model=hierarchical", f"model.centred={request.param}")
    saved(folder, draws, "data=csv", f"data.path={folder}/t.csv", *words)
    return folder, table["effect"], draws


def test_a_new_group_is_one_of_the_population_with_its_own_standard_error(schools, file, capsys):
    """Whatever the groups of the run are; as many new ones as there were are none of these."""
    folder, effect, draws = schools
    mean, unit = effect.mean(), effect.std(ddof=0)
    for se in (np.array([0.0, 10.0, 30.0]), np.linspace(1, 8, 8)):
        found = asked(capsys, folder, file(se=se))
        assert found["effect_mean"].tolist() == pytest.approx([mean + unit * draws["mu"].mean()] * len(se), rel=1e-4)
        variance = draws["mu"].var() + (draws["tau"] ** 2).mean() + (se / unit) ** 2
        np.testing.assert_allclose(found["effect_sd"], unit * np.sqrt(variance), rtol=1e-4)


def test_draws_of_new_groups_have_the_variance_of_the_population(schools, file, capsys):
    """40,000 draws of each of two rows: 5 % of the variance are 5 standard errors or more; false alarm 1e-6."""
    folder, effect, draws = schools
    found = asked(capsys, folder, file(se=[5.0, 20.0]), "--samples", 40_000)
    unit = effect.std(ddof=0)
    variance = draws["mu"].var() + (draws["tau"] ** 2).mean() + (np.array([5.0, 20.0]) / unit) ** 2
    np.testing.assert_allclose(found.groupby("row")["effect"].var(), unit**2 * variance, rtol=0.05)


def test_a_new_group_needs_its_standard_error(schools, file):
    folder = schools[0]
    for columns, said in (
        ({"x": [1.0]}, r"^the table has no column 'se'; the model was trained on se$"),
        ({"se": [1.0, -2.0]}, r"^column 'se' has -2.0 in row 2, but a standard error is at least 0; correct it"),
        ({"se": [np.nan]}, r"^column 'se' has no finite number in row 1; correct or remove it$"),
    ):
        with pytest.raises(ConfigError, match=said):
            predict.run([str(folder), str(file(**columns)), "--trust"])
    with pytest.raises(ConfigError, match=r"^--new-groups: the rows of the run's model name no groups; leave it out$"):
        predict.run([str(folder), str(file(se=[1.0])), "--new-groups", "--trust"])


@pytest.fixture(scope="module", params=["false", "true"], ids=["not_centred", "centred"])
def wards(request, tmp_path_factory):
    """Rows within groups."""
    folder, rng = tmp_path_factory.mktemp("wards"), np.random.default_rng(4)
    table = pd.DataFrame({"t": rng.normal(3, 1, 12), "ward": ["b", "01", "a"] * 4})
    table.to_csv(folder / "t.csv", index=False)
    draws = {"mu": rng.normal(3, 0.3, DRAWS), "tau": rng.gamma(9, 0.1, DRAWS), "sigma": rng.gamma(50, 0.01, DRAWS)}
    theta = rng.normal(3, 1, (DRAWS, 3))
    is_centred = request.param == "true"
    z = (theta - draws["mu"][:, None]) / draws["tau"][:, None]
    words = ("data.target=t", "data.features=[]", "data.group=ward", "model=hierarchical")
    latents = draws | ({"theta": theta} if is_centred else {"z": z})
    saved(folder, latents, "data=csv", f"data.path={folder}/t.csv", *words, f"model.centred={request.param}")
    return folder, draws, theta


def test_rows_of_a_known_group_have_its_mean(wards, file, capsys):
    folder, draws, theta = wards
    found = asked(capsys, folder, file(ward=["b", "01"]))
    np.testing.assert_allclose(found["t_mean"], theta.mean(0)[[2, 0]], rtol=1e-4)
    sd = np.sqrt(theta.var(0)[[2, 0]] + (draws["sigma"] ** 2).mean())
    np.testing.assert_allclose(found["t_sd"], sd, rtol=1e-4)


def test_a_new_group_of_rows_is_drawn_where_it_is_asked_for(wards, file, capsys):
    """Its mean is that of mu within 5 standard errors of 1,000 draws of tau z, its sd within 11 %; false alarm 1e-6."""
    folder, draws, theta = wards
    new = file(ward=["b", "z"])
    with pytest.raises(ConfigError, match=r"^column 'ward' has 'z' in row 2, which .* --new-groups gives it an effect"):
        predict.run([str(folder), str(new), "--trust"])
    with pytest.raises(ConfigError, match=r"^column 'ward' has a missing value in row 2; fill it$"):
        predict.run([str(folder), str(file(ward=["b", None])), "--new-groups", "--trust"])
    found = asked(capsys, folder, file(ward=["b", "z"]), "--new-groups")
    assert found["t_mean"][0] == pytest.approx(theta.mean(0)[2], rel=1e-4)
    variance = (draws["tau"] ** 2).mean() + draws["mu"].var()
    assert abs(found["t_mean"][1] - draws["mu"].mean()) < 5 * np.sqrt(variance / 1000)
    sd = np.sqrt(variance + (draws["sigma"] ** 2).mean())
    assert found["t_sd"][1] == pytest.approx(sd, rel=0.11)


def test_known_standard_errors_and_names_of_groups_go_together(tmp_path, file, capsys):
    """An error of 0 asks for the group's own mean, also in a point estimate."""
    z = np.arange(4.0)[None]
    words = ("data=synthetic", "data.features=null", "data.groups=4", "data.rows=12", "model=hierarchical")
    saved(tmp_path, {"mu": [1.0], "tau": [2.0], "z": z}, *words)
    found = asked(capsys, tmp_path, file(group=[0, 3], sigma=[0.5, 0.0]))
    assert found["y_mean"].tolist() == pytest.approx([1.0, 7.0], rel=1e-4)
    assert found["y_sd"].tolist() == pytest.approx([0.5, 0.0], rel=1e-4)
