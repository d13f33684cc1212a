"""A user's module is the file in the folder where credo was started, whoever else has its name."""

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from credo.config import loading
from credo.errors import ConfigError
from credo.models.program import load


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where credo was started, with a module that is named like one of Python's and one that is not."""
    path, modules = list(sys.path), set(sys.modules)
    (tmp_path / "statistics.py").write_text("from helper_of_mine import LOC\n\ndef model(y): ...\n")
    (tmp_path / "helper_of_mine.py").write_text("import statistics\n\nLOC = statistics.mean([1.0, 2.0])\n")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "mine.py").write_text("from .other import LOC\n\ndef model(y): ...\n")
    (tmp_path / "test" / "other.py").write_text("LOC = 1\n")
    loading.make_importable(tmp_path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_a_file_named_like_a_module_of_pythons_is_loaded(folder: Path) -> None:
    module = loading.import_module("statistics")
    assert module.__file__ == str(folder / "statistics.py")
    assert load("statistics:model") is module.model
    assert vars(module)["LOC"] == 1.5  # its helper has got Python's own


def test_everyone_else_gets_pythons_own(folder: Path) -> None:
    loading.import_module("statistics")
    assert sys.modules["statistics"] is statistics
    assert str(folder) in sys.path
    assert sys.path.index(str(folder)) > max(i for i, place in enumerate(sys.path) if "site-packages" in place)


def test_a_module_in_a_folder_of_such_a_name_is_loaded(folder: Path) -> None:
    assert load("test.mine:model").__module__ == "credo_user.test.mine"


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("statistics", "credo_user.statistics"),
        ("statistics.Mine", "credo_user.statistics.Mine"),
        ("test.mine.Mine", "credo_user.test.mine.Mine"),
        ("helper_of_mine.LOC", "helper_of_mine.LOC"),
        ("json.dumps", "json.dumps"),
        ("credo.models.gaussian.Gaussian", "credo.models.gaussian.Gaussian"),
        ("numpyro.distributions.Normal", "numpyro.distributions.Normal"),
        ("data/a.b", "data/a.b"),
        ("", ""),
    ],
)
def test_the_name_under_which_it_is_imported(folder: Path, word: str, name: str) -> None:
    assert loading.importable(word) == name
    assert loading.typed(name) == word


def test_a_folder_called_credo_hides_nothing(folder: Path) -> None:
    (folder / "credo").mkdir()
    (folder / "credo" / "__init__.py").write_text("")
    assert loading.importable("credo.models.program.Program") == "credo.models.program.Program"


def test_a_helper_that_is_hidden_is_named(folder: Path) -> None:
    (folder / "needs.py").write_text("from statistics import LOC\n\ndef model(y): ...\n")
    with pytest.raises(ConfigError, match=r"the folder has a statistics of its own, but .*: rename it"):
        load("needs:model")


def test_another_folder_has_other_modules(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    loading.import_module("statistics")
    other = tmp_path_factory.mktemp("other")
    (other / "statistics.py").write_text("LOC = 7\n")
    loading.make_importable(other)
    assert vars(loading.import_module("statistics"))["LOC"] == 7


def test_finding_imports_nothing() -> None:
    assert loading.find("xml.dom.pulldom") is not None
    assert loading.find("xml.dom.no_such") is None
    assert loading.find("json.dumps") is None
