"""What all sweepers of ours begin with."""

from collections.abc import Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from credo.config import ignored
from credo.errors import ConfigError
from credo.sweep.composer import Composer


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
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def composer(self) -> Composer:
        """Of the jobs' configurations."""
        return Composer(self.hydra_context.config_loader, self.config)

    def parsed(self, arguments: Sequence[str]) -> list[Override]:
        """What was typed for the jobs, without what is said to the sweep itself.

        Raises:
            ConfigError: a key has no values.
        """
        typed = [*(f"{key}={values}" for key, values in self.params.items()), *arguments]
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        parsed = [one for one in parser.parse_overrides(typed) if not one.key_or_group.startswith("sweep.")]
        ignored.require_values(parsed)
        return parsed


def swept(overrides: Sequence[Override]) -> dict[str, str]:
    """The keys that have several values, and those as typed."""
    several = [one for one in overrides if one.is_sweep_override()]
    return {one.get_key_element().lstrip("+~"): one.get_value_string() for one in several}
