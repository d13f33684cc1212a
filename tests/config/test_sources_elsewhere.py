"""What Hydra knows of credo in the processes of a launcher, which get its singletons and look for plug-ins anew."""

import subprocess
from pathlib import Path

from console import PYTHON

RUN = """
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.singleton import Singleton
from credo.cli import main
from credo.config.sources import TypedSource

main.register()
Singleton.set_state(Singleton.get_state())
assert SourcesRegistry.instance().resolve("file") is TypedSource
"""
"""In a process of its own, since Hydra loads the modules of its plug-ins once more."""


def test_singletons_go_to_the_process_of_a_launcher(tmp_path: Path) -> None:
    said = subprocess.run([PYTHON, "-c", RUN], capture_output=True, text=True, cwd=tmp_path, check=False)  # noqa: S603
    assert said.returncode == 0, said.stderr
