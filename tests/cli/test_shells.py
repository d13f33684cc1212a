"""Tab in real shells, through a terminal of their own; skipped where a shell is not installed."""

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from console import PYTHON

LONGEST = 60.0
"""Seconds until a shell must have answered; it does in two or three."""

SHELLS = {
    "zsh": (
        ("zsh", "-f", "-i"),
        'autoload -U compinit bashcompinit; compinit -u; bashcompinit; eval "$(credo -sc install=zsh)"',
    ),
    "fish": (("fish", "--no-config", "-i"), "credo -sc install=fish | source"),
}
"""How a shell is started without its user's settings, and what lets it complete."""


def read_until(terminal: int, wanted: str) -> str:
    """What a shell writes, until it has written something or is too late."""
    written, end = b"", time.monotonic() + LONGEST
    while wanted not in (text := re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written.decode(errors="replace"))):
        if time.monotonic() > end:
            break
        if select.select([terminal], [], [], 0.2)[0]:
            written += os.read(terminal, 65_536)
    return text


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_an_option(shell: str, tmp_path: Path) -> None:
    for needed in (shell, "setsid"):
        if shutil.which(needed) is None:
            pytest.skip(f"{needed} is not installed")
    command, begin = SHELLS[shell]
    path = f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(tmp_path), "TERM": "xterm"}
    terminal, inner = pty.openpty()
    # Of its own session, whose terminal this one is.
    with subprocess.Popen(  # noqa: S603 - a shell, as users have it
        [str(shutil.which("setsid")), "--ctty", *command],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        cwd=tmp_path,
        env=environment,
    ) as process:
        os.close(inner)
        try:
            os.write(terminal, f"{begin}; echo RE''ADY\n".encode())
            assert "READY" in read_until(terminal, "READY")
            os.write(terminal, b"credo inference=nes\t")
            assert "inference=nested" in read_until(terminal, "inference=nested")
        finally:
            process.kill()
            os.close(terminal)
