"""A user's program that predicts new rows, or is refused with the reason why it cannot."""

import io

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from console import QUIET, credo
from credo.errors import ConfigError
from credo.runs import exported
from runs.test_rows_model import asked, saved

DRAWS, ROWS = 60, 12
GENERATOR = np.random.default_rng(3)
LINE = {"intercept": GENERATOR.normal(size=DRAWS), "slope": GENERATOR.normal(size=DRAWS)}
LINE["sigma"] = GENERATOR.gamma(9.0, 0.1, DRAWS)


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Rows of which each program takes some columns; new ones are in the same folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    numbers = {name: rng.normal(size=ROWS) for name in ("x", "y", "age", "height", "pain")}
    codes = {"ward": np.arange(ROWS) % 4 + 0, "dose": 1 + np.arange(ROWS) % 3, "kind": ["b", "a", "c"] * 4}
    pd.DataFrame(numbers | codes).to_csv("table.csv", index=False)


def run(tmp_path, draws, function, *columns, words=()):
    source = ("data=csv", "data.path=table.csv", f"data.columns=[{','.join(columns)}]")
    saved(tmp_path / "run", draws, *source, "model=program", f"model.function=programs_of_rows:{function}", *words)
    return tmp_path / "run"


def new(**columns):
    pd.DataFrame(columns).to_csv("new.csv", index=False)
    return "new.csv"


@pytest.mark.usefixtures("table")
def test_a_linear_regression_predicts_as_that_of_the_library(tmp_path, capsys):
    # The means of the same draws are the same; so are quantiles but for 4,020 predictive draws of each.
    draws = LINE | {"beta": np.random.default_rng(5).normal(size=(DRAWS, 2))}
    del draws["slope"]
    file = new(y=[0.3, -1.0, 2.0], x=[1.0, 0.0, -2.0])
    found = asked(capsys, run(tmp_path, draws, "linear", "y", "x", "height"), file)
    words = ("data.target=height", "data.features=[y,x]", "model=regression")
    saved(tmp_path / "other", draws, "data=csv", "data.path=table.csv", *words)
    expected = asked(capsys, tmp_path / "other", file)
    assert list(found) == list(expected)
    for name in ("height_mean", "height_sd"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)
    error = 5 * np.sqrt(0.05 * 0.95 / 4020) / stats.norm.pdf(stats.norm.ppf(0.05)) * expected[["height_sd"]].to_numpy()
    assert (np.abs(found - expected) <= error).all(axis=None)


@pytest.mark.usefixtures("table")
def test_numbers_of_groups_stay_within_those_that_were_seen(tmp_path, capsys):
    draws = {"effect": np.random.default_rng(6).normal(size=(DRAWS, 4))}
    folder = run(tmp_path, draws, "of_wards", "ward", "dose", "pain", words=("+model.arguments.wards=4",))
    found = asked(capsys, folder, new(ward=[3, 0], dose=[1, 3]))
    np.testing.assert_allclose(found["pain_mean"], draws["effect"].mean(0)[[3, 0]] + [0.1, 0.3], rtol=1e-4)
    with pytest.raises(ConfigError, match=r"^column 'ward' has 4 in row 2, but the run has seen whole numbers from 0"):
        asked(capsys, folder, new(ward=[3, 4], dose=[1, 3]))
    with pytest.raises(
        ConfigError, match=r"^column 'dose' has 1.5 in row 1, but the run has seen whole numbers from 1"
    ):
        asked(capsys, folder, new(ward=[3, 3], dose=[1.5, 3]))


@pytest.mark.usefixtures("table")
def test_groups_in_words_are_those_that_were_seen(tmp_path, capsys):
    table = pd.read_csv("table.csv")
    table.assign(ward=table["ward"].map({0: "n", 1: "e", 2: "s", 3: "w"})).to_csv("table.csv", index=False)
    draws = {"effect": np.random.default_rng(6).normal(size=(DRAWS, 4))}
    folder = run(tmp_path, draws, "of_wards", "ward", "dose", "pain", words=("+model.arguments.wards=4",))
    found = asked(capsys, folder, new(ward=["s", "e"], dose=[1, 1]))
    np.testing.assert_allclose(found["pain_mean"], draws["effect"].mean(0)[[2, 0]] + 0.1, rtol=1e-4)
    with pytest.raises(ConfigError, match=r"^column 'ward' has 'q' in row 1.* expected one of 'e', 'n', 's', 'w'$"):
        asked(capsys, folder, new(ward=["q"], dose=[1]))


