"""The files of a user's modules: all that they import, and nothing of others."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from credo.config import loading
from credo.runs.code import sources

FILES = {
    "program.py": "import numpyro\nimport yaml\nfrom package import deep\n\ndef model(y):\n    import inner\n",
    "inner.py": "import importlib\nplugin = importlib.import_module('plugin')\n",
    "plugin.py": "",
    "package/__init__.py": "from . import sibling\n",
    "package/sibling.py": "from ..package.cousin import a\n",
    "package/cousin.py": "from .lower.leaf import *\n",
    "package/deep.py": "if True:\n    from package.lower import leaf\n",
    "package/lower/__init__.py": "",
    "package/lower/leaf.py": "import program\n",  # a circle
    "unused.py": "",
    "venv/lib/python3.13/site-packages/strange.py": "",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    modules = set(sys.modules)
    for place, source in FILES.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(source)
    monkeypatch.setattr(sys, "path", list(sys.path))
    loading.make_importable(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_all_that_is_imported_is_found_and_nothing_is_run(folder: Path) -> None:
    found = sources.collect(["program"])
    assert set(found.files) == {place for place in FILES if place.split("/")[0] not in ("unused.py", "venv")}
    assert found.files["plugin.py"] == b""
    assert found.packages == {"numpyro", "yaml"}
    assert not found.unknown
    assert "program" not in sys.modules


def test_a_virtual_environment_in_the_folder_is_not_the_users(folder: Path) -> None:
    sys.path.append(str(folder / "venv/lib/python3.13/site-packages"))
    (folder / "program.py").write_text("import strange\n")
    found = sources.collect(["program"])
    assert (set(found.files), found.packages) == ({"program.py"}, {"strange"})


def test_a_module_of_the_users_that_hides_behind_pythons_has_its_own_place(folder: Path) -> None:
    (folder / "statistics.py").write_text("import inner\n")
    assert set(sources.collect(["credo_user.statistics"]).files) == {"statistics.py", "inner.py", "plugin.py"}


def test_the_source_is_that_which_was_imported(folder: Path) -> None:
    """An edit in the midst of a sweep changes the file and not the module."""
    loading.import_module("inner")
    before = sources.collect(["inner"]).files["inner.py"]
    (folder / "inner.py").write_text("LOC = 5\n")
    assert sources.collect(["inner"]).files["inner.py"] == before
    for name in ("inner", "plugin"):
        del sys.modules[name]
    assert sources.collect(["inner"]).files["inner.py"] == b"LOC = 5\n"


@pytest.mark.parametrize(
    ("body", "known"),
    [
        ("importlib.import_module('plug' + y)", False),
        ("__import__(y)", False),
        ("exec(y)", False),
        ("runpy.run_path(y)", False),
        ("importlib.import_module('plugin')", True),
        ("jax.eval_shape(y)", True),
        ("net.eval()", True),
    ],
)
def test_an_import_that_only_the_run_knows_is_told(folder: Path, body: str, known: bool) -> None:
    (folder / "program.py").write_text(f"def model(y):\n    {body}\n")
    unknown = sources.collect(["program"]).unknown
    assert unknown == (set() if known else {"program.py, line 2, imports what only the run knows"})


def test_pythons_installed_and_credos_modules_are_not_the_users() -> None:
    for module in ("json", "builtins", "numpyro.distributions", "credo.models.program", "sys"):
        assert not sources.is_users(module)
        assert sources.is_known(module)
    assert not sources.is_known("yaml")
    assert sources.is_users("")
