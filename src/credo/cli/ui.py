"""`credo ui [FOLDER] [--port N]`: MLflow on 127.0.0.1 with the runs of a folder, and the address of their table."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from credo.cli.errors import misused
from credo.errors import ConfigError
from credo.tracking.mlflow import view

USAGE = "credo ui: expected a folder with runs, or nothing, and a port, as in credo ui --port 5001"
STORE = "mlflow.db"
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

PORT = "--port"
FLAGS = (PORT,)
"""What Tab completes after this verb."""


def run(arguments: Sequence[str]) -> int:
    """Serve until it is stopped; returns the exit code.

    Raises:
        ConfigError: the folder has no runs.
    """
    folder, port = _parse(arguments)
    store = folder.resolve() / STORE
    if not store.is_file():
        raise ConfigError(f"credo ui: expected {STORE} in {folder}, but there is none; run an experiment there first")
    sys.stdout.write(f"{view.table(f'http://127.0.0.1:{port}', '1')}\n")
    sys.stdout.flush()
    served = ("--backend-store-uri", f"sqlite:///{store}", "--host", "127.0.0.1", "--port", str(port), "--workers", "1")
    return subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "mlflow", "server", *served], cwd=folder, env={**os.environ, **QUIET}, check=False
    ).returncode


def _parse(arguments: Sequence[str]) -> tuple[Path, int]:
    """The folder, and the port."""
    words = [part for word in arguments for part in word.split("=", 1)]
    port = view.PORT
    if PORT in words:
        at = words.index(PORT)
        typed = words[at + 1] if at + 1 < len(words) else ""
        if not re.fullmatch(r"[1-9]\d{0,4}", typed) or int(typed) > 65535:
            raise misused(USAGE, arguments)
        port = int(typed)
        del words[at : at + 2]
    if len(words) > 1 or any(word.startswith("-") for word in words):
        raise misused(USAGE, arguments)
    return Path(words[0] if words else "."), port
