"""What is damaged in a run's folder is named, and what is whole is used: nothing passes silently."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from omegaconf import OmegaConf

from console import Said, credo
from credo.errors import ConfigError, RunError
from credo.experiment import earlier
from credo.inference.base import Snapshot
from credo.inference.state import unpacked
from credo.runs import checkpoint, files, saved, signature, snapshot
from credo.runs.record import Fresh
from credo.runs.shape import misfit
from folders import NETWORK, finished, rows


@pytest.fixture
def folder(runs: Path) -> Path:
    """Where the runs are, with a copy of each that may be damaged: `point` is `my-point`."""
    for place in runs.glob("my-*"):
        shutil.rmtree(place)
    for name in ("point", "draws", "network", "cut"):
        shutil.copytree(runs / name, runs / f"my-{name}")
    return runs


def flip(file: Path, share: float = 0.6) -> None:
    """Turn one bit of a file."""
    raw = bytearray(file.read_bytes())
    raw[int(share * len(raw))] ^= 4
    file.write_bytes(raw)


def half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def refused(said: Said, file: Path) -> None:
    assert said.code == 2, said
    assert said.err.startswith(f"credo: {file} is ") or f" {file} is " in said.err, said
    assert said.err.count("credo: ") == 1


def draws_of(run: Path) -> np.ndarray:
    with xr.open_datatree(run / "posterior.nc", engine="netcdf4") as tree:
        return tree["posterior/p"].to_numpy()


DAMAGES = pytest.mark.parametrize("damage", [flip, half, empty, Path.unlink])


@DAMAGES
def test_a_run_goes_on_from_the_save_before_to_the_same_bits(damage: Callable[[Path], None], folder: Path) -> None:
    """The run `draws` has the same configuration and was not cut off."""
    state = folder / "my-cut" / "checkpoint" / "state.npz"
    assert state.with_name("before.npz").exists()
    damage(state)
    said = credo("resume", "my-cut", cwd=folder)
    assert said.code == 0, said
    assert "the run goes on from the save before it" in said.err
    np.testing.assert_array_equal(draws_of(folder / "my-cut"), draws_of(folder / "draws"))
    assert [file.name for file in (folder / "my-cut" / "checkpoint").iterdir()] == ["state.npz"]


@DAMAGES
def test_without_a_block_the_run_goes_on_where_it_can(damage: Callable[[Path], None], folder: Path) -> None:
    """The last block is only of the last save; the first is of both."""
    place = folder / "my-cut" / "checkpoint"
    last = max(place.glob("blocks-*.npz"), key=lambda file: int(file.stem.split("-")[1]))
    damage(place / "blocks-0.npz")
    refused(credo("resume", "my-cut", cwd=folder), place / "blocks-0.npz")
    shutil.copy(folder / "cut" / "checkpoint" / "blocks-0.npz", place)
    damage(last)
    said = credo("resume", "my-cut", cwd=folder)
    assert said.code == 0, said
    assert f"{last} is " in said.err
    np.testing.assert_array_equal(draws_of(folder / "my-cut"), draws_of(folder / "draws"))


def test_a_damaged_state_does_not_take_the_place_of_the_one_before(tmp_path: Path) -> None:
    def kept(number: int) -> Snapshot:
        return Snapshot({"state/0": np.array(number)}, {"history": []})

    first = checkpoint.Checkpoint(tmp_path, 0.0, {})
    first.save(kept(1))
    first.save(kept(2))
    half(tmp_path / "checkpoint" / "state.npz")
    second = checkpoint.Checkpoint(tmp_path, 0.0, {}, resumed=True)
    second.check()
    loaded = second.load()
    assert loaded is not None
    assert loaded.arrays["state/0"] == 1
    second.save(kept(3))
    assert snapshot.read(tmp_path).arrays["state/0"] == 3
    (tmp_path / "checkpoint" / "state.npz").unlink()
    assert snapshot.read(tmp_path).arrays["state/0"] == 1


@DAMAGES
def test_extend_changes_nothing_where_the_draws_are_damaged(damage: Callable[[Path], None], folder: Path) -> None:
    place = folder / "my-draws"
    damage(place / "posterior.nc")
    config = (place / ".hydra" / "config.yaml").read_bytes()
    refused(credo("extend", "my-draws", "--draws", 10, cwd=folder), place / "posterior.nc")
    assert (place / ".hydra" / "config.yaml").read_bytes() == config
    assert not list((place / "checkpoint").glob("blocks-*"))


@DAMAGES
@pytest.mark.parametrize("name", ["posterior.nc", "metrics.json", "verdict.json", "loo.csv", "summary.csv"])
def test_compare_refuses_an_answer_that_is_not_whole(name: str, damage: Callable[[Path], None], folder: Path) -> None:
    damage(folder / "my-draws" / name)
    said = credo("compare", "my-draws", "draws", "--out", "my-page", cwd=folder)
    if damage is Path.unlink and said.code == 0:
        assert name == "loo.csv"  # which not every run has
        return
    if damage is Path.unlink:
        assert "my-draws" in said.err  # which then has not finished
    else:
        refused(said, folder / "my-draws" / name)
    assert not (folder / "my-page").exists()


def test_draws_that_still_parse_are_found_by_their_hash_alone(folder: Path) -> None:
    """As of runs that credo left before it signed files."""
    place = folder / "my-draws"
    (place / signature.FILE).unlink()
    with xr.open_datatree(place / "posterior.nc", engine="netcdf4") as tree:
        changed = tree.load()
    changed["posterior/p"] = changed["posterior/p"] + 1e-9
    changed.to_netcdf(place / "posterior.nc", engine="netcdf4")
    refused(credo("compare", "my-draws", "draws", cwd=folder), place / "posterior.nc")
    refused(credo("extend", "my-draws", "--draws", 10, cwd=folder), place / "posterior.nc")


@DAMAGES
@pytest.mark.parametrize("name", ["weights.npz", "learned.npz", "columns.json", "model.yaml"])
def test_a_damaged_network_does_not_predict(name: str, damage: Callable[[Path], None], folder: Path) -> None:
    file = folder / "my-network" / "model" / name
    damage(file)
    for words in (("predict", "my-network", "rows.csv"), ("export", "my-network", "served")):
        said = credo(*words, cwd=folder)
        assert said.code == 2, said
        assert str(file) in said.err
        assert said.out == ""
    assert not (folder / "served").exists()


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        (".hydra/config.yaml", "- a\n", ("extend", "my-draws", "--draws", 5)),
        (".hydra/config.yaml", "seed: 0\nname: null\n", ("extend", "my-draws", "--draws", 5)),
        (".hydra/config.yaml", "a: &x [1]\nb: *x\n", ("compare", "my-draws", "draws")),
        (".hydra/hydra.yaml", "hydra: {runtime: {choices: []}}\n", ("reproduce", "my-draws")),
        ("provenance.json", "[]", ("reproduce", "my-draws")),
        ("provenance.json", '{"seed": "a", "data_hash": "x"}', ("reproduce", "my-draws")),
        ("metrics.json", '{"draws": "many"}', ("compare", "my-draws", "draws")),
        ("verdict.json", '{"status": "splendid", "checks": []}', ("compare", "my-draws", "draws")),
        ("tracking.jsonl", "", ("sync", "my-draws")),
        ("tracking.jsonl", '{"uri": 3}\n', ("sync", "my-draws")),
    ],
)
def test_other_shapes_are_named(file: str, text: str, words: tuple[object, ...], folder: Path) -> None:
    (folder / "my-draws" / file).write_text(text)
    said = credo(*words, cwd=folder)
    assert said.code == (1 if words[0] == "sync" else 2), said
    assert said.err.count("credo: ") == 1
    assert f"{folder / 'my-draws' / file} is damaged" in said.err


def test_an_answer_that_is_damaged_is_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`sweep.skip_finished=true` runs again what a damaged run would have answered."""

    class Knows:
        def answered(self, fingerprint: str, start_folder: Path) -> Path:
            return start_folder / fingerprint

    provenance = {"code": {"unknown": []}, "fingerprint": "my-draws", "question": None}
    record = SimpleNamespace(provenance=provenance, start_folder=folder)
    config = OmegaConf.create({"sweep": {"skip_finished": True}})
    request = SimpleNamespace(config=config, sweep=None, start=Fresh())
    parts = SimpleNamespace(tracker=Knows())
    asked: Any = SimpleNamespace(record=record, request=request, parts=parts, objective="draws")
    found = earlier.outcome(asked)
    assert found is not None
    assert (found.verdict, found.objective) == (saved.verdict(folder / "draws").status, (120.0,))  # of two chains
    flip(folder / "my-draws" / "metrics.json")
    assert earlier.outcome(asked) is None
    assert "my-draws/metrics.json is damaged" in capsys.readouterr().err


