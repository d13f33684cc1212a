"""The container's recipe names files that are there, and installs by the Makefile, from the lock with its hashes."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINES = (ROOT / "Containerfile").read_text(encoding="utf-8").splitlines()


def copied() -> list[str]:
    words = [line.split()[1:-1] for line in LINES if line.startswith("COPY ")]
    return [word for line in words for word in line if not word.startswith("--")]


def test_what_it_copies_is_there() -> None:
    assert [name for name in copied() if not (ROOT / name).exists()] == []


def test_it_copies_all_that_the_two_commands_read() -> None:
    needed = {"conf", "docs", "experiments", "src", "tests", "tools", "Makefile", "pyproject.toml", "requirements.lock"}
    assert needed <= set(copied())


def test_what_it_makes_are_targets_of_the_makefile() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    made = re.findall(r'make(?:", "| )([a-z]+)"?\]?$', "\n".join(LINES), re.MULTILINE)
    assert set(made) == {"run", "setup", "test"}
    assert set(made) <= set(targets)
    assert "--require-hashes -r requirements.lock" in (ROOT / "tools" / "bootstrap.sh").read_text(encoding="utf-8")


def test_it_runs_as_a_user_of_its_own_and_names_no_index() -> None:
    text = "\n".join(LINES)
    assert text.index("USER credo") < text.index("COPY")
    assert "http" not in text
    assert "index-url" not in text
