"""The trackers that can be chosen (`conf/tracking`), asked for the folder of a run by its id."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from credo.config import loading, paths
from credo.experiment import parts
from credo.tracking.base import Tracker


def find(word: str) -> Path | None:
    """The folder of the run, or of the sweep, that has this id with one of the trackers; `None` where none knows it.

    Raises:
        ConfigError: the word may be an id of a tracker, but there is no such run; or a tracker is misconfigured.
    """
    files = [file for folder in paths.folders() for file in sorted((folder / "conf" / "tracking").glob("*.yaml"))]
    for name in dict.fromkeys(file.stem for file in files):
        tracker = _make(paths.settings("tracking", name))
        if tracker is not None and (folder := tracker.find(word)) is not None:
            return folder
    return None


def _make(settings: dict[str, Any]) -> Tracker | None:
    target = settings.get("_target_")
    if target is None:
        return None
    if not str(target).startswith("credo."):
        loading.make_importable(Path.cwd(), paths.built_in())
    return parts.make_tracker(OmegaConf.create({"tracking": settings}))
