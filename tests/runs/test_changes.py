"""Every setting that an advice names has a value to try, or is left to a person on purpose."""

import ast
from collections.abc import Iterator
from pathlib import Path

import credo
from credo.config import schema
from credo.diagnostics.base import Check
from credo.runs.changes import FACTORS, LEFT, NAMED, RULES, changes

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


def test_what_a_method_was_to_choose_by_itself_gets_a_value() -> None:
    config = {"inference": {"target_accept": "auto", "warmup": "auto", "metric": "auto"}}
    check = Check(
        "divergences", "failed", 3.0, 0.0, "Raise inference.target_accept, inference.warmup, inference.metric."
    )
    found = changes(check, config, {"inference": "nuts"})
    assert [(one.now, one.value) for one in found] == [("auto", 0.99), ("auto", 1000), ("auto", None)]
