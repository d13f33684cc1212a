"""The page of a sweep: how many jobs have an answer, what they found, and how that goes with what was swept."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from credo.escape import link
from credo.report.drawing.numbers import counted, seconds
from credo.report.rendering import template
from credo.report.sweep.summary import MEASURES
from credo.runs import job, kept, provenance, question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from credo.report.sweep.summary import SweepSummary

DPI = 200
TONES = {"FINISHED": "passed", "SKIPPED": "note", "FAILED": "failed", "KILLED": "failed"}
FOLDER = "pictures"
"""Where pictures are kept: to load what draws takes longer than all else that a sweep does whose jobs are answered."""


class Picture(TypedDict):
    """What a page has of a drawing, its image as a PNG in base64."""

    title: str
    caption: str
    image: str


def render(summary: "SweepSummary", cache: str | None = None) -> str:
    """Render the page, self-contained. Everything that came from outside is escaped.

    Args:
        summary: of the sweep.
        cache: the folder of `device.compilation_cache`, where its pictures are kept for another sweep of the same.
    """
    return template("sweep.html").render(
        summary=summary,
        shown=summary.shown(),
        states=summary.column("state"),
        tones=TONES,
        pictures=_pictures(summary, cache),
        comparison=link(summary.files[2], summary.folder) if len(summary.files) > 2 else "",
        counted=counted,
        zip=zip,
        took=seconds(summary.took),
        links=[_link(summary, row) for row in summary.rows],
    )


def _link(summary: "SweepSummary", row: "Mapping[str, Any]") -> str:
    """The page of the run that has a job's answer, as seen from the sweep's."""
    place = row["reason"] if row["state"] == "SKIPPED" else row["folder"]
    page = Path(place) / "report.html"
    return link(page, summary.folder) if page.exists() else ""


def _pictures(summary: "SweepSummary", cache: str | None) -> list[Picture]:
    """Those that were drawn of the same numbers before, or new ones."""
    name = hashlib.sha256(json.dumps(_drawn(summary)).encode()).hexdigest()
    with suppress(ValueError):
        found: list[Picture] = json.loads(kept.read(cache, FOLDER, name) or "")
        return found
    from credo.report.drawing.picture import picture
    from credo.report.sweep.pictures import draw, draw_search

    drawings = [one for one in (draw(summary), draw_search(summary)) if one is not None and one.figure is not None]
    made = [Picture(title=one.title, caption=one.caption, image=picture(one, DPI).image) for one in drawings]
    kept.write(cache, FOLDER, name, json.dumps(made))
    return made


def _drawn(summary: "SweepSummary") -> list[str]:
    """All that pictures depend on: numbers of the jobs, what was found of them, and credo."""
    names = ["verdict", *summary.keys, *(name for name in MEASURES if name in summary.columns)]
    return [
        *(repr([row["state"] in job.ANSWERED, *map(row.get, names)]) for row in summary.rows),
        repr(names),
        repr(summary.keys),
        repr(summary.result),
        repr(question.installed()),
        str(provenance.version("matplotlib")),
    ]
