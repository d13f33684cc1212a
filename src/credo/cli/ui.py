"""`credo ui [FOLDER] [--port N]`: MLflow on 127.0.0.1 with the runs of a folder, and the address of their table."""

import os
import re
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from credo.cli.errors import misused
from credo.errors import ConfigError
from credo.tracking.mlflow import view

USAGE = "credo ui: expected a folder with runs, or nothing, and a port, as in credo ui --port 5001"
STORE = "mlflow.db"
LAST_PORT = 65535
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

PORT = "--port"
FLAGS = (PORT,)
"""What Tab completes after this verb."""


def run(arguments: Sequence[str]) -> NoReturn:
    """Serve until it is stopped.

    Raises:
        ConfigError: the folder has no runs, or the port is taken.
    """
    folder, port = _parse(arguments)
    store = folder.resolve() / STORE
    if not store.is_file():
        raise ConfigError(f"credo ui: expected {STORE} in {folder}, but there is none; run an experiment there first")
    _require_free(port)
    sys.stdout.write(f"{view.table(f'http://127.0.0.1:{port}', '1')}\n")
    sys.stdout.flush()
    served = ("--backend-store-uri", f"sqlite:///{store}", "--host", "127.0.0.1", "--port", str(port), "--workers", "1")
    os.chdir(folder)
    # In place of this process, so that what stops the command stops the server.
    os.execve(sys.executable, [sys.executable, "-m", "mlflow", "server", *served], {**os.environ, **QUIET})  # noqa: S606 - our own words


def _require_free(port: int) -> None:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((view.HOST, port))
        except OSError as error:
            raise ConfigError(
                f"credo ui: something listens on port {port} already ({(error.strerror or str(error)).lower()}); stop "
                f"it, or choose another port, as in credo ui --port {port + 1 if port < LAST_PORT else view.PORT}"
            ) from error


def _parse(arguments: Sequence[str]) -> tuple[Path, int]:
    """The folder, and the port."""
    words = [part for word in arguments for part in word.split("=", 1)]
    port = view.PORT
    if PORT in words:
        at = words.index(PORT)
        typed = words[at + 1] if at + 1 < len(words) else ""
        if not re.fullmatch(r"[1-9]\d{0,4}", typed) or int(typed) > LAST_PORT:
            raise misused(USAGE, arguments)
        port = int(typed)
        del words[at : at + 2]
    if len(words) > 1 or any(word.startswith("-") for word in words):
        raise misused(USAGE, arguments)
    return Path(words[0] if words else "."), port
