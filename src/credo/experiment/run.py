"""One experiment, from its composed configuration to a believed answer: the whole story on one screen."""

import copy
import json
import logging
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pandas as pd
import xarray as xr
from omegaconf import DictConfig, OmegaConf

from credo import writing
from credo.code import record
from credo.code.record import Code
from credo.config import paths
from credo.config.messages import refuse
from credo.data import dataset
from credo.diagnostics import metrics
from credo.diagnostics import verdict as verdicts
from credo.diagnostics.base import Verdict
from credo.diagnostics.loo import leave_one_out
from credo.diagnostics.summary import summarise
from credo.errors import ConfigError, CredoError, Interrupted, PrunedError, RunError
from credo.experiment import device, signals
from credo.experiment import objective as objectives
from credo.experiment.inferred import Inferred
from credo.experiment.parts import Parts, build
from credo.inference.base import Keeper, Listener
from credo.inference.result import Result
from credo.inference.training.base import Training
from credo.models import export
from credo.models.describe import describe
from credo.models.failure import told
from credo.models.problem import Problem
from credo.report.run import description
from credo.report.terminal import run as terminal
from credo.runs import job, provenance, saved, signature
from credo.runs.checkpoint import Checkpoint
from credo.runs.files import DamagedError
from credo.runs.folder import Held, keep, remove, require_free
from credo.runs.job import Membership
from credo.runs.record import Fresh, Resumed, RunRecord
from credo.secrets import masked
from credo.tracking.base import Tracker

log = logging.getLogger(__name__)


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


def run(
    config: DictConfig,
    choices: Mapping[str, str],
    overrides: tuple[str, ...],
    folder: Path,
    start_folder: Path,
    start: Fresh | Resumed = Fresh(),  # noqa: B008 - it is frozen
    sweep: Membership | None = None,
    listeners: tuple[Listener, ...] = (),
    inferred: Inferred | None = None,
    expected: Mapping[str, Any] | None = None,
    hydra: DictConfig | None = None,
    on_accepted: Callable[[], None] = lambda: None,
    is_own: bool = True,
) -> Outcome:
    """Run one experiment.

    Args:
        config: the composed configuration.
        choices: the words chosen per group.
        overrides: what was typed.
        folder: where the run leaves its files.
        start_folder: where credo was started.
        start: whether the run is a new one, or goes on in `folder`.
        sweep: the sweep of which this is a job; a job says its answer in one line.
        listeners: who watches the inference, besides the screen and the tracker.
        inferred: the inference, where it was done together with those of other jobs.
        expected: the record of the code that has to run.
        hydra: Hydra's own part of the configuration, to be kept; `None` where the folder has it.
        on_accepted: called once the run is accepted and has its folder.
        is_own: whether the configuration is the user's own word, or trusted; a stranger's is not signed.

    Raises:
        ConfigError: the configuration cannot work; nothing was run or recorded.
        RunError: the inference failed; the run is recorded as FAILED.
        Interrupted: the run was stopped; it is recorded as KILLED.
    """
    if isinstance(start, Fresh):
        require_free(folder, *_place(sweep))
    composed = copy.deepcopy(config)  # with its interpolations, which may lead to what is secret
    refuse(config)
    place = device.start(**cast("dict[str, Any]", OmegaConf.to_container(config.device)))
    parts = build(config)
    plain = cast("dict[str, Any]", OmegaConf.to_container(config, enum_to_str=True))
    code = record.collect(plain)  # before anything of it runs, which may change what it reads
    record.require_free(code, folder)
    if expected is not None:
        record.require_recorded(expected, code.record())
    free = _free(config, choices, overrides)
    problem, data = parts.problem(config.seed, free)
    parts.inference.check(problem)
    verdicts.require_possible(parts.diagnostics, problem)
    objectives.require_possible(plain.get("objective"), parts.inference, problem)
    if parts.training is not None:
        _refuse_unread(overrides)
        _adopt(config, problem.training, free)
    story = _story(config, choices, overrides, folder, start_folder, problem, data, place, code, sweep)
    if (
        _may_be_answered(config, sweep)
        and isinstance(start, Fresh)
        and (found := _answered(parts.tracker, story, plain.get("objective"))) is not None
    ):
        return found
    if code.unknown:
        terminal.show_unknown_code(code.unknown)
    keeper = _keeper(parts.checkpoint_every, story, start)
    keeper.check()
    story = replace(story, start=_counted(start, keeper))
    held = _begin(parts.tracker, story, code, partial(_keep_signed, folder, composed, hydra, is_own))
    with held, _recorded(parts.tracker, folder), _kept(keeper, folder):
        on_accepted()
        result = _infer(parts, problem, config.seed, keeper, listeners, inferred)
        _archive(result, folder)
        late = Late()
        result = _looked_at(problem, result, config.seed, late, folder)
        summary = summarise(result)
        verdict = verdicts.judge(parts.diagnostics, result, summary)
        _write_verdict(folder, summary, verdict)
        shown = {check.advice for check in verdict.checks}
        if sweep is None:
            terminal.show_answer(story, result, summary, verdict)
        numbers = _numbers(result, summary, late)
        objective = objectives.values(plain.get("objective"), numbers)
        if inferred is not None:
            story = replace(story, provenance={**story.provenance, "jobs_by_one_program": inferred.jobs})
        _write(folder, story, result, numbers, late)
        with late("model", folder / "model"):
            export.save(folder, config, problem, result)
        page = None
        with late("report", folder / "report.html", folder / "plots"):
            page = parts.report.write(story, result, summary, late.added_to(verdict), numbers)
        verdict = late.added_to(verdict)
        _write_verdict(folder, summary, verdict)
        signature.complete(folder, own=is_own)
        tags = {"verdict": verdict.status, "inference.status": result.status.name.lower()}
        tracked = parts.tracker.finish(numbers, tags, description.write(story, result, summary, verdict), folder)
        _finish(keeper, late)
    terminal.show_lacking([why for why in late.found.values() if why not in shown])
    for name in objectives.unknown(plain.get("objective"), numbers):
        terminal.say_once(f"objective: this run has no {name}, so that a search cannot use it")
    if sweep is None:
        terminal.show_places(story, page, {parts.tracker.name: tracked}, _next(choices, overrides, problem))
    else:
        terminal.show_job(story, result, verdict)
    return Outcome(verdict.status, objective, 3 if verdict.status == "failed" and parts.gate == "error" else 0)


