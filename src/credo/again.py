"""`credo resume RUN` and `credo extend RUN --draws N`: a run from its folder, as it was configured."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from credo import checkpoint
from credo.code import record
from credo.errors import ConfigError

RESUME = "credo resume: expected the folder or the MLflow id of one run, as in credo resume outputs/2026-01-31/12-00-00"
EXTEND = (
    "credo extend: expected a run and a number of draws, as in credo extend outputs/2026-01-31/12-00-00 --draws 1000"
)


@dataclass(frozen=True)
class Run:
    """A run as it was started: the arguments of `app.run`."""

    config: DictConfig
    choices: dict[str, str]
    overrides: tuple[str, ...]
    folder: Path
    start_folder: Path


def resumed(arguments: Sequence[str]) -> Run:
    """The run to take up.

    Raises:
        ConfigError: there is no such run, it has no checkpoint, or it is finished.
    """
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise ConfigError(RESUME)
    run = read(folder(arguments[0]))
    if checkpoint.read_head(run.folder)["finished"]:
        raise ConfigError(f"{arguments[0]} is finished; credo extend {arguments[0]} --draws 1000 adds draws to it")
    return run


def extended(arguments: Sequence[str]) -> Run:
    """The finished run to make longer.

    Raises:
        ConfigError: there is no such run, it is not finished, or has no draws.
    """
    words = [part for word in arguments for part in word.split("=", 1)]
    if len(words) != 3 or words[1] != "--draws" or not re.fullmatch(r"[1-9]\d*", words[2]):
        raise ConfigError(EXTEND)
    run = read(folder(words[0]))
    head = checkpoint.read_head(run.folder)
    if not head["finished"]:
        raise ConfigError(f"{words[0]} is not finished; credo resume {words[0]} takes it up")
    if "draws" not in run.config.inference:
        raise ConfigError(f"{words[0]} is a point estimate ({run.choices['inference']}), which has no draws to add to")
    run.config.inference.draws = head["numbers"]["done"] - run.config.inference.warmup + int(words[2])
    return run


def folder(word: str) -> Path:
    """A run's folder, from its path or from its id in MLflow."""
    try:
        is_folder = Path(word).is_dir()
    except (OSError, ValueError) as error:  # its name is too long, say
        raise ConfigError(
            f"{word[:80]} can be no run's folder ({getattr(error, 'strerror', None) or error})"
        ) from error
    if is_folder or not re.fullmatch(r"[0-9a-f]{32}", word):
        return Path(word).absolute()
    from credo.tracking import store

    return store.folder_of(word, Path.cwd())


def read(place: Path) -> Run:
    """The run in a folder, as it was started.

    Raises:
        ConfigError: there is none.
    """
    try:
        config = OmegaConf.load(place / ".hydra" / "config.yaml")
        hydra = OmegaConf.load(place / ".hydra" / "hydra.yaml").hydra
    except FileNotFoundError:
        raise ConfigError(f"{place} is no folder of a run: it has no .hydra/config.yaml") from None
    if not isinstance(config, DictConfig):
        raise ConfigError(f"{place}/.hydra/config.yaml: expected keys and values")
    if (place / record.FOLDER).resolve() in (start := Path(hydra.runtime.cwd).resolve(), *start.parents):
        raise ConfigError(
            f"{place}/.hydra/hydra.yaml: the run says that it was started in the code that it kept, which runs by "
            "credo reproduce RUN --code=recorded alone, in folders that you trust"
        )
    os.chdir(hydra.runtime.cwd)  # where the configuration's paths start
    return Run(
        config=config,
        choices={str(group): str(word) for group, word in hydra.runtime.choices.items()},
        overrides=tuple(hydra.overrides.task),
        folder=place,
        start_folder=Path(hydra.runtime.cwd),
    )
