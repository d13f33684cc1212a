"""The pages of the reference, which the configuration and the code write themselves; Sphinx is not needed for it."""

from pathlib import Path

from reference.checks import checks_page
from reference.commands import commands_page
from reference.configuration import pages as configuration_pages
from reference.metrics import metrics_page
from reference.python import python_page
from reference.runs import files_page, json_page


def pages() -> dict[str, str]:
    """All pages by their place, without `.md`."""
    return {
        "command": commands_page(),
        **configuration_pages(),
        "checks": checks_page(),
        "metrics": metrics_page(),
        "files": files_page(),
        "json": json_page(),
        "python": python_page(),
    }


def write(folder: Path) -> None:
    """Write the pages into a folder; those that are as they were keep their time, by which Sphinx knows it."""
    for place, text in pages().items():
        file = folder / f"{place}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
