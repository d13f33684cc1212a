"""A run from its acceptance to its end: it holds its folder, and the tracker knows how it ended."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from credo.config.command import typed
from credo.config.failure import in_words
from credo.config.paths import near
from credo.errors import Interrupted, PrunedError, RunError
from credo.experiment import signals
from credo.experiment.prepare import Prepared, place
from credo.runs import signature
from credo.runs.checkpoint import Checkpoint
from credo.runs.folder import Held, keep
from credo.runs.record import Resumed
from credo.tracking.base import Tracker


@contextmanager
def running(prepared: Prepared) -> Iterator[None]:
    """Make the folder of a run, with its configuration and code, record it, and hold it until the run is over.

    Raises:
        ConfigError: the folder cannot be made or written to, has a run already, or is held by another process.
        RunError: the inference failed, or a result could not be written; the run is recorded as FAILED.
        Interrupted: the run was stopped; it is recorded as KILLED.
    """
    request, record, tracker = prepared.request, prepared.record, prepared.parts.tracker
    held = Held()
    key, allowed = place(request)
    with held.accepted(record.folder, key, exists=isinstance(request.start, Resumed), allowed=allowed):
        keep(record.folder, prepared.composed, request.hydra)
        signature.begin(record.folder, own=request.is_own)
        prepared.code.write(record.folder)
        with _recorded(tracker, record.folder, errors=False):
            tracker.start(record)
    with held, _continued(prepared), _recorded(tracker, record.folder), _kept(prepared.checkpointer, record.folder):
        request.on_accepted()
        yield


@contextmanager
def _continued(prepared: Prepared) -> Iterator[None]:
    """Let the sentence of an interrupted run say where it is and how to go on; a sweep says so of its jobs."""
    try:
        yield
    except (KeyboardInterrupt, Interrupted) as error:
        request = prepared.request
        if request.sweep is None:
            resumed = isinstance(request.start, Resumed)  # perhaps from another folder
            place = shlex.quote(str(request.folder if resumed else near(request.folder)))
            advice = f"{place} has no checkpoint yet; type the same command again"
            if prepared.is_calibration or prepared.checkpointer.can_go_on():
                advice = f"{typed()} resume {place} continues it"
            error.args = (f"{str(error) or 'interrupted'}; {advice}",)
        raise


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
            tracker.fail("FAILED", in_words(error), folder)
        raise


@contextmanager
def _kept(checkpointer: Checkpoint, folder: Path) -> Iterator[None]:
    """Say which result of a run could not be written, and keep its draws where they can be.

    Raises:
        RunError: the disk is full, say.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None or not Path(error.filename).is_relative_to(folder):
            raise
        if checkpointer.rescue():
            advice = f"what was inferred is in its checkpoint: make room, then credo resume {shlex.quote(str(folder))}"
        elif (folder / "posterior.nc").exists():
            advice = "the draws are in posterior.nc: make room, and run it again in another folder for the rest"
        else:
            advice = "there was no room for a checkpoint either: make room, and run it again in another folder"
        name = Path(error.filename).name
        raise RunError(f"{name} could not be written to {folder} ({error.strerror}); {advice}") from error
