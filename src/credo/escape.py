"""Names and values that came from outside, as text that is only text: on a terminal, and in markdown."""

import os
import re
from pathlib import Path
from urllib.parse import quote

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_AS_BYTES = "surrogateescape"
_BYTES = re.compile(r"[\udc80-\udcff]+")
_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def visible(text: str) -> str:
    """A text whose control characters are written out by their numbers: a terminal would obey them.

    Line breaks and tabs stay. Marks that turn the direction of writing, and half characters, are written out as well.
    Bytes that Python could not read, under LC_ALL=C say, are read as UTF-8.
    """
    text = _BYTES.sub(lambda found: found[0].encode("utf-8", _AS_BYTES).decode("utf-8", _AS_BYTES), text)
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def markdown(text: str) -> str:
    """A text as one line of markdown that shows it, outside of fences: no image, link or HTML of its own.

    Underscores within words stay; markdown takes them for letters.
    """
    line = _LINE.sub(" ", text)
    line = line.replace("&", "&amp;").replace("<", "&lt;")
    line = re.sub(r"([\\`*\[\]!|~{}])", r"\\\1", line)
    line = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)
    line = re.sub(r"(?i)\b(www)\.", r"\1\\.", line).replace("://", "\\://")
    line = re.sub(r"^(\s*)([#+>-])", r"\1\\\2", line)
    return re.sub(r"^(\s*\d+)([.)])", r"\1\\\2", line)


def fenced(text: str) -> list[str]:
    """The lines of a block of markdown that shows a text as it is; its fence is longer than any within."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", text)), 0)
    return [fence, visible(text), fence]


def link(page: Path, folder: Path) -> str:
    """The address of a page as seen from another in a folder; none is taken for a script, or cut at a `#`."""
    return quote(Path(os.path.relpath(page, folder)).as_posix(), errors="surrogateescape")
