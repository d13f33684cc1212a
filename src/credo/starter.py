"""`credo init DIR`: a small folder of the user's own that runs at once."""

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
        ConfigError: one of them exists already, or the folder cannot be written; then nothing was written.
    """
    contents = _contents()
    for name in contents:
        _require_free(folder, folder / name)
    try:
        for name, content in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ConfigError(f"credo init: cannot write to {folder} ({error.strerror}); choose another folder") from error
    return [folder / name for name in contents]


def _contents() -> dict[str, bytes]:
    with as_file(files("credo") / "starter_files") as source:
        return {name: (source / name.removeprefix(".")).read_bytes() for name in FILES}


def _require_free(folder: Path, file: Path) -> None:
    """Nothing is at the file's place, and no file is where a folder must be."""
    inside = [path for path in file.parents if path == folder or folder in path.parents]
    blocking = [path for path in (file, *inside) if path.exists() and (path == file or not path.is_dir())]
    if blocking:
        raise ConfigError(f"credo init: {blocking[0]} exists already and is not overwritten; choose an empty folder")
