"""No tracker: a run leaves its folder and nothing else (`tracking=none`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from credo.runs.record import Story


@dataclass(frozen=True)
class NoTracker:
    """Hears everything and records nothing."""

    def start(self, story: Story) -> None:
        """Do nothing."""

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Do nothing."""

    def finish(self, metrics: Mapping[str, float], tags: Mapping[str, str], note: str, files: Path) -> None:
        """Do nothing; there is no place but the run's folder to find the run."""

    def fail(self, status: Literal["FAILED", "KILLED"], reason: str, files: Path) -> None:
        """Do nothing."""

    def begin_sweep(self, name: str, tags: Mapping[str, str], folder: Path, start_folder: Path) -> None:
        """Do nothing."""

    def answered(self, fingerprint: str, start_folder: Path) -> None:
        """Nothing is known here of other runs."""
