"""What is typed for a sweep."""

from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import HydraContext


def parsed(context: HydraContext, typed: Sequence[str]) -> list[Override]:
    """What was typed for the jobs, without what is said to the sweep itself."""
    parser = OverridesParser.create(config_loader=context.config_loader)
    return [one for one in parser.parse_overrides(list(typed)) if not one.key_or_group.startswith("sweep.")]
