"""The folder of a run: made when the run is accepted, not before, with the configuration that was accepted.

Hydra makes its folder, and writes there, before it knows what a configuration is worth. `Unmade` keeps it from that.
"""

import copy
import os
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf, flag_override
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from credo import writing
from credo.config.messages import explain, needed, no_folder
from credo.config.parsing import written
from credo.errors import ConfigError
from credo.runs import lock
from credo.secrets import masked

CONFIG = Path(".hydra")
"""Where in its folder a run has its configuration: `config.yaml`, `hydra.yaml` and `overrides.yaml`."""


EARLY = (lock.FILE, str(CONFIG), "code", "tracking.jsonl")
"""What is written until a run begins."""

SIGNS = (
    str(CONFIG),
    "checkpoint",
    "posterior.nc",
    "summary.csv",
    "verdict.json",
    "metrics.json",
    "provenance.json",
    "report.html",
    "tracking.jsonl",
    "job.json",
    "sweep.json",
)
"""By any of these one sees that a folder is a run's, or a sweep's."""


class Unmade(Callback):
    """Lets Hydra start a single run where credo was started, and gives the run's folder back before the run begins.

    A job of a sweep has a folder before it is accepted, where it says how it ended.
    """

    def __init__(self) -> None:
        self._asked: DictConfig | None = None

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Keep what was asked; Hydra may write its messages as it does before a run."""
        self._asked = copy.deepcopy(config.hydra)
        with flag_override(config.hydra, ["struct", "readonly"], [False, False]):
            config.hydra.run.dir = "."
            config.hydra.output_subdir = None
            config.hydra.job_logging = copy.deepcopy(config.hydra.hydra_logging)

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        """Give it back."""
        if self._asked is None:
            return
        with flag_override(config.hydra, ["struct", "readonly"], [False, False]):
            for key in ("run", "output_subdir", "job_logging"):
                config.hydra[key] = self._asked[key]
            with suppress(ConfigError):  # which is said where it can be
                config.hydra.runtime.output_dir = str(chosen(config.hydra))
        HydraConfig.instance().set_config(config)


def chosen(hydra: Any) -> Path:
    """The folder of a run, or of a job of a sweep.

    Raises:
        ConfigError: `hydra.run.dir` names none.
    """
    if hydra.mode is RunMode.MULTIRUN:
        return Path(hydra.runtime.output_dir)
    try:
        typed = str(hydra.run.dir)
    except MissingMandatoryValue:
        raise needed("hydra.run.dir") from None
    except OmegaConfBaseException as error:
        raise explain(error) from error
    if not typed.strip():
        raise ConfigError(f"hydra.run.dir: expected a folder, but got {typed!r}")
    folder = Path(os.path.abspath(typed))  # noqa: PTH100 - as Hydra does
    try:
        folder.exists()
    except OSError as error:  # a name that is too long
        raise no_folder(error, sys.argv[1:]) from error
    return folder


def register() -> None:
    """Let Hydra write nothing by itself."""
    target = f"{Unmade.__module__}.{Unmade.__qualname__}"
    node = HydraConf(output_subdir=None, callbacks={"credo": {"_target_": target}})
    ConfigStore.instance().store(group="hydra", name="config", node=node, provider="credo")


def require_own(hydra: Any) -> None:
    """Refuse to let Hydra write the configuration, too: what is secret would stand in it for everyone.

    Raises:
        ConfigError: `hydra.output_subdir` was typed.
    """
    if hydra.output_subdir is not None:
        raise ConfigError(
            f"hydra.output_subdir={hydra.output_subdir}: a run has its configuration in the folder .hydra, and nowhere "
            "else; leave hydra.output_subdir out"
        )


def text(node: DictConfig | ListConfig) -> str:
    """A part of the configuration as it is kept: what all files of `.hydra` are made by."""
    return written(masked(OmegaConf.to_container(node, resolve=False, enum_to_str=True)))


def keep(folder: Path, config: str, hydra: DictConfig | None = None) -> None:
    """Write the configuration of a run, for its user alone.

    Args:
        folder: of the run.
        config: `text` of it as composed, with its interpolations.
        hydra: Hydra's own part, by its key `hydra`; `None` where it is there already.

    Raises:
        OSError: the disk is full, say.
    """
    place = folder / CONFIG
    place.mkdir(mode=0o700, exist_ok=True)
    place.chmod(0o700)
    writing.write(place / "config.yaml", config, writing.PRIVATE)
    if hydra is not None:
        writing.write(place / "hydra.yaml", text(hydra), writing.PRIVATE)
        writing.write(place / "overrides.yaml", text(hydra.hydra.overrides.task), writing.PRIVATE)


def require_free(folder: Path, key: str, allowed: Collection[str] = ()) -> None:
    """Refuse a folder that has a run already, or a sweep.

    Args:
        folder: of a new run.
        key: which chose it.
        allowed: of `SIGNS`, what may be there.

    Raises:
        ConfigError: it has.
    """
    if taken := [name for name in SIGNS if name not in allowed and (folder / name).exists()]:
        lock.require_free(folder)
        raise ConfigError(
            f"{key}: expected a folder of its own, but {folder} has {taken[0]} of an earlier run; choose another "
            "folder, or remove that one"
        )


class Held(ExitStack):
    """The folder of a run that goes on, until the run is over."""

    @contextmanager
    def accepted(self, folder: Path, key: str, *, exists: bool, allowed: Collection[str] = ()) -> Iterator[None]:
        """Make the folder of a run, and hold it; where what follows fails, there is nothing of it any more.

        A folder that was there before gets its former configuration back.

        Args:
            folder: of the run.
            key: which chose it.
            exists: whether the run has this folder already.
            allowed: what may be in a new one.

        Raises:
            ConfigError: it cannot be made or written to, has a run already, or is held by another process.
        """
        new = [place for place in (folder, *folder.parents) if not place.exists()]
        ours: list[str] = []
        changed = [folder / CONFIG / name for name in ("config.yaml", "signature.json")]
        former = {file: file.read_text(encoding="utf-8") for file in changed if exists and file.exists()}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            unlocked = not (folder / lock.FILE).exists()
            self.enter_context(lock.held(folder))
            if not exists:
                ours = [lock.FILE] if unlocked else []
                require_free(folder, key, allowed)
                ours += [name for name in EARLY if not (folder / name).exists()]
            yield
        except BaseException as error:
            _undo(folder, ours, former)
            self.close()
            for place in new:
                with suppress(OSError):
                    place.rmdir()
            if not isinstance(error, OSError):
                raise
            if exists:
                reason = str(error.strerror or error).lower()
                raise ConfigError(
                    f"{folder}: the run cannot write to its folder ({reason}); mend this first"
                ) from error
            raise no_folder(error, sys.argv[1:]) from error


def _undo(folder: Path, ours: Collection[str], former: Mapping[Path, str]) -> None:
    """Remove what was written for a run that was not accepted, and restore what stood there before."""
    for name in ours:
        remove(folder / name)
    for file, text_before in former.items():
        with suppress(OSError):
            writing.write(file, text_before, writing.PRIVATE)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, if it is there and can be removed."""
    with suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
