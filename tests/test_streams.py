"""Standard streams that are closed, as under a daemon."""

import subprocess
from pathlib import Path

import pytest

from console import PYTHON, QUIET


@pytest.mark.parametrize(
    ("words", "closed", "code"),
    [
        (("--help",), ">&-", 0),
        (("inference.draws=x",), "2>&-", 2),
        (("data=coin_flips", "model=bernoulli", "inference=map", *QUIET), ">&-", 0),
    ],
)
def test_a_closed_stream_changes_no_exit_code(words: tuple[str, ...], closed: str, code: int, tmp_path: Path) -> None:
    command = f'"$0" "$@" {closed}'
    done = subprocess.run(  # noqa: S603 - our own command
        ["/bin/sh", "-c", command, PYTHON.parent / "credo", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
