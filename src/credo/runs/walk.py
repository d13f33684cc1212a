"""The runs in a folder: its own, those of a sweep, or those of a day, and no others.

A folder is one of runs if all that is in it ends in runs after a few steps. Any other folder would mean a walk
through other people's files, and is refused; links are not followed, except that of the folder itself.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

from credo.errors import ConfigError

DEPTH = 4
"""Steps from `multirun` to a job: the day, the time, the number, and one for a folder of the user's own."""

MOST = 20_000
"""Folders that are looked into."""


def beneath(folder: Path, is_run: Callable[[Path], bool]) -> list[Path]:
    """The folders of runs at or below a folder, in the order of their numbers.

    Args:
        folder: of a run, of a sweep, or of several.
        is_run: whether a folder is a run's.

    Raises:
        ConfigError: the folder is above the one where credo was started, or is none of runs.
    """
    if is_run(folder):
        return [folder.resolve()]
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder of a run: it {'is a file' if folder.exists() else 'does not exist'}")
    top = folder.resolve()
    if top.parent == top or top in Path.cwd().resolve().parents:
        raise ConfigError(f"{folder} lies above the folder where you are, with more than runs in it; name each run")
    runs: list[Path] = []
    seen, waiting = 0, [(top, 0)]
    while waiting:
        place, depth = waiting.pop()
        seen += 1
        inside = _folders(place)
        if (depth == DEPTH and inside) or seen > MOST:
            raise ConfigError(f"{folder} is no folder of runs, with {place} in it; name each run, or the sweep")
        for one in inside:
            if is_run(one):
                runs.append(one)
            else:
                waiting.append((one, depth + 1))
    return sorted(runs, key=lambda place: [_natural(part) for part in place.parts])


def _folders(place: Path) -> list[Path]:
    """The folders in one; hidden ones and links are none of runs, and what may not be opened holds none of ours."""
    try:
        with os.scandir(place) as entries:
            inside = [one for one in entries if one.is_dir(follow_symlinks=False) and not one.name.startswith(".")]
    except OSError:
        return []
    return [Path(one.path) for one in inside]


def _natural(name: str) -> list[tuple[int, str]]:
    """An order in which 10 comes after 9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
