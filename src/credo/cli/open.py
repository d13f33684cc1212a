"""`credo open RUN`: the report of a run, a sweep or a comparison in the browser."""

import sys
import webbrowser
from collections.abc import Sequence

from credo.cli.errors import misused
from credo.cli.show import finished
from credo.errors import ConfigError
from credo.experiment import resume
from credo.runs import saved

USAGE = "credo open: expected one run or sweep, by folder or MLflow id, as in credo open outputs/2026-01-31/12-00-00"
PAGES = ("report.html", "comparison.html")


def run(arguments: Sequence[str]) -> int:
    """Open the page, and print where it is; returns the exit code.

    Raises:
        ConfigError: there is no such run, or it has no page.
    """
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise misused(USAGE, arguments)
    folder = resume.folder(arguments[0])
    if not folder.is_dir():
        saved.require(folder)
    page = next((folder / name for name in PAGES if (folder / name).is_file()), None)
    if page is None:
        if saved.exists(folder):
            finished(arguments[0])
        raise ConfigError(f"{arguments[0]} has no report.html; it is not finished, or was run with report=none")
    sys.stdout.write(f"{page}\n")
    if not webbrowser.open(page.as_uri()):
        sys.stdout.write("there is no browser here: copy this file to a machine that has one\n")
    return 0
