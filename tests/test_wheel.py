"""The wheel: built, installed where there is no checkout, and started in an empty folder."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.slow


def do(*words: object, cwd: Path, **variables: str) -> str:
    """Run a command that must succeed, without what would lead it back to the checkout; returns what it wrote."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(  # noqa: S603 - our own commands
        [str(word) for word in words], cwd=cwd, env=environment | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    here = ("--no-build-isolation", "--offline") if find_spec("hatchling") else ()  # else uv fetches the build tool
    do(BIN / "uv", "build", "--wheel", *here, "-q", "-o", folder, cwd=ROOT, VIRTUAL_ENV=sys.prefix)
    (built,) = folder.glob("credo-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The command, in an environment of its own that borrows the other packages; credo itself is not among them.

    A folder named in a .pth file is only looked into: the .pth file that makes the checkout importable is not read.
    """
    environment = wheel.parent / "environment"
    do(BIN / "uv", "venv", "-q", "--offline", "--python", sys.executable, environment, cwd=wheel.parent)
    python = environment / "bin" / "python"
    do(BIN / "uv", "pip", "install", "-q", "--offline", "--no-deps", "--python", python, wheel, cwd=wheel.parent)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = do(python, "-c", "import credo; print(credo.__file__)", cwd=wheel.parent)
    assert Path(where.strip()).is_relative_to(packages)
    return environment / "bin" / "credo"


def test_everything_is_inside(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, place in (("conf", "credo/bundled/conf"), ("experiments", "credo/bundled/experiments")):
        here = {f"{place}/{file.relative_to(ROOT / folder)}" for file in (ROOT / folder).rglob("*.yaml")}
        assert here <= names
    here = {str(file.relative_to(ROOT / "src")) for file in (ROOT / "src" / "credo").rglob("*") if file.is_file()}
    assert {name for name in here if "__pycache__" not in name} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]


def test_nothing_of_this_machine_is_inside(wheel: Path) -> None:
    places = {str(ROOT), str(ROOT.parent / "shared"), str(Path.home()), sys.prefix}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            assert not [place for place in places if place != "/" and place.encode() in content], name


@pytest.mark.slow
def test_it_runs_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    few = ("inference.draws=50", "inference.warmup=50", f"device.compilation_cache={tmp_path / 'programs'}")
    said = do(installed, "experiment=eight_schools", *few, cwd=tmp_path)
    assert "theta[Choate]" in said
    (run,) = tmp_path.glob("outputs/*/*")
    files = {file.name for file in run.iterdir()}
    assert {"posterior.nc", "summary.csv", "verdict.json", "report.html", "provenance.json"} <= files
    assert (tmp_path / "mlflow.db").is_file()


def test_it_makes_a_folder_of_the_users_own(installed: Path, tmp_path: Path) -> None:
    do(installed, "init", "mine", cwd=tmp_path)
    assert "my_model" in do(installed, "--help", cwd=tmp_path / "mine")
    config = do(installed, "--cfg", "job", "experiment=my_experiment", cwd=tmp_path / "mine")
    assert "function: my_model:model" in config
