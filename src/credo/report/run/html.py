"""One page that holds all there is to say of a run: `report.html`, self-contained, with its plots as PNG beside it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd

from credo import writing
from credo.diagnostics.base import Verdict
from credo.inference.result import Result
from credo.ranges import Count, count
from credo.report import plots
from credo.runs import naming
from credo.runs.job import key_of
from credo.runs.record import RunRecord
from credo.writing import replacing

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from credo.report.drawing.base import Drawing
    from credo.report.view import Evidence


@dataclass(frozen=True)
class HtmlReport:
    """A page for people; it opens in any browser, without a network.

    Attributes:
        plots: the words of the plots, in order (see `credo.report.plots`).
        max_variables: how many panels a figure may have; the page names what was left out.
        dpi: pixels per inch of the plots.

    Raises:
        ConfigError: a plot's word is unknown, or a number is impossible.
    """

    plots: list[str]
    max_variables: Count
    dpi: Annotated[int, count(30, 1200)]

    def __post_init__(self) -> None:
        plots.require(self.plots)

    @property
    def loads(self) -> tuple[str, ...]:
        """The modules that `write` takes time to load."""
        own = [f"{plots.__name__}.{word}" for word in self.plots if ":" not in word]
        return ("credo.report.run.page", "credo.report.view", "credo.report.drawing.image", *own)

    def write(
        self, record: RunRecord, result: Result, summary: pd.DataFrame, verdict: Verdict, metrics: Mapping[str, float]
    ) -> Path:
        """Write `plots/*.png` and `report.html`."""
        from credo.report.run.page import render
        from credo.report.view import Evidence

        thresholds = {check.name: check.threshold for check in verdict.checks}
        target = naming.target(record.config.get("data") or {}, record.config.get("model") or {})
        evidence = Evidence(result, summary, self.max_variables, thresholds, target)
        folder = record.folder / "plots"
        folder.mkdir(parents=True, exist_ok=True)
        drawings = []
        typed = any(key_of(word) == "report.plots" for word in record.overrides)  # and told why there is none
        chosen = [plots.find(word) for word in dict.fromkeys(self.plots)]
        for plot in (plot for plot in chosen if plot.applies(result)):
            drawing, image, broken = _drawn(plot, evidence, self.dpi)
            if not (image or broken or typed or ":" in plot.name):
                continue
            if image:
                with replacing(folder / f"{plot.name.replace(':', '.')}.png") as scratch:
                    scratch.write_bytes(image)
            drawings.append((drawing, image))
        page = record.folder / "report.html"
        writing.write(page, render(record, result, summary, verdict, metrics, drawings))
        return page


def _drawn(plot: "plots.Plot", evidence: "Evidence", dpi: int) -> "tuple[Drawing, bytes, bool]":
    """The plot, its PNG, empty where it does not apply, and whether it broke, which does not cost the answer."""
    import numpy as np

    from credo.report.drawing.base import Drawing
    from credo.report.drawing.image import png

    try:
        with np.errstate(all="ignore"):  # what is not finite is left out of the plots, and is the checks' affair
            drawing = plot.draw(evidence)
        return drawing, b"" if drawing.figure is None else png(drawing.figure, dpi), False
    except Exception as error:
        log.warning("The plot %r could not be drawn.", plot.name, exc_info=True)
        return Drawing(plot.name, "checks", f"This plot could not be drawn: {type(error).__name__}: {error}"), b"", True
