"""A tracker of a user's own: one .py and one .yaml in the user's folder, and nothing else is touched."""

import json
from pathlib import Path
from typing import Any

import pytest

from console import Said, completed, credo
from registry import few

TRACKER = '''
"""Runs as lines of JSON: `tracking=lines`."""

import json
from pathlib import Path

from credo.errors import ConfigError
from credo.tracking.base import Tracker


class Lines(Tracker):
    """Appends one JSON object per event to a file."""

    name = "lines"
    keeps_runs = True

    def __init__(self, path: str) -> None:
        if not path.endswith(".jsonl"):
            raise ConfigError(f"path: expected the name of a file *.jsonl, but got {path}")
        self.path = Path(path)

    def start(self, record):
        parent = None if record.sweep is None else record.sweep.parent
        fingerprint = record.provenance["fingerprint"]
        self.write("start", name=record.name, folder=str(record.folder), parent=parent, fingerprint=fingerprint)

    def finish(self, metrics, tags, description, folder):
        self.write("finish", verdict=tags["verdict"], metrics=len(metrics), folder=str(folder))
        return str(self.path)

    def fail(self, status, reason, folder):
        self.write("fail", status=status, reason=reason, folder=str(folder))

    def begin_sweep(self, name, tags, folder, start_folder):
        self.write("sweep", name=name, folder=str(folder))
        return Sweep(self)

    def answered(self, fingerprint, start_folder):
        finished = [event["folder"] for event in self.events() if event["event"] == "finish"]
        same = [event["folder"] for event in self.events() if event.get("fingerprint") == fingerprint]
        return next((Path(folder) for folder in same if folder in finished), None)

    def find(self, word):
        folders = [event["folder"] for event in self.events() if event["event"] == "start"]
        number = word.removeprefix("line-")
        return Path(folders[int(number)]) if number != word else None

    def events(self):
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def write(self, event, **content):
        with self.path.open("a") as file:
            file.write(json.dumps({"event": event, **content}) + "\\n")


class Sweep:
    def __init__(self, lines):
        self.lines, self.id, self.place = lines, "sweep-1", str(lines.path)

    def settle(self, name, job, folder):
        self.lines.write("settle", name=name, state=job.state, reason=job.reason)

    def end(self, status, metrics, tags, description, files):
        self.lines.write("end", status=status, jobs=metrics["jobs"], files=[file.name for file in files])
'''
PRESET = """\
# credo tracking=lines tracking.path=mine.jsonl
_target_: lines.Lines
path: runs.jsonl
"""
HOPELESS = """
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist


def model(y):
    p = numpyro.sample("p", dist.Beta(1, 1))
    numpyro.factor("hopeless", jnp.nan * p)
"""
COINS = ("data=coin_flips", "model=bernoulli", "inference=map", *few("map"), "report=none", "tracking=lines")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with the tracker's two files."""
    (tmp_path / "conf" / "tracking").mkdir(parents=True)
    (tmp_path / "conf" / "tracking" / "lines.yaml").write_text(PRESET)
    (tmp_path / "lines.py").write_text(TRACKER)
    return tmp_path


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]


def test_a_run_is_recorded_is_found_by_its_id_and_has_its_answer_known(folder: Path) -> None:
    said = credo(*COINS, "hydra.run.dir=run", cwd=folder)
    assert said.code == 0, said.err
    assert "lines   runs.jsonl" in said.out
    start, finish = events(folder)
    assert (start["event"], start["name"]) == ("start", "coin_flips bernoulli map")
    assert (finish["event"], finish["folder"]) == ("finish", str(folder / "run"))
    assert finish["metrics"] > 5

    assert credo("resume", "line-0", cwd=folder).err.startswith("credo: line-0 is finished; begin a new run")
    said = credo(*COINS, "sweep.skip_finished=true", cwd=folder)
    assert "not run: run " in said.out.replace("\n", "")
    assert len(events(folder)) == 2


def test_a_run_that_fails_is_recorded_with_its_reason(folder: Path) -> None:
    (folder / "hopeless.py").write_text(HOPELESS)
    program = ("data=coin_flips", "model=program", "model.function=hopeless:model", *COINS[2:])
    said = credo(*program, "hydra.run.dir=run", cwd=folder)
    assert said.code == 1, said.out
    assert [event["event"] for event in events(folder)] == ["start", "fail"]
    assert events(folder)[1]["status"] == "FAILED"
    assert events(folder)[1]["reason"].removeprefix("RunError: ") in said.err


def test_a_sweep_is_recorded_with_its_jobs_and_those_that_were_refused(folder: Path) -> None:
    said = credo("-m", *COINS, "model.prior.p.concentration1=1,-1", "hydra.sweep.dir=s", cwd=folder)
    assert said.code == 1, said.err
    assert "lines   runs.jsonl" in said.out
    sweep, start, finish, settle, end = events(folder)
    assert [sweep["event"], finish["event"], settle["event"], end["event"]] == ["sweep", "finish", "settle", "end"]
    assert start["parent"] == "sweep-1"
    assert settle["reason"].startswith("model.prior.p.concentration1: expected")
    assert (end["status"], end["jobs"], end["files"][:2]) == ("FINISHED", 2, ["sweep.csv", "report.html"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("tracking.path=runs.txt",), "tracking.path: expected the name of a file *.jsonl, but got runs.txt"),
        (("+tracking.pth=x",), "tracking.pth: there is no such key"),
        (("~tracking.path",), "tracking.path: "),
        (("tracking=line",), "tracking=line: "),
    ],
)
def test_a_misconfigured_tracker_is_refused_before_anything_runs(
    folder: Path, words: tuple[str, ...], sentence: str
) -> None:
    said: Said = credo(*COINS, *words, "hydra.run.dir=run", cwd=folder)
    assert (said.code, sentence in said.err, said.err.count("\n")) == (2, True, 1), said.err
    assert not (folder / "run").exists()
    assert not (folder / "runs.jsonl").exists()


def test_the_help_and_tab_show_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "tracking     lines, mlflow, none\n" in credo("--help", cwd=folder).out
    assert completed("credo tracking=li", folder, monkeypatch) == ["tracking=lines"]
