"""A trained network predicts new rows: from its run's folder, by the command, and as an MLflow model."""

import io
import json
from pathlib import Path
from shutil import copytree

import numpy as np
import pandas as pd
import pytest

from console import Said, credo
from credo.cli import predict
from credo.errors import ConfigError
from credo.runs import exported

TRAIN = ("data=csv", "data.path=rows.csv", "data.target=[u,v]", "data.context=[c]", "model=mdn", "inference=mle")
SMALL = ("model.hidden=[8]", "model.components=2", "training.epochs=20", "training.members=2", "training.batch_size=16")
QUIET = ("tracking=none", "report=none", "hydra.run.dir=run")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table and a run that was trained on it."""
    here = tmp_path_factory.mktemp("export")
    random = np.random.default_rng(0)
    a, b, c = random.normal(size=(3, 120))
    u, v = 100 + 5 * a + c, -b + 0.1 * random.normal(size=120)
    pd.DataFrame({"a": a, "b": b, "c": c, "u": u, "v": v}).to_csv(here / "rows.csv", index=False)
    said = credo(*TRAIN, *SMALL, *QUIET, "data.test_fraction=0.2", "export=mlflow", cwd=here)
    assert said.code == 0, said.err
    assert "Predictions of 24 held-out rows" in said.out
    return here


def predicted(said: Said) -> pd.DataFrame:
    assert said.code == 0, said.err
    return pd.read_csv(io.StringIO(said.out))


def test_new_rows_in_the_targets_own_units(folder: Path) -> None:
    """Whatever the order of the columns, and whatever else the table has."""
    table = predicted(credo("predict", "run", "rows.csv", cwd=folder))
    names = [f"{name}_{part}" for name in "uv" for part in ("mean", "sd", "q5", "q25", "q50", "q75", "q95")]
    assert list(table) == names
    assert table["u_mean"].between(80, 120).all()
    for name in "uv":
        quantiles = table[[f"{name}_q{level}" for level in (5, 25, 50, 75, 95)]].to_numpy()
        assert (np.diff(quantiles, axis=1) > 0).all()


def test_a_loaded_model_says_the_same(folder: Path) -> None:
    rows = pd.read_csv(folder / "rows.csv")
    by_command = predicted(credo("predict", "run", "rows.csv", cwd=folder))
    for place in (folder / "run", folder / "run" / "model"):
        np.testing.assert_allclose(exported.load(place)(rows).to_numpy(), by_command.to_numpy(), rtol=1e-4, atol=1e-5)


def test_the_predictions_are_those_of_the_run(folder: Path) -> None:
    """The means of the test rows are in the run's tree, too."""
    import xarray as xr

    with xr.open_datatree(folder / "run" / "posterior.nc", engine="netcdf4") as tree:
        rows = tree["predictive"].to_dataset().load()
    whole = pd.read_csv(folder / "rows.csv")
    said = exported.load(folder / "run")(whole)
    places = [int(np.argmin(np.abs(whole["u"] - u))) for u in rows["y"].sel(target="u").to_numpy()]
    np.testing.assert_allclose(said["u_mean"].to_numpy()[places], rows["mean"].sel(target="u"), rtol=1e-4)


@pytest.mark.filterwarnings("ignore:.*AnyType")  # MLflow's, of its own types
def test_a_run_may_export_its_model_at_its_end(folder: Path) -> None:
    import mlflow.pyfunc

    rows = pd.read_csv(folder / "rows.csv").head(5)
    served = mlflow.pyfunc.load_model(str(folder / "run" / "export")).predict(rows[["a", "b", "c"]])
    np.testing.assert_allclose(served.to_numpy(), exported.load(folder / "run")(rows).to_numpy(), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:.*AnyType")  # MLflow's, of its own types
def test_an_mlflow_model(folder: Path) -> None:
    import mlflow.pyfunc

    said = credo("export", "run", "served", cwd=folder)
    assert said.err.startswith("FAILED the verdict of the run failed (")
    assert (said.code, "mlflow models serve" in said.out) == (0, True)
    rows = pd.read_csv(folder / "rows.csv").head(5)
    served = mlflow.pyfunc.load_model(str(folder / "served")).predict(rows[["a", "b", "c"]])
    np.testing.assert_allclose(served.to_numpy(), exported.load(folder / "run")(rows).to_numpy(), rtol=1e-6)
    assert not list((folder / "served").rglob("*.pkl"))
    again = credo("export", "run", "served", cwd=folder)
    assert (again.code, again.err) == (2, "credo: served exists already; name a new folder\n")


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("a,c\n1,2\n", "the table has no column 'b'; the model was trained on a, b"),
        ("a,b,c\n1,2,3\n1,x,3\n", "column 'b' has no finite number in row 2; correct or remove it"),
        ("a,b\n1,2\n", "the table has no column 'c'; the model was trained on c"),
        ("a,b,b,c\n1,2,2,3\n", "predict: there are two columns 'b' in {file}; rename one"),
        ("", "predict: {file} is empty; expected values in it"),
    ],
)
def test_rows_that_cannot_be_predicted(rows: str, sentence: str, folder: Path) -> None:
    (folder / "new.csv").write_text(rows)
    said = credo("predict", "run", "new.csv", cwd=folder)
    expected = sentence.format(file=folder / "new.csv")
    assert (said.code, said.out, said.err) == (2, "", f"credo: {expected}\n")


