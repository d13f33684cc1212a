"""What is refused before NumPyro, ArviZ and MLflow are loaded, which takes longer than all that is asked here.

`experiment.run.run` asks all of it again, and the rest, with the parts together.
"""

import copy
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from credo.config import messages
from credo.config.failure import explained
from credo.data.base import Early
from credo.errors import ConfigError
from credo.experiment import device, parts


def refuse(config: DictConfig) -> None:
    """Refuse a composed configuration for what its parts can know by themselves, the cheapest first.

    Args:
        config: as composed; it is left as it is.

    Raises:
        ConfigError: a key, a file, a column, an address or a setting of the model cannot be.
    """
    resolved = copy.deepcopy(config)
    messages.refuse(resolved)
    tracker = parts.make_tracker(resolved)
    for part in (parts.make_source(resolved), tracker):
        if isinstance(part, Early):
            with explained(ConfigError, "the run cannot begin, since code that it calls"):
                part.precheck()
    tracker.ahead()
    device.start(**cast("dict[str, Any]", OmegaConf.to_container(resolved.device)))
    from credo.experiment import shelf  # takes time to load

    shelf.ahead(resolved)
    parts.make_model(resolved)
