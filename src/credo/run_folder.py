"""The folder of a run: made when the run is accepted, not before, with the configuration that was accepted.

Hydra makes its folder, and writes there, before it knows what a configuration is worth. `Unmade` keeps it from that.
"""

import copy
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, ListConfig, OmegaConf, flag_override

from credo import writing
from credo.config.mistakes import no_folder
from credo.errors import ConfigError

CONFIG = Path(".hydra")
"""Where in its folder a run has its configuration: `config.yaml`, `hydra.yaml` and `overrides.yaml`."""


OWN = (str(CONFIG), "code", "tracking.jsonl")
"""What may be written before a run begins."""


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
            config.hydra.runtime.output_dir = os.path.abspath(str(config.hydra.run.dir))  # noqa: PTH100 - as Hydra does
        HydraConfig.instance().set_config(config)


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
    return OmegaConf.to_yaml(node)


def keep(folder: Path, config: DictConfig, hydra: DictConfig | None = None) -> None:
    """Write the configuration of a run, for its user alone.

    Args:
        folder: of the run.
        config: as composed, with its interpolations.
        hydra: Hydra's own part, by its key `hydra`; `None` where it is there already.

    Raises:
        OSError: the disk is full, say.
    """
    place = folder / CONFIG
    place.mkdir(mode=0o700, exist_ok=True)
    place.chmod(0o700)
    writing.write(place / "config.yaml", text(config), writing.PRIVATE)
    if hydra is not None:
        writing.write(place / "hydra.yaml", text(hydra), writing.PRIVATE)
        writing.write(place / "overrides.yaml", text(hydra.hydra.overrides.task), writing.PRIVATE)


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """Make the folder of a new run; where what follows fails, there is nothing of it any more.

    Raises:
        ConfigError: it cannot be made, or not be written to.
    """
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    ours = [name for name in OWN if not (folder / name).exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException as error:
        for name in ours:
            _remove(folder / name)
        for place in new:
            with suppress(OSError):
                place.rmdir()
        if isinstance(error, OSError):
            raise no_folder(error, sys.argv[1:]) from error
        raise


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
