"""How the command is typed in this shell, for the lines that say what to type next."""

import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

from credo.config.paths import near

NAME = "credo"


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
