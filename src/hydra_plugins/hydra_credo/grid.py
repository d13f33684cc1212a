"""Every combination of what is typed, as Hydra's own sweeper has it, and as one sweep: `hydra/sweeper=grid`."""

from collections.abc import Mapping
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

from credo.errors import ConfigError
from credo.sweeps.sweeper import Prepared


class GridSweeper(Prepared):
    """Runs the product of all lists that were typed.

    Args:
        max_batch_size: jobs that the launcher gets at once; `None` for all.
        params: overrides that are always swept.
    """

    def __init__(self, max_batch_size: int | None = None, params: Mapping[str, str] | None = None):
        if max_batch_size is not None and max_batch_size < 1:
            raise ConfigError(f"hydra.sweeper.max_batch_size: expected at least 1 or null, but got {max_batch_size}")
        super().__init__(params)
        self.max_batch_size = max_batch_size

    def sweep(self, arguments: list[str]) -> Any:
        """Run the jobs; their folders say how they ended.

        Raises:
            ConfigError: the jobs cannot be composed, or are not those of the sweep to resume.
        """
        overrides = self.parsed(arguments)
        (product,) = BasicSweeper.split_arguments(overrides, None)
        if self.config.sweep.dry_run:
            return self.dry([words for words in product if words], overrides)
        with self.sweeping(self.composer(), overrides) as sweep:
            todo = sweep.include([words for words in product if words])
            size = self.max_batch_size or max(len(todo), 1)
            for first in range(0, len(todo), size):
                if not sweep.is_stopped:
                    sweep.launch_whole(todo[first : first + size])
        return None
