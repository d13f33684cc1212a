"""The files of a calibration: `ranks.csv`, from which it goes on, `calibration.csv` and `verdict.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from credo import writing
from credo.calibration.fits import COLUMNS
from credo.diagnostics.sbc.uniform import ALARMS
from credo.diagnostics.sbc.verdict import Calibrated
from credo.errors import ConfigError
from credo.runs import provenance

RANKS = "ranks.csv"


def ranks(folder: Path) -> pd.DataFrame:
    """The ranks that a folder has, to the bit; none where it has no file of them.

    Raises:
        ConfigError: the file is damaged.
    """
    file = folder / RANKS
    if not file.exists():
        return pd.DataFrame(columns=list(COLUMNS))
    try:
        found = pd.read_csv(file, dtype=str, keep_default_na=False)  # numbers by Python, which reads what it wrote
        if tuple(found.columns) == COLUMNS:
            found = _typed(found)
    except ValueError as error:
        raise ConfigError(f"{file}: expected the ranks of a calibration, but it is damaged; calibrate anew") from error
    if tuple(found.columns) != COLUMNS:
        raise ConfigError(f"{file}: expected the columns {', '.join(COLUMNS)}, but it has others; calibrate anew")
    return found


def _typed(words: pd.DataFrame) -> pd.DataFrame:
    numbers = {name: [float(word or "nan") for word in words[name]] for name in ("rank", "z")}
    counts = {name: words[name].astype(int) for name in ("replication", "kept")}
    texts = {name: words[name].astype(object).where(words[name] != "", None) for name in ("scalar", "reason")}
    return pd.DataFrame(numbers | counts | texts)[list(COLUMNS)]


def write_ranks(folder: Path, rows: pd.DataFrame) -> None:
    """Write the ranks, whole or not at all."""
    writing.write(folder / RANKS, rows.to_csv(index=False))


def write_verdict(folder: Path, found: Calibrated, origin: Mapping[str, Any]) -> None:
    """Write the verdict, its table and where the run came from."""
    words = {
        "status": found.status,
        "sentence": found.sentence,
        "replications": found.replications,
        "failed": found.failed,
        "replications_needed": found.needed,
        "false_alarm_rate": ALARMS,
    }
    writing.write(folder / "calibration.csv", found.table.to_csv(index=False))
    writing.write(folder / "verdict.json", json.dumps(words, indent=2) + "\n")
    provenance.write(dict(origin), folder / "provenance.json")
