"""Addresses of stores: which are refused, by which sentence, and what a database says is told without its machinery."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import exc

from credo.errors import ConfigError
from credo.sweeps import search
from credo.tracking.mlflow import store
from credo.tracking.mlflow.tracker import MlflowTracker

NOWHERE = "expected a file that can be made, but .* lets none be made"
LOST = "expected a database that lasts, but this one is in memory and lost with the command"
REFUSED = {
    "sqlite://": LOST,
    "sqlite:///": LOST,
    "sqlite:///:memory:": LOST,
    "sqlite+pysqlite://": LOST,
    "sqlite+pysqlite:///:memory:": LOST,
    "sqlite:///file::memory:?cache=shared&uri=true": LOST,
    "sqlite:///file:runs?mode=memory&cache=shared&uri=true": LOST,
    "sqlite:///file:runs.db?uri=true": "expected the path of a file",
    "sqlite:///runs.db?mode=ro": "expected one of timeout, .* behind the question mark, but got mode=ro",
    "sqlite://runs.db": "expected the path of a file",
    "sqlite:///.": "expected the path of a file",
    "runs": "MLflow no longer writes to plain folders",
    "file:///runs": "MLflow no longer writes to plain folders",
    "htp://127.0.0.1:5000": "htp is no kind of store .* did you mean 'http'",
    "SQLITE:///runs.db": "SQLITE is no kind of store",
    "s3://bucket/runs": "s3 is no kind of store",
    "http://": "expected the address of a server",
}


@pytest.mark.parametrize("uri", REFUSED)
def test_an_address_that_keeps_nothing_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^tracking\.uri=\S+: .*{REFUSED[uri]}"):
        store.locate(uri, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", ["sqlite:///runs.db", "sqlite:///a/../runs.db", "sqlite:///runs.db?timeout=5", None])
def test_a_file_is_one(uri: str | None, tmp_path: Path) -> None:
    found = store.locate(uri, tmp_path)
    assert found.database is not None
    assert found.database.parent.resolve() == tmp_path.resolve()


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:"])
def test_a_search_in_memory_is_lost_too(uri: str) -> None:
    with pytest.raises(ConfigError, match=rf"^hydra\.sweeper\.storage={uri}: {LOST}"):
        search.study(uri, "mine", ["minimize"], search.make_sampler("random", 0), None)


@pytest.mark.parametrize("name", ["", "  ", "n" * 501])
def test_an_experiment_has_a_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"^tracking\.experiment: expected a name of at most 500 characters"):
        MlflowTracker(None, name, {}, artifacts=False).precheck()


@pytest.mark.parametrize("said", ["database or disk is full", "attempt to write a readonly database"])
def test_what_a_database_says_is_told_alone(said: str) -> None:
    driver = sqlite3.OperationalError(said)
    wordy = exc.OperationalError("(raised as a result of Query-invoked autoflush; consider ...)", {}, driver)
    for outer in (wordy, _raised(wordy)):
        assert store.reason(outer) == said


def _raised(cause: Exception) -> Exception:
    """As MLflow raises it again, with all that SQLAlchemy said."""
    try:
        raise RuntimeError(str(cause)) from cause
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("path", ["file/runs.db", "a/" + "b" * 300, "b" * 300, "/proc/runs.db", "/proc/a/b/runs.db"])
def test_a_file_that_cannot_be_made_is_refused_at_once(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    if path.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("no folder here refuses files to everybody")
    with pytest.raises(ConfigError, match=rf"^tracking\.uri=sqlite:///{tmp_path / path}: {NOWHERE}.*; name one in"):
        store.require_place(store.locate(f"sqlite:///{path}", tmp_path))
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("path", ["runs.db", "a/b/runs.db", "there.db"])
def test_a_file_that_can_be_made_leaves_nothing_when_it_is_looked_for(path: str, tmp_path: Path) -> None:
    (tmp_path / "there.db").touch()
    store.require_place(store.locate(f"sqlite:///{path}", tmp_path))
    assert [file.name for file in tmp_path.iterdir()] == ["there.db"]
