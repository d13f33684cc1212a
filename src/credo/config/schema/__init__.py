"""The types of all configuration keys, registered with Hydra as `schema/GROUP/OPTION`.

Values live in `conf/`; a YAML there starts its defaults with `/schema/GROUP/OPTION@_here_`. A plug-in of a user's own
needs no schema.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from credo.config.schema import (
    data,
    device,
    diagnostics,
    energy,
    inference,
    model,
    prior,
    report,
    sampler,
    tracking,
    training,
)
from credo.config.schema.sweep import PLUGINS, Sweep


@dataclass
class Credo:
    """The root of the configuration."""

    name: str | None = MISSING
    seed: int = MISSING
    objective: Any = MISSING
    sweep: Sweep = field(default_factory=Sweep)
    data: Any = MISSING
    model: Any = MISSING
    inference: Any = MISSING
    training: Any = None
    energy: Any = None
    sampler: Any = None
    device: Any = MISSING
    diagnostics: Any = MISSING
    tracking: Any = MISSING
    report: Any = MISSING


GROUPS = {
    "data": data,
    "model": model,
    "prior": prior,
    "training": training,
    "energy": energy,
    "sampler": sampler,
    "inference": inference,
    "device": device,
    "diagnostics": diagnostics,
    "tracking": tracking,
    "report": report,
}


def register() -> None:
    """Make the schemas known to Hydra."""
    store = ConfigStore.instance()
    store.store(group="schema", name="credo", node=Credo)
    options: dict[str, dict[str, Any]] = {group: module.OPTIONS for group, module in GROUPS.items()} | PLUGINS
    for group, nodes in options.items():
        for name, node in nodes.items():
            store.store(group=f"schema/{group}", name=name, node=node)
