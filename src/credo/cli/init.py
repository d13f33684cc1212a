"""`credo init FOLDER`: a small folder of the user's own, with a model, data and an experiment."""

import sys
from collections.abc import Sequence
from pathlib import Path

from credo.cli import starter
from credo.errors import ConfigError


def run(arguments: Sequence[str]) -> int:
    """Write the folder, and say what to type next.

    Raises:
        ConfigError: no folder was named, or it cannot be one.
    """
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise ConfigError("credo init: expected one folder, as in credo init my_experiments")
    folder = Path(arguments[0] or " ")  # an empty name would be the folder where credo was started
    for file in starter.create(folder):
        sys.stdout.write(f"  {file}\n")
    sys.stdout.write(f"\nNext:\n  cd {folder}\n  credo experiment=my_experiment\n")
    return 0