@pytest.mark.usefixtures("table")
def test_a_target_in_words_has_probabilities(tmp_path, capsys):
    draws = {"slope": np.random.default_rng(7).normal(size=(DRAWS, 3))}
    found = asked(capsys, run(tmp_path, draws, "of_classes", "age", "kind"), new(age=[0.0, 1.0]))
    weights = np.exp(draws["slope"])
    expected = [np.full(3, 1 / 3), (weights / weights.sum(1, keepdims=True)).mean(0)]
    assert list(found) == ["kind[a]", "kind[b]", "kind[c]"]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.usefixtures("table")
def test_without_inputs_it_says_how_likely_rows_are_and_predicts_one_more(tmp_path, capsys):
    mu = np.random.default_rng(8).normal(size=DRAWS)
    folder = run(tmp_path, {"mu": mu}, "alone", "pain")
    found = asked(capsys, folder, new(pain=[0.0, 1.0]))
    expected = np.log(stats.norm(mu).pdf(np.array([[0.0], [1.0]])).mean(1))
    np.testing.assert_allclose(found["pain_log_density"], expected, rtol=1e-4)
    (row,) = asked(capsys, folder).to_dict("records")
    assert row["pain_mean"] == pytest.approx(mu.mean(), rel=1e-4)


DEPENDING = r"since its rows depend on each other: some have another density of 'pain' where"
REFUSED = {
    "latent_by_row": r"since its latent 'z' has a value for each row, which a new row has not",
    "steps_between_rows": r"since its latent 'step' has a value for each row, which a new row has not",
    "standardised": DEPENDING,
    "accumulated": DEPENDING,
    "by_place": DEPENDING,
    "by_number_of_rows": DEPENDING,
    "by_the_last_target": DEPENDING,
    "by_the_own_target": DEPENDING,
    "twice": r"since it observes 2 sites \(pain, x\), and new rows have one",
    "transformed": r"since it is not clear which column 'pain' observes",
    "joint": r"since what its site 'pain' observes is not one value for each of several rows",
    "of_fixed_length": r"since it cannot be run over a part of the rows",
}


@pytest.mark.parametrize("function", REFUSED)
@pytest.mark.usefixtures("table")
def test_a_program_that_cannot_is_refused_with_the_reason(function, tmp_path):
    draws = {"latent_by_row": {"z": np.zeros((DRAWS, ROWS))}, "steps_between_rows": {"step": np.zeros((DRAWS, 11))}}
    folder = run(tmp_path, draws.get(function, LINE), function, "x", "pain")
    with pytest.raises(
        ConfigError, match=f"^the program of the run cannot predict new rows, {REFUSED[function]}.*; use"
    ):
        exported.load(folder, trusted=True)
    assert not exported.is_exported(folder) or REFUSED[function] == DEPENDING


def test_the_columns_of_an_array_are_called_by_their_numbers(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(7)
    np.savez("rows.npz", x=rng.normal(size=(ROWS, 2)), pain=rng.normal(size=ROWS))
    beta, words = rng.normal(size=(DRAWS, 2)), ("data=npz", "data.path=rows.npz", "data.target=null", "model=program")
    saved(tmp_path / "run", {"beta": beta}, *words, "model.function=programs_of_rows:of_arrays")
    found = asked(capsys, tmp_path / "run", new(x_0=[1.0, 0.0], x_1=[0.0, 2.0]))
    np.testing.assert_allclose(found["pain_mean"], beta.mean(0) * [1.0, 2.0], rtol=1e-4)


@pytest.mark.usefixtures("table")
def test_by_the_command_line(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import numpyro\nimport numpyro.distributions as dist\n\n"
        "def model(x, pain=None):\n"
        "    slope = numpyro.sample('slope', dist.Normal(0.0, 1.0))\n"
        "    numpyro.sample('y', dist.Normal(slope * x, 1.0), obs=pain)\n"
    )
    words = ("data=csv", "data.path=table.csv", "data.columns=[x,pain]", "model=program", "model.function=mine:model")
    said = credo(*words, "inference=map", "hydra.run.dir=run", *QUIET, cwd=tmp_path)
    assert said.code == 0, said.err
    said = credo("predict", "run", new(x=[0.0, 1.0]), cwd=tmp_path)
    assert said.code == 0, said.err
    table = pd.read_csv("table.csv")
    slope = table["x"] @ table["pain"] / (1 + table["x"] @ table["x"])
    found = pd.read_csv(io.StringIO(said.out))
    np.testing.assert_allclose(found["pain_mean"], [0.0, slope], atol=1e-4)
