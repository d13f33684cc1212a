from pathlib import Path

from credo.runs.record import Story
from credo.tracking.base import Tracker
from credo.tracking.none import NoTracker


def test_no_tracker_fits_its_contract_and_leaves_no_trace(story: Story) -> None:
    before = sorted(story.start_folder.rglob("*"))
    tracker: Tracker = NoTracker()
    tracker.start(story)
    tracker.progress("sampling", 1, 2, {"r_hat_max": 1.0})
    assert tracker.finish({"r_hat_max": 1.0}, {}, "", Path()) is None
    tracker.fail("KILLED", "interrupted", Path())
    assert sorted(story.start_folder.rglob("*")) == before
