"""`credo list [FOLDER | STORE ...]`: the runs in folders or in an MLflow store, the newest first.

When each began, its verdict, what it is, its score, and where it is.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from credo.cli.errors import misused
from credo.config.paths import near
from credo.errors import ConfigError
from credo.report.terminal.screen import STYLES, Screen
from credo.runs import naming, saved
from credo.runs.walk import beneath

USAGE = (
    "credo list: expected folders of runs, addresses of MLflow, or nothing, as in credo list outputs --all, or "
    "credo list http://127.0.0.1:5000"
)
HERE = ("outputs", "multirun")
ALL = "--all"
FLAGS = (ALL,)
"""What Tab completes after this verb."""
MOST = 20
SCORES = ("elpd_loo", "nll_test", "log_density")
"""The number that says most of a run, the first that it has."""


@dataclass(frozen=True)
class _Line:
    when: float
    verdict: str
    name: str
    score: str
    place: str


def run(arguments: Sequence[str]) -> int:
    """Print the list; returns the exit code.

    Raises:
        ConfigError: there are no runs.
    """
    words = [word for word in arguments if word != ALL]
    if any(word.startswith("-") for word in words):
        raise misused(USAGE, arguments)
    stores = [word for word in words if "://" in word]
    folders = [Path(word) for word in words if word not in stores]
    if not words:
        folders = [place for place in map(Path, HERE) if place.is_dir()]
    found = {place for folder in folders for place in beneath(folder, saved.exists)}
    most = None if ALL in arguments else MOST
    newest = [_line(place) for place in sorted(found, key=_began, reverse=True)[:most]]
    of_stores = [_Line(**run) for word in stores for run in _recorded(word, most)]
    count = len(found) + len(of_stores)
    if not count:
        where = " and ".join(words or HERE)
        raise ConfigError(f"credo list: expected runs in {where}, but there are none; name the folder that has them")
    shown = sorted([*newest, *of_stores], key=lambda line: line.when, reverse=True)[:most]
    screen = Screen(highlight=False)
    for line in shown:
        word = f"{line.verdict:<12}", STYLES.get(line.verdict, "yellow")
        head = f"{datetime.fromtimestamp(line.when):%Y-%m-%d %H:%M}  "
        screen.print(Text.assemble(head, word, (line.name, "bold"), f"  {line.score}"), soft_wrap=True)
        screen.print(Text(f"  {line.place}", style="dim"), soft_wrap=True)
    if len(shown) < count:
        sys.stdout.write(f"and older ones: credo list {ALL}\n")
    return 0


def _recorded(uri: str, most: int | None) -> list[dict[str, Any]]:
    """The newest runs in an MLflow store, each as a line has it."""
    from credo.tracking.mlflow import listing  # takes time to load

    return listing.runs(uri, most, SCORES)


def _line(place: Path) -> _Line:
    config = saved.plain(place)
    name = config.get("name") or naming.name(config, saved.choices(place))
    numbers, verdict = _json(place / saved.METRICS), _json(place / saved.VERDICT).get("status", "not finished")
    score = next((f"{key} {numbers[key]:.4g}" for key in SCORES if isinstance(numbers.get(key), float)), "")
    return _Line(_began(place), str(verdict), str(name), score, str(near(place)))


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
