"""The steps of every calibration: prepare it, fit its replications, and give its numbers."""

from pathlib import Path
from typing import Any

import pandas as pd

from credo.calibration import around, files
from credo.calibration.fits import fits, judge
from credo.calibration.settings import Settings
from credo.calibration.simulator import Simulator, require_ranks
from credo.config.make import make
from credo.diagnostics.sbc.uniform import ALARMS
from credo.diagnostics.sbc.verdict import Calibrated
from credo.experiment import signals
from credo.experiment.prepare import Prepared
from credo.report.terminal.progress import Progress


def prepare(prepared: Prepared) -> tuple[Settings, Simulator]:
    """The settings, and what draws the replications.

    Raises:
        ConfigError: the model cannot draw its data, the method has no draws, or the run of `around` does not fit.
    """
    settings: Settings = make(prepared.request.config, "calibrate", Settings)
    require_ranks(prepared.problem, prepared.parts.inference)
    simulator = Simulator(prepared.problem)
    if settings.around is not None:
        draws = around.posterior(settings.around, prepared.problem, prepared.record, settings.replications)
        simulator = Simulator(prepared.problem, draws)
    return settings, simulator


def calibrate(
    prepared: Prepared, settings: Settings, simulator: Simulator, folder: Path
) -> tuple[Calibrated, pd.DataFrame]:
    """The verdict and the rows of all replications; they are written, and those that the folder has are not made anew.

    Args:
        prepared: whose method is calibrated.
        settings: of the calibration.
        simulator: draws the replications.
        folder: of the files.
    """
    rows = _ranks(prepared, settings, simulator, folder)
    found = judge(rows)
    files.write_verdict(folder, found, prepared.record.provenance)
    return found, rows


def _ranks(prepared: Prepared, settings: Settings, simulator: Simulator, folder: Path) -> pd.DataFrame:
    """The rows of all replications, saved again and again."""
    total, known = settings.replications, files.ranks(folder)
    known = known[known["replication"] < total]
    parts, done = [known] if len(known) else [], int(known["replication"].nunique())
    method = prepared.parts.inference
    with Progress() as progress:
        every = fits(simulator, method, prepared.request.config.seed, range(done, total), signals.check)
        for number, rows in enumerate(every, start=done + 1):
            parts.append(rows)
            progress.progress("replications", number, total, {})
            if number % settings.save == 0 or number == total:
                parts = [pd.concat(parts, ignore_index=True)]
                files.write_ranks(folder, parts[0])
    return files.ranks(folder)


def metrics(found: Calibrated) -> dict[str, float]:
    """The numbers of a calibration; of one without an answer only how many replications have none."""
    counts = {"calibration/replications": float(found.replications), "calibration/failed": float(found.failed)}
    if not found.replications:
        return counts
    table: Any = found.table
    if found.status != "too few replications":  # of which no alarm says nothing
        counts["calibration/alarms"] = float((table["alarms"] != "").sum())
    return counts | {
        "calibration/alarm_rate": ALARMS,
        "calibration/bias_max": float(table["bias"].abs().max()),
        "calibration/spread_min": float(table["spread"].min()),
        "calibration/spread_max": float(table["spread"].max()),
        "calibration/coverage_90_min": float(table["coverage_90"].min()),
        "calibration/coverage_90_max": float(table["coverage_90"].max()),
    }
