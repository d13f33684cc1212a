"""`tracking.register`: a network that was trained becomes a version of a registered model, without pickles."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from console import credo
from credo.errors import ConfigError
from credo.runs import exported
from credo.runs.record import Fresh, Resumed, RunRecord
from credo.tracking.mlflow.tracker import MlflowTracker

TRAINED = (
    *("data=csv", "data.path=rows.csv", "data.target=[y]", "model=mdn", "inference=mle", "report=none"),
    *("model.hidden=[8]", "model.components=2", "training.epochs=5", "training.members=1", "training.batch_size=16"),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table and a run that was recorded and registered."""
    here = tmp_path_factory.mktemp("register")
    random = np.random.default_rng(0)
    a = random.normal(size=60)
    pd.DataFrame({"a": a, "y": 2 * a + random.normal(size=60)}).to_csv(here / "rows.csv", index=False)
    said = credo(*TRAINED, "tracking.register=branches", "hydra.run.dir=run", cwd=here)
    assert said.code == 0, said.err
    return here


@pytest.mark.filterwarnings("ignore:.*AnyType")  # MLflow's, of its own types
def test_a_trained_network_becomes_a_version_that_is_linked_to_its_run(trained: Path) -> None:
    client = MlflowClient(f"sqlite:///{trained}/mlflow.db")
    (version,) = client.search_model_versions("name='branches'")
    run = client.get_run(version.run_id or "")
    assert (run.info.status, run.data.tags["folder"]) == ("FINISHED", str(trained / "run"))
    assert (int(version.version), version.status) == (1, "READY")

    import mlflow.pyfunc

    rows = pd.read_csv(trained / "rows.csv").head(5)
    served = mlflow.pyfunc.load_model(str(version.source)).predict(rows[["a"]])
    np.testing.assert_allclose(served.to_numpy(), exported.load(trained / "run")(rows).to_numpy(), rtol=1e-6)
    assert not list((trained / "mlartifacts").rglob("*.pkl"))
    assert list((trained / "mlartifacts").rglob("MLmodel"))


def test_the_same_run_is_registered_once_and_a_longer_one_again(trained: Path, record: RunRecord) -> None:
    tracker = MlflowTracker(f"sqlite:///{trained}/mlflow.db", "credo", {}, artifacts=False, register="twice")
    network = replace(
        record,
        folder=trained / "run",
        config={"model": {"_target_": "credo.models.mdn.Mdn"}},
        choices={**record.choices, "model": "mdn"},
    )
    for start in (Fresh(), Resumed(), Resumed(1)):
        tracker.start(replace(network, start=start))
        tracker.finish({}, {}, "", network.folder)
    client = MlflowClient(f"sqlite:///{trained}/mlflow.db")
    versions = client.search_model_versions("name='twice'")
    assert [int(str(version.source).rsplit("/", 1)[1]) for version in versions] == [1, 0]
    assert len({version.run_id for version in versions}) == 1


def test_what_is_no_model_to_predict_with_is_refused_before_the_run(record: RunRecord) -> None:
    tracker = MlflowTracker(None, "credo", {}, artifacts=True, register="schools")
    config = {"model": {"_target_": "credo.models.ebm.Ebm"}}
    other = replace(record, config=config, choices={**record.choices, "model": "ebm"})
    with pytest.raises(ConfigError, match=r"^tracking\.register=schools: .*model=mdn.*model=ebm.*null"):
        tracker.start(other)


@pytest.mark.parametrize("name", ["a/b", "models:a", " ", ""])
def test_names_that_mlflow_refuses_are_refused_before_the_run(record: RunRecord, name: str) -> None:
    with pytest.raises(ConfigError, match=r"^tracking\.register="):
        MlflowTracker(None, "credo", {}, artifacts=True, register=name).start(record)


def test_a_run_that_left_no_model_is_a_warning(record: RunRecord, caplog: pytest.LogCaptureFixture) -> None:
    config = {"model": {"_target_": "credo.models.mdn.Mdn"}}
    tracker = MlflowTracker(None, "credo", {}, artifacts=False, register="branches")
    tracker.start(replace(record, config=config))
    assert tracker.finish({}, {}, "", record.folder) is not None
    assert [record.getMessage() for record in caplog.records if record.name == "credo"] == [
        "tracking.register=branches: the run left no model that can be exported, and no version was registered"
    ]
