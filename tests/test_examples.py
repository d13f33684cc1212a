"""The examples of docstrings, each with what its module knows."""

import ast
import doctest
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"


def docstrings() -> Iterator[tuple[str, str, str]]:
    """The module, name and text of those with examples; nothing is imported for it."""
    for file in sorted(SOURCE.rglob("*.py")):
        text = file.read_text()
        if ">>>" in text:
            module = ".".join(file.relative_to(SOURCE).with_suffix("").parts)
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ClassDef | ast.FunctionDef) and ">>>" in (ast.get_docstring(node) or ""):
                    yield module, node.name, ast.get_docstring(node) or ""


@pytest.mark.parametrize(("module", "name", "text"), [pytest.param(*one, id=".".join(one[:2])) for one in docstrings()])
def test_an_example_shows_what_comes_out(module: str, name: str, text: str) -> None:
    example = doctest.DocTestParser().get_doctest(text, vars(import_module(module)).copy(), name, module, 0)
    said: list[str] = []
    doctest.DocTestRunner().run(example, out=said.append)
    assert not said, "".join(said)
