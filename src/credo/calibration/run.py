"""One calibration, from what was asked to a verdict: the whole story on one screen."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from credo.calibration import around, files
from credo.calibration.fits import fits, judge
from credo.calibration.settings import Settings
from credo.calibration.simulator import Simulator, require_ranks
from credo.config.failure import explained
from credo.config.make import make
from credo.diagnostics.sbc.uniform import ALARMS
from credo.diagnostics.sbc.verdict import Calibrated
from credo.errors import ConfigError, RunError
from credo.experiment import signals
from credo.experiment.earlier import Outcome
from credo.experiment.prepare import Prepared, prepare
from credo.experiment.recording import running
from credo.experiment.request import Request
from credo.report.run.none import NoReport
from credo.report.terminal import run as terminal
from credo.report.terminal.progress import Progress
from credo.report.terminal.screen import Screen
from credo.runs import signature


def run(request: Request) -> Outcome:
    """Calibrate the model and the method of a configuration.

    Raises:
        ConfigError: the configuration cannot work, or the model cannot draw its data; nothing was run or recorded.
        RunError: no replication has an answer; the run is recorded as FAILED.
        Interrupted: the run was stopped; it is recorded as KILLED, and goes on by `credo resume`.
    """
    with explained(ConfigError, "the run cannot begin, since code that it calls"):
        prepared = prepare(request)
        settings: Settings = make(request.config, "calibrate", Settings)
        require_ranks(prepared.problem, prepared.parts.inference)
        simulator = _simulator(prepared, settings)
    prepared = replace(prepared, record=replace(prepared.record, name=_name(prepared, settings)))
    with running(prepared), explained(RunError, "the run ended early, since code that it called"):
        rows = _ranks(prepared, settings, simulator)
        found = judge(rows)
        files.write_verdict(request.folder, found, prepared.record.provenance)
        place = None if isinstance(prepared.parts.report, NoReport) else _page(prepared, found, rows)
        if not found.replications:
            raise RunError(f"{found.sentence} The first: {rows['reason'].iloc[0]}")
        signature.complete(request.folder, own=request.is_own)
        tags = {"verdict": found.status, "credo.kind": "calibration"}
        where = prepared.parts.tracker.finish(_metrics(found), tags, found.sentence, request.folder)
    if request.sweep is None:
        Screen(highlight=False).print(found.sentence)
        terminal.show_places(prepared.record, {"report": place}, {prepared.parts.tracker.name: where}, [])
    is_barred = found.status == "not calibrated" and prepared.parts.gate == "error"
    return Outcome(found.status, None, 3 if is_barred else 0)


def _simulator(prepared: Prepared, settings: Settings) -> Simulator:
    if settings.around is None:
        return Simulator(prepared.problem)
    Simulator(prepared.problem)  # refuses before draws are read
    draws = around.posterior(settings.around, prepared.problem, prepared.record, settings.replications)
    return Simulator(prepared.problem, draws)


def _name(prepared: Prepared, settings: Settings) -> str:
    where = "" if settings.around is None else f" around {settings.around}"
    return f"calibration of {prepared.record.name}{where}"


def _ranks(prepared: Prepared, settings: Settings, simulator: Simulator) -> pd.DataFrame:
    """The rows of all replications, those that the folder has included; saved again and again."""
    folder, total = prepared.request.folder, settings.replications
    known = files.ranks(folder)
    known = known[known["replication"] < total]
    parts, done = [known] if len(known) else [], int(known["replication"].nunique())
    method = prepared.parts.inference
    with Progress() as progress:
        every = fits(simulator, method, prepared.request.config.seed, range(done, total), signals.check)
        for number, rows in enumerate(every, start=done + 1):
            parts.append(rows)
            progress.progress("replications", number, total, {})
            if number % settings.save == 0 or number == total:
                files.write_ranks(folder, pd.concat(parts, ignore_index=True))
    return files.ranks(folder)


def _page(prepared: Prepared, found: Calibrated, rows: pd.DataFrame) -> Path:
    from credo.calibration import page  # takes time to load

    return page.write(prepared.request.folder, prepared.record, found, rows)


def _metrics(found: Calibrated) -> dict[str, float]:
    table: Any = found.table
    return {
        "calibration/replications": float(found.replications),
        "calibration/failed": float(found.failed),
        "calibration/alarms": float((table["alarms"] != "").sum()),
        "calibration/alarm_rate": ALARMS,
        "calibration/bias_max": float(table["bias"].abs().max()),
        "calibration/spread_min": float(table["spread"].min()),
        "calibration/spread_max": float(table["spread"].max()),
        "calibration/coverage_90_min": float(table["coverage_90"].min()),
        "calibration/coverage_90_max": float(table["coverage_90"].max()),
    }
