"""Every setting that an advice names has a value to try, or is left to a person on purpose."""

import ast
from collections.abc import Iterator
from pathlib import Path

import credo
from credo.config import schema
from credo.runs.changes import FACTORS, LEFT, NAMED, RULES

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
