"""What parts and their settings say of themselves, in words: for the reference, which nobody writes by hand.

A docstring says what a setting does, its type hint says what it may be, and the YAML of a word gives its value, perhaps
with a comment. As in `signature` nothing is imported, and base classes are followed across files.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from credo.config import signature
from credo.ranges import Range

_SECTION = re.compile(r"^(Args|Attributes|Example|Examples|Raises|Returns|See Also|Yields):\s*$", re.MULTILINE)
_SINGLE = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
_SEVERAL = {int: "whole numbers", float: "numbers", str: "words", bool: "true or false"}


def summary(target: str) -> str:
    """What a class or function says it is: its docstring without the sections."""
    text = next((_docstring(made) for _, made in signature.lineage(target)), "")
    found = _SECTION.search(text)
    return (text[: found.start()] if found else text).strip()


def module(target: str) -> str:
    """What the module of a class or function says of itself, which has the formula and the source."""
    return next((signature.docstring(where) for where, _ in signature.lineage(target)), "")


@cache
def settings(target: str) -> Mapping[str, str]:
    """What each setting of a part does, in a sentence, where a class or function in its line says it."""
    found: dict[str, str] = {}
    for _, made in signature.lineage(target):
        found = attributes(_docstring(made)) | found
    return found


def attributes(docstring: str) -> dict[str, str]:
    r"""The entries of the sections `Attributes` and `Args` of a docstring.

    Example:
        >>> attributes("A rate.\n\nAttributes:\n    rate: per hour,\n        or null.\n    scale: in metres.")
        {'rate': 'per hour, or null.', 'scale': 'in metres.'}
    """
    lines: list[str] = []
    for start, end in _sections(docstring):
        lines += docstring[start:end].splitlines()
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        begin = re.match(r"    (\w+): (.*)", line)
        if begin:
            name = begin[1]
            found[name] = begin[2].strip()
        elif name and line.startswith("        "):
            found[name] += f" {line.strip()}"
    return found


def kind(hint: Any) -> str:
    """What a setting may be, in words, from its type hint; empty where the hint does not say it.

    Example:
        >>> kind(Annotated[int, Range(least=1, whole=True)] | None), kind(tuple[str, ...]), kind(signature.Unknown)
        ('a whole number of at least 1, or null', 'a list of words', '')
    """
    return ", or ".join(dict.fromkeys(_kinds(hint, _SINGLE)))


def comments(file: Path) -> dict[str, str]:
    """What a YAML file says of its keys: the comments behind them, or on the lines above them.

    Args:
        file: whose keys are named by their way down, such as `stop.ess_bulk`.
    """
    found: dict[str, str] = {}
    above: list[str] = []
    way: list[tuple[int, str]] = []
    for line in _below_the_head(file.read_text(encoding="utf-8").splitlines()):
        if (remark := re.match(r"\s*# (.*)", line)) is not None:
            above.append(remark[1])
        elif (entry := re.match(r"(\s*)(?:- /\w+@)?([\w.]+):(?:.*? # (.*))?", line)) is not None:
            indent = len(entry[1])
            way = [*(one for one in way if one[0] < indent), (indent, entry[2])]
            said = entry[3] or " ".join(above)
            if said:
                found[".".join(name for _, name in way).removeprefix("defaults.")] = said
            above = []
    return found


def head(file: Path) -> tuple[str, str]:
    """How a YAML file says that it is called, and what it says of itself besides; empty where it says nothing."""
    lines = file.read_text(encoding="utf-8").splitlines()
    said = [line.removeprefix("#").strip() for line in lines[: len(lines) - len(list(_below_the_head(lines)))]]
    said = [line for line in said if line and not line.startswith("@")]
    calls = [line for line in said if line.startswith("credo ")]
    return (calls[0] if calls else ""), " ".join(line for line in said if line not in calls)


def _below_the_head(lines: Sequence[str]) -> Iterator[str]:
    is_below = False
    for line in lines:
        is_below = is_below or not (line.startswith("#") or not line.strip())
        if is_below:
            yield line


def _docstring(made: ast.ClassDef | ast.FunctionDef) -> str:
    return ast.get_docstring(made) or ""


def _sections(docstring: str) -> Iterator[tuple[int, int]]:
    """Where the entries of settings stand in a docstring."""
    found = list(_SECTION.finditer(docstring))
    for one, following in zip(found, [*found[1:], None], strict=False):
        if one[1] in ("Args", "Attributes"):
            yield one.end(), len(docstring) if following is None else following.start()


def _kinds(hint: Any, words: Mapping[Any, str]) -> Iterator[str]:
    """What a hint allows, each in words."""
    origin = get_origin(hint)
    if origin is Annotated:
        found = [one for one in hint.__metadata__ if isinstance(one, Range)]
        yield from (one.words(several=words is _SEVERAL) for one in found)
        if not found:
            yield from _kinds(hint.__origin__, words)
    elif origin in (Union, UnionType):
        for one in get_args(hint):
            yield from _kinds(one, words)
    elif origin is Literal:
        yield from (f"`{one}`" for one in get_args(hint))
    elif hint in words:
        yield words[hint]
    elif isinstance(hint, type) and issubclass(hint, signature.Part) and hint is not signature.Part:
        yield f"a part, {hint.__name__}"
    elif isinstance(origin or hint, type) and issubclass(origin or hint, Mapping):
        yield "a mapping"
    elif isinstance(origin, type) and issubclass(origin, Sequence):
        inner = [one for one in get_args(hint) if one is not Ellipsis][:1]
        of = " or ".join(dict.fromkeys(found for one in inner for found in _kinds(one, _SEVERAL)))
        yield f"a list of {of}" if of else "a list"
