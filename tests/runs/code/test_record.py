"""A run is made of its code: what is kept of it, and what happens when it is another one."""

import importlib
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console import QUIET, credo
from credo.errors import ConfigError
from credo.inference.base import Snapshot
from credo.runs import reproduction
from credo.runs.checkpoint import Checkpoint
from credo.runs.code import record
from registry import few

PROGRAM = """
import numpyro
import numpyro.distributions as dist


def model(y):
    from parts.scales import SCALE
    mu = numpyro.sample("mu", dist.Normal(0.0, 10.0))
    with numpyro.plate("rows", len(y)):
        numpyro.sample("y", dist.Normal(mu, SCALE), obs=y)
"""
CHECK = """
from credo.diagnostics.base import Check


class Mine:
    def __call__(self, result, summary):
        return Check("mine", "passed", 1.0, None, "As it should be.")
"""
DATA = "data=inline", "data.values=[1.0,2.0,2.5,4.0]"
RUN = ("model=program", "model.function=program:model", *DATA)
DRAWS = (*RUN, *QUIET, "inference=nuts", *few("nuts"), "hydra.run.dir=run")
POINT = (*RUN, *QUIET, "inference=map", *few("map"))
OWN_CHECK = "+diagnostics.checks.mine._target_=statistics.Mine"


