"""MLflow's own server, and PostgreSQL, started by the tests on free ports of this machine."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import requests
from mlflow.tracking import MlflowClient

WAIT = 180.0
"""Seconds that a server may take to start."""

QUIET = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`mlflow server`, which keeps files for its clients (`--artifacts-destination`)."""

    def __init__(self, folder: Path, store: str):
        self.folder, self.store, self.port = folder, store, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    def start(self) -> None:
        words = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1", "--backend-store-uri", self.store]
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            *words,
            "--artifacts-destination",
            str(self.folder / "files"),
        ]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603
                command, cwd=self.folder, env=os.environ | QUIET, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + WAIT
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < deadline, (self.folder / "server.log").read_text()
            time.sleep(0.5)

    def kill(self) -> None:
        """The server and its worker vanish."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.uri}/health", timeout=5).ok
        except requests.RequestException:
            return False


class Postgresql:
    """A database of its own, run by another user where the tests are root's: it refuses root.

    Its folder is none of pytest's, which are root's alone.
    """

    def __init__(self, folder: Path):
        self.data, self.port = folder, free_port()
        self.user = "postgres" if os.getuid() == 0 else None
        if self.user is not None:
            shutil.chown(self.data, self.user)
        self._say("initdb", "-D", str(self.data), "-U", "credo", "--auth=trust", "--encoding=UTF8", "--locale=C")

    @property
    def uri(self) -> str:
        return f"postgresql://credo@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=50"
        self._say("pg_ctl", "-D", str(self.data), "-w", "-l", str(self.data / "log"), "-o", options, "start")

    def stop(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self._say("pg_ctl", "-D", str(self.data), "-w", "-m", "immediate", "stop")

    def _say(self, program: str, *words: str) -> None:
        path = shutil.which(program)
        assert path is not None
        command = [path, *words]
        subprocess.run(command, check=True, user=self.user, cwd=self.data, stdout=subprocess.DEVNULL)  # noqa: S603
