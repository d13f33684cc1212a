"""A command that is over leaves at once, with its code and all that it wrote."""

import subprocess
from pathlib import Path

from console import PYTHON

RUN = """
import atexit, sys
from credo import __main__
from credo.cli import main

class Torn:
    def __del__(self):
        print("torn down")

def command(words, began=None):
    sys.modules["jax"] = sys.modules["kept"] = Torn()
    atexit.register(print, "at exit")
    print("said")
    return 3

main.command = command
__main__.main()
"""


def test_it_calls_what_is_to_be_called_at_exit_and_takes_nothing_down(tmp_path: Path) -> None:
    said = subprocess.run([PYTHON, "-c", RUN], capture_output=True, text=True, cwd=tmp_path, check=False)  # noqa: S603
    assert (said.returncode, said.stdout, said.stderr) == (3, "said\nat exit\n", "")
