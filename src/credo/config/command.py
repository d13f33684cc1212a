"""How the command is typed in this shell, for the lines that say what to type next."""

import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

from credo.config.paths import near

NAME = "credo"

OPTIONS = {"--config-dir": "-cd", "--config-name": "-cn", "--config-path": "-cp"}
"""Options that decide what the words after them mean."""


@cache
def typed() -> str:
    """`credo` where the shell finds this one by its name, else its path, as in `.venv/bin/credo`."""
    here = Path(sys.argv[0])
    if here.name == "__main__.py":
        return f"{Path(sys.executable).name} -m {NAME}"
    if here.name != NAME or not here.is_file():  # from Python, or from a test
        return NAME
    found = shutil.which(NAME)
    if found is not None and Path(found).resolve() == here.resolve():
        return NAME
    return shlex.quote(str(near(here.absolute())))


def composing() -> str:
    """The same with the options, as typed, by which it finds the configuration."""
    words, kept = sys.argv[1:], list[str]()
    for i, word in enumerate(words):
        name, mark, _ = word.partition("=")
        if name in (*OPTIONS, *OPTIONS.values()):
            kept += [word] if mark else words[i : i + 2]
    return " ".join([typed(), *map(shlex.quote, kept)])
