"""What went wrong in code that the user wrote, in one sentence with its file and line."""

import re
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

import numpyro.distributions as dist

import credo
from credo.config.supports import describe


def in_words(error: BaseException) -> str:
    """`ValueError: no such dose (my_model.py, line 7)`: the first line of the message, and where it came from.

    The place is the innermost line that is neither credo's nor an installed library's.
    """
    message = str(error).strip().splitlines()
    said = f"{type(error).__name__}: {message[0]}" if message else type(error).__name__
    if isinstance(error, SyntaxError):  # its message names the place
        return said
    others = ("<", str(Path(credo.__file__).parent), *map(sysconfig.get_path, ("stdlib", "purelib", "platlib")))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(others)]
    return f"{said} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else said


def refused(error: BaseException) -> tuple[str, str] | None:
    """The parameter that a NumPyro distribution refused, the user's own as well, and what it must be.

    Returns:
        Its name, and its `arg_constraints` in words; `None` where the error is another one.
    """
    found = re.match(r"(\w+) distribution got invalid (\w+) parameter", str(error))
    if found is None:
        return None
    asked = (one.arg_constraints for one in _all(dist.Distribution) if one.__name__ == found[1])
    return found[2], next((describe(one[found[2]]) for one in asked if found[2] in one), "another value")


def _all(distribution: type[dist.Distribution]) -> Iterator[type[dist.Distribution]]:
    """A class and all that are made of it, the last ones first."""
    for one in reversed(distribution.__subclasses__()):
        yield from _all(one)
    yield distribution
