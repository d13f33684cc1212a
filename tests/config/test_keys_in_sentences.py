"""The key in a sentence is one that can be typed, and a sentence is whole."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from console import QUIET, credo
from credo.config import messages, paths, schema, sources
from credo.errors import ConfigError, shortened
from credo.experiment import parts
from registry import few

CONF = paths.built_in() / "conf"
GROUPS = ("model", "energy", "sampler", "prior", "training", "inference", "report")
BESIDE = {
    "energy": ("model=ebm", "data=two_moons"),
    "sampler": ("model=ebm", "data=two_moons", "energy=neural"),
    "training": ("model=mdn", "data=lopsided", "inference=mle"),
    "prior": ("model=gaussian",),
}
BROKEN = (-1, "zzz")
LONG = ("inference", "training", "prior", "model", "energy", "sampler")
"""The groups of many options, which are proofs."""


def composed(*words: str) -> DictConfig:
    """The configuration of some words, as `credo` composes it."""
    schema.register()
    sources.register()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose("config", [*words])


def settings(config: DictConfig, key: str) -> Iterator[str]:
    """The keys of all plain values below a key."""
    node: Any = OmegaConf.select(config, key)
    for name in node if OmegaConf.is_dict(node) else ():
        if name != "_target_" and not OmegaConf.is_missing(node, name) and not OmegaConf.is_interpolation(node, name):
            if OmegaConf.is_dict(node[name]) and node[name]:
                yield from settings(config, f"{key}.{name}")
            else:
                yield f"{key}.{name}"


def refusal(config: DictConfig, group: str, key: str, value: Any) -> str | None:
    """What is said of a value; `None` where it is taken, or its schema refuses it by its key."""
    make: Any = {"inference": parts.make_inference, "training": parts.build, "report": parts.build}
    broken = copy.deepcopy(config)
    try:
        OmegaConf.update(broken, key, value)
        messages.refuse(broken)
        make.get(group, parts.make_model)(broken)
    except OmegaConfBaseException:
        return None
    except ConfigError as error:
        return str(error)
    return None


@pytest.mark.parametrize("group", [pytest.param(one, marks=pytest.mark.slow if one in LONG else ()) for one in GROUPS])
def test_the_key_in_a_sentence_can_be_typed(group: str) -> None:
    """Law over all options of a group: where a value is refused, the sentence begins with a key that is there."""
    judged = 0
    for file in sorted((CONF / group).glob("*.yaml")):
        place = "model.prior.loc" if group == "prior" else group
        word = f"prior@{place}={file.stem}" if group == "prior" else f"{group}={file.stem}"
        config = composed(*BESIDE.get(group, ()), word)
        for key in settings(config, place):
            for value in BROKEN:
                if (said := refusal(config, group, key, value)) is None:
                    continue
                found = re.match(r"([\w.@]+)(\[\d+\])*(=\S*)?: ", said)
                assert found is not None, (word, key, value, said)
                assert typed(config, found[1]), (word, key, value, said)
                judged += 1
    assert judged


def typed(config: DictConfig, key: str) -> bool:
    """Whether Hydra takes a value for this key."""
    parent, _, name = key.rpartition(".")
    if OmegaConf.is_missing(OmegaConf.select(config, parent), name):
        return True
    try:
        OmegaConf.update(copy.deepcopy(config), key, OmegaConf.select(config, key, throw_on_missing=False))
    except (OmegaConfBaseException, HydraException):
        return False
    return True


COINS = ("data=coin_flips", "model=bernoulli", "inference=map", *few("map"), *QUIET)
NUTS = ("data=coin_flips", "model=bernoulli", "inference=nuts", *few("nuts"), *QUIET)
CASES = {
    "start values without start=values": (
        (*NUTS, "+inference.start_values={p: 0.5}"),
        r"inference\.start_values: they",
    ),
    "start values outside": (
        (*NUTS, "inference.start=values", "+inference.start_values={p: 2}"),
        r"inference\.start_values\.p: p must be",
    ),
    "an energy under its model": (
        ("model=ebm", "data=two_moons", "energy=neural", "model.energy.tail=1"),
        r"model\.energy\.tail: there is no such key; it is set by energy\.tail",
    ),
    "an energy": (("model=ebm", "data=two_moons", "energy=neural", "energy.tail=-1"), r"energy\.tail: expected "),
    "a batch": (
        (*COINS, "inference.optimiser=adam", "inference.batch_size=400"),
        r"inference\.batch_size: expected .* the 10 rows",
    ),
    "a target that runs anything": (
        (*COINS, "report._target_=subprocess.Popen"),
        r"report\._target_: subprocess\.Popen can run any code, and is never called; name a class of your own$",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_keys_are_those_typed(case: str, tmp_path: Path) -> None:
    words, sentence = CASES[case]
    said = credo(*words, cwd=tmp_path)
    assert said.code == 2, said
    assert re.match(f"credo: {sentence}", said.err.rstrip("\n")), said.err


def test_a_message_of_several_lines_is_told_whole() -> None:
    error = HydraException("Target 'a.b' is blocklisted because it allows\nconfig data to run.\n\nMore.\nfull_key: x")
    assert str(messages.explain(error)) == "target 'a.b' is blocklisted because it allows config data to run"


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("short", "short"),
        ("One sentence of some length. Another that is much too long for it", "One sentence of some length."),
        ("words " * 20, "words words words words words words words words …"),
    ],
)
def test_what_is_too_long_ends_with_a_word(text: str, short: str) -> None:
    assert shortened(text, 50) == short
