"""What went wrong in code that the user wrote, in one sentence with its file and line."""

import re
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import credo
from credo.errors import CredoError


@contextmanager
def explained(kind: type[CredoError], what: str) -> Iterator[None]:
    """Make one sentence of what code of the user's own raises; an error of credo's own passes.

    Args:
        kind: the error with the sentence.
        what: how the sentence begins.
    """
    try:
        yield
    except CredoError:
        raise
    except (Exception, SystemExit) as error:  # nothing of credo's leaves the process
        if isinstance(error, SystemExit) or _seen(error).users:
            raise kind(f"{what} raised {in_words(error)}; correct it, and run it again") from error
        raise


def in_words(error: BaseException) -> str:
    """`ValueError: no such dose (my_model.py, line 7)`: the first line of the message, and where it came from.

    The place is the innermost line that is neither credo's nor an installed library's.
    """
    seen = _seen(error)
    return seen.message if seen.place is None else f"{seen.message} ({Path(seen.place[0]).name}, line {seen.place[1]})"


class _Seen(NamedTuple):
    """The first line of an error, the file and line of the user's that raised it, and whether any did."""

    message: str
    place: tuple[str, int] | None
    users: bool


def _seen(error: BaseException) -> _Seen:
    try:
        text = str(error).strip()
    except Exception:  # noqa: BLE001 - an error of the user's own class may raise whatever it likes
        text = ""
    if (raised := _of_callback(text)) is not None:
        return raised
    message = f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
    place = _place([(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)])
    return _Seen(message, None if isinstance(error, SyntaxError) else place, place is not None)  # its message names it


_FRAME = re.compile(r'\s+File "(.+)", line (\d+)')


def _of_callback(text: str) -> _Seen | None:
    """What a callback of the program raised, of which JAX and equinox tell in a text; `None` for other texts."""
    if not re.search(r"error calling callback: Traceback|\bEquinoxRuntimeError: ", text):
        return None
    lines = text.splitlines()
    frames = {number: (found[1], int(found[2])) for number, line in enumerate(lines) if (found := _FRAME.match(line))}
    message = next((line for line in lines[max(frames, default=0) + 1 :] if line[:1].strip()), lines[0])
    callers = [
        number for number, (file, _) in frames.items() if re.search(r"jax\W_src\W(callback|debugging)\.py$", file)
    ]
    within = [frame for number, frame in frames.items() if number > max(callers, default=-1)]
    return _Seen(re.sub(r"^(?:\w+\.)*_?(?=\w+(?::|$))", "", message), _place(within), True)


def _place(frames: list[tuple[str, int]]) -> tuple[str, int] | None:
    """The innermost of these files and lines that is neither credo's nor an installed library's."""
    folders = map(sysconfig.get_path, ("stdlib", "purelib", "platlib", "scripts"))
    others = ("<", str(Path(credo.__file__).parent), *folders)
    return next((frame for frame in reversed(frames) if not frame[0].startswith(others)), None)
