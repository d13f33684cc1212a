"""Opening MLflow's store: where it is, how it comes into being, and what to say where it cannot be reached.

The traps that this file knows (MLflow 3.17):

- A fresh SQLite store that is opened by several processes at once, or whose first opening is interrupted, is broken for
  good. It is therefore created under a lock, in a scratch folder, and put in its place in one transaction.
- Two processes may create the same experiment, or its tag, at once; the later one takes the earlier one's.
- A server that is away is asked for four minutes per call unless retries and time are bounded, and a database for two.
"""

import logging
import os
import re
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from credo.config.nearest import nearest
from credo.errors import ConfigError, shortened
from credo.secrets import HIDDEN, masked, restored
from credo.tracking.mlflow import view

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Run
    from mlflow.tracking import MlflowClient

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""How MLflow is kept quiet and quick. What the user's own environment says wins."""

LOCK_SECONDS = 60


@dataclass(frozen=True)
class Store:
    """Where runs are kept.

    Attributes:
        uri: MLflow's tracking URI.
        database: the SQLite file, `None` for any other store.
        artifacts: the folder for the files of new experiments, `None` where the server decides.
    """

    uri: str
    database: Path | None
    artifacts: Path | None

    @property
    def is_server(self) -> bool:
        """Whether runs are sent to an MLflow server."""
        return self.uri.startswith(("http://", "https://"))


def locate(uri: str | None, start_folder: Path) -> Store:
    """Find the store that `tracking.uri` means; relative SQLite paths start in `start_folder`.

    Raises:
        ConfigError: the URI is a bare folder, which MLflow no longer writes to, a database that does not last, names no
            server or file, or was saved without its password, which the environment has not either.
    """
    start_folder = start_folder.absolute()
    uri = restored(uri or "sqlite:///mlflow.db")
    require_lasting("tracking.uri", uri)
    scheme, mark, rest = uri.partition("://")
    kind = scheme.split("+")[0]
    if not mark or kind == "file":
        raise ConfigError(
            f"tracking.uri={masked(uri)}: expected the address of a server or a database, and MLflow no "
            f"longer writes to plain folders; use tracking.uri=sqlite:///{uri.removeprefix('file://')}/mlflow.db or "
            "http://127.0.0.1:5000"
        )
    if kind == "sqlite":
        return _file(uri, rest, start_folder)
    if kind not in (known := [*SCHEMES, *(one.name for one in entry_points(group="mlflow.tracking_store"))]):
        raise ConfigError(f"tracking.uri={masked(uri)}: {scheme} is no kind of store of MLflow; {nearest(kind, known)}")
    store = Store(uri, None, None)
    if store.is_server:
        _require_host(uri)
    return store if store.is_server else Store(uri, None, start_folder / "mlartifacts")


