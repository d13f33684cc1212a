"""What a run proposes next can be run."""

import shlex
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from console import QUIET, credo
from credo.config import messages
from credo.diagnostics.base import Check, Verdict
from credo.experiment.advice import mended, next_commands
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
    return "" if first.endswith("--help") else first


def test_a_run_proposes_it_at_its_end(tmp_path: Path) -> None:
    few = ("inference.chains=2", "inference.warmup=20", "inference.draws=20")
    said = credo("experiment=coin_flips", *QUIET, *few, cwd=tmp_path)
    _, _, after = said.out.partition("Next:")
    assert proposed("coin_flips", *QUIET) in after


def test_it_finds_the_same_configuration(tmp_path: Path) -> None:
    (tmp_path / "my conf" / "data").mkdir(parents=True)
    (tmp_path / "my conf" / "data" / "mine.yaml").write_text("defaults: [coin_flips]\n")
    few = ("inference.chains=2", "inference.warmup=20", "inference.draws=20")
    said = credo("--config-dir", "my conf", "data=mine", "model=bernoulli", *QUIET, *few, cwd=tmp_path)
    proposals = [shlex.split(line) for line in said.out.partition("Next:")[2].splitlines() if "data=mine" in line]
    assert len(proposals) == 2, said  # what the checks advise, and other methods
    assert all(words[:3] == ["credo", "--config-dir", "my conf"] for words in proposals)
    mended_words = proposals[0][1:]
    assert credo(*mended_words, cwd=tmp_path).code == 0


def test_a_random_walk_is_for_few_latents() -> None:
    assert "inference=map,mh" in proposed("coin_flips")
    many = proposed("breast_cancer")
    assert many == "credo experiment=breast_cancer inference=map"  # of one method, which is no sweep


def test_a_mode_is_not_proposed_where_z_is_intractable() -> None:
    assert "map" in proposed("ising", inference="exchange")
    assert not proposed("ising", "energy.shape=[20,20]", inference="exchange")


def test_after_a_failed_verdict_what_is_advised_can_be_pasted(tmp_path: Path) -> None:
    words = ("data=coin_flips", "model=bernoulli", "inference=mh", "inference.warmup=60", *QUIET)
    said = credo(*words, "inference.draws=60", "hydra.run.dir=run", cwd=tmp_path)
    assert "FAILED" in said.out
    _, first, *_ = said.out.partition("Next:")[2].splitlines()
    command, *found = shlex.split(first)
    assert command == "credo"
    assert set(found) >= {word for word in words if not word.startswith("inference.warmup")}
    (draws,) = (word for word in found if word.startswith("inference.draws="))
    assert int(draws.partition("=")[2]) > 60
    assert not any(word.startswith("hydra") for word in found)  # the folder is taken
    assert "PASSED" in credo(*found, cwd=tmp_path).out


def asked(*advice: str, typed: tuple[str, ...], status: Any = "failed") -> tuple[str, ...]:
    """The words of the command after a run whose checks advise this."""
    config: Any = OmegaConf.to_container(compose(*typed))
    choices = dict(word.split("=") for word in typed if "." not in word)
    checks = tuple(Check(f"check_{i}", status, 2.0, 1.0, one) for i, one in enumerate(advice))
    found = mended(Verdict(status, (*checks, Check("fine", "passed", 1.0, 1.0, "Raise seed."))), config, choices, typed)
    return tuple(shlex.split(found[0])[1:]) if found else ()


def test_the_change_that_goes_farthest_is_proposed() -> None:
    typed = ("inference=mh", "inference.draws=100", "seed=3")
    advice = ("Raise inference.draws and inference.chains.", "Use inference.draws=900, or inference=nuts.")
    assert asked(*advice, typed=typed) == ("inference=mh", "seed=3", "inference.draws=900", "inference.chains=8")


def test_another_method_brings_settings_of_its_own() -> None:
    typed = ("data=coin_flips", "model=bernoulli", "inference=nested", "inference.particles=100")
    advice = "Use inference=nuts from inference.start=map."
    assert asked(advice, "Raise inference.particles.", typed=typed) == (
        "data=coin_flips",
        "model=bernoulli",
        "inference=nuts",
        "inference.start=map",
    )


def test_what_nobody_can_type_is_not_proposed() -> None:
    typed = ("inference=nuts",)
    assert not asked("Reparametrise the model.", "Change inference.keep.", typed=typed)
    assert not asked("Raise inference.draws.", typed=typed, status="passed")
    assert asked("Set device.precision=float64.", typed=typed, status="not checked") == (
        "inference=nuts",
        "device.precision=float64",
    )


def test_a_method_without_the_keys_of_an_experiment_is_not_proposed() -> None:
    """Moves of a random walk are thinned in `spike_and_slab`; a mode has no draws to thin."""
    typed = ("experiment=spike_and_slab", "inference=mh")
    assert not asked("Use inference=map.", typed=typed)
    assert asked("Use inference=nuts.", typed=typed) == ("experiment=spike_and_slab", "inference=nuts")
