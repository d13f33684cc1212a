"""No tracker: a run leaves its folder and nothing else (`tracking=none`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from credo.runs.record import RunRecord
from credo.tracking.base import Tracker


@dataclass(frozen=True)
class NoTracker(Tracker):
    """Records nothing."""

    def start(self, record: RunRecord) -> None:
        """Record nothing."""

    def finish(self, metrics: Mapping[str, float], tags: Mapping[str, str], description: str, folder: Path) -> None:
        """Record nothing."""

    def fail(self, status: Literal["FAILED", "KILLED"], reason: str, folder: Path) -> None:
        """Record nothing."""
