"""What one experiment is asked for: its configuration, where that came from, and where its files go."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from credo.experiment.inferred import Inferred
from credo.inference.base import Listener
from credo.runs.job import Membership
from credo.runs.record import FRESH, Fresh, Resumed

Further = Callable[[], Mapping[str, float]]
"""What makes further numbers of a run, by name."""


@dataclass(frozen=True)
class Request:
    """One experiment.

    Attributes:
        config: the composed configuration.
        choices: the words chosen per group.
        overrides: what was typed.
        folder: where the run leaves its files.
        start_folder: where credo was started.
        start: whether the run is a new one, or goes on in `folder`.
        sweep: the sweep of which it is a job; a job prints its answer in one line.
        listeners: who watches the inference, besides the screen and the tracker.
        inferred: the inference, where it was done together with those of other jobs.
        expected: the record of the code that has to run.
        hydra: Hydra's own part of the configuration, to be kept; `None` where the folder has it.
        on_accepted: called once the run is accepted and has its folder.
        beside: given the prepared experiment, refuses what it cannot do, and gives what makes further numbers once
            there is an answer.
        is_own: whether the configuration is the user's own, or trusted; a stranger's is not signed.
        began: since when somebody waits for the answer, on the clock of `time.monotonic`.
    """

    config: DictConfig
    choices: Mapping[str, str]
    overrides: tuple[str, ...]
    folder: Path
    start_folder: Path
    start: Fresh | Resumed = FRESH
    sweep: Membership | None = None
    listeners: tuple[Listener, ...] = ()
    inferred: Inferred | None = None
    expected: Mapping[str, Any] | None = None
    hydra: DictConfig | None = None
    on_accepted: Callable[[], None] = lambda: None
    beside: Callable[[Any], Further] = lambda _: dict
    is_own: bool = True
    began: float = field(default_factory=time.monotonic)