def _place(sweep: Membership | None) -> tuple[str, tuple[str, ...]]:
    """The key that chose the folder of a run, and what may be in a new one."""
    return ("hydra.run.dir", ()) if sweep is None else ("hydra.sweep.subdir", (job.FILE,))


def _keep_signed(folder: Path, composed: DictConfig, hydra: DictConfig | None, is_own: bool) -> None:
    keep(folder, composed, hydra)
    signature.begin(folder, own=is_own)


def _begin(tracker: Tracker, story: RunRecord, code: Code, configuration: Callable[[], None]) -> Held:
    """Make the folder of a run, with its configuration and code, and record it; returns the hold on the folder."""
    held = Held()
    key, allowed = _place(story.sweep)
    with held.accepted(story.folder, key, exists=isinstance(story.start, Resumed), allowed=allowed):
        configuration()
        code.write(story.folder)
        with _recorded(tracker, story.folder, errors=False):
            tracker.start(story)
    return held


def _may_be_answered(config: DictConfig, sweep: Membership | None) -> bool:
    return bool(OmegaConf.select(config, "sweep.skip_finished") or (sweep is not None and sweep.skip_finished))


def _answered(tracker: Tracker, story: RunRecord, objective: Any) -> Outcome | None:
    """What came of a finished run that asked the same, if it still has its answer and that is known."""
    if story.provenance["code"]["unknown"]:
        return None
    found = tracker.answered(story.provenance["fingerprint"], story.start_folder)
    if found is None or not (found / saved.METRICS).exists():
        return None
    try:
        numbers, verdict = saved.metrics(found, ANEW), saved.verdict(found, ANEW)
    except DamagedError as error:
        sys.stderr.write(f"{error}\n")
        return None
    terminal.show_answered(found)
    return Outcome(verdict.status, objectives.values(objective, numbers), 0, found)


ANEW = "this run is made in its place"


def _story(
    config: DictConfig,
    choices: Mapping[str, str],
    overrides: tuple[str, ...],
    folder: Path,
    start_folder: Path,
    problem: Problem,
    data: xr.Dataset,
    place: Mapping[str, Any],
    code: Code,
    sweep: Membership | None,
) -> RunRecord:
    data_hash, made_of = dataset.fingerprint(data), code.record()
    plain = masked(cast("dict[str, Any]", OmegaConf.to_container(config, enum_to_str=True)))
    named = provenance.fingerprint(plain, data_hash, made_of["hash"])
    came_from = provenance.collect(config.seed, data_hash, start_folder)
    words = " ".join(choices[group] for group in ("data", "model", "inference"))
    return RunRecord(
        name=masked(config.name or words) if sweep is None else job.name(overrides, sweep.keys),
        config=plain,
        choices=choices,
        overrides=masked(overrides),
        folder=folder,
        start_folder=start_folder,
        provenance={**came_from, "code": made_of, "device": dict(place), "fingerprint": named},
        description=describe(problem, data_hash),
        data=data,
        sweep=sweep,
    )