def test_rows_are_read_as_the_data_of_the_run_was_written(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("a;b\n1.234,5;2\n")
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text('data: {separator: ";", decimal: ",", thousands: "."}\n')
    assert exported.rows(tmp_path, tmp_path / "new.csv").to_dict("list") == {"a": [1234.5], "b": [2]}


def test_a_run_without_a_model_cannot_predict(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no model/weights.npz, so that it cannot predict new rows: runs of"):
        exported.load(tmp_path)


@pytest.mark.parametrize(("status", "told"), [("failed", True), ("passed", False)])
def test_a_failed_verdict_is_told_where_the_model_is_used(
    status: str, told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.npz").touch()
    check = {"name": "r_hat", "status": status, "value": 1.2, "threshold": 1.01, "advice": "Draw more."}
    (tmp_path / "verdict.json").write_text(json.dumps({"status": status, "checks": [check]}))
    predict.tell_failed(tmp_path)
    sentence = "FAILED the verdict of the run failed (r_hat); do not rely on its predictions yet\n"
    assert capsys.readouterr().err == (sentence if told else "")


def test_a_folder_that_is_not_there_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^there is no run .*/r; give the folder of a run, or its MLflow id$"):
        exported.load(tmp_path / "r")


@pytest.mark.parametrize("verb", [("predict", "other", "rows.csv"), ("export", "other", "new")])
def test_a_run_that_cannot_predict_is_refused_before_anything_is_said_of_its_code(
    verb: tuple[str, ...], folder: Path
) -> None:
    (folder / "other").mkdir(exist_ok=True)
    _record_code(folder / "other", folder / "run", "m.py")
    said = credo(*verb, cwd=folder)
    sentence = f"credo: {folder}/other has no model/weights.npz, so that it cannot predict new rows: runs of "
    sentence += "model=ebm leave none; use a model that predicts, such as model=regression with a formula\n"
    assert (said.code, said.err) == (2, sentence)


def _record_code(place: Path, of: Path, *files: str) -> None:
    """Write down that a run had these files of code."""
    provenance = json.loads((of / "provenance.json").read_text())
    provenance["code"] |= {"files": dict.fromkeys(files, "0")}
    (place / "provenance.json").write_text(json.dumps(provenance))


def test_code_that_is_not_here_has_not_changed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in ("model", ".hydra"):
        copytree(folder / "run" / name, tmp_path / "run" / name)
    (tmp_path / "rows.csv").write_bytes((folder / "rows.csv").read_bytes())
    _record_code(tmp_path / "run", folder / "run", "m.py", "n.py")
    (tmp_path / "n.py").touch()
    said = credo("predict", "run", "rows.csv", cwd=tmp_path)
    assert (said.code, said.err) == (0, "OTHER CODE n.py changed since the run; the present code is used\n")


def test_what_was_learned_is_plain(folder: Path) -> None:
    """Arrays and words: nothing that runs code when it is read."""
    place = folder / "run" / "model"
    assert {file.name for file in place.iterdir()} == {"columns.json", "learned.npz", "model.yaml", "weights.npz"}
    for name in ("learned", "weights"):
        with np.load(place / f"{name}.npz", allow_pickle=False) as arrays:
            assert all(array.dtype.kind in "if" for array in arrays.values())
    assert json.loads((place / "columns.json").read_text()) == {
        "features": ["a", "b"],
        "contexts": ["c"],
        "targets": ["u", "v"],
    }
