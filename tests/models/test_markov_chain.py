"""model=markov_chain: its transitions, the closed form of its posterior, and what is computed of a transition."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy import stats
from scipy.special import gammaln

from credo.data.old_faithful import OldFaithful
from credo.errors import ConfigError
from credo.experiment.parts import build
from credo.inference.evidence import table
from credo.inference.result import Result
from credo.models import priors
from credo.models.markov_chain import MOST_STATES, MarkovChain, stationary, steps_to
from credo.models.problem import Problem
from registry import compose

WEATHER = "sky,station\nsun,a\nrain,a\nsun,b\nsun,b\nrain,b\nfog,a\nsun,a\nfog,b\nrain,a\nsun,a\n"
COUNTS = np.array([[0, 0, 1], [2, 0, 1], [0, 3, 1]])
"""Of the two stations together: fog, rain, sun."""


def chain(data: xr.Dataset, concentration: Any = 1.0) -> Problem:
    model = MarkovChain({"transition": priors.dirichlet(concentration)})
    made = model.arranged(data)
    return Problem(model.fitted(made), made)


@pytest.fixture
def weather(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., xr.Dataset]:
    """What the model gets of a table."""
    (tmp_path / "w.csv").write_text(WEATHER)
    monkeypatch.chdir(tmp_path)

    def load(*typed: str) -> xr.Dataset:
        parts = build(compose("data=csv", "data.path=w.csv", "data.target=sky", "model=markov_chain", *typed))
        problem, data = parts.problem(0)
        assert problem.model.states == ("fog", "rain", "sun")
        return data

    return load


def counts(data: xr.Dataset) -> np.ndarray:
    found = np.zeros((3, 3), int)
    np.add.at(found, (data["before"].to_numpy(), data["y"].to_numpy()), 1)
    return found


def test_each_sequence_of_a_table_has_its_own_transitions(weather: Callable[..., xr.Dataset]) -> None:
    np.testing.assert_array_equal(counts(weather("data.group=station")), COUNTS)
    assert counts(weather()).sum() == 9  # one sequence of all ten rows


def test_a_row_that_is_held_out_takes_no_other_transition_with_it(weather: Callable[..., xr.Dataset]) -> None:
    """Each keeps the state before it."""
    data = weather("data.group=station", "data.test_fraction=0.3")
    assert {"train", "test"} == set(data["split"].to_numpy())
    np.testing.assert_array_equal(counts(data), COUNTS)


def test_states_may_be_whole_numbers() -> None:
    problem = chain(xr.Dataset({"y": ("t", [7, 9, 9, 7])}))
    assert problem.model.states == ("7", "9")
    assert problem.data["before"].to_numpy().tolist() == [0, 1, 1]
    assert {site.name: problem.dims(site) for site in problem.sites} == {
        "transition": ("state", "next_state"),
        "stationary": ("state",),
        "steps_to": ("state", "next_state"),
        "y": ("t",),
    }


@pytest.mark.parametrize(
    ("y", "group", "concentration", "said"),
    [
        ([0.0, 0.5], None, 1.0, "data: expected states, which are words or whole numbers, but got 0.5; use others"),
        ([1, 1], None, 1.0, "data: expected 2 to 200 states, but got 1; use another column"),
        (range(MOST_STATES + 1), None, 1.0, "data: expected 2 to 200 states, but got 201; use another column"),
        ([0, 1], [0, 1], 1.0, "data: no state has one before it in its sequence; set data.group=null, or use other"),
        ([0, 1], None, [1.0, 2.0, 3.0], "model.prior.transition.concentration: expected one number, or 2 as there"),
    ],
)
def test_what_it_refuses(y: Any, group: Any, concentration: Any, said: str) -> None:
    data = xr.Dataset({"y": ("t", list(y))} | ({} if group is None else {"group": ("t", group)}))
    with pytest.raises(ConfigError) as refused:
        chain(data, concentration)
    assert str(refused.value).startswith(said)


def test_words_are_states_of_no_other_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.csv").write_text(WEATHER)
    monkeypatch.chdir(tmp_path)
    parts = build(compose("data=csv", "data.path=w.csv", "data.target=sky", "model=gaussian"))
    with pytest.raises(ConfigError, match=r"^data.target: column 'sky' holds 'sun' in row 1, but expected a number"):
        parts.problem(0)


def test_the_stationary_distribution_is_that_after_many_steps() -> None:
    transition = np.random.default_rng(0).dirichlet([0.5] * 4, size=4)
    many = np.linalg.matrix_power(transition, 4000)
    np.testing.assert_allclose(stationary(jnp.asarray(transition)), many[0], rtol=1e-8)


def test_steps_are_those_of_first_step_analysis() -> None:
    """m_ij = 1 + sum over k other than j of p_ik m_kj, solved for each j."""
    transition = np.random.default_rng(1).dirichlet([1.0] * 4, size=4)
    exact = np.empty((4, 4))
    for j in range(4):
        others = np.where(np.arange(4) == j, 0.0, transition)
        exact[:, j] = np.linalg.solve(np.eye(4) - others, np.ones(4))
    np.testing.assert_allclose(steps_to(jnp.asarray(transition)), exact, rtol=1e-8)


def test_old_faithful_has_no_two_short_eruptions_but_a_few_in_a_row() -> None:
    """Azzalini & Bowman 1990 found that a short eruption is followed by a long one."""
    problem = chain(OldFaithful("kind").load(None, 0))
    assert problem.model.states == ("long", "short")
    found = np.zeros((2, 2), int)
    np.add.at(found, (problem.data["before"].to_numpy(), problem.data["y"].to_numpy()), 1)
    assert found.sum() == 298
    assert found[1, 1] <= 2


def dirichlet_multinomial(concentration: float, seen: np.ndarray) -> float:
    total = concentration * len(seen)
    return float(
        gammaln(total) - gammaln(total + seen.sum()) + (gammaln(concentration + seen) - gammaln(concentration)).sum()
    )


@pytest.mark.slow
def test_the_posterior_and_its_evidence_are_the_closed_form(
    weather: Callable[..., xr.Dataset], infer: Callable[..., Result], z_score: Callable[..., Any]
) -> None:
    problem = chain(weather("data.group=station"), 0.7)
    found = infer(problem, "nuts", draws=5000).tree["posterior"]["transition"]
    for i, seen in enumerate(COUNTS):
        own = 0.7 + seen
        assert np.all(np.abs(z_score(found[..., i, :], own / own.sum())) < 4)
        for j in range(3):
            marginal = stats.beta(own[j], own.sum() - own[j])
            assert np.all(np.abs(z_score(found[..., i, j], marginal.ppf(0.9), "quantile", prob=0.9)) < 4)
    value, error = table.found(infer(problem, "smc", particles=2000).tree)["smc"]
    assert abs(value - sum(dirichlet_multinomial(0.7, seen) for seen in COUNTS)) < 4 * error
