"""The steps of an experiment that `run` tells in order."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jax

from credo.diagnostics import answer as answers
from credo.diagnostics import loo
from credo.diagnostics import verdict as verdicts
from credo.diagnostics.answer import Answer, Failures
from credo.diagnostics.summary import summarise
from credo.errors import RunError
from credo.experiment import advice, ahead, files, signals
from credo.experiment import objective as objectives
from credo.experiment.prepare import Prepared
from credo.inference.base import Listener
from credo.inference.result import Result
from credo.report.run import description
from credo.report.terminal import run as terminal
from credo.report.terminal.progress import Progress
from credo.runs import exported
from credo.runs.export import base as exports
from credo.runs.folder import remove

EXPORT = "export"
"""The file or folder of a run's exported model."""


@dataclass(frozen=True)
class _Listeners:
    """Several listeners as one, and the place where a signal that was lost stops the run."""

    listeners: tuple[Listener, ...]

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        signals.check()
        for listener in self.listeners:
            listener.progress(phase, done, total, numbers)


def infer(prepared: Prepared) -> Result:
    """Infer the latents, unless that was done together with other jobs.

    Raises:
        RunError: the inference failed.
    """
    request, parts, checkpointer = prepared.request, prepared.parts, prepared.checkpointer
    if request.inferred is not None:
        return request.inferred.replay(parts.tracker, checkpointer)
    with ahead.loading(getattr(parts.report, "loads", ())), Progress(since=request.began) as progress:
        listener = _Listeners((progress, parts.tracker, *request.listeners))
        return parts.inference.run(prepared.problem, _key(prepared), listener, checkpointer)


def judge(prepared: Prepared, result: Result, failures: Failures) -> Answer:
    """Derive what follows from the draws, judge it and show it; draws and verdict are written at once."""
    folder, before = prepared.request.folder, {loo.GROUP, *result.tree.children}  # loo.csv has the former
    parts = prepared.parts
    result = answers.derived(prepared.problem, result, _key(prepared), failures, parts.evidence)
    result = answers.refined(parts.diagnostics, prepared.problem, parts.inference, result, _key(prepared), failures)
    if failures.reasons or not before >= set(result.tree.children):
        files.write_draws(folder, result)
    summary = summarise(result)
    verdict = verdicts.judge(parts.diagnostics, result, summary)
    files.write_verdict(folder, summary, verdict)
    if prepared.request.sweep is None:
        terminal.show_answer(prepared.record, result, summary, verdict)
    return Answer(result, summary, verdict, answers.metrics(result, summary, failures))


def export(prepared: Prepared, answer: Answer, failures: Failures) -> None:
    """Leave the model in the folder, where it can predict, and in the form that `export` names."""
    folder, exporter = prepared.request.folder, prepared.parts.exporter
    with files.making(failures, "model", folder / "model"):
        exported.save(folder, prepared.request.config, prepared.problem, answer.result)
    if exporter is None or "model" in failures.reasons:
        return
    remove(folder / EXPORT)  # of the run when it was shorter
    with files.making(failures, "export", folder / EXPORT):
        exports.write(exporter, folder, folder / EXPORT, trusted=True)


def report(prepared: Prepared, answer: Answer, failures: Failures) -> Path | None:
    """Write the page of the run; `None` where there is none."""
    folder = prepared.request.folder
    with files.making(failures, "report", folder / "report.html", folder / "plots"):
        verdict = failures.added_to(answer.verdict)
        return prepared.parts.report.write(prepared.record, answer.result, answer.summary, verdict, answer.metrics)
    return None


def record(prepared: Prepared, answer: Answer) -> str | None:
    """Record the end of the run; returns where a person finds it."""
    record, result, verdict = prepared.record, answer.result, answer.verdict
    tags = {"verdict": verdict.status, "inference.status": result.status.name.lower()}
    text = description.write(record, result, answer.summary, verdict)
    return prepared.parts.tracker.finish(answer.metrics, tags, text, record.folder)


def finish(prepared: Prepared, failures: Failures) -> None:
    """Keep the state from which the run is made longer; where that fails the run is finished all the same."""
    try:
        prepared.checkpointer.finish()
    except RunError as error:
        reason = f"The run is complete, but credo extend cannot add draws to it: {error}."
        failures.reasons["checkpoint"] = reason


def show_end(prepared: Prepared, answer: Answer, failures: Failures, page: Path | None, place: str | None) -> None:
    """Print what could not be made, where the run is, and what to try next; of a job of a sweep, one line."""
    request, record, verdict = prepared.request, prepared.record, answer.verdict
    shown = set(answer.result.missing.values())  # with the verdict
    terminal.show_lacking([why for why in failures.reasons.values() if why not in shown])
    for name in objectives.unknown(prepared.objective, answer.metrics):
        terminal.say_once(f"objective: this run has no {name}, so that a search cannot use it")
    if request.sweep is None:
        commands = (
            *advice.mended(verdict, record.config, request.choices, request.overrides),
            *advice.next_commands(request.choices, request.overrides, prepared.problem),
        )
        made = record.folder / EXPORT
        terminal.show_places(
            record,
            {"report": page, "export": made if made.exists() else None},
            {prepared.parts.tracker.name: place},
            commands,
        )
    else:
        terminal.show_job(record, verdict)


def _key(prepared: Prepared) -> jax.Array:
    key, group = jax.random.PRNGKey(prepared.request.config.seed), prepared.request.config.inference.get("group")
    return key if group is None else jax.random.fold_in(key, group)
