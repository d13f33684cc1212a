"""Every setting that an advice names has a value to try, or is left to a person on purpose."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from omegaconf import OmegaConf

import credo
from credo.config import paths, schema
from credo.diagnostics.base import Check
from credo.runs.changes import FACTORS, LEFT, NAMED, RULES, changes, first
from registry import compose, untypeable, words

CHECKS = Path(credo.__file__).parent / "diagnostics"


def texts(tree: ast.AST) -> Iterator[str]:
    """All strings but docstrings."""
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


def test_each_setting_named_without_a_value_has_a_rule() -> None:
    named = {
        key
        for file in CHECKS.rglob("*.py")
        for text in texts(ast.parse(file.read_text(encoding="utf-8")))
        for key, _, value in (word.partition("=") for word in NAMED.findall(text))
        if not value and key not in schema.GROUPS
    }
    assert {"inference.draws", "model.components"} <= named
    assert named == {*FACTORS, *RULES, *LEFT}


SENTENCES = [
    text
    for file in sorted(CHECKS.rglob("*.py"))
    for text in texts(ast.parse(file.read_text(encoding="utf-8")))
    if " " in text
]
EVERY = [
    OmegaConf.create({group: paths.settings(group, word)})
    for group in ("data", "model", "inference", "training", "energy", "sampler", "device")
    for word in words(group)
]


def test_each_setting_that_an_advice_names_is_one_of_some_configuration() -> None:
    keys = {word.partition("=")[0] for text in SENTENCES for word in NAMED.findall(text)}
    assert "inference.draws" in keys
    everywhere = [compose(), *EVERY]
    assert not [key for key in keys if all(untypeable(key, config) for config in everywhere)]


def test_no_advice_names_a_setting_without_its_group() -> None:
    """`learning_rate` alone cannot be typed."""
    keys = {key for config in EVERY for group in ("inference", "training") for key in config.get(group) or ()}
    names = {key for key in keys if "_" in key.strip("_")} - set(compose().diagnostics.checks)
    assert "learning_rate" in names
    for text in SENTENCES:
        bare = {name for name in names if re.search(rf"(?<![\w.]){name}(?![\w(])", text)}
        assert not bare, text


def test_the_first_way_of_an_advice_is_that_with_a_value() -> None:
    config = {"inference": {"trajectory_length": 1.0, "draws": 100, "start": "auto"}}

    def asked(advice: str) -> dict[str, object]:
        found = first(Check("r_hat", "failed", 2.0, 1.01, advice), config, {"inference": "hmc"})
        return {one.key: one.value for one in found}

    assert asked("Raise inference.draws, or use inference=nuts.") == {"inference.draws": 200}
    assert asked("Change inference.trajectory_length, or use inference=nuts.") == {"inference": "nuts"}
    assert asked("Raise inference.draws. Chains stay apart: try inference.start=prior, or pray.") == {
        "inference.draws": 200,
        "inference.start": "prior",
    }
    assert asked("Reparametrise the model.") == {}


def test_a_setting_of_the_method_that_is_advised_comes_with_it() -> None:
    check = Check("peak", "failed", 2.0, 1.0, "Use inference=nuts from inference.start=map.")
    found = changes(check, {"inference": {"particles": 100}}, {"inference": "nested"})
    assert {one.key: one.value for one in found} == {"inference": "nuts", "inference.start": "map"}


def test_a_rung_of_the_ladder_has_settings_of_its_own() -> None:
    config = {"inference": {"rungs": {"nuts": {"draws": 100}}, "small_steps": {"target_accept": 0.99}}}
    check = Check(
        "r_hat", "failed", 2.0, 1.0, "Raise inference.rungs.nuts.draws and inference.small_steps.target_accept."
    )
    assert [one.value for one in changes(check, config, {"inference": "auto"})] == [200, 0.998]


def test_what_a_method_was_to_choose_by_itself_gets_a_value() -> None:
    config = {"inference": {"target_accept": "auto", "warmup": "auto", "metric": "auto"}}
    check = Check(
        "divergences", "failed", 3.0, 0.0, "Raise inference.target_accept, inference.warmup, inference.metric."
    )
    found = changes(check, config, {"inference": "nuts"})
    assert [(one.now, one.value) for one in found] == [("auto", 0.99), ("auto", 1000), ("auto", None)]
