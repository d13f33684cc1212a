"""Damaged folders of runs: whatever happened to a file, each verb goes on rightly or says which file is damaged.

Valid folders are mutated: files are cut, emptied, removed, replaced by folders, noise or a file of another run; bits
are flipped; and values in JSON, YAML and CSV become others of other types. `make fuzz` sets `CREDO_FUZZ`, how many.
"""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from promise import files

from console import Said, credo
from credo.tracking.outbox import Head, Journal

EXAMPLES = int(os.environ.get("CREDO_FUZZ", "8"))
VERBS: Mapping[str, tuple[str, ...]] = {
    "resume": ("resume", "cut"),
    "extend": ("extend", "draws", "--draws", "10"),
    "reproduce": ("reproduce", "draws"),
    "compare": ("compare", "draws", "point", "--out", "page"),
    "compare sweep": ("compare", "sweep"),
    "predict": ("predict", "network", "rows.csv"),
    "export": ("export", "network", "served"),
    "sync": ("sync", "point"),
    "sweep.resume": ("-m", "sweep.resume=sweep"),
}
READERS = ("reproduce", "compare", "predict", "export", "sync")
"""Verbs that write no file of a run anew."""

CONFIGURATION = (".hydra", "sweep.json", "job.json")
"""What a user may edit, and what may therefore ask for something else."""

STORE = ("mlflow.db", "mlflow.db.lock", "mlartifacts")

OTHERS: tuple[Any, ...] = (
    None,
    True,
    -1,
    3,
    1e308,
    float("nan"),
    10**30,
    "",
    "word",
    "../..",
    [],
    [1, "a"],
    {},
    {"a": []},
)
SEEN: Counter[str] = Counter()
FAILURES: list[str] = []


@dataclass(frozen=True)
class Folders:
    """The folder in which everything happens, and a copy of it as it was.

    Attributes:
        here: where the runs were started.
        whole: the copy.
        answers: by verb, the hash of what it answers where nothing is damaged.
    """

    here: Path
    whole: Path
    answers: dict[str, str]

    def restore(self) -> None:
        """Make everything as it was, but for MLflow's store, which is open."""
        for place in self.here.iterdir():
            if place.name not in STORE:
                shutil.rmtree(place) if place.is_dir() else place.unlink()
        shutil.copytree(self.whole, self.here, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*STORE))


