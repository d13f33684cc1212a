"""What the Tab key makes of a line: verbs and their flags, besides what Hydra completes (groups, words, keys).

A shell calls `credo -sc query=bash` with the line in `COMP_LINE`, as Hydra's script for it does.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module

from credo.cli.flags import VERBS

ASKED = ("-sc", "--shell-completion")
LINE = "COMP_LINE"
LIKE_AN_EXPERIMENT = ("calibrate",)
"""Verbs that take an experiment's words."""


def is_over(arguments: Sequence[str]) -> bool:
    """Print the verbs or flags that the line may go on with, if the shell asks; whether Hydra has nothing to add."""
    if not (set(ASKED) & set(arguments) and any(word.startswith("query=") for word in arguments)):
        return False
    command, *words, typed = os.environ.get(LINE, " ").split(" ")
    if not (before := [word for word in words if word]):
        _write(verb for verb in VERBS if verb.startswith(typed))
        return False
    verb, *others = before
    if verb in LIKE_AN_EXPERIMENT:
        os.environ[LINE] = " ".join([command, *others, typed])
        return False
    if verb in VERBS and typed.startswith("-"):
        _write(flag for flag in flags_of(verb) if flag.startswith(typed))
    return verb in VERBS


def flags_of(verb: str) -> tuple[str, ...]:
    """What the parser of a verb takes, as its file says; a run's folder is completed by the shell itself."""
    return getattr(import_module(f"credo.cli.{verb}"), "FLAGS", ())


def _write(words: Iterable[str]) -> None:
    sys.stdout.writelines(f"{word}\n" for word in words)
