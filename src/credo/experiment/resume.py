"""`credo resume RUN` and `credo extend RUN --draws N`: a run from its folder, as it was configured."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from credo.config import paths
from credo.errors import ConfigError
from credo.experiment import longer
from credo.runs import files, lock, saved, signature, snapshot, trust
from credo.runs.code import record

NOWHERE = {"_target_": "credo.tracking.none.NoTracker"}
"""The tracking of a run that is recorded nowhere but in its folder."""


@dataclass(frozen=True)
class Run:
    """A run as it was configured.

    Attributes:
        config: composed, with its interpolations.
        choices: the option chosen per group.
        overrides: what was typed.
        folder: the run's.
        start_folder: where the configuration's relative paths start.
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
    def is_calibration(self) -> bool:
        """Whether it calibrates, and so goes on from its ranks."""
        settings = self.config.get("calibrate")
        return bool(settings) and not settings.get("beside")

    @property
    def folder_of_code(self) -> Path:
        """Whose modules may be imported: those beside a stranger's run may not."""
        return self.start_folder if self.is_own else paths.built_in()


def interrupted(place: Path, name: str, *, trusted: bool) -> Run:
    """The run to resume.

    Args:
        place: its folder.
        name: what was typed for it.
        trusted: whether the user trusts whoever wrote the folder.

    Raises:
        ConfigError: there is no such run, it has no checkpoint, or it is finished.
    """
    run = read(place, trusted=trusted)
    if run.is_calibration:
        if (place / saved.VERDICT).exists():
            raise ConfigError(f"{name} is finished; {longer.command(name, 'replications')}")
        return run
    head = snapshot.head_of(run.folder)
    if head["finished"]:
        setting = longer.setting(run.config, head)
        advice = "begin a new run of the same" if setting is None else longer.command(name, setting)
        raise ConfigError(f"{name} is finished; {advice}")
    return run


def extended(place: Path, name: str, setting: str, count: int, *, trusted: bool) -> Run:
    """The finished run, with more of something in its configuration.

    Args:
        place: its folder.
        name: what was typed for it.
        setting: what to add to, of `longer.EXAMPLES`.
        count: how much to add.
        trusted: whether the user trusts whoever wrote the folder.

    Raises:
        ConfigError: there is no such run, it is not finished, or it has nothing of the kind.
    """
    run = read(place, trusted=trusted)
    if run.is_calibration:
        return _calibrated(run, name, setting, count)
    head = snapshot.head_of(run.folder)
    if not head["finished"]:
        raise ConfigError(f"{name} is not finished; credo resume {name} continues it")
    word, own = run.choices["inference"], longer.setting(run.config, head)
    if own is None:
        is_point = "optimiser" in run.config.inference and "draws" not in run.config.inference
        if is_point:
            raise ConfigError(f"{name} is a point estimate ({word}), which has no draws to add to")
        raise ConfigError(f"{name} is a run of inference={word}, which cannot be made longer; begin a new run")
    if setting != own:
        raise ConfigError(f"--{setting}: {name} is a run of inference={word}; {longer.command(name, own)}")
    longer.lengthen(run.config, head, name, setting, count)
    return run


def _calibrated(run: Run, name: str, setting: str, count: int) -> Run:
    """The finished calibration, with more replications in its configuration."""
    if setting != "replications":
        raise ConfigError(f"--{setting}: {name} is a calibration; {longer.command(name, 'replications')}")
    if not (run.folder / saved.VERDICT).exists():
        raise ConfigError(f"{name} is not finished; credo resume {name} continues it")
    run.config.calibrate.replications += count
    return run


@contextmanager
def held(place: Path) -> Iterator[None]:
    """Hold a folder, if it is a run's, before anything in it is read.

    Raises:
        ConfigError: another process holds it, or it cannot be written to.
    """
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
    """A run's folder, from its path or from its id with a tracker."""
    try:
        is_folder = Path(word).is_dir()
    except (OSError, ValueError) as error:  # its name is too long, say
        raise ConfigError(
            f"{word[:80]} can be no run's folder ({getattr(error, 'strerror', None) or error})"
        ) from error
    if is_folder:
        return Path(word).absolute()
    from credo.experiment import trackers  # takes time to load

    return trackers.find(word) or Path(word).absolute()


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
    runtime, overrides = plain["hydra"]["runtime"], plain["hydra"]["overrides"]
    started = Path(runtime["cwd"])
    _refuse_kept_code(place, started)
    is_own = trusted or signature.is_own(place)
    if not is_own:
        if recorded_anew:
            config.tracking = NOWHERE
        config = trust.require_harmless(config, place / saved.CONFIG)
    start = _start(place, started, is_own=is_own, anywhere=recorded_anew)
    return Run(
        config=config,
        choices={str(group): str(word) for group, word in runtime["choices"].items()},
        overrides=tuple(overrides["task"]),
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
