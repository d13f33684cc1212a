"""What a run loads: nothing that takes half a second and that it does not need."""

import json
import subprocess
from pathlib import Path
from pkgutil import walk_packages

import pytest

import credo.diagnostics
import credo.inference
import credo.report.plots
from console import PYTHON, QUIET

HEAVY = ("arviz", "arviz_stats", "arviz_base", "scipy.stats", "scipy.signal", "mlflow", "xarray_einstats")
LOADED = ("credo.experiment.run", "credo.report.run.html", "credo.report.run.page", "credo.tracking.mlflow.tracker")


@pytest.fixture(scope="module")
def modules() -> list[str]:
    packages = (credo.diagnostics, credo.inference, credo.report.plots)
    every = [found.name for package in packages for found in walk_packages(package.__path__, f"{package.__name__}.")]
    return [*LOADED, *(name for name in every if not name.startswith("credo.diagnostics.sbc"))]


def test_no_check_method_or_plot_loads_what_takes_long(modules: list[str]) -> None:
    script = f"""
import importlib, json, sys
for name in {modules!r}:
    importlib.import_module(name)
print(json.dumps(sorted(set({HEAVY!r}) & set(sys.modules))))
"""
    process = subprocess.run([PYTHON, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603 - our own
    assert json.loads(process.stdout) == []


def test_a_run_without_a_formula_does_not_load_what_reads_them(tmp_path: Path) -> None:
    words = ("experiment=coin_flips", "inference=map", "inference.starts=2", "inference.steps=10", *QUIET)
    script = f"""
import sys
from credo.cli.main import command
code = command({list(words)!r})
print("formulae" in sys.modules, file=sys.stderr)
sys.exit(code)
"""
    done = subprocess.run([PYTHON, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "False")
    assert list(tmp_path.glob("outputs/*/*/model/weights.npz"))
