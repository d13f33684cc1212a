"""What came of an experiment, and whether an earlier run has answered the same."""

import copy
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from omegaconf import DictConfig, OmegaConf

from credo.config import messages
from credo.config.paths import near
from credo.errors import CredoError
from credo.experiment import objective as objectives
from credo.experiment import parts
from credo.runs import question, saved
from credo.runs.files import DamagedError
from credo.runs.record import Fresh

if TYPE_CHECKING:
    from credo.experiment.prepare import Prepared
    from credo.experiment.request import Request

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


def outcome(prepared: "Prepared") -> Outcome | None:
    """What came of a finished run that asked the same, where that is enough, it has its answer and that is known."""
    where = found(prepared)
    return None if where is None else _answer(where, prepared.objective)


def at_once(config: DictConfig, start_folder: Path) -> Outcome | None:
    """The same, known by the configuration alone, before anything is loaded that takes time (see `runs.question`).

    Args:
        config: as composed, of a new run for which a finished one is enough; it is left as it is.
        start_folder: where credo was started.
    """
    if (where := known(config, start_folder)) is None:
        return None
    return _answer(where, cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True)).get("objective"))


def known(config: DictConfig, start_folder: Path) -> Path | None:
    """The finished run that has the answer, as `at_once` knows it; what is wrong is said when the run is prepared."""
    resolved = copy.deepcopy(config)
    with suppress(CredoError):
        messages.refuse(resolved)
        return asked(resolved, start_folder)
    return None


def asked(config: DictConfig, start_folder: Path) -> Path | None:
    """The finished run with the question of a resolved configuration; a calibration is run all the same."""
    plain = cast("dict[str, Any]", OmegaConf.to_container(config, enum_to_str=True))
    if plain.get("calibrate") or (word := question.of(plain, start_folder)) is None:
        return None
    marks = {"question": word, "fingerprint": question.fingerprint(word, config.device.compilation_cache)}
    tracker = parts.make_tracker(config)
    for name, mark in marks.items():
        where = None if mark is None else tracker.asked(mark, start_folder, name)
        if where is not None and (where / saved.METRICS).exists() and saved.provenance(where).get(name) == mark:
            return where
    return None


def _answer(where: Path, objective: Any) -> Outcome | None:
    """What came of a finished run; `None` where its files are damaged."""
    try:
        numbers, verdict = saved.metrics(where, ANEW), saved.verdict(where, ANEW)
    except DamagedError as error:
        sys.stderr.write(f"{error}\n")
        return None
    _say(where)
    return Outcome(verdict.status, objectives.values(objective, numbers), 0, where)


def _say(where: Path) -> None:
    """Say that nothing was run."""
    from rich.text import Text

    from credo.report.terminal.screen import Screen

    words = Text(f"not run: {near(where)} has the same fingerprint and is finished")
    Screen(highlight=False).print(words, soft_wrap=True)


def found(prepared: "Prepared") -> Path | None:
    """The finished run that asked the same, where that is enough and it has numbers."""
    record = prepared.record
    if not _is_enough(prepared.request) or record.provenance["code"]["unknown"]:
        return None
    mark, asked = record.provenance["fingerprint"], record.provenance["question"]
    where = prepared.parts.tracker.answered(mark, record.start_folder)
    if where is None or not (where / saved.METRICS).exists():
        return None
    if asked is not None:
        question.keep(asked, mark, prepared.request.config.device.compilation_cache)
    return where


def _is_enough(request: "Request") -> bool:
    """Whether a finished run may answer in the place of a new one."""
    in_sweep = request.sweep is not None and request.sweep.skip_finished
    return isinstance(request.start, Fresh) and (skips(request.config) or in_sweep)


def skips(config: Mapping[str, Any]) -> bool:
    """Whether a configuration asks that a finished run may answer."""
    return bool((config.get("sweep") or {}).get("skip_finished"))
