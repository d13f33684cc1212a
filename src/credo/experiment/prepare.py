"""All of an experiment that is decided before it runs: its parts, its problem, and what is recorded of it."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import xarray as xr
from omegaconf import DictConfig, OmegaConf

from credo.config import paths
from credo.config.messages import refuse
from credo.data import dataset
from credo.diagnostics import verdict as verdicts
from credo.errors import ConfigError
from credo.experiment import device, measured, prior_from
from credo.experiment import objective as objectives
from credo.experiment.parts import Parts, build
from credo.experiment.request import Request
from credo.inference.training.base import Training
from credo.models.describe import describe
from credo.models.problem import Problem
from credo.report.terminal import run as terminal
from credo.runs import folder, naming, provenance, question, snapshot
from credo.runs import job as jobs
from credo.runs.checkpoint import Checkpoint
from credo.runs.code import record as codes
from credo.runs.code.record import Code
from credo.runs.record import Fresh, Resumed, RunRecord
from credo.secrets import masked


@dataclass(frozen=True)
class Prepared:
    """An experiment that can run.

    Attributes:
        request: what was asked for; its configuration has what the rows allow.
        composed: the configuration with its interpolations, which may lead to what is secret, as the run keeps it.
        parts: the objects that the configuration names.
        problem: the model with its data.
        record: what trackers and reports see.
        code: the user's code.
        checkpointer: keeps the state.
        objective: the names of the metrics that a search optimises, as configured.
    """

    request: Request
    composed: str
    parts: Parts
    problem: Problem
    record: RunRecord
    code: Code
    checkpointer: Checkpoint
    objective: Any

    @property
    def is_calibration(self) -> bool:
        """Whether it calibrates alone, and so goes on from its ranks."""
        settings = self.request.config.get("calibrate")
        return bool(settings) and not settings.get("beside")


def prepare(request: Request) -> Prepared:
    """Compose the parts of an experiment, and refuse what cannot work.

    Raises:
        ConfigError: the configuration cannot work; nothing was run or recorded.
    """
    if isinstance(request.start, Fresh):
        folder.require_free(request.folder, *place(request))
    config = request.config
    composed = folder.text(config)
    refuse(config)
    used = device.start(**cast("dict[str, Any]", OmegaConf.to_container(config.device)))
    parts = build(config)
    in_turn = getattr(parts.inference, "in_turn", False) and not config.get("calibrate")
    used = device.settled(used, config.device.num_devices, in_turn=in_turn)
    plain = cast("dict[str, Any]", OmegaConf.to_container(config, enum_to_str=True))
    code = codes.collect(plain)  # before anything of it runs, which may change what it reads
    codes.require_free(code, request.folder)
    asked = question.of(plain, request.start_folder)  # before the rows change what nobody chose
    if request.expected is not None:
        codes.require_recorded(request.expected, code.record())
    free = _free(request)
    problem, data = prior_from.problem_of(parts, config, free)
    if used["platform"] == "gpu":
        used, moved = _placed(config, used, problem, getattr(parts.inference, "chains", 1))
        problem, data = prior_from.problem_of(parts, config, free) if moved else (problem, data)
    parts.inference.check(problem)
    if parts.evidence is not None:
        parts.evidence.check(problem, parts.inference)
    if request.sweep is None:  # where a setting may be for others of its jobs
        _refuse_without_effect(request.overrides, problem.model.unread)
    _require_exportable(parts, problem, request.choices)
    verdicts.require_possible(parts.diagnostics, problem, parts.inference)
    objectives.require_possible(plain.get("objective"), parts, problem)
    if parts.training is not None:
        _refuse_unread(request.overrides)
        _adopt(config, problem.training, free)
    record = _record(request, problem, data, used, code, asked)
    if code.unknown:
        terminal.show_unknown_code(code.unknown)
    checkpointer = _checkpointer(parts, record, request.start)
    checkpointer.check()
    if isinstance(request.start, Resumed):
        record = replace(record, start=replace(request.start, times=checkpointer.extensions))
    return Prepared(request, composed, parts, problem, record, code, checkpointer, plain.get("objective"))


def _placed(
    config: DictConfig, used: Mapping[str, Any], problem: Problem, chains: int
) -> tuple[Mapping[str, Any], bool]:
    """What is known of the device of a model on a GPU, and whether the CPU, where it is faster, has taken its place."""
    platform = config.device.platform
    if (seconds := measured.gradients(problem, chains)) is None:
        return used, False
    if (hint := measured.told(seconds, platform)) is not None:
        terminal.say_once(hint)
    moves = platform == "auto" and seconds.is_small
    if moves:
        used = device.move_to_cpu(used, config.device.precision)
    return measured.recorded(used, seconds, "cpu" if moves else "gpu"), moves


def place(request: Request) -> tuple[str, tuple[str, ...]]:
    """The key that chose the folder of a run, and what may be in a new one."""
    return ("hydra.run.dir", ()) if request.sweep is None else ("hydra.sweep.subdir", (jobs.FILE,))


def _record(
    request: Request, problem: Problem, data: xr.Dataset, used: Mapping[str, Any], code: Code, asked: str | None
) -> RunRecord:
    config, choices, sweep = request.config, request.choices, request.sweep
    data_hash, made_of = dataset.fingerprint(data), code.record()
    earlier = {} if problem.earlier is None else {"prior_from": dict(problem.earlier.about)}
    plain = masked(cast("dict[str, Any]", OmegaConf.to_container(config, enum_to_str=True)))
    seen = data_hash if not earlier else f"{data_hash} after {earlier['prior_from']['draws_hash']}"
    fingerprint = provenance.fingerprint(plain, seen, made_of["hash"])
    came_from = provenance.collect(config.seed, data_hash, request.start_folder)
    together: dict[str, Any] = {} if request.inferred is None else {"jobs_by_one_program": request.inferred.jobs}
    if isinstance(request.start, Resumed) and request.start.from_checkpoint:
        together |= {k: v for k, v in snapshot.head_of(request.folder)["identity"].items() if k == "warm_start"}
    return RunRecord(
        name=jobs.name(request.overrides, sweep.keys)
        if sweep and sweep.keys
        else masked(config.name or naming.name(plain, choices)),
        config=plain,
        choices=choices,
        overrides=masked(request.overrides),
        folder=request.folder,
        start_folder=request.start_folder,
        provenance={**came_from, "code": made_of, "device": dict(used), "fingerprint": fingerprint, "question": asked}
        | earlier
        | together,
        description=describe(problem, data_hash),
        data=data,
        unread=tuple(f"model.{name}" for name in problem.model.unread),
        sweep=sweep,
        began=request.began,
    )


def _checkpointer(parts: Parts, record: RunRecord, start: Fresh | Resumed) -> Checkpoint:
    """Who keeps the run's state; what must be the same to go on from it is all but what makes it longer."""
    asked, extends = provenance.identity(record.config), getattr(parts.inference, "extends", None)
    for setting in ("draws", extends):
        asked.get("inference", {}).pop(setting, None)
    free = {"gradient_seconds"} | ({"devices"} if record.config["device"]["num_devices"] == "auto" else set[str]())
    identity = {
        "config": asked,
        "data_hash": record.provenance["data_hash"],
        "code": record.provenance["code"],
        "versions": record.provenance["versions"],
        "device": {k: v for k, v in record.provenance["device"].items() if k not in free},
    }
    if "prior_from" in record.provenance:
        identity["prior_from"] = record.provenance["prior_from"]["draws_hash"]
    if "warm_start" in record.provenance:
        identity["warm_start"] = record.provenance["warm_start"]
    resumed = isinstance(start, Resumed) and start.from_checkpoint
    return Checkpoint(record.folder, parts.checkpoint_every, identity, resumed, extends=extends)