def _keeper(every: float | None, story: RunRecord, start: Fresh | Resumed) -> Checkpoint:
    """Who keeps the run's state; all but the number of draws must be the same to resume it."""
    identity = provenance.identity(story.config)
    identity.get("inference", {}).pop("draws", None)
    question = {
        "config": identity,
        "data_hash": story.provenance["data_hash"],
        "code": story.provenance["code"],
        "versions": story.provenance["versions"],
        "device": story.provenance["device"],
    }
    return Checkpoint(story.folder, every, question, isinstance(start, Resumed) and start.from_checkpoint)


def _counted(start: Fresh | Resumed, keeper: Checkpoint) -> Fresh | Resumed:
    """The start of a run, with the number of times that it was extended."""
    return replace(start, times=keeper.extensions) if isinstance(start, Resumed) else start


def _infer(
    parts: Parts,
    problem: Problem,
    seed: int,
    keeper: Keeper,
    listeners: tuple[Listener, ...],
    inferred: Inferred | None,
) -> Result:
    import jax

    if inferred is not None:
        return inferred.replay(parts.tracker, keeper)
    with terminal.Progress() as screen:
        listener = _Listeners((screen, parts.tracker, *listeners))
        return parts.inference.run(problem, jax.random.PRNGKey(seed), listener, keeper)


def _looked_at(problem: Problem, result: Result, seed: int, late: "Late", folder: Path) -> Result:
    """The result with what is known of a conditional model or an energy beyond its draws, which are written by now."""
    import jax

    from credo.diagnostics.energy import add_energy
    from credo.diagnostics.information import add_information
    from credo.diagnostics.predictive import add_predictive

    key, before = jax.random.PRNGKey(seed), set(result.tree.children)
    with late("energy"):
        result = add_energy(problem, result, jax.random.fold_in(key, 2))
    with late("information"):
        result = add_information(problem, result)
    with late("predictive"):
        result = add_predictive(problem, result, jax.random.fold_in(key, 1))
    if late.found:
        result.tree.attrs["missing"] = json.dumps({**result.missing, **late.found})
    if late.found or set(result.tree.children) != before:
        _archive(result, folder)
    return result


class Late:
    """What comes after the inference and may fail by itself: the draws, and the verdict on them, are there by then.

    Attributes:
        found: the parts that there are not, with the reason.
    """

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    @contextmanager
    def __call__(self, part: str, *files: Path) -> Iterator[None]:
        """Go on where it fails, without its `files`; but not where the run was stopped, or wrongly configured."""
        try:
            yield
        except (CredoError, KeyboardInterrupt, Interrupted):
            raise
        except Exception as error:
            log.debug("%s failed", part, exc_info=True)
            for file in files:  # half of it, or what the run had when it was shorter
                remove(file)
            self.found[part] = f"The {part} could not be made: {_reason(error)}."

    def added_to(self, verdict: Verdict) -> Verdict:
        """The verdict with these parts as not checked."""
        known = {check.advice for check in verdict.checks}
        more = [verdicts.lacking(part, why) for part, why in self.found.items() if why not in known]
        return replace(verdict, checks=(*verdict.checks, *more))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{Path(error.filename).name} could not be written ({error.strerror})"
    return told(error)


@dataclass(frozen=True)
class _Listeners:
    """Several listeners as one, and the place where a signal that was lost stops the run."""

    listeners: tuple[Listener, ...]

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        signals.check()
        for listener in self.listeners:
            listener.progress(phase, done, total, numbers)


def _archive(result: Result, folder: Path) -> None:
    from credo.runs import netcdf  # takes time to load

    netcdf.write(result.tree, folder / "posterior.nc")


def _write_verdict(folder: Path, summary: pd.DataFrame, verdict: Verdict) -> None:
    writing.write(folder / "summary.csv", summary.to_csv(index=False))
    writing.write(folder / "verdict.json", json.dumps(verdicts.to_json(verdict), indent=2) + "\n")


def _numbers(result: Result, summary: pd.DataFrame, late: "Late") -> dict[str, float]:
    """The metrics; those that fail are left out."""
    numbers: dict[str, float] = {}
    for part, collect in metrics.PARTS.items():
        with late(f"metrics of {part}"):
            numbers |= collect(result, summary)
    return numbers


