"""Sweeps as a person types them: parent and children, failures that do not stop the others, and taking up."""

import contextlib
import csv
import json
import shlex
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from console import QUIET, Said, credo

COINS = ("data=coin_flips", "model=bernoulli", "inference=map", "inference.starts=2", "inference.steps=20")
FAST = ("report=none", "device.compilation_cache=null")


def folder(tmp_path: Path) -> Path:
    """Of the only sweep."""
    (found,) = tmp_path.glob("multirun/*/*")
    return found


def table(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "sweep.csv").open() as file:
        return list(csv.DictReader(file))


def recorded(tmp_path: Path) -> list[dict[str, Any]]:
    """What MLflow has: status and tags of every run, as a dictionary."""
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        runs = store.execute("SELECT run_uuid, name, status FROM runs ORDER BY start_time").fetchall()
        tags = store.execute("SELECT run_uuid, key, value FROM tags").fetchall()
    return [
        {"id": run, "name": name, "status": status} | {key: value for of, key, value in tags if of == run}
        for run, name, status in runs
    ]


def test_runs_of_a_sweep_come_under_it(tmp_path: Path) -> None:
    said = credo("-m", *COINS, *FAST, "model.prior.p.concentration1=1,2", "seed=0,1", cwd=tmp_path)
    assert said.code == 0, said.err
    runs = recorded(tmp_path)
    parent, *children = [run for run in runs if not run["name"].startswith("mean of ")]
    assert parent["name"] == "p.concentration1=1,2 seed=0,1"
    assert parent["status"] == "FINISHED"
    assert parent["jobs"] == "4 finished"
    assert [child["name"] for child in children] == [f"p.concentration1={c} seed={s}" for c in (1, 2) for s in (0, 1)]
    for child in children:
        assert child["mlflow.parentRunId"] == parent["id"]
        assert child["sweep"] == parent["sweep"]
        assert child["swept"] == "model.prior.p.concentration1, seed"
        assert child["status"] == "FINISHED"
    sweep = folder(tmp_path)
    assert parent["folder"] == str(sweep)
    rows = table(sweep)
    assert [(row["model.prior.p.concentration1"], row["seed"]) for row in rows] == [
        ("1", "0"), ("1", "1"), ("2", "0"), ("2", "1")
    ]  # fmt: skip
    assert {row["state"] for row in rows} == {"FINISHED"}
    metrics = json.loads((sweep / "2" / "metrics.json").read_text())
    assert float(rows[2]["log_density"]) == metrics["log_density"]
    page = (sweep / "report.html").read_text()
    assert "4 jobs of 4 have an answer" in page
    assert "http" not in page.split("</style>")[1]


def test_a_job_gives_the_answer_that_it_gives_alone(tmp_path: Path) -> None:
    words = (*COINS, *QUIET, "model.prior.p.concentration1=3")
    assert credo(*words, "hydra.run.dir=alone", cwd=tmp_path).code == 0
    assert credo("-m", *words, "seed=0,1", cwd=tmp_path).code == 0
    alone, job = (
        json.loads((place / "metrics.json").read_text()) for place in (tmp_path / "alone", folder(tmp_path) / "0")
    )
    of_cost = {"programs"} | {key for key in alone if "seconds" in key}  # the first run compiles for those after it
    assert {k: v for k, v in alone.items() if k not in of_cost} == {k: v for k, v in job.items() if k not in of_cost}
    marks = [
        json.loads((place / "provenance.json").read_text())["fingerprint"]
        for place in (tmp_path / "alone", folder(tmp_path) / "0")
    ]
    assert marks[0] == marks[1]


def test_a_sweep_says_why_its_jobs_are_not_compared(tmp_path: Path) -> None:
    words = ("data=inline", "data.values=[1,2],[1,3]", "model=gaussian", "inference=map", *QUIET)
    said = credo("-m", *words, cwd=tmp_path)
    assert said.code == 0, said
    assert "\nnot compared: expected runs on the same data, but data.values=" in said.out
    assert "The finished jobs are not compared: expected runs" in (folder(tmp_path) / "report.html").read_text()
    assert "not compared" not in credo("-m", *words, "sweep.compare=false", cwd=tmp_path).out


@pytest.fixture
def planted(tmp_path: Path) -> tuple[str, ...]:
    """A sweep of four, of which one has a bad prior, one bad data, and one both."""
    (tmp_path / "good.json").write_text('{"y": [1.0, 2.0, 3.0]}')
    (tmp_path / "bad.json").write_text('{"y": [1.0, NaN, 3.0]}')
    words = ("data=json", "data.path=good.json,bad.json", "model=gaussian", "model.prior.loc.scale=1,-1")
    return (*words, "inference=map", "inference.starts=2", "inference.steps=20", *FAST)


def resumed(said: Said) -> list[str]:
    """What the command says to type."""
    (line,) = [line for line in said.err.splitlines() if "runs what is left" in line]
    return shlex.split(line.split("; credo ")[1].removesuffix(" runs what is left"))


def test_a_failed_job_is_recorded_and_the_others_go_on(tmp_path: Path, planted: tuple[str, ...]) -> None:
    said = credo("-m", *planted, cwd=tmp_path)
    assert said.code == 3
    assert "Traceback" not in said.err
    assert "3 of 4 jobs failed" in said.err
    parent, *children = recorded(tmp_path)
    assert parent["status"] == "FINISHED"
    assert [child["status"] for child in children] == ["FINISHED", "FAILED", "FAILED", "FAILED"]
    assert children[1]["error"] == "model.prior.loc.scale: expected a positive number, but got -1.0"
    assert "missing value" in children[2]["error"]
    assert {child["mlflow.parentRunId"] for child in children} == {parent["id"]}
    rows = table(folder(tmp_path))
    assert [row["state"] for row in rows] == ["FINISHED", "FAILED", "FAILED", "FAILED"]
    assert rows[2]["reason"] == children[2]["error"]


