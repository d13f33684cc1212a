"""What needs a GPU: every method on a small model, resuming, float32 verdicts, and the choice of `device=auto`.

`tools/gpu.sh` runs these where there is one; elsewhere they are left out.
"""

import json
import shutil
from pathlib import Path

import pytest

from console import QUIET, credo_process
from registry import few, words

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(shutil.which("nvidia-smi") is None, reason="there is no GPU"),
]

SCHOOLS = ("data=eight_schools", "model=hierarchical", *QUIET)


@pytest.mark.parametrize("method", words("inference"))
def test_every_method_runs(method: str, tmp_path: Path) -> None:
    said = credo_process(*SCHOOLS, f"inference={method}", *few(method), "device=gpu", cwd=tmp_path)
    assert said.code in (0, 2), said.err
    assert said.code == 0 or f"inference={method}" in said.err or "inference." in said.err


def test_a_run_is_made_longer(tmp_path: Path) -> None:
    run = ("inference=nuts", *few("nuts"), "device=gpu", "hydra.run.dir=r")
    assert credo_process(*SCHOOLS, *run, cwd=tmp_path).code == 0
    said = credo_process("extend", "r", "--draws", "50", cwd=tmp_path)
    assert said.code == 0, said.err


def test_a_verdict_in_single_precision(tmp_path: Path) -> None:
    words = ("inference=nuts", "device=gpu", "device.precision=float32", "hydra.run.dir=r")
    assert credo_process(*SCHOOLS, *words, cwd=tmp_path).code == 0
    assert json.loads((tmp_path / "r" / "verdict.json").read_text())["status"] == "passed"
    assert json.loads((tmp_path / "r" / "provenance.json").read_text())["device"]["precision"] == "float32"


def test_a_small_model_goes_to_the_cpu_and_says_why(tmp_path: Path) -> None:
    said = credo_process(*SCHOOLS, "inference=nuts", *few("nuts"), "device=auto", "hydra.run.dir=r", cwd=tmp_path)
    assert said.code == 0, said.err
    used = json.loads((tmp_path / "r" / "provenance.json").read_text())["device"]
    seconds = used["gradient_seconds"]
    assert (used["platform"] == "cpu") == (seconds["cpu"] < seconds["gpu"])
    assert ("device=auto takes the CPU: the gradient" in said.err + said.out) == (used["platform"] == "cpu")
