"""The page of a comparison, `comparison.html`: self-contained, in the style of a run's report.

`sections` gives its inside alone, for a page that has more to say, and which has `style.css`.
"""

from pathlib import Path

from markupsafe import Markup

from credo.escape import link
from credo.report.comparison import plots, words
from credo.report.comparison.compare import Comparison
from credo.report.comparison.configurations import Configuration
from credo.report.drawing.numbers import counted
from credo.report.drawing.picture import picture
from credo.report.rendering import template

PACKAGE = "credo.report.comparison"
DPI = 200
TONES = {"failed": "failed", "not checked": "unsure", "passed": "passed", "note": "note"}


def render(comparison: Comparison, folder: Path, command: str, start_folder: Path) -> str:
    """Render the page. Everything that came from outside is escaped.

    Args:
        comparison: what is shown.
        folder: where the page will be, from which its links to the runs start.
        command: what to type to make it again.
        start_folder: where to type it.
    """
    data = sorted({run.choices.get("data", "") for run in comparison.runs} - {""})
    return template("comparison.html", PACKAGE).render(
        comparison=comparison,
        sections=sections(comparison, folder),
        data=data,
        command=command,
        start_folder=start_folder,
        counted=counted,
    )


def sections(comparison: Comparison, folder: Path) -> Markup:
    """The tables and plots as sections of HTML, everything escaped.

    Args:
        comparison: what is shown.
        folder: where the page will be, from which its links to the runs start.
    """
    pictures = {
        drawing.title: picture(drawing, DPI) for drawing in plots.draw(comparison) if drawing.figure is not None
    }
    links = [_links(line, folder) for line in comparison.lines]
    shown = {"lines": comparison.lines, "links": links, "pictures": pictures, "tones": TONES}
    shown |= {"tables": words.tables(comparison), "distances": words.distances(comparison)}
    first = comparison.distances[0].first if comparison.distances else ""
    return Markup(template("sections.html", PACKAGE).render(**shown, first=first))  # noqa: S704 - the template escapes


def _links(line: Configuration, folder: Path) -> list[tuple[str, str]]:
    """Seed and address of each run's own page, as seen from this one."""
    pages = [(str(run.seed), run.folder / "report.html") for run in line.runs]
    return [(seed, link(page, folder)) for seed, page in pages if page.exists()]