def test_a_checkpoint_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    head = {"question": {}, "numbers": {}, "files": [], "finished": False, "extensions": 0}
    np.savez(tmp_path / "checkpoint" / "state.npz", head=np.array(json.dumps(head)))
    with pytest.raises(ConfigError, match=r"state\.npz is a checkpoint of another version of credo.*; run it again$"):
        snapshot.head_of(tmp_path)


def test_a_state_of_another_method_is_refused() -> None:
    with pytest.raises(RunError, match=r"state/0, but got float32\[3\]"):
        unpacked({"state/0": np.zeros(3, "f4")}, np.zeros(2))


@pytest.mark.parametrize(
    ("value", "hint", "said"),
    [
        ({"a": 1}, dict[str, int], ""),
        ({"a": True}, dict[str, int], "a: expected a whole number, but got True"),
        ({"a": None}, dict[str, float | None], ""),
        ([1, "x"], list[int], "[1]: expected a whole number, but got 'x'"),
        (10**30, float, "the file: expected a number, but got 1"),
        ({"seed": 0}, saved.Provenance, "data_hash is missing"),
        ([], saved.Provenance, "the file: expected keys and values, but got []"),
    ],
)
def test_shapes(value: object, hint: object, said: str) -> None:
    assert misfit(value, hint).startswith(said)
    assert bool(misfit(value, hint)) == bool(said)


