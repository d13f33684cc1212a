"""The keys of `conf/report`."""

from dataclasses import dataclass

from omegaconf import MISSING


@dataclass
class Html:
    """One self-contained page."""

    _target_: str = "credo.report.run.html.HtmlReport"
    plots: list[str] = MISSING
    max_variables: int = MISSING
    dpi: int = MISSING


@dataclass
class Nothing:
    """No page and no plots."""

    _target_: str = "credo.report.run.none.NoReport"


OPTIONS = {"html": Html, "none": Nothing}
