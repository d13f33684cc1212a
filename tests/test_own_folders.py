"""A folder belongs to one run, and a run to one process at a time."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from unittest import mock

import pytest
from omegaconf import OmegaConf

from console import PYTHON, QUIET, credo
from credo.errors import ConfigError
from credo.experiment import steps
from credo.runs import lock
from credo.tracking.none import NoTracker
from registry import few

COINS = ("data=coin_flips", "model=bernoulli", "inference=mh", *few("mh"), *QUIET)
POINT = ("data=coin_flips", "model=bernoulli", "inference=map", *QUIET)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, and a finished sweep of two."""
    here = tmp_path_factory.mktemp("there")
    assert credo(*COINS, "hydra.run.dir=run", cwd=here).code == 0
    assert credo("-m", *POINT, "seed=1,2", "sweep.compare=false", "hydra.sweep.dir=sweep", cwd=here).code == 0
    return here


def contents(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """All files with their times."""
    return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ((*COINS, "hydra.run.dir=run"), "hydra.run.dir: .*run has .hydra of an earlier run"),
        ((*COINS, "inference.draws=0", "hydra.run.dir=run"), "inference.draws|hydra.run.dir"),
        ((*COINS, "hydra.run.dir=sweep/0"), "hydra.run.dir: .*sweep/0 has .hydra of an earlier run"),
        ((*COINS, "hydra.run.dir=sweep"), "hydra.run.dir: .*sweep has report.html of an earlier run"),
        (("-m", *POINT, "seed=1,2", "hydra.sweep.dir=sweep"), "hydra.sweep.dir: .* has a sweep; sweep.resume="),
        (("-m", *POINT, "seed=1,2", "hydra.sweep.dir=run"), "hydra.sweep.dir: .*run has .hydra of an earlier run"),
        (
            ("-m", *POINT, "seed=1", "hydra.sweep.dir=.", "hydra.sweep.subdir=run"),
            "hydra.sweep.subdir: .*run has",
        ),
    ],
)
def test_a_folder_that_has_a_run_is_refused_and_untouched(words: tuple[str, ...], key: str, there: Path) -> None:
    before = contents(there)
    said = credo(*words, cwd=there)
    assert said.code == 2, said
    assert said.err.count("\n") == 1
    assert contents(there) == before
    assert re.search(key, said.err), said.err


HOLD = """
import sys
from pathlib import Path
from credo.runs import lock
with lock.held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that has a folder."""
    words = [PYTHON, "-c", HOLD, str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    "words",
    [
        ("resume", "run"),
        ("extend", "run", "--draws", "10"),
        ("-m", *POINT, "seed=1,2", "sweep.resume=sweep"),
    ],
)
def test_a_run_that_goes_on_is_not_taken_up(words: tuple[str, ...], there: Path) -> None:
    folder = there / ("sweep" if "-m" in words else "run")
    with holder(folder) as process:
        before = contents(there)
        said = credo(*words, cwd=there)
        assert contents(there) == before
        assert said.code == 2
        assert said.err == (
            f"credo: {folder}: the run goes on in process {process.pid} on {platform.node()}; wait until it is over, "
            "or stop that process first\n"
        )


def test_the_lock_of_a_process_that_was_killed_keeps_nobody_out(tmp_path: Path) -> None:
    with holder(tmp_path), pytest.raises(ConfigError), lock.held(tmp_path):
        pass
    with lock.held(tmp_path), lock.held(tmp_path):  # the killed one's name still stood in it
        assert (tmp_path / lock.FILE).read_text() == f"process {os.getpid()} on {platform.node()}\n"


def test_a_run_holds_its_folder_while_it_goes_on(tmp_path: Path) -> None:
    infer, told = steps.infer, []

    def other() -> None:
        try:
            with lock.held(tmp_path / "run"):
                pass
        except ConfigError as error:
            told.append(str(error))

    def asked(*words: Any) -> Any:
        thread = Thread(target=other)
        thread.start()
        thread.join()
        return infer(*words)

    with mock.patch.object(steps, "infer", asked):
        assert credo(*POINT, "hydra.run.dir=run", cwd=tmp_path).code == 0
    assert len(told) == 1
    assert f"the run goes on in process {os.getpid()}" in told[0]
    other()
    assert len(told) == 1


def test_the_folder_is_free_after_the_run(there: Path) -> None:
    said = credo("extend", "run", "--draws", "10", cwd=there)
    assert said.code == 0, said.err
    assert OmegaConf.load(there / "run" / ".hydra" / "config.yaml").inference.draws == 20


def test_a_run_is_not_made_longer_by_halves(there: Path) -> None:
    def refused(*_: object) -> None:
        raise ConfigError("tracking.uri: away")

    before = contents(there)
    with mock.patch.object(NoTracker, "start", refused):
        assert credo("extend", "run", "--draws", "10", cwd=there).err == "credo: tracking.uri: away\n"
    now = contents(there)
    assert {file: text for file, (text, _) in now.items()} == {file: text for file, (text, _) in before.items()}
    assert OmegaConf.load(there / "run" / ".hydra" / "config.yaml").inference.draws == 20


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    """Root may write everywhere but to a folder that is not a real one."""
    said = credo(*POINT, "hydra.run.dir=/proc/nothing/here", cwd=tmp_path)
    assert (said.code, said.err.count("\n")) == (2, 1), said
    assert "hydra.run.dir=/proc/nothing/here: this folder cannot be made" in said.err
    assert sys.platform == "linux"
