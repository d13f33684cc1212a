"""A run's folder that its user's own credo did not write runs no code, reads no environment, and sends nothing away."""

import json
import pickle
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import OmegaConf

from console import Said, credo
from credo.config import paths, schema
from credo.errors import ConfigError
from credo.runs import saved, signature, trust
from folders import POINT, SHORT, copied, finished

MARK = "it-ran"


@pytest.fixture
def folder(runs: Path, tmp_path: Path) -> Path:
    """A copy of them in a place of their own, from which they were started."""
    return copied(runs, tmp_path / "here")


def craft(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a YAML file as a stranger may."""
    known: Any = OmegaConf.to_container(OmegaConf.load(file))
    change(known)
    OmegaConf.save(OmegaConf.create(known), file)


class Bomb:
    """Leaves a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.mkdir, (self.mark,)


def arm(mark: Path) -> None:
    """Leave a pickle, and a module, that leave the mark where they are read."""
    mark.parent.mkdir()
    mark.with_name("bomb.pkl").write_bytes(pickle.dumps(Bomb(mark)))
    mark.with_name("evil.py").write_text(f"open({str(mark)!r}, 'w')\n\ndef model(**data): pass\n")


def targets(mark: Path) -> Mapping[str, dict[str, Any]]:
    """Nodes that leave the mark where they are made."""
    make = {"_target_": "os.mkdir", "_args_": [str(mark)]}
    program = {"_target_": "credo.models.program.Program", "arguments": {}}
    return {
        "pickle": {"_target_": "pandas.read_pickle", "filepath_or_buffer": str(mark.with_name("bomb.pkl"))},
        "function": make,
        "partial": make | {"_partial_": True},
        "nested": {"_target_": "credo.models.gaussian.Gaussian", "prior": {"loc": make}},
        "in a list": {"_target_": "credo.models.gaussian.Gaussian", "hypotheses": [[make]]},
        "method": {"_target_": "hydra.utils.get_method", "path": "evil.model"},
        "by hydra": {"_target_": "hydra.utils.instantiate", "config": make},
        "by name": program | {"function": "evil:model"},
        "of a library": program | {"function": "os:mkdir"},
        "of credo, not a part": {"_target_": "credo.models.program.load", "reference": "evil:model"},
        "through credo": {"_target_": "credo.experiment.run.Path.mkdir", "_args_": [str(mark)]},
        "through numpyro": {"_target_": "numpyro.distributions.np.load", "_args_": [str(mark)]},
        "by interpolation": {"_target_": "${name}", "_args_": [str(mark)]},
        "by a resolver": {"_target_": "${oc.decode:os.mkdir}", "_args_": [str(mark)]},
    }


def refused(said: Said, mark: Path) -> None:
    assert said.code == 2, said
    assert "--trust" in said.err
    assert said.err.count("credo: ") == 1, said
    assert "Traceback" not in said.err
    assert not mark.exists()


@pytest.mark.parametrize("name", targets(Path(MARK)))
def test_a_crafted_configuration_runs_nothing(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = folder.parent / "marks" / MARK
    arm(mark)
    monkeypatch.syspath_prepend(mark.parent)
    node = targets(mark)[name]
    craft(folder / "cut" / ".hydra" / "config.yaml", lambda known: known.update(model=node, name="os.mkdir"))
    refused(credo("resume", "cut", cwd=folder), mark)
    craft(folder / "network" / "model" / "model.yaml", lambda known: known.update(model=node))
    refused(credo("predict", "network", "rows.csv", cwd=folder), mark)


@pytest.mark.parametrize("name", ["pickle", "by name"])
def test_no_verb_runs_it(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = folder.parent / "marks" / MARK
    arm(mark)
    monkeypatch.syspath_prepend(mark.parent)
    node = targets(mark)[name]
    craft(folder / "draws" / ".hydra" / "config.yaml", lambda known: known.update(model=node))
    refused(credo("extend", "draws", "--draws", 10, cwd=folder), mark)
    refused(credo("reproduce", "draws", cwd=folder), mark)
    assert not (folder / "reproductions").exists()
    assert credo("compare", "draws", "point", "--out", "page", cwd=folder).code in (0, 2)
    assert not mark.exists()
    craft(folder / "network" / "model" / "model.yaml", lambda known: known.update(model=node))
    refused(credo("predict", "network/model", "rows.csv", cwd=folder), mark)
    refused(credo("export", "network", "served", cwd=folder), mark)
    assert not (folder / "served").exists()


@pytest.mark.filterwarnings("ignore:.*AnyType")  # MLflow's, of its own types
def test_a_served_model_runs_nothing_but_what_was_exported(folder: Path) -> None:
    import mlflow

    assert credo("export", "network", "served", cwd=folder).code == 0
    assert len(mlflow.pyfunc.load_model(str(folder / "served")).predict(pd.DataFrame({"a": [0.5]}))) == 1
    mark = folder.parent / MARK
    node = {"_target_": "os.mkdir", "_args_": [str(mark)]}
    craft(folder / "served" / "artifacts" / "model" / "model.yaml", lambda known: known.update(model=node))
    with pytest.raises(ConfigError, match="names code that would run"):
        mlflow.pyfunc.load_model(str(folder / "served"))
    assert not mark.exists()


@pytest.mark.parametrize("section", ["data", "inference", "training", "tracking", "report", "diagnostics.checks.mine"])
def test_every_section_is_looked_at(section: str, folder: Path) -> None:
    mark = folder.parent / MARK
    node = {"_target_": "os.mkdir", "_args_": [str(mark)]}
    craft(folder / "cut" / ".hydra" / "config.yaml", lambda known: put(known, section, node))
    refused(credo("resume", "cut", cwd=folder), mark)


def put(known: dict[str, Any], key: str, value: object) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        known = known[parent]
    known[last] = value


def test_the_folder_chooses_no_place_and_no_modules(folder: Path) -> None:
    """Modules beside a stranger's start folder are not importable, and credo does not work there."""
    evil = folder.parent / "evil"
    evil.mkdir()
    mark = folder.parent / MARK
    (evil / "psutil.py").write_text(f"open({str(mark)!r}, 'w')\n")
    file = folder / "cut" / ".hydra" / "hydra.yaml"
    file.write_text(file.read_text().replace(f"cwd: {folder}", f"cwd: {evil}"))
    said = credo("resume", "cut", cwd=folder)
    refused(said, mark)
    assert f"was started in {evil}" in said.err


@pytest.mark.parametrize("value", ["${oc.env:SECRET}", "x${oc.env:SECRET,none}", "${oc.${name}:SECRET}"])
def test_the_environment_is_not_read(value: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    craft(folder / "draws" / ".hydra" / "config.yaml", lambda known: known.update(name=value))
    craft(folder / "network" / "model" / "model.yaml", lambda known: known["model"].update(family=value))
    craft(folder / "draws" / ".hydra" / "hydra.yaml", lambda known: put(known, "hydra.runtime.choices.model", value))
    for words in (("extend", "draws", "--draws", 10), ("reproduce", "draws"), ("predict", "network", "rows.csv")):
        said = credo(*words, cwd=folder)
        refused(said, folder / MARK)
        assert "s3cret" not in said.err + said.out
    said = credo("compare", "draws", "point", "--out", "pages", cwd=folder)
    assert said.code == 0, said
    pages = "".join(file.read_text() for file in (folder / "pages").glob("*"))
    assert "s3cret" not in said.err + said.out + pages


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////tmp/elsewhere/mlflow.db", "sqlite:///../../up.db"])
def test_the_folder_sends_nothing_away(uri: str, folder: Path) -> None:
    tracking = {
        "_target_": "credo.tracking.mlflow.tracker.MlflowTracker",
        "uri": uri,
        "experiment": "credo",
        "tags": {},
    }
    craft(
        folder / "cut" / ".hydra" / "config.yaml",
        lambda known: known.update(tracking=tracking | {"artifacts": True, "register": None, "system_metrics": False}),
    )
    refused(credo("resume", "cut", cwd=folder), folder / MARK)
    head = {"uri": uri, "start_folder": str(folder), "experiment": "credo", "name": "x", "began": 1, "tags": {}}
    (folder / "point" / "tracking.jsonl").write_text(json.dumps(head | {"again": False}) + "\n")
    said = credo("sync", "point", cwd=folder)
    assert (said.code, said.err.count("credo: ")) == (1, 1), said
    assert "--trust" in said.err


def test_no_programs_of_a_strangers_cache_are_loaded(folder: Path) -> None:
    file = folder / "cut" / ".hydra" / "config.yaml"
    craft(file, lambda known: known["device"].update(compilation_cache="/tmp/evil"))  # noqa: S108
    harmless: Any = OmegaConf.to_container(trust.require_harmless(saved.configuration(folder / "cut"), file))
    assert harmless["device"]["compilation_cache"] == paths.settings("device", "auto")["compilation_cache"]


def test_what_names_credos_own_parts_alone_works_without_a_signature(folder: Path) -> None:
    """As the runs of earlier versions do."""
    for file in folder.glob("*/.hydra/signature.json"):
        file.unlink()
    assert credo("resume", "cut", cwd=folder).code == 0
    assert credo("extend", "draws", "--draws", 10, cwd=folder).code == 0
    assert credo("reproduce", "draws", cwd=folder).code == 0
    assert credo("predict", "network", "rows.csv", cwd=folder).code == 0
    for run in ("cut", "draws"):
        assert json.loads((folder / run / signature.FILE).read_text())["hmac"] is None


OWN = """
import numpyro
import numpyro.distributions as dist


def model(y):
    p = numpyro.sample("p", dist.Beta(1, 1))
    with numpyro.plate("obs", 10):
        numpyro.sample("y", dist.Bernoulli(p), obs=y)
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a module of the user's own, and a run of it."""
    (tmp_path / "mine.py").write_text(OWN)
    finished(tmp_path, "run", ("data=coin_flips", "model=program", "model.function=mine:model", *SHORT[2:]))
    return tmp_path


def test_a_users_own_run_is_trusted_until_another_key_signs(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert credo("extend", "run", "--draws", 10, cwd=own).code == 0
    monkeypatch.setenv("XDG_DATA_HOME", str(own / "another"))
    refused(credo("extend", "run", "--draws", 10, cwd=own), own / MARK)
    refused(credo("reproduce", "run", cwd=own), own / MARK)
    assert credo("reproduce", "run", "--trust", cwd=own).code in (0, 1)
    assert credo("extend", "run", "--draws", 10, "--trust", cwd=own).code == 0
    assert signature.is_own(own / "run")  # who trusts it signs what comes of it


def test_an_edit_of_ones_own_counts_where_code_is_named(own: Path) -> None:
    file = own / "run" / ".hydra" / "config.yaml"
    file.write_text(file.read_text().replace("name: null", "name: mine"))
    refused(credo("extend", "run", "--draws", 10, cwd=own), own / MARK)


def test_the_key_is_private_and_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    run = tmp_path / "run"
    (run / ".hydra").mkdir(parents=True)
    (run / ".hydra" / "config.yaml").write_text("seed: 0\n")
    signature.begin(run)
    key = tmp_path / "credo" / "key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert (run / signature.FILE).stat().st_mode & 0o777 == 0o600
    assert key.read_text().strip() not in (run / signature.FILE).read_text()
    assert signature.is_own(run)
    key.chmod(0o644)  # others may have read it
    assert not signature.is_own(run)
    before = key.read_text()
    signature.begin(run)
    assert key.read_text() != before
    assert key.stat().st_mode & 0o777 == 0o600
    (run / ".hydra" / "config.yaml").write_text("seed: 1\n")
    assert not signature.is_own(run)


def test_without_a_home_nothing_is_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    (tmp_path / ".hydra").mkdir()
    signature.begin(tmp_path)
    assert json.loads((tmp_path / signature.FILE).read_text())["hmac"] is None
    assert not signature.is_own(tmp_path)


def test_every_part_that_credo_has_is_its_own() -> None:
    """The targets of all presets, and the programs of all built-in experiments."""
    for group in schema.GROUPS:
        for file in (paths.built_in() / "conf" / group).glob("**/*.yaml"):
            known: Any = OmegaConf.to_container(OmegaConf.load(file))
            assert "_target_" not in known or trust.is_own(known["_target_"]), known
    assert trust.is_own("numpyro.distributions.Normal")
    for foreign in (
        "numpyro.distributions.np",
        "numpyro.distributions.constraints",
        "credo.experiment.run.run",
        "os.system",
        3,
    ):
        assert not trust.is_own(foreign)
    for file in (paths.built_in() / "experiments").glob("*.yaml"):
        function = OmegaConf.select(OmegaConf.load(file), "model.function")
        assert function is None or not trust.names_foreign({"_target_": trust.PROGRAM, "function": function}), file


def test_a_strangers_sweep_names_no_code(tmp_path: Path) -> None:
    words = ("-m", *POINT, "seed=0,1", "hydra.sweep.dir=sweep", "sweep.compare=false")
    assert credo(*words, cwd=tmp_path).code == 0
    plan = tmp_path / "sweep" / "sweep.json"
    known = json.loads(plan.read_text())
    mark = tmp_path / MARK
    shutil.rmtree(tmp_path / "sweep" / "1")  # a job that was never begun
    for word in (
        "model.function=os:mkdir",
        "+model.prior.p._target_=os.mkdir",
        f"model={{_target_:os.mkdir,_args_:[{mark}]}}",
        "name=${oc.env:HOME}",
        "hydra.searchpath=[file:///tmp/evil]",
        "tracking.uri=http://127.0.0.1:9",
    ):
        jobs = [known["jobs"][0], known["jobs"][1] | {"overrides": [*known["jobs"][1]["overrides"], word]}]
        plan.write_text(json.dumps(known | {"jobs": jobs}))
        said = credo("-m", "sweep.resume=sweep", cwd=tmp_path)
        assert (said.code, said.err.count("credo: ")) == (2, 1), said
        assert "type this word again" in said.err
        assert not mark.exists()
    jobs = [known["jobs"][0], known["jobs"][1] | {"folder": "../outside"}]
    plan.write_text(json.dumps(known | {"jobs": jobs}))
    assert "is outside" in credo("-m", "sweep.resume=sweep", cwd=tmp_path).err
    plan.write_text(json.dumps({key: value for key, value in known.items() if key != "signature"}))
    said = credo("-m", "sweep.resume=sweep", cwd=tmp_path)
    assert said.code == 0, said


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "seed=0,1", "hydra.launcher._target_=os.system"),
        ("-m", "seed=0,1", "hydra.sweeper._target_=os.system"),
        ("-m", "seed=0,1", "hydra.launcher._target_=hydra_plugins.hydra_credo.nothing.X"),
    ],
)
def test_hydra_runs_nothing_else_either(words: tuple[str, ...], tmp_path: Path) -> None:
    said = credo(*words, cwd=tmp_path)
    assert (said.code, said.err.count("credo: ")) == (2, 1), said
    assert said.err.startswith(f"credo: {words[-1].partition('=')[0]}"), said
    assert ": expected " in said.err
    assert list(tmp_path.iterdir()) == []
