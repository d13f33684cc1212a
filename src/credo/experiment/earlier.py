"""What came of an experiment, and whether an earlier run has answered the same."""

import sys
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf

from credo.experiment import objective as objectives
from credo.experiment.prepare import Prepared
from credo.experiment.request import Request
from credo.report.terminal import run as terminal
from credo.runs import saved
from credo.runs.files import DamagedError
from credo.runs.record import Fresh

ANEW = "this run is made in its place"


@dataclass(frozen=True)
class Outcome:
    """What came of an experiment.

    Attributes:
        verdict: of this run, or of the one that has answered it.
        objective: the metrics that were asked for.
        exit_code: of the command.
        answered: the folder of an earlier run with the same fingerprint, in whose place nothing was run.
    """

    verdict: str
    objective: tuple[float, ...] | None
    exit_code: int
    answered: Path | None = None


def outcome(prepared: Prepared) -> Outcome | None:
    """What came of a finished run that asked the same, where that is enough, it has its answer and that is known."""
    if (where := found(prepared)) is None:
        return None
    try:
        numbers, verdict = saved.metrics(where, ANEW), saved.verdict(where, ANEW)
    except DamagedError as error:
        sys.stderr.write(f"{error}\n")
        return None
    terminal.show_answered(where)
    return Outcome(verdict.status, objectives.values(prepared.objective, numbers), 0, where)


def found(prepared: Prepared) -> Path | None:
    """The finished run that asked the same, where that is enough and it has numbers."""
    record = prepared.record
    if not _is_enough(prepared.request) or record.provenance["code"]["unknown"]:
        return None
    where = prepared.parts.tracker.answered(record.provenance["fingerprint"], record.start_folder)
    return where if where is not None and (where / saved.METRICS).exists() else None


def _is_enough(request: Request) -> bool:
    """Whether a finished run may answer in the place of a new one."""
    skips = OmegaConf.select(request.config, "sweep.skip_finished")
    in_sweep = request.sweep is not None and request.sweep.skip_finished
    return isinstance(request.start, Fresh) and bool(skips or in_sweep)
