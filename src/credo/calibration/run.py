"""One calibration, from what was asked to a verdict: the whole story on one screen."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from credo.calibration.calibrated import calibrate, metrics
from credo.calibration.calibrated import prepare as prepare_calibration
from credo.calibration.settings import Settings
from credo.config.failure import explained
from credo.diagnostics.sbc.verdict import Calibrated
from credo.errors import ConfigError, RunError
from credo.experiment.earlier import Outcome
from credo.experiment.prepare import Prepared, prepare
from credo.experiment.recording import running
from credo.experiment.request import Request
from credo.report.run.none import NoReport
from credo.report.terminal import run as terminal
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
        settings, simulator = prepare_calibration(prepared)
    prepared = replace(prepared, record=replace(prepared.record, name=_name(prepared, settings)))
    with running(prepared), explained(RunError, "the run ended early, since code that it called"):
        found, rows = calibrate(prepared, settings, simulator, request.folder)
        place = None if isinstance(prepared.parts.report, NoReport) else _page(prepared, found, rows)
        if not found.replications:
            raise RunError(f"{found.sentence} The first: {rows['reason'].iloc[0]}")
        signature.complete(request.folder, own=request.is_own)
        tags = {"verdict": found.status, "credo.kind": "calibration"}
        where = prepared.parts.tracker.finish(metrics(found), tags, found.sentence, request.folder)
    if request.sweep is None:
        Screen(highlight=False).print(found.sentence)
        terminal.show_places(prepared.record, {"report": place}, {prepared.parts.tracker.name: where}, [])
    is_barred = found.status == "not calibrated" and prepared.parts.gate == "error"
    return Outcome(found.status, None, 3 if is_barred else 0)


def _name(prepared: Prepared, settings: Settings) -> str:
    where = "" if settings.around is None else f" around {settings.around}"
    return f"calibration of {prepared.record.name}{where}"


def _page(prepared: Prepared, found: Calibrated, rows: pd.DataFrame) -> Path:
    from credo.calibration import page  # takes time to load

    return page.write(prepared.request.folder, prepared.record, found, rows)