def written(folder: Path) -> Path:
    """A program that imports a helper when it is called, and a check in a file named like one of Python's."""
    (folder / "program.py").write_text(PROGRAM)
    (folder / "parts").mkdir()
    (folder / "parts" / "scales.py").write_text("SCALE = 1.0\n")
    (folder / "statistics.py").write_text(CHECK)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, that has been made longer."""
    folder = written(tmp_path_factory.mktemp("ran"))
    said = credo(*DRAWS, OWN_CHECK, cwd=folder)
    assert said.code == 0, said
    said = credo("extend", "run", "--draws", 10, cwd=folder)
    assert said.code == 0, said
    return folder


@pytest.fixture
def finished(ran: Path) -> Iterator[Path]:
    """The same, as it was after the test."""
    kept = {file: file.read_bytes() for file in ran.rglob("*") if file.is_file() and "reproductions" not in file.parts}
    yield ran
    for file, content in kept.items():
        file.write_bytes(content)


def edit(folder: Path) -> None:
    (folder / "parts" / "scales.py").write_text("SCALE = 2.5\n")


def provenance(run: Path) -> Any:
    return json.loads((run / "provenance.json").read_text())


def test_code_is_kept_with_the_run(finished: Path) -> None:
    code = provenance(finished / "run")["code"]
    files = {"program.py", "parts/scales.py", "statistics.py"}
    assert set(code["files"]) == files
    for place in files:
        assert (finished / "run" / "code" / place).read_bytes() == (finished / place).read_bytes()
    assert code["unknown"] == []
    assert code["packages"] == {}  # NumPyro's version is in every run


@pytest.mark.parametrize("place", ["parts/scales.py", "program.py", "statistics.py"])
def test_a_run_goes_on_by_the_same_code_alone(place: str, finished: Path) -> None:
    run = finished / "run"
    before, source = (run / "posterior.nc").read_bytes(), (finished / place).read_text()
    (finished / place).write_text(source + "# edited")
    said = credo("extend", "run", "--draws", 10, cwd=finished)
    assert said.code == 2
    assert said.err == (
        f"credo: the code has changed since {run} began: {place} was edited (as it was: {run}/code); draws of two "
        "models cannot be joined: restore it, or start a new run\n"
    )
    assert (run / "posterior.nc").read_bytes() == before
    assert (run / "code" / place).read_text() == source


def test_skip_finished_answers_by_the_same_code_alone(folder: Path) -> None:
    words = (*RUN, "inference=map", *few("map"), *QUIET[1:])
    assert credo(*words, "hydra.run.dir=one", cwd=folder).code == 0
    again = credo(*words, "sweep.skip_finished=true", "hydra.run.dir=two", cwd=folder)
    assert "has the same fingerprint and is finished" in again.out
    edit(folder)
    edited = credo(*words, "sweep.skip_finished=true", "hydra.run.dir=three", cwd=folder)
    assert (folder / "three" / "verdict.json").exists(), edited
    assert "has the same fingerprint" not in edited.out


def test_code_that_cannot_be_compared_is_told_and_never_gone_on_with(folder: Path) -> None:
    source = PROGRAM.replace("\ndef model(y):", "import sys\nOUT = sys.__stdout__\n\ndef model(y):\n    OUT")
    (folder / "program.py").write_text(source)
    said = credo(*DRAWS, cwd=folder)
    assert said.code == 0, said
    assert "cannot be resumed, made longer or skipped" in said.out
    said = credo("extend", "run", "--draws", 10, cwd=folder)
    assert said.code == 2
    assert "it cannot be known whether the code is the same as when" in said.err
    assert "program.OUT is or holds a TextIOWrapper, whose state cannot be compared" in said.err


def test_reproduce_runs_the_present_code_loudly_or_the_recorded_one(finished: Path) -> None:
    edit(finished)
    present = credo("reproduce", "run", cwd=finished)
    assert present.code == 1
    loud = "OTHER CODE The code that ran is the present one, not that of the first run: parts/scales.py was edited."
    assert loud in present.out
    assert "  code: parts/scales.py was edited" in present.out.splitlines()
    old = credo("reproduce", "run", "--code=recorded", cwd=finished)
    assert old.code == 0, old
    assert old.out.splitlines()[-1] == "SAME All draws are equal to the bit."


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("--code=recorded", "run/code/program.py is not the file that the run recorded: its hash is another"),
        ("--code=old", "--code=old: expected present (the code that is there now) or recorded (the copy in the run's"),
    ],
)
def test_code_that_was_not_recorded_is_not_run(which: str, said: str, finished: Path) -> None:
    (finished / "run" / "code" / "program.py").write_text("import os\nos.mkdir('planted')\n")
    refused = credo("reproduce", "run", which, cwd=finished)
    assert refused.code == 2
    assert said in refused.err
    assert not (finished / "planted").exists()


def test_what_a_run_did_not_record_is_unknown(finished: Path) -> None:
    now = provenance(finished / "run")
    found = reproduction.compare({name: part for name, part in now.items() if name != "code"}, finished / "run")
    assert found.differences == ("code: unknown, the run is from a time when credo did not keep the code",)
    assert reproduction.compare(now, finished / "run").differences == ()
    blurred = {**now, "code": {**now["code"], "unknown": ["program.F is a file"]}}
    assert reproduction.compare(blurred, finished / "run").differences == ("code: unknown, program.F is a file",)
    with pytest.raises(ConfigError, match="kept no code"):
        record.recorded(finished / "run", None)


@pytest.mark.parametrize("words", [("reproduce", "run"), ("extend", "run", "--draws", 10)])
def test_nothing_in_a_runs_folder_runs_by_itself(words: tuple[object, ...], finished: Path) -> None:
    """A folder that says of itself that it was started in its own `code/`."""
    file = finished / "run" / ".hydra" / "hydra.yaml"
    file.write_text(file.read_text().replace(f"cwd: {finished}", f"cwd: {finished}/run/code"))
    said = credo(*words, cwd=finished)
    assert said.code == 2
    assert "runs by credo reproduce RUN --code=recorded alone" in said.err


def test_the_code_of_a_run_does_not_overwrite_the_users(folder: Path) -> None:
    (folder / "code").mkdir()
    (folder / "code" / "mine.py").write_text(PROGRAM)
    said = credo(*POINT, "model.function=code.mine:model", "hydra.run.dir=.", cwd=folder)
    assert said.code == 2
    assert "expected a folder of the run's own, which keeps its code in code/, but" in said.err


def test_a_sweep_is_not_taken_up_by_other_code(folder: Path) -> None:
    words = ("-m", *POINT, "seed=1")
    assert credo(*words, "hydra.sweep.dir=sweep", cwd=folder).code == 0
    assert credo(*words, "sweep.resume=sweep", cwd=folder).code == 0
    edit(folder)
    said = credo(*words, "sweep.resume=sweep", cwd=folder)
    assert said.code == 2
    assert f"the code has changed since {folder}/sweep/0 finished: parts/scales.py (as it was: " in said.err


def checkpoint(run: Path, code: Any, *, resumed: bool = False) -> Checkpoint:
    question = {"config": {}, "data_hash": "d"} | ({} if code is None else {"code": code})
    return Checkpoint(run, 0.0, question, resumed)


MINE = record.Code(sources={"program.py": b"a"}, values={"program.LOC": "1"}).record()
BLURRED = record.Code(sources={"program.py": b"a"}, unknown=("program.F is a file",)).record()


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (MINE, MINE, None),
        (record.NO_CODE, record.NO_CODE, None),
        (None, record.NO_CODE, None),  # from a time when credo kept no code, and none of the user's is in it
        (None, MINE, "it cannot be known whether the code is the same as when .*did not keep the code"),
        (BLURRED, BLURRED, "it cannot be known whether the code is the same as when .*program.F is a file"),
        (MINE, record.Code(sources={"program.py": b"b"}).record(), "program.py was edited"),
        (MINE, record.Code(sources={"other.py": b"a"}).record(), "other.py is new; program.py is no longer used"),
        (MINE, record.Code(sources={"program.py": b"a"}).record(), "program.LOC has another value"),
        (
            record.Code(packages={"mine": "1.0"}).record(),
            record.Code(packages={"mine": "1.1"}).record(),
            "the package mine was 1.0 and is 1.1",
        ),
    ],
)
def test_a_checkpoint_asks_for_the_same_code(before: Any, now: Any, said: str | None, tmp_path: Path) -> None:
    cut = checkpoint(tmp_path, before)
    cut.save(Snapshot({}, {}))
    if said is None:
        checkpoint(tmp_path, now, resumed=True).check()
    else:
        with pytest.raises(ConfigError, match=said):
            checkpoint(tmp_path, now, resumed=True).check()


def test_a_recorded_file_outside_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_bytes(b"a")
    (tmp_path / "run" / "code").mkdir(parents=True)
    hashed = MINE["files"]["program.py"]
    with pytest.raises(ConfigError, match="is missing"):
        record.recorded(tmp_path / "run", {"files": {"../../secret.py": hashed}})


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package."""
    installed = tmp_path / "site-packages"
    (installed / "theirs-1.2.dist-info").mkdir(parents=True)
    (installed / "theirs-1.2.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.2\n")
    (installed / "theirs.py").write_text("def model(y): ...\n")
    monkeypatch.syspath_prepend(str(installed))
    importlib.import_module("theirs")
    yield
    del sys.modules["theirs"]


