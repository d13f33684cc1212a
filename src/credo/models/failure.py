"""What went wrong in code that the user wrote, in one sentence with its file and line."""

import sysconfig
import traceback
from pathlib import Path

import credo


def told(error: BaseException) -> str:
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
