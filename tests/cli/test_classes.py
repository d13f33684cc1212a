"""From a column of words to the probabilities of its classes for new rows."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from console import credo

TRAIN = ("data=csv", "data.path=rows.csv", "data.target=kind", "model=mdn", "model.family=categorical", "inference=mle")
SMALL = ("model.hidden=[4]", "training.epochs=30", "training.batch_size=16", "training.learning_rate=0.02")
QUIET = ("tracking=none", "report=none", "hydra.run.dir=run")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table and a classifier that was trained on it."""
    here = tmp_path_factory.mktemp("classes")
    random = np.random.default_rng(0)
    kind = np.arange(120) % 3
    a, b = random.normal(size=(2, 120)) + 3 * np.stack([kind == 1, kind == 2])
    names = np.array(["old, dry", "new", "wet"])[kind]
    pd.DataFrame({"a": a, "b": b, "kind": names}).to_csv(here / "rows.csv", index=False)
    said = credo(*TRAIN, *SMALL, *QUIET, "data.test_fraction=0.25", cwd=here)
    assert said.code == 0, said.err
    for words in ("Classes of 30 held-out rows", "accuracy", "cross-entropy, bits", "Brier", "ECE"):
        assert words in said.out
    return here


def test_new_rows_have_probabilities_by_the_names_of_the_classes(folder: Path) -> None:
    (folder / "new.csv").write_text("b,a\n0,0\n0,4\n4,0\n")
    said = credo("predict", "run", "new.csv", cwd=folder)
    assert said.code == 0, said.err
    found = pd.read_csv(io.StringIO(said.out))
    assert list(found) == ["kind[new]", "kind[old, dry]", "kind[wet]"]
    assert np.allclose(found.sum(axis=1), 1, atol=1e-6)
    assert found.to_numpy().argmax(1).tolist() == [1, 0, 2]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*AnyType")  # MLflow's, of its own types
def test_a_served_classifier_says_the_same(folder: Path) -> None:
    import mlflow.pyfunc

    assert credo("export", "run", "served", cwd=folder).code == 0
    table = pd.DataFrame({"a": [0.0, 4.0], "b": [0.0, 0.0]})
    found = mlflow.pyfunc.load_model(str(folder / "served")).predict(table)
    assert list(found) == ["kind[new]", "kind[old, dry]", "kind[wet]"]
    assert found.to_numpy().argmax(1).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("data.target=a",), "data.target: column 'a' holds"),
        (("data.target=[kind]",), "data.target"),
        (("model.encoder=conv",), "model.encoder=conv: expected images x [row, height, width, channel]"),
        (("model.family=gaussian",), "data.target: column 'kind' holds 'old, dry' in row 1, but expected a number"),
    ],
)
def test_what_is_no_class_is_refused(words: tuple[str, ...], sentence: str, folder: Path) -> None:
    said = credo(*TRAIN, *SMALL, "tracking=none", "report=none", "hydra.run.dir=refused", *words, cwd=folder)
    assert said.code == 2
    assert sentence in said.err
    assert not (folder / "refused").exists()
