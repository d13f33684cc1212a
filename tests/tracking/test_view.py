"""What is said of where a run is found."""

from pathlib import Path

import pytest

from credo.tracking.mlflow import view


def test_a_local_store_says_how_to_look_unless_something_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(view, "_listens", lambda: False)
    assert view.place(f"sqlite:///{tmp_path}/mlflow.db", False, "1", "ab").splitlines()[1] == "after: credo ui"
    assert view.place("sqlite:////else/mlflow.db", False, "1", "ab").splitlines()[1] == "after: credo ui /else"
    monkeypatch.setattr(view, "_listens", lambda: True)
    assert "after" not in view.place(f"sqlite:///{tmp_path}/mlflow.db", False, "1", "ab")
    assert "after" not in view.place("http://lab:5000", True, "1", "ab")
