"""Pieces of MyST Markdown."""

import re
from collections.abc import Iterable, Sequence
from typing import Any


def sentence(text: str) -> str:
    """A text on one line, with a capital letter at its beginning and a stop at its end, in the words of YAML."""
    words = " ".join(text.replace("`None`", "`null`").split())
    if not words:
        return ""
    start = words[0].upper() if re.match(r"[a-z][a-z-]*([ ,;:]|$)", words) else words[0]
    return f"{start}{words[1:]}{'' if words[-1] in '.:?!' else '.'}"


def prose(text: str) -> str:
    r"""A docstring as paragraphs: what Markdown would take for emphasis, a link or HTML stands as it is.

    Example:
        >>> prose("y ~ a*b*c, of `x_i*y`")
        'y ~ a\\*b\\*c, of `x_i*y`'
    """
    parts = re.split(r"(`[^`]*`)", text.replace("`None`", "`null`"))
    return "".join(part if part.startswith("`") else re.sub(r"([*_<\[\]|~^])", r"\\\1", part) for part in parts)


def code(text: Any) -> str:
    """As code, also where it has backticks or is empty."""
    words = str(text)
    if "`" in words:
        return f"`` {words} ``"
    return f"`{words}`" if words else '`""`'


def block(text: str, language: str = "") -> str:
    """As a block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def definitions(entries: Iterable[tuple[str, Sequence[str]]]) -> str:
    """A list of terms, each with paragraphs."""
    return "\n\n".join(
        f"{term}\n: " + "\n\n  ".join(paragraph for paragraph in paragraphs if paragraph)
        for term, paragraphs in entries
    )


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, whose cells may have code."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(re.sub(r'(?<!\\)\|', r'\|', cell) for cell in line)} |" for line in lines)


def listing(words: Sequence[str]) -> str:
    """Words in a sentence: `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def page(title: str, *parts: str) -> str:
    """A page of parts."""
    return "\n\n".join([f"# {title}", *(part for part in parts if part)]) + "\n"