def test_an_installed_package_is_its_name_and_version(theirs: None) -> None:
    code = record.collect({"model": {"function": "theirs:model"}}).record()
    assert (code["files"], code["packages"], code["unknown"]) == ({}, {"theirs": "1.2"}, [])
    assert code["hash"] is not None


@pytest.mark.parametrize("word", ["credo.models.program.Program", "numpyro.distributions.Normal", "json.dumps", "a.b"])
def test_what_every_run_records_is_not_the_users_code(word: str) -> None:
    assert record.collect({"part": [{"_target_": word}], "function": word}) == record.Code()
    assert record.NO_CODE["hash"] is None


def test_a_tracker_only_listens(theirs: None) -> None:
    assert record.collect({"tracking": {"_target_": "theirs.model"}}) == record.Code()


def test_what_a_run_leaves_in_memory_is_no_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPyro's distributions keep what they have computed; the next job of a sweep has the same code."""
    module = types.ModuleType("counting")
    monkeypatch.setitem(sys.modules, "counting", module)
    exec("calls = []\ndef model(y): calls.append(y)\n", vars(module))  # noqa: S102
    first = record.collect({"function": "counting:model"})
    vars(module)["model"](1)
    assert set(first.values) == {"counting.model", "counting.calls"}
    assert first.unknown == ("counting is a module without a file",)
    assert record.collect({"function": "counting:model"}) == first


def test_files_are_compared_without_an_import(folder: Path) -> None:
    code = record.Code(sources={place: (folder / place).read_bytes() for place in ("program.py", "parts/scales.py")})
    assert record.edited(code.record(), folder) == []
    edit(folder)
    assert record.edited(code.record(), folder) == ["parts/scales.py"]
    (folder / "program.py").unlink()
    assert record.edited(code.record(), folder) == ["parts/scales.py", "program.py"]
    assert record.edited(None, folder) == []
