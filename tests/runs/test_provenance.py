import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from credo.runs import provenance


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with one committed file."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "ada@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git(tmp_path, "init", "-q", "-b", "trunk")
    (tmp_path / "model.py").write_text("scale = 1\n")
    git(tmp_path, "add", "model.py")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def test_a_clean_work_tree_is_its_commit(repository: Path) -> None:
    assert provenance.repository(repository) == {
        "commit": git(repository, "rev-parse", "HEAD"),
        "branch": "trunk",
        "dirty": False,
        "diff": None,
        "untracked": [],
    }


def test_changes_are_kept_from_a_subfolder_too(repository: Path) -> None:
    (repository / "model.py").write_text("scale = 2\n")
    (repository / "sub").mkdir()
    (repository / "sub" / "new.py").write_text("")
    found = provenance.repository(repository / "sub")
    assert found is not None
    assert found["dirty"] is True
    assert "-scale = 1\n+scale = 2" in found["diff"]
    assert found["untracked"] == ["./"]


def test_a_huge_diff_is_cut_and_says_so(repository: Path) -> None:
    (repository / "model.py").write_text("x" * 2 * provenance.DIFF_LIMIT)
    found = provenance.repository(repository)
    assert found is not None
    assert len(found["diff"]) < provenance.DIFF_LIMIT + 100
    assert "[cut here: the whole diff has" in found["diff"]


def test_a_repository_without_a_commit_has_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "trunk")
    found = provenance.repository(tmp_path)
    assert found is not None
    assert (found["commit"], found["branch"], found["diff"]) == (None, "trunk", None)


def test_outside_a_repository_there_is_nothing_to_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.repository(tmp_path) is None


def test_without_git_there_is_nothing_to_say(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert provenance.repository(repository) is None


def test_the_circumstances_survive_the_file(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["credo", "seed=7", "tracking.uri=https://me:secret@host"])
    found = provenance.collect(seed=7, data_hash="abc", start_folder=repository)
    provenance.write(found, repository / "provenance.json")
    read = json.loads((repository / "provenance.json").read_text())

    assert read == found
    assert (read["seed"], read["data_hash"]) == (7, "abc")
    assert read["command"] == ["credo", "seed=7", "tracking.uri=https://***@host"]
    assert read["git"]["branch"] == "trunk"
    assert datetime.now(UTC) - datetime.fromisoformat(read["started"]) < timedelta(minutes=1)
    assert all(read["versions"].values())


def test_collecting_imports_nothing_heavy() -> None:
    program = (
        "import sys; from pathlib import Path; from credo.runs import provenance; provenance.collect(0, '', Path());"
        "sys.exit(bool({'jax', 'numpyro', 'mlflow', 'hydra', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603


def test_equal_questions_have_equal_fingerprints() -> None:
    config = {"seed": 0, "model": {"scale": 1.0, "loc": 0.0}}
    config |= {"device": {"platform": "cpu", "compilation_cache": "here"}, "name": "mine"}
    shown = {"tracking": {"uri": None}, "report": {"plots": True}, "objective": "elpd_loo"}
    turned = {"model": {"loc": 0.0, "scale": 1.0}, "seed": 0, "device": {"compilation_cache": None, "platform": "cpu"}}
    assert provenance.fingerprint(config, "d") == provenance.fingerprint(turned | shown, "d")


@pytest.mark.parametrize(
    ("config", "data_hash"),
    [
        ({"seed": 1, "model": {"scale": 1.0}}, "d"),
        ({"seed": 0, "model": {"scale": 2.0}}, "d"),
        ({"seed": 0, "model": {"scale": 1.0}, "device": {"count": 2}}, "d"),
        ({"seed": 0, "model": {"scale": 1.0, "report": True}}, "d"),
        ({"seed": 0, "model": {"scale": 1.0}}, "e"),
    ],
)
def test_other_questions_have_other_fingerprints(config: dict, data_hash: str) -> None:
    assert provenance.fingerprint(config, data_hash) != provenance.fingerprint(
        {"seed": 0, "model": {"scale": 1.0}}, "d"
    )
