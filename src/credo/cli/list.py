"""`credo list [FOLDER ...]`: the runs in folders, the newest first: when, verdict, what, score and where."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from credo.cli.errors import misused
from credo.errors import ConfigError
from credo.report.terminal.screen import STYLES, Screen
from credo.runs import saved
from credo.runs.walk import beneath

USAGE = "credo list: expected folders of runs, or nothing, as in credo list outputs multirun --all"
HERE = ("outputs", "multirun")
ALL = "--all"
MOST = 20
SCORES = ("elpd_loo", "nll_test", "log_density")
"""The number that says most of a run, the first that it has."""


@dataclass(frozen=True)
class _Line:
    when: float
    verdict: str
    name: str
    score: str
    folder: Path


def run(arguments: Sequence[str]) -> int:
    """Print the list; returns the exit code.

    Raises:
        ConfigError: there are no runs.
    """
    words = [word for word in arguments if word != ALL]
    if any(word.startswith("-") for word in words):
        raise misused(USAGE, arguments)
    folders = [Path(word) for word in words] or [place for place in map(Path, HERE) if place.is_dir()]
    found = {place for folder in folders for place in beneath(folder, saved.exists)}
    if not found:
        where = " and ".join(words or HERE)
        raise ConfigError(f"credo list: expected runs in {where}, but there are none; name the folder that has them")
    newest = sorted(found, key=_began, reverse=True)
    shown = newest if ALL in arguments else newest[:MOST]
    screen = Screen(highlight=False)
    for line in map(_line, shown):
        word = f"{line.verdict:<12}", STYLES.get(line.verdict, "yellow")
        head = f"{datetime.fromtimestamp(line.when):%Y-%m-%d %H:%M}  "
        screen.print(Text.assemble(head, word, (line.name, "bold"), f"  {line.score}"), soft_wrap=True)
        screen.print(Text(f"  {_short(line.folder)}", style="dim"), soft_wrap=True)
    if len(shown) < len(newest):
        sys.stdout.write(f"and {len(newest) - len(shown)} older ones: credo list {ALL}\n")
    return 0


def _line(place: Path) -> _Line:
    choices = saved.choices(place)
    typed = saved.configuration(place).get("name")
    name = typed or " ".join(choices.get(group, "?") for group in ("data", "model", "inference"))
    numbers, verdict = _json(place / saved.METRICS), _json(place / saved.VERDICT).get("status", "not finished")
    score = next((f"{key} {numbers[key]:.4g}" for key in SCORES if isinstance(numbers.get(key), float)), "")
    return _Line(_began(place), str(verdict), str(name), score, place)


def _began(place: Path) -> float:
    """When a run began: its configuration is written then."""
    return (place / saved.CONFIG).stat().st_mtime


def _json(file: Path) -> dict[str, Any]:
    """What a file holds; nothing where it is not there, or is damaged, of which a list says no more."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _short(folder: Path) -> str:
    here = Path.cwd().resolve()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)
