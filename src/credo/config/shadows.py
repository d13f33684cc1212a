"""A file that takes the name of a module that credo needs: found behind the error that comes of it."""

import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path


def shadowing(error: BaseException) -> str | None:
    """The sentence about such a file; `None` where none is behind an error.

    The file stands in a folder that is looked into before Python's own and the installed ones, as those of PYTHONPATH.
    """
    for name, file in _suspects(error):
        folder = file.parent.parent if file.name == "__init__.py" else file.parent
        if _is_first(folder) and (what := _needed(name)):
            return (
                f"{file} has the name of {what} {name}, which credo needs, and Python finds it first; rename it, or "
                "unset PYTHONPATH"
            )
    return None


def _suspects(error: BaseException | None) -> Iterator[tuple[str, Path]]:
    """Modules that an error and those behind it speak of, or went through, with their files."""
    while error is not None:
        if isinstance(error, ImportError | AttributeError):
            for name in re.findall(r"'(\w+)", str(error)):
                if file := getattr(sys.modules.get(name), "__file__", None):
                    yield name, Path(file)
        for frame in traceback.extract_tb(error.__traceback__):
            yield Path(frame.filename).stem, Path(frame.filename)
        error = error.__cause__ or error.__context__


def _is_first(folder: Path) -> bool:
    places = [Path(place) for place in sys.path]
    own = Path(sysconfig.get_path("stdlib"))
    return folder in places and own in places and places.index(folder) < places.index(own)


def _needed(name: str) -> str:
    if name in sys.stdlib_module_names:
        return "Python's module"
    return "the package" if (Path(sysconfig.get_path("purelib")) / name).is_dir() else ""
