"""Simulation-based calibration of families, of ready models and of priors of many coefficients, by the command line.

Every latent has an alarm of at most 1 %, all together (see `diagnostics.sbc`).
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
    assert verdict["status"] == "calibrated", verdict
