"""Where configurations are found: the user's own folder first, then the built-in ones (of a checkout or a wheel).

Both may have `conf/` (groups) and `experiments/` (the options of `experiment`).
"""

from pathlib import Path
from typing import Any

import credo
from credo.config.parsing import parsed

_PACKAGE = Path(credo.__file__).parent
_CHECKOUT = _PACKAGE.parent.parent


def built_in() -> Path:
    """The folder with the built-in `conf/` and `experiments/`: the checkout's, or the wheel's copy."""
    return _CHECKOUT if (_CHECKOUT / "conf" / "config.yaml").is_file() else _PACKAGE / "bundled"


def folders() -> tuple[Path, ...]:
    """The folders that may hold `conf/` and `experiments/`, those that win first."""
    here = Path.cwd()
    return (built_in(),) if here.resolve() == built_in().resolve() else (here, built_in())


def foreign() -> Path | None:
    """The `conf/config.yaml` of another project in the folder where credo was started, if there is one.

    One that is meant for credo begins as the built-in one does, with `/schema/credo`.
    """
    file = folders()[0] / "conf" / "config.yaml"
    is_own = folders()[0] == built_in() or not file.is_file() or "/schema/credo" in file.read_text(errors="replace")
    return None if is_own else file


def groups() -> set[str]:
    """The groups of the configuration, the user's own as well."""
    inside = {file.name for folder in folders() for file in (folder / "conf").glob("*") if file.is_dir()}
    return inside | {"experiment"}


def of_word(group: str, word: str) -> Path | None:
    """The file of a word: `experiments/WORD.yaml` or `conf/GROUP/WORD.yaml` of the first folder that has it."""
    where = "experiments" if group == "experiment" else f"conf/{group}"
    return next((file for folder in folders() if (file := folder / where / f"{word}.yaml").is_file()), None)


def near(path: Path, start: Path | None = None) -> Path:
    """A path as it is typed in a folder, that of the process by default: relative where it lies below."""
    start = (start or Path.cwd()).resolve()
    return path.relative_to(start) if path.is_relative_to(start) else path


def settings(group: str, word: str) -> dict[str, Any]:
    """What the file of a word says, and the options of its group on which it is based; empty where there is no file.

    Args:
        group: `inference`, say, or `experiment`.
        word: the file's name.
    """
    file = of_word(group, word)
    own: Any = {} if file is None else parsed(file.read_text(encoding="utf-8"))
    known: dict[str, Any] = {}
    for item in own.pop("defaults", ()):
        base = str(item).removesuffix("@_here_")
        if isinstance(item, str) and base not in ("_self_", word) and not base.startswith("/"):
            known |= settings(group, base)
    return known | own


PARTIAL = ("base", "check")
"""Folders in groups whose files are no options, but what options are made of."""
