"""The page of a calibration: the verdict, a table of the scalars, and the distribution of each one's ranks."""

import base64
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from arviz_stats.ecdf_utils import ecdf_pit
from matplotlib.figure import Figure

from credo import writing
from credo.diagnostics.sbc.uniform import ALARMS
from credo.diagnostics.sbc.verdict import Calibrated
from credo.runs.record import RunRecord

MOST_PANELS = 24
PER_ROW, SIMULATIONS = 4, 1000

CAPTION = (
    "The share of ranks below a value, less that value: zero where the inference is calibrated. The grey band holds "
    "the whole line of one scalar in 99 % of calibrated cases (ArviZ); the verdict rests on the tests in the table."
)

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}}
table{{border-collapse:collapse}}td,th{{padding:.2em .7em;text-align:right;border-bottom:1px solid #ddd}}
td:first-child,th:first-child{{text-align:left}}img{{max-width:100%}}</style>
<h1>{name}</h1><p><strong>{status}</strong>: {sentence}</p><p>{overrides}</p>
<h2>Scalars</h2>{table}<h2>Ranks</h2><p>{caption}</p>{image}{failed}</html>
"""


def write(folder: Path, record: RunRecord, found: Calibrated, rows: pd.DataFrame) -> Path:
    """Write `report.html`."""
    failures = rows[rows["reason"].notna()][["replication", "reason"]].head(20)
    failed = f"<h2>Without an answer</h2>{failures.to_html(index=False)}" if len(failures) else ""
    place = folder / "report.html"
    text = PAGE.format(
        name=escape(record.name),
        status=escape(found.status),
        sentence=escape(found.sentence),
        overrides=escape(" ".join(record.overrides)),
        table=found.table.to_html(index=False, float_format="{:.3g}".format),
        caption=CAPTION,
        image=_image(found, rows) if found.replications else "",
        failed=failed,
    )
    writing.write(place, text)
    return place


def _image(found: Calibrated, rows: pd.DataFrame) -> str:
    """The panels of the scalars, those that alarm first, as an image in the page."""
    order = found.table.sort_values("alarms", key=lambda words: words == "", kind="stable")["scalar"][:MOST_PANELS]
    height = -(-len(order) // PER_ROW)
    figure = Figure(figsize=(11, 2.4 * height), layout="constrained")
    for number, name in enumerate(order, start=1):
        ranks = rows.loc[(rows["scalar"] == name) & rows["reason"].isna(), "rank"].to_numpy()
        if len(ranks) < 2:
            continue
        generator = np.random.default_rng(0)
        x, ecdf, low, high = ecdf_pit(ranks, 1 - ALARMS, SIMULATIONS, rng=generator)  # type: ignore[no-untyped-call]
        axes = figure.add_subplot(height, PER_ROW, number)
        axes.fill_between(x, low - x, high - x, color="#ddd", linewidth=0)
        axes.plot(x, ecdf - x, linewidth=1)
        axes.set_title(str(name), fontsize=9)
        axes.tick_params(labelsize=7)
    scratch = BytesIO()
    figure.savefig(scratch, format="png", dpi=110)
    return f'<img alt="ranks" src="data:image/png;base64,{base64.b64encode(scratch.getvalue()).decode()}">'
