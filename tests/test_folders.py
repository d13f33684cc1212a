"""Which runs a folder that was named stands for, and which folders `credo init` takes for its own."""

import os
import time
from pathlib import Path

import pytest

from console import credo
from credo.cli import sync
from credo.cli.starter import create
from credo.errors import ConfigError
from credo.runs.walk import beneath


def run(place: Path) -> Path:
    (place / ".hydra").mkdir(parents=True)
    (place / ".hydra" / "config.yaml").write_text("seed: 0\n")
    return place


def is_run(place: Path) -> bool:
    return (place / ".hydra" / "config.yaml").exists()


def test_a_run_a_sweep_and_a_day(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = [run(tmp_path / "multirun" / "2026-01-31" / "12-00-00" / str(number)) for number in (0, 2, 10)]
    (places[0] / "deep" / "in" / "a" / "run" / "of" / "its" / "own").mkdir(parents=True)
    assert beneath(places[0], is_run) == [places[0]]
    for folder in (places[0].parent, Path("multirun/2026-01-31"), Path("multirun"), Path()):
        assert beneath(folder, is_run) == places


def test_no_walk_through_what_is_no_folder_of_runs(tmp_path, monkeypatch):
    home = tmp_path / "home"
    mine = run(home / "me" / "work" / "outputs" / "day" / "mine")
    run(home / "you" / "outputs" / "day" / "yours")
    monkeypatch.chdir(home / "me" / "work")
    for above in (home, home / "me", Path(".."), Path("/")):
        with pytest.raises(ConfigError, match="lies above the folder where you are"):
            beneath(above, is_run)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code" / "a" / "b" / "c" / "d" / "e").mkdir(parents=True)
    with pytest.raises(ConfigError, match="is no folder of runs"):
        beneath(tmp_path, is_run)
    assert beneath(mine.parent, is_run) == [mine]


def test_links_are_not_followed_except_the_one_that_was_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, other = run(tmp_path / "outputs" / "one"), run(tmp_path / "others" / "other")
    (tmp_path / "outputs" / "loop").symlink_to(tmp_path / "outputs")
    (tmp_path / "outputs" / "link").symlink_to(other)
    (tmp_path / "latest").symlink_to(other)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert beneath(tmp_path / "outputs", is_run) == [one]
    assert beneath(tmp_path / "latest", is_run) == [other]
    with pytest.raises(ConfigError, match="does not exist"):
        beneath(tmp_path / "self", is_run)


def test_folders_without_number_are_not_all_looked_into(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("credo.runs.walk.MOST", 10)
    for number in range(20):
        (tmp_path / "outputs" / str(number)).mkdir(parents=True)
    with pytest.raises(ConfigError, match="is no folder of runs"):
        beneath(tmp_path / "outputs", is_run)


@pytest.mark.parametrize("verb", ["sync", "compare"])
@pytest.mark.parametrize("folder", ["/", "/usr", "/proc", "/dev/null", "..", "nowhere", "http://x", "a" * 300])
def test_the_commands_say_so_at_once(verb, folder, tmp_path):
    (tmp_path / "here").mkdir()
    began = time.monotonic()
    said = credo(verb, folder, cwd=tmp_path / "here")
    assert time.monotonic() - began < 20
    assert said.code == 2, said
    assert said.err.count("\n") == 1
    assert said.err.startswith("credo: ")
    assert not list((tmp_path / "here").iterdir())


def test_sync_finds_records_of_a_sweep_and_its_jobs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = [run(tmp_path / "sweep" / str(number)) for number in range(3)]
    for place in (tmp_path / "sweep", jobs[2]):
        (place / "tracking.jsonl").touch()
    (tmp_path / "sweep" / "sweep.json").touch()
    assert sync.folders(["sweep"]) == [tmp_path / "sweep", jobs[2]]
    assert sync.folders(["sweep", "sweep/2", "sweep/1"]) == [tmp_path / "sweep", jobs[2]]


@pytest.mark.parametrize("name", ["/", "", " ", "~", "~/x", "~nouser", "http://x", "..", "../..", "a\x1bb", "a\nb"])
def test_init_refuses_what_is_no_folder_of_ones_own(name, tmp_path):
    here = tmp_path / "here" / "there"
    here.mkdir(parents=True)
    said = credo("init", name, cwd=here)
    assert said.code == 2, said
    assert said.err.startswith("credo: init: ")
    assert said.err.count("\n") == 1
    assert [place for place in tmp_path.rglob("*") if place.is_file()] == []
    assert not Path("/README.md").exists()


def test_init_leaves_nothing_that_is_not_whole(tmp_path, monkeypatch):
    write = Path.write_bytes

    def full(self, content):
        if self.name == "my_experiment.yaml":
            raise OSError(28, os.strerror(28))
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        create(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())
