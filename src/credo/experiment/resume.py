"""`credo resume RUN` and `credo extend RUN --draws N`: a run from its folder, as it was configured."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from credo.code import record
from credo.config import paths
from credo.errors import ConfigError
from credo.runs import checkpoint, files, lock, saved, signature, trust

RESUME = "credo resume: expected the folder or the MLflow id of one run, as in credo resume outputs/2026-01-31/12-00-00"
EXTEND = (
    "credo extend: expected a run and a number of draws, as in credo extend outputs/2026-01-31/12-00-00 --draws 1000"
)


@dataclass(frozen=True)
class Run:
    """A run as it was started: the arguments of `experiment.run.run`.

    Attributes:
        hydra: what its `.hydra/hydra.yaml` says.
        is_own: whether the user's own credo wrote it, or the user trusts whoever did.
    """

    config: DictConfig
    choices: dict[str, str]
    overrides: tuple[str, ...]
    folder: Path
    start_folder: Path
    hydra: DictConfig
    is_own: bool

    @property
    def folder_of_code(self) -> Path:
        """Whose modules may be imported: those beside a stranger's run may not."""
        return self.start_folder if self.is_own else paths.built_in()

    def start(self) -> None:
        """Let the configuration's paths start where they did."""
        os.chdir(self.start_folder)


def resumed(arguments: Sequence[str]) -> Run:
    """The run to take up.

    Raises:
        ConfigError: there is no such run, it has no checkpoint, or it is finished.
    """
    words, trusted = trust.said(arguments)
    if len(words) != 1 or words[0].startswith("-"):
        raise ConfigError(RESUME)
    run = read(folder(words[0]), trusted=trusted)
    if checkpoint.head_of(run.folder)["finished"]:
        raise ConfigError(f"{words[0]} is finished; credo extend {words[0]} --draws 1000 adds draws to it")
    return run


def extended(arguments: Sequence[str]) -> Run:
    """The finished run to make longer.

    Raises:
        ConfigError: there is no such run, it is not finished, or has no draws.
    """
    said, trusted = trust.said(arguments)
    words = [part for word in said for part in word.split("=", 1)]
    if len(words) != 3 or words[1] != "--draws" or not re.fullmatch(r"[1-9]\d{0,8}", words[2]):
        raise ConfigError(EXTEND)
    run = read(folder(words[0]), trusted=trusted)
    head = checkpoint.head_of(run.folder)
    if not head["finished"]:
        raise ConfigError(f"{words[0]} is not finished; credo resume {words[0]} takes it up")
    warmup, done = run.config.inference.get("warmup"), head["numbers"].get("done")
    if "draws" not in run.config.inference or done is None or not isinstance(warmup, int):
        raise ConfigError(f"{words[0]} is a point estimate ({run.choices['inference']}), which has no draws to add to")
    run.config.inference.draws = done - warmup + int(words[2])
    return run


@contextmanager
def held(arguments: Sequence[str]) -> Iterator[None]:
    """Hold the folder of the run that is named first, if it is one, before anything in it is read.

    Raises:
        ConfigError: another process has it, or it cannot be written to.
    """
    words, _ = trust.said(arguments)
    place = folder(words[0]) if words else Path()
    if not (place / ".hydra").is_dir():
        yield
        return
    with ExitStack() as stack:
        try:
            stack.enter_context(lock.held(place))
        except OSError as error:
            reason = str(error.strerror or error).lower()
            raise ConfigError(f"{place}: expected a folder that can be written to ({reason}); run it again") from error
        yield


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
    from credo.tracking.mlflow import store

    return store.folder_of(word, Path.cwd())


def read(place: Path, *, trusted: bool, recorded_anew: bool = False) -> Run:
    """The run in a folder, as it was started; a stranger's may only do what `trust.require_harmless` lets it.

    Args:
        place: the folder.
        trusted: whether the user trusts whoever wrote it.
        recorded_anew: whether what comes of it has a folder of its own and is recorded nowhere, so that it may start
            anywhere.

    Raises:
        ConfigError: there is none, a file of it is damaged, or it is a stranger's and names code.
    """
    config, hydra = saved.composed(place)
    plain: Any = OmegaConf.to_container(hydra)
    said = plain["hydra"]
    started = Path(said["runtime"]["cwd"])
    _refuse_kept_code(place, started)
    is_own = trusted or signature.is_own(place)
    if not is_own:
        if recorded_anew:
            config.tracking = {"_target_": "credo.tracking.none.NoTracker"}
        config = trust.require_harmless(config, place / saved.CONFIG)
    start = _start(place, started, is_own=is_own, anywhere=recorded_anew)
    return Run(
        config=config,
        choices={str(group): str(word) for group, word in said["runtime"]["choices"].items()},
        overrides=tuple(said["overrides"]["task"]),
        folder=place,
        start_folder=start,
        hydra=hydra,
        is_own=is_own,
    )


def _refuse_kept_code(place: Path, started: Path) -> None:
    with files.reading(place / saved.HYDRA, saved.AGAIN_WITHOUT):
        resolved = started.resolve()
    if (place / record.FOLDER).resolve() in (resolved, *resolved.parents):
        raise ConfigError(
            f"{place}/{saved.HYDRA}: the run says that it was started in the code that it kept, which runs by "
            "credo reproduce RUN --code=recorded alone, in folders that you trust"
        )


def _start(place: Path, started: Path, *, is_own: bool, anywhere: bool) -> Path:
    """Where the configuration's paths start: where they did, or here where that is gone or nobody can tell."""
    here = Path.cwd()
    if started.resolve() == here.resolve() or (started.is_dir() and is_own):
        return started
    if started.is_dir() and not anywhere:
        raise ConfigError(
            f"{place}/{saved.HYDRA}: the run was started in {started}, and {trust.NOT_OWN}, or cd there and type the "
            "same again"
        )
    sys.stderr.write(f"{place} was started in {started}; paths start in {here} now\n")
    return here
