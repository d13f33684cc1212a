"""What a run proposes next can be run."""

from pathlib import Path

from console import QUIET, credo
from credo.config import messages
from credo.experiment.advice import next_commands
from credo.experiment.parts import build
from registry import compose


def proposed(experiment: str, *words: str, inference: str = "nuts") -> str:
    """The methods that are proposed after a run."""
    choices = {"experiment": experiment, "inference": inference}
    typed = (*(f"{group}={word}" for group, word in choices.items()), *words)
    config = compose(*typed)
    messages.refuse(config)
    problem, _ = build(config).problem(config.seed)
    first = next_commands(choices, typed, problem)[0]
    return first if " -m " in first else ""


def test_a_run_proposes_it_at_its_end(tmp_path: Path) -> None:
    few = ("inference.chains=2", "inference.warmup=20", "inference.draws=20")
    said = credo("experiment=coin_flips", *QUIET, *few, cwd=tmp_path)
    _, _, after = said.out.partition("Next:")
    assert proposed("coin_flips", *QUIET) in after


def test_a_random_walk_is_for_few_latents() -> None:
    assert "inference=map,mh" in proposed("coin_flips")
    many = proposed("breast_cancer")
    assert "inference=map" in many
    assert "mh" not in many


def test_a_mode_is_not_proposed_where_z_is_intractable() -> None:
    assert "map" in proposed("ising", inference="exchange")
    assert not proposed("ising", "energy.shape=[20,20]", inference="exchange")
