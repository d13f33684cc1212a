from pathlib import Path

from credo.runs.record import RunRecord
from credo.tracking.base import Tracker
from credo.tracking.none import NoTracker


def test_no_tracker_fits_its_contract_and_leaves_no_trace(record: RunRecord) -> None:
    before = sorted(record.start_folder.rglob("*"))
    tracker: Tracker = NoTracker()
    tracker.start(record)
    tracker.progress("sampling", 1, 2, {"r_hat_max": 1.0})
    assert tracker.finish({"r_hat_max": 1.0}, {}, "", Path()) is None
    tracker.fail("KILLED", "interrupted", Path())
    assert sorted(record.start_folder.rglob("*")) == before
