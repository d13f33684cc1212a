"""What credo promises whatever it is given: an answer, or one sentence that explains why there is none."""

from pathlib import Path

from console import Said

CODES = {0: "ran", 1: "failed", 2: "refused", 3: "failed its verdict", 130: "was interrupted"}


def require_kept(said: Said, folder: Path, before: set[Path]) -> None:
    """Assert the promise for a command that ran in `folder`, whose files were `before` (see `files`)."""
    assert said.code in CODES, said
    assert "Traceback" not in said.err + said.out, said
    if said.code in (1, 2):
        sentences = [line for line in said.err.splitlines() if line.startswith("credo: ")]
        assert len(sentences) == 1, said
        assert said.err.rstrip().endswith(sentences[0].rstrip()), said  # the reason is the last thing on the screen
    if said.code == 2:
        assert files(folder) == before, sorted(files(folder) ^ before)


def files(folder: Path) -> set[Path]:
    """All files and folders in a folder."""
    return set(folder.rglob("*"))
