"""Simulation-based calibration of families, of ready models and of priors of many coefficients, by the command line.

The chance of any false alarm is 1 % over all lines together (see `ready_models.alarms`).
"""

import json
from pathlib import Path

import pytest
import ready_models

from console import QUIET, credo


@pytest.mark.slow
@pytest.mark.parametrize("name", ready_models.LINES)
def test_it_is_calibrated(name: str, tmp_path: Path) -> None:
    ready_models.write_table(tmp_path)
    said = credo("calibrate", *ready_models.words(name), "hydra.run.dir=done", *QUIET, cwd=tmp_path)
    verdict = json.loads((tmp_path / "done" / "verdict.json").read_text())
    assert said.code == 0, said.err
    assert verdict["replications"] - verdict["failed"] >= verdict["replications_needed"], verdict
    assert not ready_models.alarms(*ready_models.smallest(tmp_path / "done")), verdict
