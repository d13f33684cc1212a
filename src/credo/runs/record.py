"""What trackers and reports are given of a run before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

    from credo.runs.job import Membership


@dataclass(frozen=True)
class Story:
    """All that trackers and reports are told of a run, before it starts.

    Attributes:
        name: the run's name, e.g. `eight_schools hierarchical nuts`.
        config: the composed configuration, resolved, as plain containers.
        choices: the words chosen per group, e.g. `{"data": "eight_schools", "model": "hierarchical", ...}`.
        overrides: what was typed, e.g. `("inference.draws=500",)`.
        folder: the run's folder.
        start_folder: the folder in which `credo` was started.
        provenance: seed, versions, git commit, data hash, device (see `provenance.collect`).
        question: `{"model": ..., "latents": [...], "data": ...}`: the model's formula and what is known of its sites.
        data: the data set.
        taken_up: `None` for a new run; otherwise how many times the run was made longer, 0 where it was cut off.
        sweep: what the run knows of the sweep of which it is a job.
    """

    name: str
    config: Mapping[str, Any]
    choices: Mapping[str, str]
    overrides: tuple[str, ...]
    folder: Path
    start_folder: Path
    provenance: Mapping[str, Any]
    question: Mapping[str, Any]
    data: "xr.Dataset"
    taken_up: int | None = None
    sweep: "Membership | None" = None
