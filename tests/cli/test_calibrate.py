"""`credo calibrate` as a process: a verdict, what it refuses, and how it goes on."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from console import QUIET, credo, credo_process
from credo.cli.flags import with_option

SMALL = (
    "data=coin_flips",
    "model=bernoulli",
    "inference.chains=1",
    "inference.warmup=50",
    "inference.draws=40",
    *QUIET,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibration of six replications."""
    here = tmp_path_factory.mktemp("calibration")
    said = credo(
        "calibrate",
        *SMALL,
        "calibrate.replications=6",
        "calibrate.save=2",
        "report=html",
        "hydra.run.dir=six",
        cwd=here,
    )
    assert said.code == 0, said.err
    return here / "six"


def test_a_calibration_leaves_ranks_a_verdict_and_a_page(finished: Path) -> None:
    words = json.loads((finished / "verdict.json").read_text())
    assert words["status"] == "too few replications"
    assert words["replications"] == 6
    assert "Ranks" in (finished / "report.html").read_text()
    assert len((finished / "ranks.csv").read_text().splitlines()) == 1 + 6 * 2


def test_an_interrupted_calibration_resumes_to_the_bit(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "six")
    whole = (tmp_path / "six" / "ranks.csv").read_text()
    (tmp_path / "six" / "ranks.csv").write_text("".join(whole.splitlines(keepends=True)[: 1 + 2 * 2]))
    (tmp_path / "six" / "verdict.json").unlink()
    said = credo("resume", "six", "--trust", cwd=tmp_path)
    assert said.code == 0, said.err
    assert (tmp_path / "six" / "ranks.csv").read_text() == whole