def _require_host(uri: str) -> None:
    """Refuse an address in which no server is found; parsers would take a part of a password for one, and say it."""
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if masked(uri).find(f"://{HIDDEN}@") > 0 and (host is None or "@" not in parts.netloc):
        raise ConfigError(
            f"tracking.uri={masked(uri)}: the password has a character that an address takes only as a number, as %2F "
            "is for /; write it so, or set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    if host is None:
        raise ConfigError(f"tracking.uri={masked(uri)}: expected the address of a server, as http://127.0.0.1:5000 is")


SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")
"""What MLflow keeps runs in."""

OPTIONS = ("timeout", "detect_types", "isolation_level", "cached_statements")
"""What may stand behind the `?` of a SQLite file; the driver passes others by."""


def require_lasting(key: str, uri: str) -> None:
    """Refuse a SQLite database that is in memory, or in a temporary file, and gone with the command.

    Args:
        key: of the configuration, where the address stands.
        uri: as SQLAlchemy reads it.

    Raises:
        ConfigError: it is one.
    """
    if (found := re.fullmatch(r"sqlite(?:\+\w+)?://(?:/([^?]*))?(?:\?(.*))?", uri)) is None:
        return
    path, options = found[1] or "", found[2] or ""
    if not path or ":memory:" in path or "mode=memory" in options:
        raise ConfigError(
            f"{key}={uri}: expected a database that lasts, but this one is in memory and lost with the command; name "
            "a file, as in sqlite:///mlflow.db"
        )


def _file(uri: str, rest: str, start_folder: Path) -> Store:
    """The store in a SQLite file; `rest` is the URI behind `sqlite://`."""
    path, mark, options = rest.removeprefix("/").partition("?")
    database = start_folder / path
    is_folder = os.path.isdir(database)  # noqa: PTH112 - a long name raises in Path.is_dir
    if not rest.startswith("/") or path.startswith("file:") or is_folder:
        raise ConfigError(f"tracking.uri={uri}: expected the path of a file, as in sqlite:///mlflow.db")
    if strange := [one for one in options.split("&") if one and one.split("=")[0] not in OPTIONS]:
        raise ConfigError(
            f"tracking.uri={uri}: expected one of {', '.join(OPTIONS)} behind the question mark, but got "
            f"{strange[0]}; leave it out"
        )
    return Store(f"sqlite:///{database}{mark}{options}", database, database.parent / "mlartifacts")


def require_place(store: Store) -> None:
    """Refuse a SQLite file that is not there and cannot be made, rather than wait for its lock; nothing is left behind.

    Raises:
        ConfigError: its folder, or the one where that would be made, takes no files.
    """
    if store.database is None:
        return
    folder = next(place for place in store.database.parents if os.path.lexists(place))
    try:
        for part in store.database.relative_to(folder).parts:  # each may have too long a name
            with suppress(FileNotFoundError):
                (folder / part).lstat()
        if os.path.lexists(store.database):
            return
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        why = "it takes no files" if isinstance(error, FileNotFoundError) else str(error.strerror).lower()
        raise ConfigError(
            f"tracking.uri={store.uri}: expected a file that can be made, but {folder} lets none be made ({why}); "
            "name one in a folder that can be written to, or run with tracking=none"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Let MLflow be loaded by its settings of `ENVIRONMENT`, without its quarrels with SQLAlchemy."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        yield


def load() -> None:
    """Load MLflow, and what it opens a SQLite file with, which takes seconds."""
    with _quiet():
        import mlflow.store.tracking.sqlalchemy_store
        import mlflow.tracking  # noqa: F401


def connect(store: Store) -> "MlflowClient":
    """Return a client of `store`, which is created where it is a SQLite file that does not exist yet."""
    with _quiet():
        from mlflow.tracking import MlflowClient

        for chatty in ("mlflow", "urllib3.connectionpool"):  # the tracker reports a failure once
            logging.getLogger(chatty).setLevel(logging.CRITICAL)
        if store.database is not None and _is_fresh(store.database):
            _create(store.database)
        if store.database is None and not store.is_server:
            _ask(store.uri)
        return MlflowClient(store.uri)


def experiment(client: "MlflowClient", name: str, artifacts: Path | None) -> str:
    """Return the id of the experiment called `name`, which is created if it is new, and carries credo's view of it.

    Raises:
        ConfigError: it was deleted in MLflow, so that no run can be added to it.
    """
    found = client.get_experiment_by_name(name) or _create_experiment(client, name, artifacts)
    if found.lifecycle_stage == "deleted":
        raise ConfigError(
            f"tracking.experiment={name}: this experiment was deleted in MLflow; choose another name, or restore it "
            f"with `mlflow experiments restore --experiment-id {found.experiment_id}`"
        )
    if view.TAG not in found.tags:
        _set_view(client, found.experiment_id)
    return str(found.experiment_id)


def run_in(client: "MlflowClient", experiment: str, folder: Path, began: int | None = None) -> "Run | None":
    """Return the run whose files are in `folder`, and that began then; the newest where there are several."""
    quote = '"' if "'" in str(folder) else "'"
    same = f"tags.folder = {quote}{folder}{quote}" + ("" if began is None else f" AND attributes.start_time = {began}")
    found = client.search_runs([experiment], same, order_by=["attributes.start_time DESC"])
    return found[0] if found else None


def folder_of(run: str, where: Store) -> Path:
    """Return the folder of the run with MLflow's id `run`.

    Raises:
        ConfigError: there is no such run, or it is not one of credo's.
    """
    with explained(where):
        client = connect(where)
        try:
            folder = client.get_run(run).data.tags.get("folder")
        except Exception as error:
            raise ConfigError(
                f"{masked(where.uri)} has no run {run} ({reason(error)}); give the run's folder"
            ) from error
    if folder is None:
        raise ConfigError(f"the run {run} has no tag `folder`: it is not one of credo's")
    return Path(folder)


@contextmanager
def explained(store: Store) -> Iterator[None]:
    """Turn whatever goes wrong with `store` into one sentence about `tracking.uri`."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        start = f"tracking.uri={masked(store.uri)}"
        if store.is_server:
            message = (
                f"{start}: expected an MLflow server to record the run, and got '{reason(error)}'; start it "
                "(mlflow server --host 127.0.0.1), correct the address, or run with tracking=none"
            )
        else:
            message = (
                f"{start}: expected a store to record the run in, and MLflow cannot open it ('{reason(error)}'); "
                "choose another one, or run with tracking=none"
            )
        raise ConfigError(message) from error


def reason(error: BaseException) -> str:
    """The shortest true description of an error: the system's or the database's at its root, or its own first line.

    SQLAlchemy gives the message of the database driver (`orig`) with the statement, and how it came to be made.
    """
    chain = _chain(error)
    of_driver = [link for one in chain if isinstance(link := getattr(one, "orig", None), Exception)]
    root = next((link for link in reversed(chain) if isinstance(link, OSError)), of_driver[-1] if of_driver else error)
    message = getattr(root, "strerror", None) or str(root).strip() or type(root).__name__
    return masked(shortened(message.splitlines()[0])).rstrip(".")


def is_away(error: BaseException) -> bool:
    """Whether the store did not answer, so that it may take the same on another day."""
    from requests import exceptions as http
    from sqlalchemy import exc as sql

    away = (http.ConnectionError, http.Timeout, http.RetryError, sql.OperationalError, sql.InterfaceError)
    chain = _chain(error)
    return any(isinstance(link, away) for link in chain) and not any(isinstance(one, http.SSLError) for one in chain)


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what lies behind it."""
    links = [error]
    while (link := links[-1].__cause__ or links[-1].__context__) is not None:
        links.append(link)
    return links


def is_file_for(store: Store, name: str) -> bool:
    """Whether the store is a SQLite file that has the experiment called `name`, or one that is still to be made."""
    is_to_come = store.database is not None and not os.path.lexists(store.database)
    return is_to_come or is_usable_file(store, name)


def is_usable_file(store: Store, name: str) -> bool:
    """Whether the store is a SQLite file that is ready for a run in the experiment called `name`.

    This asks SQLite alone: MLflow takes seconds to load.
    """
    if store.database is None or not store.database.is_file() or not os.access(store.database, os.W_OK):
        return False
    try:
        with closing(sqlite3.connect(f"{store.database.as_uri()}?mode=ro", uri=True)) as connection:
            stages = connection.execute("SELECT lifecycle_stage FROM experiments WHERE name = ?", (name,)).fetchall()
    except sqlite3.Error:
        return False
    return stages == [("active",)]


_FINISHED = """
SELECT folder.value FROM tags AS known
JOIN tags AS folder ON folder.run_uuid = known.run_uuid AND folder.key = 'folder'
JOIN runs ON runs.run_uuid = known.run_uuid
JOIN experiments ON experiments.experiment_id = runs.experiment_id
WHERE known.key = ? AND known.value = ? AND runs.status = 'FINISHED' AND runs.lifecycle_stage = 'active'
AND experiments.name = ? AND experiments.lifecycle_stage = 'active' ORDER BY runs.start_time DESC LIMIT 1
"""


def finished_in_file(store: Store, name: str, tag: str, value: str) -> Path | None:
    """The folder of the newest finished run of an experiment that has a tag; this asks SQLite alone.

    Args:
        store: in a SQLite file; one that is not there, or cannot be read, knows of none.
        name: of the experiment.
        tag: its name.
        value: what it must be.
    """
    if store.database is None or not is_usable_file(store, name):
        return None
    try:
        with closing(sqlite3.connect(f"{store.database.as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute(_FINISHED, (tag, value, name)).fetchone()
    except sqlite3.Error:
        return None
    return None if found is None else Path(found[0])


def _ask(uri: str) -> None:
    """Let a database that is away say so itself, and at once: MLflow asks for two minutes."""
    import sqlalchemy
    from mlflow.store.db.db_types import DATABASE_ENGINES

    if uri.split("://")[0].split("+")[0] in DATABASE_ENGINES:
        engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
        engine.connect().close()


def _create_experiment(client: "MlflowClient", name: str, artifacts: Path | None) -> "Experiment":
    from mlflow.exceptions import MlflowException

    location = artifacts.as_uri() if artifacts else None
    try:
        return client.get_experiment(client.create_experiment(name, artifact_location=location))
    except MlflowException:
        found = client.get_experiment_by_name(name)  # another process may have been quicker
        if found is None:
            raise
        return found


def _set_view(client: "MlflowClient", experiment: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.set_experiment_tag(experiment, view.TAG, view.content())
    except MlflowException:
        if view.TAG not in client.get_experiment(experiment).tags:  # another process may have been quicker
            raise


def _is_fresh(database: Path) -> bool:
    if not database.exists():
        return True
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def _create(database: Path) -> None:
    """Create and migrate a store, once, however many processes ask for it at the same moment."""
    from filelock import FileLock
    from mlflow.tracking import MlflowClient

    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{database}.lock", timeout=LOCK_SECONDS):
        if not _is_fresh(database):
            return
        with tempfile.TemporaryDirectory(prefix="credo-", ignore_cleanup_errors=True) as scratch:
            with _unsynced():
                MlflowClient(f"sqlite:///{scratch}/mlflow.db")
            with closing(sqlite3.connect(f"{scratch}/mlflow.db")) as new, closing(sqlite3.connect(database)) as place:
                new.backup(place)


@contextmanager
def _unsynced() -> Iterator[None]:
    """SQLite does not wait for the disk: for a file that is copied when it is whole, where this takes seconds."""
    from sqlalchemy import Engine, event

    def at_once(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", at_once)
    try:
        yield
    finally:
        event.remove(Engine, "connect", at_once)
