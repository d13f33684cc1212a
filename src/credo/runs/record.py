"""What trackers and reports learn of a run before its inference starts."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

    from credo.runs.job import Membership


@dataclass(frozen=True)
class Fresh:
    """A run that starts in a new folder."""


FRESH = Fresh()


@dataclass(frozen=True)
class Resumed:
    """A run that goes on in its folder, and under its name with the tracker.

    Attributes:
        times: how many times it was extended after its end; 0 where it was interrupted.
        from_checkpoint: whether the inference goes on from its checkpoint; otherwise it starts again.
    """

    times: int = 0
    from_checkpoint: bool = True


@dataclass(frozen=True)
class RunRecord:
    """A run as trackers and reports see it, complete before the inference starts.

    Attributes:
        name: the run's name, e.g. `eight_schools hierarchical nuts`.
        config: the composed configuration, resolved, as plain containers.
        choices: the option chosen per group, e.g. `{"data": "eight_schools", "model": "hierarchical", ...}`.
        overrides: what was typed, e.g. `("inference.draws=500",)`.
        folder: the run's folder.
        start_folder: the folder in which `credo` was started.
        provenance: seed, versions, git commit, data hash, device (see `provenance.collect`).
        description: `{"model": ..., "latents": [...], "data": ...}`: the model's formula and its sites (see
            `models.describe`).
        data: the data set.
        start: whether the run is a new one.
        unread: keys of the configuration that have no effect in the model as it is, such as `model.prior.df`.
        sweep: the sweep of which the run is a job.
        began: since when somebody waits for the answer, on the clock of `time.monotonic`.
    """

    name: str
    config: Mapping[str, Any]
    choices: Mapping[str, str]
    overrides: tuple[str, ...]
    folder: Path
    start_folder: Path
    provenance: Mapping[str, Any]
    description: Mapping[str, Any]
    data: "xr.Dataset"
    start: Fresh | Resumed = FRESH
    unread: tuple[str, ...] = ()
    sweep: "Membership | None" = None
    began: float = field(default_factory=time.monotonic)

    @property
    def waited(self) -> float:
        """Seconds that somebody has waited for the answer so far: from the command's start, loading included."""
        return time.monotonic() - self.began