def test_no_file_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{}], dtype=object))
    with pytest.raises(files.DamagedError, match="is damaged"):
        files.arrays(tmp_path / "a.npz", "x")


def test_a_trained_network_is_whole_when_it_was_just_made(tmp_path: Path) -> None:
    rows(tmp_path)
    run = finished(tmp_path, "run", NETWORK)
    known = json.loads((run / signature.FILE).read_text())["files"]
    assert {"posterior.nc", "metrics.json", "verdict.json", "summary.csv", "model/weights.npz"} <= set(known)
    assert all(signature.digest(run / name) == hashed for name, hashed in known.items())


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("device", {}, "device.platform: a value is needed"),
        ("data.values", None, "data.values: expected a list, as in [a,b], but got null"),
        ("diagnostics.checks.prior_sensitivity.sites", 3.5, "sites: expected a list, as in [a,b], but got 3.5"),
    ],
)
def test_a_setting_of_another_kind_in_a_saved_configuration(
    key: str, value: object, sentence: str, folder: Path
) -> None:
    file = folder / "my-draws" / ".hydra" / "config.yaml"
    config = OmegaConf.load(file)
    if key == "data.values":
        config.data = {"_target_": "credo.data.inline.Inline", "values": [1]}
    OmegaConf.update(config, key, value, merge=False)
    OmegaConf.save(config, file)
    said = credo("reproduce", "my-draws", cwd=folder)
    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("credo: ") == 1
