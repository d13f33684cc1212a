"""The configurations of many jobs, composed as Hydra does, once for all jobs that choose the same options.

Hydra takes a third of a second to compose one configuration. Jobs of a sweep mostly differ in plain values, and those
are set in a copy.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict


class Composer:
    """Composes the configurations of a sweep's jobs."""

    def __init__(self, loader: ConfigLoader, master: DictConfig):
        """Of the sweep with the configuration `master`."""
        self._loader, self._master = loader, master
        self._parser = OverridesParser.create(config_loader=loader)
        self._known: dict[tuple[str, ...], DictConfig] = {}

    def compose(self, overrides: Sequence[str], number: int) -> DictConfig:
        """The configuration of a job, `hydra` included.

        Raises:
            HydraException: there is no such option or key, or a value does not fit its type.
        """
        parsed = self._parser.parse_overrides(list(overrides))
        choices = _choices(parsed)
        if choices not in self._known:
            self._known[choices] = self._loader.load_sweep_config(self._master, list(choices))
        config = copy.deepcopy(self._known[choices])
        OmegaConf.copy_cache(from_config=self._master, to_config=config)
        loader: Any = ConfigLoaderImpl
        values = [one for one in parsed if _is_value(one)]
        loader._apply_overrides_to_config(values, config)  # noqa: SLF001 - as Hydra does
        task = [one for one in parsed if not one.is_hydra_override()]
        spelling = config.hydra.job.config.override_dirname
        with open_dict(config):
            config.hydra.overrides.task = [one.input_line for one in task]
            config.hydra.overrides.hydra = [*self._master.hydra.overrides.hydra]
            config.hydra.overrides.hydra.extend([one.input_line for one in parsed if one.is_hydra_override()])
            config.hydra.job.num, config.hydra.job.id = number, str(number)
            config.hydra.job.override_dirname = get_overrides_dirname(
                task, spelling.exclude_keys, spelling.item_sep, spelling.kv_sep
            )
        return config

    def together(self, jobs: Sequence[Sequence[str]]) -> list[list[int]]:
        """The places of the jobs that choose the same options, for every choice."""
        alike: dict[tuple[str, ...], list[int]] = {}
        for place, words in enumerate(jobs):
            alike.setdefault(_choices(self._parser.parse_overrides(list(words))), []).append(place)
        return list(alike.values())


class OnceLoader:
    """Hydra's loader, which composes the jobs of a sweep by a `Composer` of its own.

    Args:
        loader: Hydra's.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader = loader
        self._composer: Composer | None = None

    def __getattr__(self, name: str) -> Any:
        """All else is as Hydra has it."""
        return getattr(self._loader, name)

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """The configuration of a job; the first call decides whose sweep it is."""
        if self._composer is None:
            self._composer = Composer(self._loader, master_config)
        return self._composer.compose(sweep_overrides, 0)


def subdirectory(config: DictConfig) -> str:
    """Where in the sweep's folder a job's files go, as `hydra.sweep.subdir` says."""
    with as_job(config):
        return str(config.hydra.sweep.subdir)


@contextmanager
def as_job(config: DictConfig) -> Iterator[DictConfig]:
    """Let `${hydra:...}` mean what it means in a job; gives the job's configuration without Hydra's own part."""
    singleton = HydraConfig.instance()
    before = singleton.cfg
    try:
        singleton.set_config(config)
        yield OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    finally:
        singleton.cfg = before


def _choices(parsed: Sequence[Override]) -> tuple[str, ...]:
    return tuple(str(one.input_line) for one in parsed if not _is_value(one))


def _is_value(override: Override) -> bool:
    """Whether it sets one plain value; others may choose options, on which everything else depends."""
    plain = override.package is None and not override.is_delete()
    return plain and ("." in override.key_or_group or override.key_or_group in ("name", "seed", "objective"))
