"""The words of one command through Hydra: composed once, judged while nothing is made yet, and run.

`hydra.main` composes everything twice, first to learn whether it is a sweep, which `-m` mostly says.
"""

import copy
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, override

from hydra import version
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.core.utils import configure_log
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode, TaskFunction
from omegaconf import DictConfig

from credo.config import ignored
from credo.errors import ConfigError


def run(
    words: Sequence[str], job: TaskFunction, sweep: bool, conf: str, name: str = "config", folder: str | None = None
) -> None:
    """Compose the configuration and run its job, or those of its sweep.

    Args:
        words: the overrides typed.
        job: what is run with the configuration.
        sweep: whether `-m` was typed.
        conf: the folder of the configuration.
        name: its file there.
        folder: one more that is searched, before the others.

    Raises:
        ConfigError: something typed would be passed by.
        HydraException: there is no such key or option, or a value does not fit; as Hydra has it.
    """
    version.setbase("1.3")
    path = create_config_search_path(conf)
    if folder is not None:
        if not Path(folder).is_dir():
            raise ConfigError(f"--config-dir: expected a folder, but there is no {folder}")
        path.prepend("command-line", f"file://{Path(folder).absolute()}", SearchPathQuery(provider="schema"))
    hydra = _Hydra.create_main_hydra2("credo", path)
    loader: Any = hydra.config_loader
    loader.repository = _OnceRepository(path)
    typed = list(words)
    try:
        if not sweep:
            try:
                hydra.run(name, job, typed)
            except _IsSweepError:
                sweep = True
        if sweep:
            hydra.multirun(name, job, [*typed, "hydra.mode=MULTIRUN"])
    finally:
        GlobalHydra.instance().clear()


class _IsSweepError(Exception):
    """A configuration that was composed for one run says that it is a sweep (`hydra.mode`)."""


class _OnceRepository(ConfigRepository):
    """What the files say, read once for all compositions of a command, as Hydra does for one."""

    def __init__(self, path: ConfigSearchPath) -> None:
        super().__init__(path)
        self._read: dict[tuple[str, ...], ConfigResult | None] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """What a composition searches, which may add to the places, and goes on with what was read."""
        other = copy.copy(self)
        other.sources = copy.deepcopy(self.sources, memo)
        return other

    @override
    def load_config(self, config_path: str) -> ConfigResult | None:
        asked = (config_path, *(f"{source.scheme()}://{source.path}" for source in self.sources))
        if asked not in self._read:
            self._read[asked] = super().load_config(config_path)
        return copy.deepcopy(self._read[asked])  # since a composition makes it a part of what it composes


class _Hydra(Hydra):
    """Hydra, which knows what it would pass by."""

    @override
    def compose_config(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        with_log_configuration: bool = False,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        typed = OverridesParser.create(self.config_loader).parse_overrides(overrides)
        words = [self._first(one) for one in typed] if run_mode is RunMode.MULTIRUN else overrides
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("error", message=r"provider=.*\s+available", category=UserWarning)
                config = super().compose_config(config_name, words, run_mode, validate_sweep_overrides=False)
        except UserWarning as error:  # of a folder that is not there
            raise ConfigError(f"hydra.searchpath: expected folders that can be read, but {error}") from error
        except KeyError as error:
            if error.args[0] in os.environ:
                raise
            raise _no_variable(str(error.args[0])) from error
        except Exception:
            self._require_one(typed, run_mode)
            raise
        if run_mode is RunMode.RUN and config.hydra.mode is RunMode.MULTIRUN:
            raise _IsSweepError
        self._require_one(typed, run_mode)
        if run_mode is RunMode.MULTIRUN:  # which the sweeper takes for what was typed
            config.hydra.overrides.task = [one.input_line for one in typed if not one.is_hydra_override()]
        ignored.refuse(config, typed, run_mode is RunMode.MULTIRUN)
        if with_log_configuration:
            ignored.require_logging(config.hydra)
            configure_log(config.hydra.hydra_logging, config.hydra.verbose)
        return config

    def _first(self, override: Override) -> str:
        """A word as the sweep itself is composed: with the first of swept options, whose keys may be typed, too."""
        loader: Any = self.config_loader
        is_listed = override.is_choice_sweep() and override.value_type is not ValueType.GLOB_CHOICE_SWEEP
        if is_listed and not override.is_hydra_override() and loader.repository.group_exists(override.key_or_group):
            return f"{override.get_key_element()}={next(override.sweep_string_iterator())}"
        return str(override.input_line)

    def _require_one(self, typed: Any, run_mode: RunMode) -> None:
        """A single run has one value of everything, and a sweep one configuration of Hydra's own."""
        loader: Any = self.config_loader
        loader.validate_sweep_overrides_legal(typed, run_mode, from_shell=True)


def _no_variable(name: str) -> ConfigError:
    return ConfigError(
        f"hydra.job.env_copy: the environment variable {name} is not set; export it, or leave it out of the list"
    )
