"""What all sweepers of ours begin with."""

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, flag_override

from credo.config import ignored
from credo.errors import ConfigError
from credo.secrets import masked
from credo.sweeps import launch
from credo.sweeps.composer import Composer, OnceLoader
from credo.sweeps.plan import FILE, Plan
from credo.sweeps.sweep import Sweep, running


def _swept(overrides: Sequence[Override]) -> dict[str, str]:
    """The keys that have several values, and those as typed."""
    several = [one for one in overrides if one.is_sweep_override()]
    return {one.get_key_element().lstrip("+~"): one.get_value_string() for one in several}


class Prepared(Sweeper):
    """A sweeper that knows its launcher, and what was typed.

    Args:
        params: overrides that are always swept.
    """

    hydra_context: HydraContext
    config: DictConfig
    launcher: Launcher

    def __init__(self, params: Mapping[str, str] | None) -> None:
        if not isinstance(params, Mapping | None):
            raise ConfigError(
                f"hydra.sweeper.params: expected keys and values, as in {{seed: '1,2'}}, but got {params}"
            )
        self.params = dict(params or {})

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives."""
        self.hydra_context, self.config = hydra_context, config
        self.threads = launch.threads(config.hydra.launcher, os.cpu_count() or 1)
        with flag_override(config.hydra.launcher, ["struct", "readonly"], [False, False]):
            config.hydra.launcher.pop("threads_per_job", None)  # it is no argument of the launcher's own
        here = str(config.hydra.launcher._target_).endswith(".BasicLauncher")  # whose jobs are composed here, too
        loader: Any = OnceLoader(hydra_context.config_loader)
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(loader, hydra_context.callbacks) if here else hydra_context,
            task_function=task_function,
            config=config,
        )

    def composer(self) -> Composer:
        """Of the jobs' configurations."""
        return Composer(self.hydra_context.config_loader, self.config)

    def sweeping(self, composer: Composer, overrides: Sequence[Override]) -> AbstractContextManager[Sweep]:
        """The sweep over the keys that have several values, from its first job to its summary."""
        return running(self.config, self.launcher, composer, _swept(overrides), self.threads)

    def dry(self, product: Sequence[Sequence[str]], overrides: Sequence[Override]) -> None:
        """Say what the sweep would do.

        Raises:
            ConfigError: there is no such sweep to resume, or its jobs cannot be.
        """
        from credo.sweeps import dry

        swept, settings = _swept(overrides), self.config.sweep
        folder, start = Path(self.config.hydra.sweep.dir).absolute(), Path(self.config.hydra.runtime.cwd)
        name = " ".join(masked(f"{key}={values}") for key, values in swept.items())
        plan = Plan(folder, self.composer(), tuple(swept), name)
        if settings.resume is not None:
            if not (folder / FILE).exists():
                raise ConfigError(f"sweep.resume: expected the folder of a sweep, and {folder} has no {FILE}")
            plan.read(set(self.config.hydra.overrides.task), start)
        dry.show(plan, plan.include(product), start, skip_finished=settings.skip_finished)

    def parsed(self, arguments: Sequence[str]) -> list[Override]:
        """What was typed for the jobs, without the settings of the sweep itself.

        Raises:
            ConfigError: a key has no values.
        """
        typed = [*(f"{key}={values}" for key, values in self.params.items()), *arguments]
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        parsed = [one for one in parser.parse_overrides(typed) if not one.key_or_group.startswith("sweep.")]
        ignored.require_values(parsed)
        return parsed
