"""How runs are found, and what is said to distinguish them."""

from pathlib import Path

import pytest
from fake_runs import begun, config, draws, finished

from credo.errors import ConfigError
from credo.report.comparison import runs
from credo.report.comparison.configurations import distinguish
from credo.report.sweep.summary import SweepSummary
from credo.runs import job
from credo.runs.job import Job, shortest


def labels(*folders: Path) -> list[str]:
    return [line.label for line in distinguish(runs.find(folders))]


def test_a_sweep_is_the_folder_of_its_runs(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        begun(tmp_path / "sweep" / str(number), config(float(number)))
    begun(tmp_path / "sweep" / "1" / "copy", config(1.0))
    found = runs.find([tmp_path / "sweep"])
    assert [run.folder.name for run in found] == ["1", "9", "10"]
    assert runs.is_sweep(tmp_path / "sweep")
    assert not runs.is_sweep(tmp_path / "sweep" / "1")


def test_a_run_named_twice_is_one(tmp_path: Path) -> None:
    place = begun(tmp_path / "sweep" / "run", config())
    assert len(runs.find([place, tmp_path / "sweep", place])) == 1


def test_a_skipped_job_has_the_answer_of_the_earlier_run(tmp_path: Path) -> None:
    earlier = finished(tmp_path / "earlier", config(), draws())
    skipped = begun(tmp_path / "job", config(), Job((), "SKIPPED", 0, str(earlier)))
    assert runs.read(skipped).folder == earlier
    assert runs.read(skipped).is_finished


@pytest.mark.parametrize(("word", "why"), [("empty", "holds no runs"), ("nowhere", "does not exist")])
def test_what_is_no_run_is_refused(tmp_path: Path, word: str, why: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=f"{word} .*{why}"):
        runs.find([tmp_path / word])


def test_all_that_are_no_runs_are_named_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    a, b, empty = (tmp_path / name for name in ("a", "b", "empty"))
    run = begun(tmp_path / "run", config())
    with pytest.raises(ConfigError) as refused:
        runs.find([a, run, empty, b])
    assert str(refused.value).endswith(
        f"but {a} and {b} do not exist, and {empty} has no .hydra/config.yaml and holds no runs"
    )


def test_names_tell_runs_apart_if_all_have_one(tmp_path: Path) -> None:
    one = begun(tmp_path / "1", config(name="wide"))
    other = begun(tmp_path / "2", config(1.0, name="narrow"))
    same = begun(tmp_path / "3", config(2.0, name="wide"))
    assert labels(one, other) == ["wide", "narrow"]
    assert labels(one, other, same) == ["loc.scale=10", "loc.scale=1", "loc.scale=2"]


def test_a_word_tells_what_it_brings(tmp_path: Path) -> None:
    """What belongs to another model, or to another prior, is no difference of its own."""
    one = begun(tmp_path / "1", config(1.0))
    wide = begun(tmp_path / "2", config(2.0))
    flat = config()
    flat["model"]["prior"]["loc"] = {"_target_": "credo.models.priors.flat", "support": "real"}
    other = begun(tmp_path / "3", flat, **{"prior@model.prior.loc": "flat"})
    rates = begun(tmp_path / "4", config(model={"_target_": "coins"}), model="bernoulli")
    lines = distinguish(runs.find((one, wide, other, rates)))
    assert [dict(line.differs) for line in lines] == [
        {"model": "gaussian", "prior@loc": "gaussian/loc", "loc.scale": "1"},
        {"model": "gaussian", "prior@loc": "gaussian/loc", "loc.scale": "2"},
        {"model": "gaussian", "prior@loc": "flat"},
        {"model": "bernoulli", "prior@loc": "gaussian/loc"},
    ]


def test_what_changes_no_answer_is_no_difference(tmp_path: Path) -> None:
    one = begun(tmp_path / "1", config(tracking={"uri": "a"}), tracking="mlflow")
    other = begun(tmp_path / "2", config(1.0, tracking={"uri": "b"}), tracking="none")
    assert labels(one, other) == ["loc.scale=10", "loc.scale=1"]


def test_a_line_is_called_as_the_run_of_its_job_is(tmp_path: Path) -> None:
    """One naming: in a comparison, in MLflow, and where a sweep says how its jobs ended."""
    key, values = "model.prior.loc.scale", (1.0, 2.0)
    places = [begun(tmp_path / str(value), config(value)) for value in values]
    names = [job.name([f"{key}={value:g}"], [key]) for value in values]
    assert labels(*places) == names == ["loc.scale=1", "loc.scale=2"]
    row = {"job": 0, "state": "FINISHED", "verdict": "passed", key: 1.0, "objective": None, "seconds": 1.0}
    assert list(SweepSummary(tmp_path, "", (key,), [row], ()).shown())[3] == "loc.scale"


def test_runs_that_nothing_distinguishes_have_their_folders_names(tmp_path: Path) -> None:
    assert labels(begun(tmp_path / "a", config()), begun(tmp_path / "b", config())) == [
        f"{tmp_path.name}/a",
        f"{tmp_path.name}/b",
    ]


def test_values_read_as_in_yaml(tmp_path: Path) -> None:
    values = [None, True, 0.1, [1, 2], "word"]
    places = [begun(tmp_path / str(i), config(extra=value)) for i, value in enumerate(values)]
    assert labels(*places) == ["extra=null", "extra=true", "extra=0.1", "extra=[1, 2]", "extra=word"]


@pytest.mark.parametrize(
    ("keys", "short"),
    [
        (["model.prior.loc.scale", "inference.draws"], ["scale", "draws"]),
        (["model.prior.loc.scale", "model.prior.sigma.scale"], ["loc.scale", "sigma.scale"]),
        (["seed", "data.seed"], ["seed", "data.seed"]),
    ],
)
def test_keys_are_as_short_as_can_be(keys: list[str], short: list[str]) -> None:
    assert shortest(keys) == short
