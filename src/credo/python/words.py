"""What a call from Python asks for, in the words of the command line."""

import math
import re
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from credo.config import paths
from credo.config.nearest import nearest
from credo.errors import ConfigError
from credo.sweeps.environment import quoted

LENGTHS = ("chains", "warmup", "draws")
"""Settings of the method that are so common that they go by their own names."""

FOLDER = "folder"
"""The argument that names the folder of a run or of a sweep."""


def typed(call: str, words: Sequence[Any], settings: Mapping[str, Any], folder: str) -> list[str]:
    """The words of a call.

    Args:
        call: its name, for messages.
        words: as they would be typed.
        settings: keys and values; `draws` is `inference.draws`.
        folder: the key that `folder` stands for.

    Raises:
        ConfigError: a word is no text or is a flag, or there is no such key or value.
    """
    for word in words:
        if not isinstance(word, str):
            raise ConfigError(f"{call}: expected words such as 'inference=nuts', but got {_kind(word)}")
        if word.startswith("-"):
            raise ConfigError(f"{call}: expected words such as 'inference=nuts', but got the flag {word}; leave it out")
    return [*words, *(f"{_key(call, name, folder)}={value(call, name, given)}" for name, given in settings.items())]


def several(call: str, name: str, given: Any) -> Any:
    """The values of a key of a sweep: a list of them, one job each; other values as they are."""
    if isinstance(given, list | tuple | range):
        if not given:
            raise ConfigError(f"{call}: {name}: expected values, one job each, but got none")
        return Joined(",".join(value(call, name, one) for one in given))
    return given


PLAIN = re.compile(r"[A-Za-z_./][\w./:-]*", re.ASCII)
SPECIAL = ("true", "false", "null", "nan", "inf", "yes", "no", "on", "off")


class Joined(str):
    """A value that is in Hydra's grammar already."""

    __slots__ = ()


def value(call: str, name: str, given: Any) -> str:
    """A value in Hydra's grammar.

    Raises:
        ConfigError: it has no form there.
    """
    if isinstance(given, Joined):
        return str(given)
    if given is None or isinstance(given, bool):
        return "null" if given is None else str(given).lower()
    if isinstance(given, str | Path):
        return str(given) if name.startswith("model.formula") else _text(str(given))  # as it is typed
    if isinstance(given, Integral):
        return str(int(given))
    if isinstance(given, Real):
        return repr(float(given)) if math.isfinite(given) else f"{float(given):f}"
    if isinstance(given, Mapping):
        return "{" + ", ".join(f"{_name(str(key))}: {value(call, name, one)}" for key, one in given.items()) + "}"
    if isinstance(given, list | tuple | range):
        return "[" + ",".join(value(call, name, one) for one in given) + "]"
    raise ConfigError(
        f"{call}: {name}: expected text, a number, true or false, None, a list or a dict, but got {_kind(given)}"
    )


def _name(name: str) -> str:
    """A name in a dict, in quotes where it has what parts names from one another."""
    quote = "'" if '"' in name else '"'
    return f"{quote}{name}{quote}" if re.search(r"[,:'\"]", name) else name


def _text(text: str) -> str:
    """As it is where Hydra takes it for nothing else, and in quotes elsewhere."""
    return text if PLAIN.fullmatch(text) and text.lower() not in SPECIAL else quoted(text)


def _key(call: str, name: str, folder: str) -> str:
    if name == FOLDER:
        return folder
    if "." in name or name in _tops():
        return f"+{name}" if name == "calibrate" else name
    if name in LENGTHS:
        return f"inference.{name}"
    raise ConfigError(
        f"{call}: there is no argument {name!r}; {nearest(name, [*_tops(), *LENGTHS, FOLDER])} (keys with dots are "
        "words: 'inference.chains=2')"
    )


def _tops() -> list[str]:
    """The groups and the keys that stand alone."""
    return sorted({*paths.groups() - {"hydra"}, "name", "seed", "objective"})


def _kind(given: Any) -> str:
    return f"an object of the class {type(given).__name__}"