def test_resuming_runs_what_did_not_finish(tmp_path: Path, planted: tuple[str, ...]) -> None:
    said = credo("-m", *planted, cwd=tmp_path)
    sweep = folder(tmp_path)
    before = (sweep / "0" / "job.json").read_text()
    (tmp_path / "bad.json").write_text('{"y": [1.0, 2.0, 4.0]}')
    said = credo(*resumed(said), cwd=tmp_path)
    assert said.code == 2, said.err
    assert "2 of 4 jobs failed" in said.err
    assert "Launching 3 jobs" in said.err
    assert [row["state"] for row in table(sweep)] == ["FINISHED", "FAILED", "FINISHED", "FAILED"]
    assert (sweep / "0" / "job.json").read_text() == before
    parent, *children = recorded(tmp_path)
    assert len(children) == 4  # a job that is run again is the same run
    assert [child["status"] for child in children] == ["FINISHED", "FAILED", "FINISHED", "FAILED"]
    assert "error" not in children[2]
    assert parent["jobs"] == "2 finished, 2 failed"


def test_a_sweep_is_resumed_by_its_id_too(tmp_path: Path, planted: tuple[str, ...]) -> None:
    credo("-m", *planted, cwd=tmp_path)
    parent = recorded(tmp_path)[0]["id"]
    (tmp_path / "bad.json").write_text('{"y": [1.0, 2.0, 4.0]}')
    said = credo("-m", f"sweep.resume={parent}", "seed=1", cwd=tmp_path)
    assert said.code == 2
    assert "sweep.resume: expected the jobs of the sweep once more, other values for their keys, or nothing" in said.err
    said = credo("-m", f"sweep.resume={parent}", cwd=tmp_path)
    assert said.code == 2, said.err
    assert "2 of 4 jobs failed" in said.err
    assert [row["state"] for row in table(folder(tmp_path))] == ["FINISHED", "FAILED", "FINISHED", "FAILED"]


def test_a_sweep_with_nothing_left_is_shown_and_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert credo("-m", *COINS, *FAST, "seed=0,1", "hydra.sweep.dir=s", cwd=tmp_path).code == 0
    before = recorded(tmp_path)
    monkeypatch.setattr("credo.sweeps.sweep.Sweep._record", lambda *_: pytest.fail("the sweep was begun"))
    said = credo("-m", "sweep.resume=s", cwd=tmp_path)
    assert said.code == 0, said.err
    assert "All jobs had finished: nothing was run.\n\n2 jobs in " in said.out
    assert recorded(tmp_path) == before
    (tmp_path / "s" / "sweep.csv").unlink()
    with pytest.raises(pytest.fail.Exception):
        credo("-m", "sweep.resume=s", cwd=tmp_path)


def test_the_first_failure_may_end_a_sweep(tmp_path: Path, planted: tuple[str, ...]) -> None:
    said = credo("-m", *planted, "sweep.fail_fast=true", cwd=tmp_path)
    assert said.code == 3
    assert "1 of 4 jobs failed and 2 did not begin" in said.err
    assert [row["state"] for row in table(folder(tmp_path))] == ["FINISHED", "FAILED", "not run", "not run"]
    said = credo(*resumed(said), cwd=tmp_path)
    assert [row["state"] for row in table(folder(tmp_path))] == ["FINISHED", "FAILED", "FAILED", "FAILED"]


def test_a_finished_question_is_not_asked_again(tmp_path: Path) -> None:
    assert credo(*COINS, *FAST, "seed=1", "hydra.run.dir=first", cwd=tmp_path).code == 0
    said = credo("-m", *COINS, *FAST, "seed=0,1", "sweep.skip_finished=true", cwd=tmp_path)
    assert said.code == 0, said.err
    rows = table(folder(tmp_path))
    assert [row["state"] for row in rows] == ["FINISHED", "SKIPPED"]
    assert rows[1]["reason"] == str(tmp_path / "first")
    assert float(rows[1]["log_density"]) == json.loads((tmp_path / "first" / "metrics.json").read_text())["log_density"]
    assert len(recorded(tmp_path)) == 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("sweep.resume=nowhere",), "sweep.resume: expected the folder of a sweep, and .*nowhere has no sweep.json"),
        (
            ("seed=0,1", "hydra.sweep.subdir=same"),
            r"hydra.sweep.subdir: expected a folder for every job, but two would",
        ),
        (
            ("seed=0,1", "tracking=none", "sweep.skip_finished=true"),
            "sweep.skip_finished: finished runs are found in MLflow",
        ),
        (("seed=0,1", "hydra.sweeper.max_batch_size=0"), "hydra.sweeper.max_batch_size: expected at least 1 or null"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    import re

    said = credo("-m", *COINS, *FAST, *words, cwd=tmp_path)
    assert said.code == 2, said.err
    assert re.search(sentence, said.err), said.err
    assert said.err.count("\n") <= 2
    assert not list(tmp_path.rglob("job.json"))
    assert not (tmp_path / "mlflow.db").exists() or not recorded(tmp_path)
