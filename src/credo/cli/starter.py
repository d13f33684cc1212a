"""`credo init DIR`: a small folder of the user's own that runs at once."""

import os
from contextlib import suppress
from importlib.resources import as_file, files
from pathlib import Path

from credo.errors import ConfigError

FILES = (
    "README.md",
    ".gitignore",
    "my_model.py",
    "conf/model/my_model.yaml",
    "data/made_up_doses.json",
    "experiments/my_experiment.yaml",
)
"""The files of the user's folder. In the package .gitignore has no dot, lest git or a build tool obey it there."""


def create(folder: Path) -> list[Path]:
    """Write the starter folder: a model, its data, an experiment, and how to run it.

    Returns:
        The files written.

    Raises:
        ConfigError: that is no folder of the user's own, one of the files exists already, or the folder cannot be
            written; then nothing was written.
    """
    _require_own(folder)
    contents = _contents()
    for name in contents:
        _require_free(folder, folder / name)
    wanted = {place for name in contents for place in (folder / name).parents if place not in Path.cwd().parents}
    new = sorted((place for place in wanted if not os.path.lexists(place)), reverse=True)
    try:
        for name, content in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    except OSError as error:
        with suppress(OSError):  # leave nothing of what could not be written as a whole
            for name in contents:
                (folder / name).unlink(missing_ok=True)
            for place in new:
                if place.is_dir():
                    place.rmdir()
        raise ConfigError(f"credo init: cannot write to {folder} ({error.strerror}); choose another folder") from error
    return [folder / name for name in contents]


def _require_own(folder: Path) -> None:
    """What was named is a folder, and not one that has the user's others in it."""
    word = str(folder).strip()
    advice = "name a new folder, as in credo init my_experiments"
    if not word or not word.isprintable():
        raise ConfigError(f"credo init: {word!r} is no name for a folder; {advice}")
    if ":/" in word:
        raise ConfigError(f"credo init: expected a folder, but {word} is an address; {advice}")
    if word.startswith("~"):
        raise ConfigError(f"credo init: {word} begins with ~, which only a shell takes for a home; type it unquoted")
    place = folder.resolve()
    if place.parent == place or place in Path.cwd().resolve().parents:
        raise ConfigError(f"credo init: {word} is the root of all or lies above the folder where you are; {advice}")


def _contents() -> dict[str, bytes]:
    with as_file(files("credo.cli") / "starter_files") as source:
        return {name: (source / name.removeprefix(".")).read_bytes() for name in FILES}


def _require_free(folder: Path, file: Path) -> None:
    """Nothing is at the file's place, and no file is where a folder must be."""
    inside = [path for path in file.parents if path == folder or folder in path.parents]
    blocking = [path for path in (file, *inside) if path.exists() and (path == file or not path.is_dir())]
    if blocking:
        raise ConfigError(f"credo init: {blocking[0]} exists already and is not overwritten; choose an empty folder")
