"""Every combination of what is typed, as Hydra's own sweeper has it, and as one sweep: `hydra/sweeper=grid`."""

from collections.abc import Mapping
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from credo.errors import ConfigError
from credo.sweep import course
from credo.sweep.composer import Composer
from credo.sweep.typed import parsed


class GridSweeper(Sweeper):
    """Runs the product of all lists that were typed.

    Args:
        max_batch_size: jobs that the launcher gets at once; `None` for all.
        params: overrides that are always swept.
    """

    def __init__(self, max_batch_size: int | None = None, params: Mapping[str, str] | None = None):
        if max_batch_size is not None and max_batch_size < 1:
            raise ConfigError(f"hydra.sweeper.max_batch_size: expected at least 1 or null, but got {max_batch_size}")
        self.max_batch_size, self.params = max_batch_size, dict(params or {})
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives."""
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run the jobs; their folders say how they ended.

        Raises:
            ConfigError: the jobs cannot be composed, or are not those of the sweep to resume.
        """
        assert self.launcher and self.hydra_context and self.config  # noqa: S101, PT018 -- for the type checker
        typed = [f"{key}={values}" for key, values in self.params.items()] + arguments
        overrides = parsed(self.hydra_context, typed)
        (product,) = BasicSweeper.split_arguments(overrides, None)
        composer = Composer(self.hydra_context.config_loader, self.config)
        swept = {
            one.get_key_element().lstrip("+~"): one.get_value_string() for one in overrides if one.is_sweep_override()
        }
        with course.under_way(self.config, self.launcher, composer, swept) as sweep:
            todo = sweep.take([words for words in product if words])
            size = self.max_batch_size or max(len(todo), 1)
            for first in range(0, len(todo), size):
                if not sweep.is_stopped:
                    sweep.launch(todo[first : first + size])
