"""The ladder of methods: it stops where the checks pass, and goes on to the same bits."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from console import credo
from credo.diagnostics.answer import answer
from credo.diagnostics.auto import GROUP, Auto, _Rung
from credo.diagnostics.base import Check
from credo.errors import ConfigError, Interrupted
from credo.experiment.parts import build
from credo.inference.kind import Kind
from registry import compose, untypeable

FEW = ("inference.rungs.nuts.warmup=200", "inference.rungs.nuts.draws=200", "inference.rungs.laplace.draws=500")
QUIET = ("tracking=none", "report=none", "hydra.run.dir=run")


def parts(*words):
    return build(compose("inference=auto", *FEW, *words))


def climbed(result):
    table = result.tree[GROUP].to_dataset()
    return list(zip(table["rung"].values.tolist(), table["verdict"].values.tolist(), strict=True))


def test_an_easy_posterior_ends_at_the_first_rung(quiet):
    made = parts("data=coin_flips", "model=bernoulli")
    problem, _ = made.problem(0)
    result = made.inference.run(problem, jax.random.PRNGKey(0), quiet)
    assert climbed(result) == [("laplace", "passed")]
    assert result.kind is Kind.INDEPENDENT


def test_weights_with_a_long_tail_are_climbed_past_though_they_pass(quiet):
    made = parts("data=coin_flips", "model=bernoulli", "~inference.rungs.pathfinder", "inference.pareto_k=-100")
    problem, _ = made.problem(0)
    result = made.inference.run(problem, jax.random.PRNGKey(0), quiet)
    assert climbed(result)[0] == ("laplace", "not accurate enough")
    assert result.method == "nuts"
    assert result.kind is Kind.CHAINS


@dataclasses.dataclass
class Fails:
    """A check that chains do not pass whose steps were adapted to so much."""

    name: str
    target: float

    def __call__(self, result, summary):
        target = result.tree["sample_stats"].attrs["target_accept"]
        return Check(self.name, "failed" if target == self.target else "passed", 0, 0, "")


@pytest.mark.parametrize(
    ("words", "rungs"),
    [
        ((), [("nuts", "failed"), ("small_steps", "passed")]),
        (("inference.small_steps=null",), [("nuts", "failed")]),
    ],
)
def test_chains_that_agree_and_diverge_run_again_with_smaller_steps(words, rungs, quiet):
    few = ("inference.small_steps.warmup=200", "inference.small_steps.draws=200") if not words else ()
    short = (f"~inference.rungs.{one}" for one in ("laplace", "pathfinder"))
    made = parts("data=coin_flips", "model=bernoulli", *short, *few, *words)
    auto = dataclasses.replace(made.inference, checks={"divergences": Fails("divergences", 0.95)})
    result = auto.run(made.problem(0)[0], jax.random.PRNGKey(0), quiet)
    assert climbed(result) == rungs
    assert result.tree["sample_stats"].attrs["target_accept"] == (0.95 if words else 0.99)


def test_where_chains_with_smaller_steps_disagree_the_climb_goes_on(quiet):
    """As with seed 0 of eight schools, centred, which the ladder of temperatures answers."""
    few = [f"inference.small_steps.{word}=200" for word in ("warmup", "draws")]
    made = parts("data=coin_flips", "model=bernoulli", *few)
    larger = parts("data=coin_flips", "model=bernoulli", "inference.rungs.nuts.target_accept=0.8").inference
    rungs = {"nuts": made.inference.rungs["nuts"], "larger": larger.rungs["nuts"]}
    checks = {name: Fails(name, target) for name, target in (("divergences", 0.95), ("r_hat", 0.99))}
    auto = dataclasses.replace(made.inference, rungs=rungs, checks=checks)
    result = auto.run(made.problem(0)[0], jax.random.PRNGKey(0), quiet)
    assert climbed(result) == [("nuts", "failed"), ("small_steps", "failed"), ("larger", "passed")]


def test_the_advice_names_the_settings_of_the_rung_that_answered(quiet):
    short = (f"inference.rungs.{one}=null" for one in ("laplace", "pathfinder", "tempering"))
    words = ("inference=auto", "data=coin_flips", "model=bernoulli", *short)
    config = compose(*words, "inference.rungs.nuts.warmup=20", "inference.rungs.nuts.draws=20")
    made = build(config)
    found = answer(made.problem(0)[0], made.inference, made.diagnostics, jax.random.PRNGKey(0), quiet)
    assert found.verdict.status == "failed"
    assert "Raise inference.rungs.nuts.draws," in " ".join(check.advice for check in found.verdict.checks)
    assert not [key for check in found.verdict.checks for key in untypeable(check.advice, config)]


@pytest.fixture(scope="module")
def schools():
    longer = ("inference.rungs.nuts.warmup=500", "inference.rungs.nuts.draws=1000")
    made = parts("experiment=eight_schools", "~inference.rungs.pathfinder", *longer)
    return made.inference, made.problem(0)[0]


@pytest.mark.slow
def test_what_an_approximation_does_not_reach_is_climbed_past(schools, quiet):
    auto, problem = schools
    result = auto.run(problem, jax.random.PRNGKey(0), quiet)
    assert [rung for rung, _ in climbed(result)] == ["laplace", "nuts"]
    assert climbed(result)[0][1] == "failed"
    assert result.kind is Kind.CHAINS
    assert result.cost.gradients > auto.rungs["nuts"].run(problem, jax.random.PRNGKey(0), quiet).cost.gradients * 0.5


class Cut:
    """A checkpointer that saves after every call, and stops a rung at its third save."""

    def __init__(self, rung):
        self.rung, self.saves, self.snapshot = rung, 0, None

    def load(self):
        return self.snapshot

    def is_due(self):
        return True

    def spill(self, block):
        return block

    def save(self, snapshot):
        self.snapshot = snapshot
        self.saves += snapshot.numbers[GROUP] == self.rung
        if self.saves == 3:
            self.saves = 4
            raise Interrupted("stopped", 130)

    def done(self, snapshot):
        pass


@pytest.mark.slow
def test_it_goes_on_to_the_same_bits(schools, quiet):
    auto, problem = schools
    whole = auto.run(problem, jax.random.PRNGKey(1), quiet)
    cut = Cut("nuts")
    with pytest.raises(Interrupted):
        auto.run(problem, jax.random.PRNGKey(1), quiet, cut)
    resumed = auto.run(problem, jax.random.PRNGKey(1), quiet, cut)
    for name, values in whole.tree["posterior"].data_vars.items():
        assert np.array_equal(values, resumed.tree["posterior"][name])
    assert climbed(whole) == climbed(resumed)


def test_a_snapshot_of_another_rung_is_none(schools):
    cut = Cut("none")
    assert _Rung(cut, "nuts").load() is None


def test_the_answer_says_how_it_was_found(tmp_path):
    said = credo("data=coin_flips", "model=bernoulli", "inference=auto", *FEW, *QUIET, cwd=tmp_path)
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert said.code == 0, said.err
    assert "The answer is that of laplace: laplace passed." in " ".join(said.out.split())
    assert next(check["status"] for check in verdict["checks"] if check["name"] == "climb") == "note"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("diagnostics=none",), "inference=auto climbs by the checks, but diagnostics=none has none"),
        (("inference.rungs.nuts.draws=many",), "inference.rungs.nuts.draws: expected a"),
        (("inference.rungs.nuts.drawz=1",), "inference.rungs.nuts.drawz: there is no such key"),
        (("data=branches", "model=mdn"), "inference=auto climbs from approximations to chains, but networks"),
    ],
)
def test_what_cannot_be_is_refused_at_once(words, sentence, tmp_path):
    said = credo("data=coin_flips", "model=bernoulli", "inference=auto", *words, *QUIET, cwd=tmp_path)
    assert said.code == 2
    assert said.err.startswith(f"credo: {sentence}")
    assert not any(tmp_path.iterdir())


def test_a_ladder_has_a_rung():
    with pytest.raises(ConfigError, match="rungs: expected at least one method"):
        Auto(rungs={"nuts": None}, checks={})


TWO_MODES = """
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist


def model(y):
    x = numpyro.sample("x", dist.Uniform(-20, 20))
    numpyro.sample("y", dist.Normal(jnp.abs(x), 0.1), obs=y)
"""


@pytest.mark.slow
def test_where_chains_disagree_there_is_a_ladder_of_temperatures(tmp_path):
    (tmp_path / "mine.py").write_text(TWO_MODES)
    words = ("data=inline", "data.values=[10.0]", "model=program", "model.function=mine:model", "inference=auto", *FEW)
    said = credo(*words, *QUIET, cwd=tmp_path)
    found = next(
        check["advice"]
        for check in json.loads((tmp_path / "run" / "verdict.json").read_text())["checks"]
        if check["name"] == "climb"
    )
    assert said.code == 0
    assert "The answer is that of tempering" in found
    assert "r_hat" in found
