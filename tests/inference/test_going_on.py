"""A run that is cut off and taken up again ends with the bits of one that was not."""

from collections.abc import Callable

import jax
import numpyro.distributions as dist
import pytest
import xarray as xr
from hydra.utils import get_class

from credo.errors import ConfigError
from credo.experiment.parts import make_inference
from credo.inference.base import Inference, Snapshot
from credo.models.hierarchical import Hierarchical
from credo.models.problem import Problem
from interruptions import Cut, Memory
from registry import compose, words

CHAINS = {"chains": 2, "warmup": 60, "draws": 50, "block": 20, "thinning": 2}
POINTS = {"starts": 3, "steps": 60, "tolerance": 1e-14}
PARTICLES = {"particles": 30, "repeats": 2, "ess": 0.95}


@pytest.fixture(scope="module")
def problem() -> Problem:
    prior = {"mu": dist.Normal(0.0, 5.0), "tau": dist.HalfCauchy(5.0), "sigma": dist.HalfCauchy(5.0)}
    y, sigma = [28.0, 8.0, -3.0, 7.0], [15.0, 10.0, 16.0, 11.0]
    return Problem(Hierarchical(prior, False), xr.Dataset({"y": ("obs", y), "sigma": ("obs", sigma)}))


QUICK = ("nuts", "exchange", "map", "smc")
"""The methods that are cut off every time; the others in the proofs."""


@pytest.fixture(
    params=[pytest.param(one, marks=() if one in QUICK else pytest.mark.slow) for one in words("inference")]
)
def chosen(request: pytest.FixtureRequest, problem: Problem, method: Callable[..., Inference]) -> Inference:
    """A method of few steps and many blocks."""
    known = compose(f"inference={request.param}").inference
    if not isinstance(known.get("rungs", 0), int):
        return ladder(request.param)
    made = method(request.param, **{key: value for key, value in (CHAINS | POINTS | PARTICLES).items() if key in known})
    try:
        made.check(problem)
    except ConfigError as error:
        pytest.skip(str(error))  # it is of other models
    return made


def ladder(word: str) -> Inference:
    """The method of several methods with two of them, the first of which does not pass."""
    short = {"nuts": CHAINS, "laplace": {"starts": 3, "draws": 100}}
    few = [f"inference.rungs.{rung}.{key}={value}" for rung, own in short.items() for key, value in own.items()]
    others = [f"~inference.rungs.{rung}" for rung in compose(f"inference={word}").inference.rungs if rung not in short]
    return make_inference(compose(f"inference={word}", *few, *others))


def test_a_run_taken_up_again_has_the_same_bits(chosen: Inference, problem: Problem) -> None:
    """Cut off after every block: in the warm-up with windows half seen, between the phases, and in the sampling."""
    key, listener = jax.random.PRNGKey(3), Cut()
    whole = chosen.run(problem, key, listener, Memory())
    assert len(listener.heard) >= 6
    for cut in range(len(listener.heard)):
        checkpointer = Memory()
        with pytest.raises(KeyboardInterrupt):
            chosen.run(problem, key, Cut(cut), checkpointer)
        again = Cut()
        result = chosen.run(problem, key, again, Memory(checkpointer.kept))
        for group in whole.tree.children:
            xr.testing.assert_identical(result.tree[group].to_dataset(), whole.tree[group].to_dataset())
        assert again.heard == listener.heard
        assert result.cost.density_evaluations == whole.cost.density_evaluations
        assert result.status is whole.status


LONGER = {"smc": ({"repeats": 2}, {"repeats": 5}), "vi": ({"steps": 2000}, {"steps": 2600})}


def test_what_can_be_made_longer_beside_chains_is_held_to_it_here() -> None:
    classes = {word: get_class(compose(f"inference={word}").inference._target_) for word in words("inference")}
    assert {word for word, part in classes.items() if hasattr(part, "extends")} == set(LONGER)


@pytest.mark.slow
@pytest.mark.parametrize("word", LONGER)
def test_a_finished_run_made_longer_has_the_bits_of_one_that_was_so_from_the_beginning(
    word: str, problem: Problem, method: Callable[..., Inference]
) -> None:
    known = compose(f"inference={word}").inference
    few = {name: value for name, value in ({"starts": 2, "draws": 50} | PARTICLES).items() if name in known}
    short, long = (method(word, **few | more) for more in LONGER[word])
    key, checkpointer = jax.random.PRNGKey(3), Memory()
    short.run(problem, key, Cut(), checkpointer)
    longer = long.run(problem, key, Cut(), Memory(checkpointer.kept))
    whole = long.run(problem, key, Cut(), Memory())
    for group in whole.tree.children:
        xr.testing.assert_identical(longer.tree[group].to_dataset(), whole.tree[group].to_dataset())
    assert longer.cost.density_evaluations == whole.cost.density_evaluations


def test_a_run_is_kept_when_it_is_due(problem: Problem, method: Callable[..., Inference]) -> None:
    """And a run whose process was killed goes on from there."""
    seen: list[int] = []

    class Counting(Memory):
        def save(self, kept: Snapshot) -> None:
            super().save(kept)
            seen.append(len(kept.blocks))

    chosen = method("nuts", **CHAINS | {"thinning": 1})
    chosen.run(problem, jax.random.PRNGKey(0), Cut(), Counting(due=True))
    assert seen == [0] * 6 + [1, 2, 3, 3]
