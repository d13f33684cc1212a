"""A run from its acceptance to its end: it holds its folder, and the tracker knows how it ended."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from credo.errors import Interrupted, PrunedError, RunError
from credo.experiment import signals
from credo.experiment.prepare import Prepared, place
from credo.experiment.request import Start
from credo.runs import signature
from credo.runs.checkpoint import Checkpoint
from credo.runs.folder import Held, keep
from credo.tracking.base import Tracker


@contextmanager
def running(prepared: Prepared) -> Iterator[None]:
    """Make the folder of a run, with its configuration and code, record it, and hold it until the run is over.

    Raises:
        ConfigError: the folder cannot be made or written to, has a run already, or is held by another process.
        RunError: the inference failed, or a result could not be written; the run is recorded as FAILED.
        Interrupted: the run was stopped; it is recorded as KILLED.
    """
    request, story, tracker = prepared.request, prepared.story, prepared.parts.tracker
    held = Held()
    key, allowed = place(request)
    with held.accepted(story.folder, key, exists=request.start is not Start.FRESH, allowed=allowed):
        keep(story.folder, prepared.composed, request.hydra)
        signature.begin(story.folder, own=request.is_own)
        prepared.code.write(story.folder)
        with _recorded(tracker, story.folder, errors=False):
            tracker.start(story)
    with held, _recorded(tracker, story.folder), _kept(prepared.keeper, story.folder):
        request.on_accepted()
        yield


@contextmanager
def _recorded(tracker: Tracker, folder: Path, errors: bool = True) -> Iterator[None]:
    """Tell the tracker how a run that does not finish ended; of `errors` only where they are the run's."""
    try:
        signals.check()
        yield
    except (KeyboardInterrupt, Interrupted, PrunedError) as error:
        tracker.fail("KILLED", str(error) or "interrupted", folder)
        raise
    except Exception as error:
        if (stopped := signals.received()) is not None:  # of which something made another error
            tracker.fail("KILLED", str(stopped) or "interrupted", folder)
            raise stopped from error
        if errors:
            tracker.fail("FAILED", f"{type(error).__name__}: {error}", folder)
        raise


@contextmanager
def _kept(keeper: Checkpoint, folder: Path) -> Iterator[None]:
    """Say which result of a run could not be written, and keep its draws where they can be.

    Raises:
        RunError: the disk is full, say.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None or not Path(error.filename).is_relative_to(folder):
            raise
        if keeper.rescue():
            advice = f"what was inferred is in its checkpoint: make room, then credo resume {shlex.quote(str(folder))}"
        elif (folder / "posterior.nc").exists():
            advice = "the draws are in posterior.nc: make room, and run it again in another folder for the rest"
        else:
            advice = "there was no room for a checkpoint either: make room, and run it again in another folder"
        name = Path(error.filename).name
        raise RunError(f"{name} could not be written to {folder} ({error.strerror}); {advice}") from error
