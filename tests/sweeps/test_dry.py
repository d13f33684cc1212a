"""`--dry-run`: what a sweep would do, said and not done."""

from pathlib import Path

from console import QUIET, Said, credo

COINS = (
    "data=coin_flips",
    "model=bernoulli",
    "inference=map",
    "inference.starts=2",
    "inference.steps=20",
    "diagnostics=none",
    *QUIET,
)
PLACE = ("hydra.sweep.dir=multirun/day/time", "sweep.compare=false")


def dry(cwd: Path, *words: str) -> Said:
    said = credo("-m", *COINS, "--dry-run", *words, cwd=cwd)
    assert said.code == 0, said.err
    return said


def test_jobs_are_listed_and_none_is_run(tmp_path: Path) -> None:
    said = dry(tmp_path, "seed=0,1", "model.prior.p.concentration1=1,2")
    assert said.out.splitlines() == [
        "  0  not run  seed=0 p.concentration1=1",
        "  1  not run  seed=0 p.concentration1=2",
        "  2  not run  seed=1 p.concentration1=1",
        "  3  not run  seed=1 p.concentration1=2",
        "4 jobs, 4 to run; nothing was run",
        "what 4 jobs of coin_flips bernoulli map take is not known: no finished run of it is here",
    ]
    assert not list(tmp_path.iterdir())


def test_keys_of_the_options_that_are_swept_can_be_typed(tmp_path: Path) -> None:
    """The default method, nuts, has no `inference.starts`."""
    words = (*(word for word in COINS if word != "inference=map"), "inference=map,mle")
    said = credo("-m", *words, "--dry-run", cwd=tmp_path)
    assert said.out.splitlines()[:2] == ["  0  not run  inference=map", "  1  not run  inference=mle"], said.err
    said = credo("-m", *words[:-1], "inference=nuts,map", "--dry-run", cwd=tmp_path)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "inference.starts: there is no such key" in said.err


def test_what_is_finished_is_said_and_what_the_rest_takes(tmp_path: Path) -> None:
    assert credo("-m", *COINS, "seed=0,1", *PLACE, cwd=tmp_path).code == 0
    said = dry(tmp_path, "seed=1,2", "sweep.resume=multirun/day/time")
    lines = said.out.splitlines()
    assert lines[:4] == [
        "  0  finished  seed=0",
        "  1  finished  seed=1",
        "  2  not run   seed=2",
        "3 jobs, 1 to run; nothing was run",
    ]
    assert lines[4].endswith("of their own time, by 2 finished runs of the same data, model and method")
    assert not (tmp_path / "multirun" / "day" / "time" / "2").exists()


def test_jobs_that_earlier_runs_answer_are_named(tmp_path: Path) -> None:
    words = ("tracking=mlflow", "seed=0")
    assert credo(*COINS, *words, "hydra.run.dir=outputs/day/one", cwd=tmp_path).code == 0
    said = dry(tmp_path, "tracking=mlflow", "seed=0,1", "sweep.skip_finished=true")
    assert f"answered by {tmp_path / 'outputs' / 'day' / 'one'}" in said.out.splitlines()[0]
    assert "2 jobs, 1 to run; nothing was run" in said.out


def test_what_cannot_be_listed_is_refused(tmp_path: Path) -> None:
    said = credo(*COINS, "--dry-run", cwd=tmp_path)
    assert said.code == 2
    assert "sweep.dry_run: only a sweep reads it" in said.err
    said = credo("-m", *COINS, "--dry-run", "model.prior.p.concentration=1,2", cwd=tmp_path)
    assert said.code == 2
    assert not list(tmp_path.iterdir())