def _write(folder: Path, story: RunRecord, result: Result, numbers: Mapping[str, float], late: "Late") -> None:
    """Leave the files of a run, except those of the verdict and the report."""
    from credo.runs import netcdf

    with late("loo.csv", folder / "loo.csv"):
        if result.kind == "draws" and not (left_out := leave_one_out(result)).empty:
            writing.write(folder / "loo.csv", left_out.to_csv())
    writing.write(folder / "metrics.json", json.dumps(_without_nan(numbers), indent=2) + "\n")
    measures = {site["name"]: {"measure": site["measure"]} for site in story.description["observed"]}
    observed = {site: seen | measures.get(site, {}) for site, seen in netcdf.observations(result.tree).items()}
    found = {**story.provenance, "draws_hash": netcdf.draws_hash(result.tree), "observed": observed}
    provenance.write(found, folder / "provenance.json")


def _without_nan(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if value == value else None for name, value in numbers.items()}


def _refuse_unread(overrides: tuple[str, ...]) -> None:
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


def _free(config: DictConfig, choices: Mapping[str, str], overrides: tuple[str, ...]) -> tuple[str, ...]:
    """Which of them are as the training's own file has them, and were not typed."""
    preset = paths.settings("training", choices.get("training", ""))
    typed = {match[1] for word in overrides if (match := re.match(r"\+*training\.(\w+)=", word))}
    return tuple(
        name
        for name in FREE
        if name in preset and name not in typed and OmegaConf.select(config, f"training.{name}") == preset[name]
    )


def _adopt(config: DictConfig, training: Training | None, free: tuple[str, ...]) -> None:
    """Let the configuration have what the rows allow of these settings, and say so."""
    for name in free:
        value = getattr(training, name)
        if value != config.training[name]:
            terminal.say_once(f"training.{name} is {value:g} in place of {config.training[name]:g}: the rows are few")
            config.training[name] = value


def _next(choices: Mapping[str, str], overrides: tuple[str, ...], problem: Problem) -> tuple[str, ...]:
    """What to try now: the same question by other methods, as far as they can do it and have the experiment's keys."""
    try:
        problem.require_enumerable("nuts")
        methods = ["map", "nuts", "mh"]
        if any(site.param for site in problem.latents) and getattr(problem.model, "params", None) != "flat":
            methods = ["map", "mle"]
    except ConfigError:
        methods = ["mh"]
    if not all(site.normalised for site in problem.named("observed")):
        methods = ["map", "mle"] if problem.training else ["map", "exchange"]
    keys = set(paths.settings("experiment", choices.get("experiment", "")).get("inference", ()))
    others = ",".join(
        word for word in methods if word != choices["inference"] and keys <= set(paths.settings("inference", word))
    )
    kept = [word for word in masked(overrides) if not re.match(r"[+~]*(inference|hydra)\b", word)]
    sweep = " ".join(["credo -m", *map(shlex.quote, kept), f"inference={others}"])
    return (*([sweep] if others else []), "credo --help")


@contextmanager
def _recorded(tracker: Tracker, folder: Path, errors: bool = True) -> Iterator[None]:
    """Tell the tracker how a run that does not finish ended; of `errors` only where they are the run's."""
    try:
        signals.check()
        yield
    except (KeyboardInterrupt, Interrupted, PrunedError) as error:
        tracker.fail("KILLED", str(error) or "interrupted", folder)
        raise
    except Exception as error:
        if (stopped := signals.received()) is not None:  # of which something made another error
            tracker.fail("KILLED", str(stopped) or "interrupted", folder)
            raise stopped from error
        if errors:
            tracker.fail("FAILED", f"{type(error).__name__}: {error}", folder)
        raise


@contextmanager
def _kept(keeper: Checkpoint, folder: Path) -> Iterator[None]:
    """Say which result of a run could not be written, and keep its draws where they can be.

    Raises:
        RunError: the disk is full, say.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None or not Path(error.filename).is_relative_to(folder):
            raise
        if keeper.rescue():
            advice = f"what was inferred is in its checkpoint: make room, then credo resume {shlex.quote(str(folder))}"
        elif (folder / "posterior.nc").exists():
            advice = "the draws are in posterior.nc: make room, and run it again in another folder for the rest"
        else:
            advice = "there was no room for a checkpoint either: make room, and run it again in another folder"
        name = Path(error.filename).name
        raise RunError(f"{name} could not be written to {folder} ({error.strerror}); {advice}") from error


def _finish(keeper: Checkpoint, late: Late) -> None:
    """Let the run be finished even where the state cannot be kept from which it is made longer: all results are."""
    try:
        keeper.finish()
    except RunError as error:
        late.found["checkpoint"] = f"The run is complete, but credo extend cannot add draws to it: {error}."
