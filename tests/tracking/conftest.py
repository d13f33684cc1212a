import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from credo.runs.record import RunRecord
from credo.tracking.mlflow import store
from credo.tracking.mlflow.tracker import MlflowTracker

for name, value in store.ENVIRONMENT.items():  # before any test module imports MLflow, which reports home otherwise
    os.environ.setdefault(name, value)


@pytest.fixture(autouse=True)
def no_address_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that was migrated once for all tests; the migration takes seconds."""
    folder = tmp_path_factory.mktemp("store")
    store.connect(store.locate(None, folder))
    return folder / "mlflow.db"


@pytest.fixture
def record(tmp_path: Path, empty_store: Path) -> RunRecord:
    start_folder = tmp_path / "my project"
    folder = start_folder / "outputs" / "run"
    (folder / ".hydra").mkdir(parents=True)
    shutil.copy(empty_store, start_folder)
    (folder / ".hydra" / "config.yaml").write_text("seed: 0\n")
    (folder / "verdict.json").write_text("{}")
    return RunRecord(
        name="eight_schools hierarchical nuts",
        config={
            "seed": 0,
            "model": {
                "_target_": "credo.models.hierarchical.Hierarchical",
                "prior": {"loc": {"_target_": "numpyro.distributions.Normal", "loc": 0.0, "scale": 5.0}},
                "layers": [64, 64],
                "bound": None,
                "centred": False,
            },
            "inference": {"_target_": "credo.inference.mcmc.kernels.nuts.Nuts", "draws": 1000},
            "tracking": {"_target_": "credo.tracking.mlflow.tracker.MlflowTracker", "uri": None},
        },
        choices={
            "data": "eight_schools",
            "model": "hierarchical",
            "inference": "nuts",
            "device": "cpu",
            "tracking": "mlflow",
        },
        overrides=("model.prior.loc.scale=5.0", "tracking.uri=http://me:secret@host"),
        folder=folder,
        start_folder=start_folder,
        provenance={
            "seed": 0,
            "data_hash": "ab" * 32,
            "user": "ada",
            "git": {"commit": "c0ffee", "branch": "main", "dirty": True, "diff": "", "untracked": []},
        },
        description={},
        data=xr.Dataset({"y": ("obs", np.arange(8.0)), "group": ("obs", np.arange(8))}),
    )


@pytest.fixture
def tracker() -> MlflowTracker:
    return MlflowTracker(uri=None, experiment="credo", tags={"paper": "draft"}, artifacts=True)


@pytest.fixture
def warnings_of(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    """What the tracker said to the user."""
    with caplog.at_level(logging.WARNING, logger="credo"):
        yield lambda: [record.getMessage() for record in caplog.records if record.name == "credo"]
