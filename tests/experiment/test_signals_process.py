"""The signals that end the command itself: one sentence, the exit code 130, and nothing half begun."""

import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from console import PYTHON, start

ENDLESS = ("data=coin_flips", "model=bernoulli", "inference=mh", "inference.draws=100000000", "inference.block=1000")
SAID = {signal.SIGINT: "interrupted", signal.SIGTERM: "stopped by SIGTERM", signal.SIGHUP: "stopped by SIGHUP"}


@pytest.mark.parametrize("number", SAID)
def test_before_anything_began(number: signal.Signals, tmp_path: Path) -> None:
    """As early as it can be heard: in the imports, which take a second."""
    heard = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)"  # though the tests run under nohup
    slow = f"{heard}; import credo.experiment.signals as s; s.leaving(); print(flush=True); import time; time.sleep(60)"
    with subprocess.Popen(  # noqa: S603 - our own
        [PYTHON, "-c", slow], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, f"credo: {SAID[number]}\n")


@pytest.mark.slow
@pytest.mark.parametrize("number", SAID)
@pytest.mark.parametrize("seconds", [0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
def test_while_it_starts(number: signal.Signals, seconds: float, tmp_path: Path) -> None:
    """One sentence; and either nothing is there, or a run that is recorded as killed."""
    with start(*ENDLESS, "device.compilation_cache=null", "hydra.run.dir=run", cwd=tmp_path) as process:
        time.sleep(seconds)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err.splitlines()[-1], out) == (130, f"credo: {SAID[number]}", "")
    assert "Traceback" not in err
    if (tmp_path / "mlflow.db").exists():
        with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
            statuses = [status for (status,) in store.execute("SELECT status FROM runs")]
        assert statuses in ([], ["KILLED"])
        assert (tmp_path / "run").exists() <= (statuses == ["KILLED"])
    else:
        assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_terminal_that_is_closed(tmp_path: Path) -> None:
    """The run hears SIGHUP, and finds no terminal to say so."""
    ours, theirs = os.openpty()
    words = [PYTHON.parent / "credo", *ENDLESS, "device.compilation_cache=null", "hydra.run.dir=run"]
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, start_new_session=True)  # noqa: S603
    os.close(theirs)
    for _ in range(600):
        if (tmp_path / "run" / "checkpoint").exists() or (tmp_path / "run" / ".hydra").exists():
            break
        time.sleep(0.1)
    time.sleep(8)
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 130
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        assert store.execute("SELECT status FROM runs").fetchall() == [("KILLED",)]


def test_nohup_is_respected(tmp_path: Path) -> None:
    words = "import signal, credo.experiment.signals as s; s.leaving(); signal.raise_signal(signal.SIGHUP); print('on')"
    said = subprocess.run(["nohup", PYTHON, "-c", words], capture_output=True, text=True, cwd=tmp_path, check=True)  # noqa: S603, S607
    assert said.stdout == "on\n"
