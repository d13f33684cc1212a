"""One experiment, from what was asked to a believed answer: the whole story on one screen."""

from dataclasses import replace

from credo.config.failure import explained
from credo.diagnostics.answer import Failures
from credo.errors import ConfigError, RunError
from credo.experiment import earlier, files, groups, near, shelf, steps
from credo.experiment import objective as objectives
from credo.experiment.earlier import Outcome
from credo.experiment.prepare import prepare
from credo.experiment.recording import running
from credo.experiment.request import Request
from credo.inference.program import keeping
from credo.report.terminal.progress import making
from credo.runs import signature


def run(request: Request) -> Outcome:
    """Run one experiment.

    Raises:
        ConfigError: the configuration cannot work; nothing was run or recorded.
        RunError: the inference failed; the run is recorded as FAILED.
        Interrupted: the run was stopped; it is recorded as KILLED.
    """
    with explained(ConfigError, "the run cannot begin, since code that it calls"):
        prepared = prepare(request)
        further = request.beside(prepared)
    if (answered := earlier.outcome(prepared)) is not None:
        return answered
    prepared = near.helped(groups.divided(prepared))
    if groups.number(request.config) is not None:
        return groups.run(prepared)
    folder, failures = request.folder, Failures(making(request.began))
    ended = explained(RunError, "the run ended early, since code that it called")
    with running(prepared), ended, keeping(shelf.of_run(prepared)):
        result = steps.infer(prepared)
        files.write_draws(folder, result)
        answer = steps.judge(prepared, result, failures)
        answer = replace(answer, metrics={**answer.metrics, **further()})
        files.write_numbers(prepared.record, answer.result, answer.metrics, failures)
        steps.export(prepared, answer, failures)
        page = steps.report(prepared, answer, failures)
        answer = replace(answer, verdict=failures.added_to(answer.verdict))
        files.write_verdict(folder, answer.summary, answer.verdict)
        signature.complete(folder, own=request.is_own)
        near.remember(prepared, answer.result)
        place = steps.record(prepared, answer)
        steps.finish(prepared, failures)
    steps.show_end(prepared, answer, failures, page, place)
    objective = objectives.values(prepared.objective, answer.metrics)
    is_barred = answer.verdict.status == "failed" and prepared.parts.gate == "error"
    return Outcome(answer.verdict.status, objective, 3 if is_barred else 0)