@pytest.fixture(scope="module")
def folders(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    whole = tmp_path_factory.mktemp("kept") / "whole"
    waiting(runs)
    assert credo("sync", "point", cwd=runs).code == 0  # which makes the store
    waiting(runs)
    shutil.copytree(runs, whole)
    known = Folders(runs, whole, {})
    for verb, words in VERBS.items():
        said = credo(*words, cwd=runs)
        assert said.code == 0, (verb, said)
        known.answers[verb] = answer(runs, verb, said)
        known.restore()
    return known


def waiting(runs: Path) -> None:
    """Leave a record that waits for MLflow in the folder of `point`."""
    place = runs / "point"
    tags = {"folder": str(place)}
    journal = Journal(place, Head(f"sqlite:///{runs}/mlflow.db", str(runs), "credo", "point", 1, tags, resumed=False))
    journal.add("log", params={"seed": "0"}, metrics={"x": 1.0}, step=0, time=1, tags={"a": "b"})
    journal.add("end", status="FINISHED", time=2)
    journal.keep()
    journal.close()


def answer(runs: Path, verb: str, said: Said) -> str:
    """The hash of what a verb found."""
    if verb in ("resume", "extend"):
        with xr.open_datatree(runs / VERBS[verb][1] / "posterior.nc", engine="netcdf4") as tree:
            return hashlib.sha256(tree["posterior/p"].to_numpy().tobytes()).hexdigest()
    if verb.startswith("compare"):
        place = runs / ("page" if verb == "compare" else "sweep") / "comparison.csv"
        return hashlib.sha256(place.read_bytes()).hexdigest()
    return hashlib.sha256(said.out.encode()).hexdigest() if verb == "predict" else ""


def candidates(folders: Folders, verb: str) -> list[Path]:
    """The files that a verb may read, from the folder where the runs were started."""
    named = [folders.whole / word for word in VERBS[verb] if (folders.whole / word.split("=")[-1]).is_dir()]
    named += [folders.whole / "sweep"] if verb == "sweep.resume" else []
    return sorted(file.relative_to(folders.whole) for place in named for file in place.rglob("*") if file.is_file())


def mutated(draw: Callable[[Any], Any], folders: Folders, verb: str, file: Path) -> str:
    """Damage a file, and say how."""
    target, raw = folders.here / file, (folders.here / file).read_bytes()
    kinds = ["cut", "empty", "flip", "flip", "remove", "noise", "swap", "line"]
    kinds += ["folder"] if verb in READERS else []
    kinds += ["value"] * 6 if file.suffix in (".json", ".yaml", ".jsonl") else []
    kind: str = draw(st.sampled_from(kinds))
    where = draw(st.floats(0, 0.9999))
    if kind == "cut":
        target.write_bytes(raw[: int(where * len(raw))])
    elif kind == "empty":
        target.write_bytes(b"")
    elif kind == "flip":
        place = int(where * len(raw))
        target.write_bytes(raw[:place] + bytes([raw[place] ^ (1 << draw(st.integers(0, 7)))]) + raw[place + 1 :])
    elif kind in ("remove", "folder"):
        target.unlink()
        if kind == "folder":
            target.mkdir()
    elif kind == "noise":
        target.write_bytes(draw(st.binary(min_size=1, max_size=200)))
    elif kind == "line":
        lines = raw.splitlines(keepends=True)
        target.write_bytes(b"".join(lines[: int(where * len(lines))] + lines[int(where * len(lines)) + 1 :]))
    elif kind == "swap":
        others = sorted(other for other in folders.whole.rglob(file.name) if other.is_file())
        target.write_bytes(draw(st.sampled_from(others)).read_bytes())
    else:
        target.write_text(with_another_value(draw, file, raw.decode()), encoding="utf-8")
    return kind


def with_another_value(draw: Callable[[Any], Any], file: Path, text: str) -> str:
    """A text of which one value is another one, perhaps of another type, or is missing."""
    if file.suffix == ".jsonl":
        lines = text.splitlines()
        number = draw(st.integers(0, len(lines) - 1))
        lines[number] = json.dumps(_changed(draw, json.loads(lines[number])))
        return "\n".join(lines) + "\n"
    if file.suffix == ".json":
        return json.dumps(_changed(draw, json.loads(text)))
    return yaml.safe_dump(_changed(draw, yaml.safe_load(text)))


def _changed(draw: Callable[[Any], Any], known: Any) -> Any:
    places = list(_places({"": known}))
    holder, key = draw(st.sampled_from(places))
    if draw(st.integers(0, 4)) == 0 and key != "":
        del holder[key]
        return known
    value = draw(st.sampled_from(OTHERS))
    if key == "":
        return value
    holder[key] = value
    return known


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


def content(folder: Path) -> dict[Path, str]:
    """The hashes of all files but those of MLflow's store."""
    known = (file for file in files(folder) if file.is_file() and not set(STORE) & set(file.relative_to(folder).parts))
    return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in known}


@given(data=st.data())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # a smaller example of a damaged folder says no more
    suppress_health_check=list(HealthCheck),
)
def test_a_damaged_folder_never_ends_in_a_traceback(folders: Folders, data: st.DataObject) -> None:
    verb = data.draw(st.sampled_from(sorted(VERBS)), label="verb")
    file = data.draw(st.sampled_from(candidates(folders, verb)), label="file")
    folders.restore()
    how = mutated(data.draw, folders, verb, file)
    before = content(folders.here)
    try:
        said = credo(*VERBS[verb], cwd=folders.here)
        require_right(folders, verb, file, said, before)
    except Exception as error:  # noqa: BLE001 - all of them are told, at the end
        FAILURES.append(f"{verb}, {file}, {how}: {type(error).__name__}: {error}"[:1500])
        SEEN[f"{verb}: broken"] += 1
    else:
        SEEN[f"{verb}: {('ran', 'failed', 'refused', 'ran')[said.code]}"] += 1


def require_right(folders: Folders, verb: str, file: Path, said: Said, before: Mapping[Path, str]) -> None:
    """Assert what is promised of a verb on damaged folders."""
    assert said.code in (0, 1, 2, 3), said
    assert "Traceback" not in said.err + said.out, said
    differs = verb == "reproduce" and "DIFFERENT" in said.out
    if said.code in (1, 2) and not differs:
        assert sum(line.startswith("credo: ") for line in said.err.splitlines()) == 1, said
    if said.code == 2:
        assert content(folders.here) == before, said
    is_spare = file.name == "loo.csv" and not (folders.here / file).exists()
    is_answer = not is_spare and not any(part in CONFIGURATION for part in file.parts)
    if said.code == 0 and is_answer and verb != "sweep.resume":
        assert answer(folders.here, verb, said) == folders.answers[verb], said


def test_the_counts_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Last: how many cases there were, and what came of them."""
    with capsys.disabled():
        print(f"\n{SEEN.total()} damaged folders: {dict(sorted(SEEN.items()))}")  # noqa: T201
    assert not FAILURES, "\n".join(FAILURES)
    assert SEEN.total() >= EXAMPLES // 2