def _require_exportable(parts: Parts, problem: Problem, choices: Mapping[str, str]) -> None:
    if parts.exporter is not None and not problem.model.tells_of_new_rows:
        raise ConfigError(
            f"export={choices.get('export')}: expected a model that predicts new rows, as model=mdn does, but "
            f"model={choices['model']} does not; choose such a model, or export=none"
        )


def _refuse_without_effect(overrides: Collection[str], unread: Mapping[str, str]) -> None:
    """What is typed of the model has an effect."""
    typed = [match[1] for word in overrides if (match := re.match(r"\+*(?:prior@)?model\.([\w.]+)=", word))]
    for key in typed:
        for name, why in unread.items():
            if f"{key}.".startswith(f"{name}."):
                raise ConfigError(f"model.{key}: {why}")


def _refuse_unread(overrides: Collection[str]) -> None:
    """A network is trained; what a point estimate's own optimiser reads would be typed in vain."""
    from credo.inference.point.optimise import PointEstimate

    unread = {field.name for field in fields(PointEstimate)}
    for word in overrides:
        if (found := re.match(r"\+*inference\.(\w+)=", word)) and found[1] in unread:
            raise ConfigError(
                f"inference.{found[1]}: networks are trained as training says, which does not read it; set "
                "training.learning_rate, training.batch_size, training.epochs or training.members"
            )


FREE = ("batch_size", "validation")
"""Settings of a training that follow the number of rows where nobody chose them."""


def _free(request: Request) -> tuple[str, ...]:
    """Which of them are as the training's own file has them, and were not typed."""
    preset = paths.settings("training", request.choices.get("training", ""))
    typed = {match[1] for word in request.overrides if (match := re.match(r"\+*training\.(\w+)=", word))}
    return tuple(
        name
        for name in FREE
        if name in preset and name not in typed and OmegaConf.select(request.config, f"training.{name}") == preset[name]
    )


def _adopt(config: DictConfig, training: Training | None, free: tuple[str, ...]) -> None:
    """Let the configuration have what the rows allow of these settings, and say so."""
    for name in free:
        value = getattr(training, name)
        if value != config.training[name]:
            terminal.say_once(f"training.{name} is {value:g} in place of {config.training[name]:g}: the rows are few")
            config.training[name] = value
