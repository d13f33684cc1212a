"""Simulation-based calibration from Python."""

from functools import cached_property
from pathlib import Path
from typing import Any

from credo.cli import flags
from credo.diagnostics.base import Verdict
from credo.python import asked, given, shown, words
from credo.python.session import session
from credo.runs import saved


def calibrate(*typed: str, replications: int | None = None, **settings: Any) -> "Calibration":
    """Ask whether a method finds what a model hides, as `credo calibrate KEY=VALUE ...` does.

    Args:
        typed: the words of one experiment.
        replications: how many data sets are drawn and fitted.
        settings: further words as keys and values (see `credo.run`).

    Raises:
        ConfigError: the configuration cannot work, or the model cannot draw its data.
        RunError: a fit failed.
    """
    call = "credo.calibrate"
    count = {} if replications is None else {"calibrate.replications": replications}
    with session():
        wanted = words.typed(call, typed, given.replaced(call, settings) | count, "hydra.run.dir")
        plain = flags.with_option(wanted, "standard")
        chosen = any(word.lstrip("+").startswith("calibrate=") for word in plain)
        return Calibration(asked.folder_of([*([] if chosen else ["+calibrate=standard"]), *plain]))


class Calibration:
    """What came of a calibration.

    Attributes:
        folder: where its files are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def verdict(self) -> Verdict:
        """Whether the ranks of the true values are as they should be."""
        return saved.verdict(self.folder)

    @property
    def report(self) -> Path | None:
        """Its page; `None` where none was made."""
        page = self.folder / "report.html"
        return page if page.exists() else None

    def __repr__(self) -> str:
        return f"<credo.Calibration {self.folder}: {self.verdict.status}>"

    def _repr_html_(self) -> str:
        return shown.verdict(self.verdict)