def test_a_finished_calibration_is_extended_by_replications(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "six")
    before = (tmp_path / "six" / "ranks.csv").read_text()
    said = credo("extend", "six", "--replications", "2", "--trust", cwd=tmp_path)
    assert said.code == 0, said.err
    after = (tmp_path / "six" / "ranks.csv").read_text()
    assert after.startswith(before)
    assert len(after.splitlines()) == 1 + 8 * 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("calibrate.replications=0",), "calibrate.replications: expected a whole number of at least 1"),
        (("calibrate.reps=5",), "calibrate.reps: there is no such key"),
        (("inference=map",), "inference=map: calibration ranks true values among posterior draws"),
        (("prior@model.prior.p=flat", "model.prior.p.support=unit_interval"), "model.prior.p: calibration draws p"),
        (("calibrate.around=nowhere",), "calibrate.around=nowhere: expected a finished run with draws"),
        (("-m", "seed=1,2"), "calibrate: expected what credo takes for one experiment"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_in_one_sentence(
    words: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    said = credo("calibrate", "data=coin_flips", "model=bernoulli", *QUIET, *words, cwd=tmp_path)
    assert said.code == 2
    assert told in said.err
    assert len(said.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that passes, and beside it `failed`, a run of two chains of 40 draws."""
    here = tmp_path_factory.mktemp("around")
    long = ("inference.chains=4", "inference.warmup=500", "inference.draws=1000", "hydra.run.dir=run")
    for words in (long, ("inference.chains=2", "hydra.run.dir=failed")):
        said = credo(*SMALL, *words, cwd=here)
        assert said.code == 0, said.err
    return here / "run"


@pytest.mark.slow
def test_a_calibration_around_a_run_takes_its_draws_and_keeps_its_data(run: Path) -> None:
    words = ("calibrate", *SMALL, "calibrate.around=run", "calibrate.replications=2", "hydra.run.dir=around")
    said = credo(*words, cwd=run.parent)
    assert said.code == 0, said.err
    assert len((run.parent / "around" / "ranks.csv").read_text().splitlines()) == 1 + 2 * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("calibrate.replications=1000", "expected a run with at least 10000 effective draws, 10 for each of 1000"),
        ("calibrate.around=failed", "the verdict of that run failed, so that its draws need not be those"),
        ("model.prior.p.concentration0=3", "expected a run of this model and data, but its model is another"),
        ("data.values=[1,0,1]", "expected a run of this model and data, but its data is another"),
    ],
)
def test_another_run_than_that_of_the_calibration_is_refused(word: str, told: str, run: Path) -> None:
    said = credo("calibrate", *SMALL, "calibrate.around=run", word, "hydra.run.dir=refused", cwd=run.parent)
    assert said.code == 2
    assert told in said.err
    assert not (run.parent / "refused").exists()


@pytest.mark.slow
def test_replications_on_two_devices_have_the_same_ranks_to_the_bit(finished: Path) -> None:
    words = ("calibrate.replications=6", "calibrate.save=4", "device.num_devices=2", "hydra.run.dir=two")
    said = credo_process("calibrate", *SMALL, *words, cwd=finished.parent)
    assert said.code == 0, said.err
    assert (finished.parent / "two" / "ranks.csv").read_text() == (finished / "ranks.csv").read_text()


def test_draws_are_not_added_to_a_calibration(finished: Path) -> None:
    said = credo("extend", "six", "--draws", "9", cwd=finished.parent)
    assert said.code == 2
    assert "--draws: six is a calibration" in said.err


def test_what_has_no_draws_is_neither_compared_nor_reproduced(finished: Path) -> None:
    here = finished.parent
    said = credo("compare", "six", "six", "--out", "page", cwd=here)
    assert (said.code, said.err.count("credo: ")) == (2, 1)
    assert "six is a calibration" in said.err
    said = credo("reproduce", "six", "--trust", cwd=here)
    assert said.code == 2
    assert said.err == "credo: six is a calibration, which has no draws to reproduce; type its own command again\n"
    assert not (here / "reproductions").exists()


@pytest.mark.parametrize(("word", "option"), [("+calibrate=200", "beside"), ("calibrate=30", "standard")])
def test_a_number_of_replications_is_an_option_and_a_number(word: str, option: str) -> None:
    words = with_option(["-m", word, "seed=1"], option)
    assert words == ["-m", f"+calibrate={option}", f"calibrate.replications={word.partition('=')[2]}", "seed=1"]
    assert with_option(["+calibrate=beside"], "standard") == ["+calibrate=beside"]


@pytest.mark.slow
def test_a_sweep_with_calibrations_has_their_column_and_each_job_resumes(tmp_path: Path) -> None:
    words = ("-m", *SMALL, "seed=1,2,3", "+calibrate=3", "sweep.compare=true", "hydra.sweep.dir=sweep")
    said = credo(*words, cwd=tmp_path)
    assert said.code == 0, said.err
    assert "SBC alarms" not in said.out, "of too few replications nothing is known"
    assert (
        said.err.count("+calibrate: No alarm, but 3 replications would miss a bias of 0.3 posterior sd too often") == 3
    )
    table = pd.read_csv(tmp_path / "sweep" / "sweep.csv")
    assert table["calibration/replications"].tolist() == [3.0, 3.0, 3.0]
    assert "calibration/spread_max" in table
    ranks = tmp_path / "sweep" / "0" / "calibration" / "ranks.csv"
    whole = ranks.read_text()
    assert len(whole.splitlines()) == 1 + 3 * 2
    said = credo("extend", "sweep/0", "--draws", "40", "--trust", cwd=tmp_path)
    assert said.code == 0, said.err
    assert ranks.read_text() != whole, "longer fits have other ranks"


@pytest.mark.slow
def test_what_cannot_be_calibrated_beside_is_refused_before_it_runs(tmp_path: Path) -> None:
    said = credo(*SMALL[:2], *QUIET, "inference=map", "+calibrate=3", cwd=tmp_path)
    assert (said.code, len(said.err.splitlines())) == (2, 1)
    assert "inference=map: calibration ranks true values among posterior draws" in said.err
    assert not list(tmp_path.iterdir())
