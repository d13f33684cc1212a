"""Settings that ended in a traceback, in nonsense or in nothing: each a sentence, before anything runs."""

import json
import math
import shlex
from pathlib import Path

import pytest

from console import QUIET, credo
from credo import memory
from credo.errors import ConfigError
from credo.experiment import objective
from registry import few

COIN = ("data=coin_flips", "model=bernoulli", *QUIET)
LONG = "x" * 300
REFUSED = {
    "inference=map inference.learning_rate=inf": "inference.learning_rate: expected a finite number, but got inf",
    "inference=map inference.learning_rate=1e400": "inference.learning_rate: expected a finite number, but got inf",
    "inference=map inference.tolerance=.nan": "inference.tolerance: expected a number, but got .nan",
    "inference=hmc inference.trajectory_length=1e12": "inference.trajectory_length: expected at most 10000 steps of",
    "diagnostics.checks.r_hat.threshold=nan": (
        "diagnostics.checks.r_hat.threshold: expected a finite number, but got nan"
    ),
    "model.prior.p.concentration1=inf": "model.prior.p.concentration1: expected a finite number, but got inf",
    "model.prior.p.concentration1=-1": "model.prior.p.concentration1: expected a positive number, but got -1",
    "data.values=[1,0,inf]": "data.values: expected a finite number, but got inf",
    "seed=99999999999999999999": "seed: expected a number of at most 64 bits",
    "~seed": "seed: this key is needed and cannot be deleted",
    "~data": "data: this key is needed and cannot be deleted",
    "inference.keep=[]": "inference.keep: expected names of variables, or null for all, but got an empty list",
    "inference.draws=1e20": "inference.draws: expected a whole number, but got 1e+20",
    "inference.draws=100000000000000000000": "inference.draws: expected a number of at most 64 bits",
    "inference.draws=100000000000": "inference.draws=100000000000: this takes about",
    "inference=map inference.starts=100000000000": "inference.starts=100000000000: this takes about",
    "report=html report.dpi=100000000": "report.dpi: expected a whole number from 30 to 1200, but got 100000000",
    "inference.start=values": "inference.start_values: expected values of latents (p) for start=values, but got none",
    "diagnostics.checks.prior_sensitivity.sites=[nope]": "diagnostics.checks.prior_sensitivity.sites: there is no",
    "objective=nll_tset": "objective: this run will have no metric 'nll_tset'",
    "objective=nll_test": "objective: this run will have no metric 'nll_test'",
    "objective=log_density": "objective: this run will have no metric 'log_density'",
    "objective=posterior/mean/q": "objective: this run will have no metric 'posterior/mean/q'",
    "objective=1": "objective: expected the name of a metric, a list of names, or null, as in objective=elpd_loo",
    "objective=true": "objective: expected the name of a metric, a list of names, or null",
    "objective=nan": "objective: expected the name of a metric, a list of names, or null",
    "objective=[]": "objective: expected the name of a metric, a list of names, or null",
    "inference=[nan]": "inference=[nan]: expected words, the options of a group, but got nan",
    f"tracking._target_={LONG}": f"tracking._target_: {LONG} cannot be imported",
    f"inference={LONG}": f"inference={LONG}: there is no such option",
    f"inference.start={LONG}": "start: expected one of",
}


@pytest.mark.parametrize("words", REFUSED, ids=lambda words: words[:50])
def test_a_setting_is_refused_in_one_sentence(words: str, tmp_path: Path) -> None:
    said = credo(*COIN, *shlex.split(words), cwd=tmp_path)
    assert said.code == 2
    assert REFUSED[words] in said.err
    assert len(said.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    wide = ("data=branches", "model=mdn", "inference=map", *QUIET)
    said = credo(*wide, "model.components=10000000", cwd=tmp_path)
    assert (said.code, "model.components=10000000: this takes about" in said.err) == (2, True)
    said = credo(*wide, "model.hidden=[1000000,1000000]", cwd=tmp_path)
    assert (said.code, "model: this takes about" in said.err) == (2, True)


def test_memory_is_what_the_machine_has() -> None:
    memory.require("x=1", memory.total() / 8)
    with pytest.raises(ConfigError, match=r"^x=2: this takes about [\d,]+ GiB of memory, but this machine has \d+ GiB"):
        memory.require("x=2", memory.total() / 4)


def test_an_objective_that_is_known_too_late_costs_itself_alone() -> None:
    """A standard deviation that the boundary leaves out, or a metric that broke."""
    numbers = {"posterior/sd/p": math.nan, "log_density": -6.0, "elpd_loo": None}
    asked = ["log_density", "posterior/sd/p", "elpd_loo", "nll_test"]
    assert objective.unknown(asked, numbers) == ("posterior/sd/p", "elpd_loo", "nll_test")
    assert [str(value) for value in objective.values(asked, numbers) or ()] == ["-6.0", "nan", "nan", "nan"]
    assert objective.values(None, numbers) is None


def test_the_answer_is_there_without_its_objective(tmp_path: Path) -> None:
    words = ("inference=map", *few("map"), "objective=posterior/sd/p", "data.values=[0,0,0]")
    said = credo(*COIN, *words, cwd=tmp_path)
    assert (said.code, "this run has no posterior/sd/p" in said.err + said.out) == (0, True), said
    (folder,) = tmp_path.glob("outputs/*/*")
    assert json.loads((folder / "metrics.json").read_text())["log_density"] is not None


def test_an_optimiser_that_got_lost_is_not_believed(tmp_path: Path) -> None:
    """MAP ended at p = 1 with a log density of -108 in place of -6."""
    words = ("inference=map", "inference.optimiser=adam", "inference.learning_rate=1000", "inference.steps=100")
    said = credo(*COIN, *words, cwd=tmp_path)
    (folder,) = tmp_path.glob("outputs/*/*")
    verdict = json.loads((folder / "verdict.json").read_text())
    assert (said.code, verdict["status"]) == (0, "failed")
    answers = {check["name"]: check for check in verdict["checks"]}
    assert answers["converged"]["status"] == "failed"
    assert "The optimiser ended lower than it began" in answers["converged"]["advice"]


def test_only_zeros_are_not_believed_to_be_a_mode(tmp_path: Path) -> None:
    """The end of the space is the mode, but neither curvature nor a standard error can say so."""
    credo(*COIN, "inference=mle", "data.values=[0,0,0,0]", cwd=tmp_path)
    (folder,) = tmp_path.glob("outputs/*/*")
    assert json.loads((folder / "verdict.json").read_text())["status"] == "not checked"
