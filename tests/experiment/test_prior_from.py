"""`prior_from`: yesterday's posterior is today's prior; two batches of data give what both together do."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from scipy.special import betaln
from scipy.stats import beta, multivariate_normal, norm

from console import QUIET, credo
from credo.diagnostics.base import Verdict
from credo.errors import ConfigError
from credo.experiment import prior_from
from credo.experiment.parts import build
from credo.inference.evidence.bridge import Bridge
from credo.inference.evidence.table import found
from credo.models.bernoulli import Bernoulli
from credo.models.gaussian import Gaussian
from credo.models.hierarchical import Hierarchical
from credo.models.problem import Problem
from credo.runs import saved
from registry import compose

ONES = np.array([1, 1, 1, 0, 1, 0, 1])
LATER = np.array([0, 1, 1, 0])
DRAWS = (4, 2000)
SHAPES: dict[str, tuple[int, ...]] = {"mu": (), "tau": (), "theta": (3,)}


def coins(y: Any) -> Problem:
    return Problem(Bernoulli({"p": dist.Beta(1.0, 1.0)}), xr.Dataset({"y": ("flip", y)}))


class Run:
    """What is read of an earlier run, by `saved`."""

    def __init__(self, draws: dict[str, np.ndarray], status: str = "passed") -> None:
        self.draws, self.status = draws, status


@pytest.fixture
def earlier(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Problem]]:
    def given(problem: Problem, run: Run, data_hash: str = "today", *, failed: bool = False) -> Problem:
        (tmp_path / saved.DRAWS).touch()
        monkeypatch.setattr(saved, "exists", lambda _: True)
        monkeypatch.setattr(saved, "verdict", lambda _: Verdict(run.status, ()))
        monkeypatch.setattr(saved, "provenance", lambda _: {"data_hash": "yesterday", "draws_hash": "d"})
        monkeypatch.setattr(saved, "draws", lambda _: run.draws)
        return prior_from.given(problem, data_hash, str(tmp_path), failed=failed)

    return given


def yesterday(status: str = "passed") -> Run:
    """Draws of the exact posterior of the first coins."""
    a, b = 1 + ONES.sum(), 1 + (1 - ONES).sum()
    p = np.random.default_rng(0).beta(a, b, DRAWS)
    return Run({"posterior/p": p, "sample_stats/lp": beta.logpdf(p, a, b) + np.log(p * (1 - p))}, status)


def test_the_prior_is_near_the_earlier_posterior_and_its_run_is_told(earlier: Callable[..., Problem]) -> None:
    about = earlier(coins(LATER), yesterday()).earlier.about  # type: ignore[union-attr]
    assert about["draws_hash"] == "d"
    assert about["pareto_k"] < 0.7
    assert 0 <= about["divergence"] < 0.01


@pytest.mark.parametrize(
    ("problem", "run", "data_hash", "told"),
    [
        (coins(LATER), yesterday(), "yesterday", "that run has seen the same data, which would count twice"),
        (
            coins(LATER),
            yesterday("failed"),
            "today",
            "the verdict of that run failed; mend it, or take it",
        ),
        (
            Problem(Gaussian({"loc": dist.Normal(0.0, 1.0)}, 1.0, (0.0, 1.0)), xr.Dataset({"y": ("obs", [0.5])})),
            yesterday(),
            "today",
            "expected a run with all latents of this model, but it has no draws of loc; it has p",
        ),
        (
            Problem(
                Hierarchical({"mu": dist.Normal(0.0, 1.0), "tau": dist.HalfNormal(1.0)}, True),
                xr.Dataset({"y": ("obs", [0.5, 1.0]), "sigma": ("obs", [1.0, 1.0])}),
            ),
            Run({f"posterior/{name}": np.zeros((*DRAWS, *more)) for name, more in SHAPES.items()}),
            "today",
            "expected theta of the shape [2], as in this model, but that run has [3]",
        ),
        (coins(LATER), Run({"posterior/p": np.full((1, 1), 0.5)}), "today", "expected 100 draws or more"),
    ],
)
def test_what_cannot_be_a_prior_is_refused_in_one_sentence(
    problem: Problem, run: Run, data_hash: str, told: str, earlier: Callable[..., Problem]
) -> None:
    with pytest.raises(ConfigError) as error:
        earlier(problem, run, data_hash)
    assert str(error.value).startswith("model.prior_from=")
    assert told in str(error.value)


def test_a_run_whose_verdict_failed_is_taken_where_that_is_asked_for(earlier: Callable[..., Problem]) -> None:
    assert earlier(coins(LATER), yesterday("failed"), failed=True).earlier is not None


@pytest.mark.slow
def test_coins_of_two_days_are_those_of_both_together(
    earlier: Callable[..., Problem], infer: Callable[..., Any]
) -> None:
    """Mean, sd and log p(second | first), within four standard errors of the draws of both days."""
    problem = earlier(coins(LATER), yesterday())
    result = infer(problem, "nuts", chains=4, draws=2000)
    both = np.concatenate([ONES, LATER])
    exact = beta(1 + both.sum(), 1 + (1 - both).sum())
    p = result.tree["posterior"]["p"].values
    error = 4 * exact.std() * np.sqrt(1 / 8000 + 1 / 2000)
    assert abs(p.mean() - exact.mean()) < error
    assert p.std() == pytest.approx(exact.std(), rel=0.05)
    evidence = Bridge().derived(problem, result, jax.random.PRNGKey(1))
    log_p, standard_error = found(evidence.tree)["bridge"]
    first, second = ((1 + y.sum(), 1 + (1 - y).sum()) for y in (ONES, both))
    assert abs(log_p - (betaln(*second) - betaln(*first))) < 4 * np.hypot(standard_error, 0.01)


@pytest.mark.slow
def test_normal_batches_of_two_days_are_those_of_both_together(
    earlier: Callable[..., Problem], infer: Callable[..., Any]
) -> None:
    random = np.random.default_rng(3)
    one, two = random.normal(1.0, 1.0, 20), random.normal(1.0, 1.0, 10)

    def posterior(y: np.ndarray) -> tuple[float, float]:
        variance = 1 / (1 / 4 + len(y))
        return variance * y.sum(), np.sqrt(variance)

    def log_evidence(y: np.ndarray) -> float:
        return float(multivariate_normal.logpdf(y, np.zeros(len(y)), np.eye(len(y)) + 4))

    mean, sd = posterior(one)
    loc = random.normal(mean, sd, DRAWS)
    run = Run({"posterior/loc": loc, "sample_stats/lp": norm.logpdf(loc, mean, sd)})
    model = Gaussian({"loc": dist.Normal(0.0, 2.0)}, 1.0, (0.0, 1.0))
    problem = earlier(Problem(model, xr.Dataset({"y": ("obs", two)})), run)
    result = infer(problem, "nuts", chains=4, draws=2000)
    both = np.concatenate([one, two])
    mean, sd = posterior(both)
    found_loc = result.tree["posterior"]["loc"].values
    assert abs(found_loc.mean() - mean) < 4 * sd * np.sqrt(1 / 8000 + 1 / 2000)
    assert found_loc.std() == pytest.approx(sd, rel=0.05)
    evidence = Bridge().derived(problem, result, jax.random.PRNGKey(1))
    log_p, standard_error = found(evidence.tree)["bridge"]
    assert abs(log_p - (log_evidence(both) - log_evidence(one))) < 4 * np.hypot(standard_error, 0.02)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("data=diabetes", "model=regression", "data.standardise=true"),
            "data.standardise centres or scales",
        ),
        (
            ("data=csv", "data.path=a.csv", "model=regression", "model.formula='y ~ x'"),
            "model.formula centres or scales",
        ),
        (("data=inline", "data.values=[1,0]", "model=bernoulli", "model.prior.p.concentration1=3"), "model.prior.p is"),
    ],
)
def test_what_would_be_another_latent_or_a_prior_without_effect_is_refused(
    words: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text("y,x\n" + "".join(f"{i * 0.3 + i % 3},{i % 4}\n" for i in range(12)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(saved, "exists", lambda _: True)
    monkeypatch.setattr(saved, "configuration", lambda _: compose("model=bernoulli"))
    config = compose(*words, "model.prior_from=here")
    with pytest.raises(ConfigError, match=rf"^model\.prior_from=here: {told}"):
        prior_from.problem_of(build(config), config)


@pytest.mark.slow
def test_a_run_on_the_command_line_takes_another_as_its_prior_and_records_it(tmp_path: Path) -> None:
    words = ("model=bernoulli", "data=inline", *QUIET)
    assert credo(*words, "data.values=[1,1,1,0,1,0,1]", "hydra.run.dir=one", cwd=tmp_path).code == 0
    later = (*words, "model.prior_from=one", "data.values=[0,1,1,0]", "inference.draws=200")
    said = credo(*later, "hydra.run.dir=two", cwd=tmp_path)
    assert said.code == 0, said.err
    about = saved.provenance(tmp_path / "two")
    assert about["prior_from"]["draws_hash"] == saved.provenance(tmp_path / "one")["draws_hash"]
    answers = {check.name: check.status for check in saved.verdict(tmp_path / "two").checks}
    assert answers["prior_from"] == "passed"
    assert answers["posterior_predictive"] in ("passed", "note")
    said = credo(*words, "model.prior_from=one", "data.values=[1,1,1,0,1,0,1]", "hydra.run.dir=three", cwd=tmp_path)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "that run has seen the same data" in said.err
    assert not (tmp_path / "three").exists()


def test_rows_of_the_earlier_run_in_a_larger_file_are_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    y = random.normal(size=12)
    np.savez(tmp_path / "one.npz", y=y[:6])
    np.savez(tmp_path / "both.npz", y=y[::-1])
    words = ("model=gaussian", "inference=laplace", *QUIET)
    assert credo(*words, "data=npz", "data.path=one.npz", "hydra.run.dir=one", cwd=tmp_path).code < 2
    more = ("data=npz", "data.path=both.npz", "model.prior_from=one", "model.prior_from_failed=true")
    said = credo(*words, *more, "hydra.run.dir=both", cwd=tmp_path)
    assert said.code == 2
    told = "model.prior_from=one: 6 rows of the data of that run are in this data, too, and would count twice"
    assert told in " ".join(said.err.split())
