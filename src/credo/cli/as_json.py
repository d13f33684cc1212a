"""`--json`: the answer of a run or a sweep as JSON on stdout, for programs; what people read goes to stderr."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from credo.cli import calibrate, extend, flags, hydra_app, resume
from credo.cli.errors import report
from credo.cli.experiment import End
from credo.config import loading, messages, paths
from credo.errors import ConfigError, CredoError, Interrupted, SweepError
from credo.experiment import resume as runs
from credo.runs import job as jobs
from credo.runs import plain, saved
from credo.runs.walk import beneath

VERBS = {"resume": resume.run, "extend": extend.run}
"""The verbs that end in the answer of the run that they name first."""


def run(arguments: Sequence[str], began: float | None = None) -> int:
    """Run a command, and write how it ended; returns the exit code.

    Args:
        arguments: as typed.
        began: when the command began.

    Raises:
        CredoError: there is no answer, as was written, too.
    """
    error: BaseException | None = None
    try:
        with _apart():
            found = _ended([word for word in arguments if word != flags.JSON], began)
    except (CredoError, *messages.MISTAKES) as mistake:
        error = mistake if isinstance(mistake, CredoError) else messages.explain(mistake)
        found = {"exit_code": getattr(error, "exit_code", 1), "error": str(error)}
    except (KeyboardInterrupt, Interrupted) as stop:
        error = stop
        found = {"exit_code": Interrupted.exit_code, "error": str(stop) or "interrupted"}
    sys.stdout.write(f"{json.dumps(found, indent=2)}\n")
    if error is not None:
        raise error
    return int(found["exit_code"])


def _ended(arguments: list[str], began: float | None) -> dict[str, Any]:
    verb, rest = arguments[0] if arguments else "", arguments[1:]
    if verb in VERBS:
        code = VERBS[verb](rest)
        return {"exit_code": code, **plain.answer(runs.folder(rest[0]))}
    ends: list[End] = []
    if verb == "calibrate":
        calibrate.run(rest, ends.append)
        return _of(ends)
    loading.make_importable(Path.cwd(), paths.built_in())
    typed = flags.parse(flags.with_option(arguments, "beside"))
    if flags.only_shows(typed):
        raise ConfigError(f"{flags.JSON}: expected an experiment that is run, but another flag only shows something")
    if typed.multirun:
        return _of_sweep(arguments, typed.overrides)
    hydra_app.run(arguments, began, ends.append)
    return _of(ends)


def _of(ends: Sequence[End]) -> dict[str, Any]:
    if not ends:
        raise ConfigError(f"{flags.JSON}: expected one experiment, or -m for a sweep")
    (end,) = ends
    if end.state not in jobs.ANSWERED:
        return {"exit_code": end.exit_code, "error": end.reason}
    return {"exit_code": end.exit_code, **plain.answer(end.folder)}


def _of_sweep(arguments: list[str], overrides: Sequence[str]) -> dict[str, Any]:
    folder = hydra_app.sweep_folder(overrides)
    try:
        code = hydra_app.run([*arguments, *hydra_app.placed(overrides, folder)])
    except SweepError as error:
        code = report(error)
    found = [_of_job(place) for place in beneath(folder, lambda place: (place / jobs.FILE).exists())]
    return {"exit_code": code, "folder": str(folder), "jobs": found}


def _of_job(folder: Path) -> dict[str, Any]:
    """How a job ended; one that was not run has the answer of the run that was before it."""
    job = jobs.read(folder)
    assert job is not None  # noqa: S101 - the file is there
    place = Path(job.reason) if job.state == "SKIPPED" else folder
    told = {"overrides": list(job.overrides), "state": job.state, "reason": job.reason}
    has_answer = job.state in jobs.ANSWERED and (place / saved.VERDICT).exists()
    return {**told, "exit_code": job.exit_code, **(plain.answer(place) if has_answer else {"folder": str(folder)})}


@contextmanager
def _apart() -> Iterator[None]:
    """Lead to stderr what is printed, by processes that begin meanwhile as well."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
