"""What a run leaves: files, exit codes, and the answer as JSON."""

import inspect
from typing import Any

from credo.config import described
from credo.errors import EXIT_CODES
from credo.runs import contents, plain
from reference.markdown import block, code, definitions, page, prose, sentence


def files_page() -> str:
    """The page of a run's files and of the exit codes."""
    return page(
        "Files and exit codes",
        "A run leaves its files in `outputs/DATE/TIME-MODEL-INFERENCE/`, a job of a sweep in "
        "`multirun/DATE/TIME/NUMBER/`; `hydra.run.dir` and `hydra.sweep.dir` name other folders. MLflow has the same "
        "files.",
        definitions((code(name), (sentence(prose(does)),)) for name, does in contents.FILES.items()),
        "The folder of a sweep has `sweep.csv` (a row per job with all its numbers), `report.html`, `comparison.html` "
        "and `comparison.csv` besides.",
        "## Exit codes",
        definitions((code(exit_code), (sentence(prose(means)),)) for exit_code, means in EXIT_CODES.items()),
        "The exit code of a sweep says how many of its jobs failed, up to 100.",
    )


def json_page() -> str:
    """The page of what programs read."""
    return page(
        "JSON",
        "Programs get the answer of a run by `--json`, which works for an experiment, a sweep, `credo calibrate`, "
        "`credo resume`, `credo extend`, and, of a finished run, `credo show`. JSON alone is on stdout; what people "
        "read is on stderr. From Python it is `run.to_json()`.",
        block(
            "credo experiment=coin_flips --json 2>/dev/null\n"
            "credo -m experiment=coin_flips inference=map,nuts --json 2>/dev/null\n"
            "credo show outputs/2026-01-31/12-00-00 --json",
            "shell",
        ),
        "`null` stands for a number that JSON lacks (NaN, infinity).",
        "## A run",
        _fields(plain.Answer),
        "A program that acts on a failed check sets what `changes` names, as in `inference.draws=4000`, and runs anew.",
        "## A calibration",
        _fields(plain.CalibrationAnswer),
        "## The command",
        "The command adds how it ended; `credo show` and `run.to_json()` do not.",
        _fields(plain.Ended),
    )


def _fields(shape: Any) -> str:
    told = described.attributes(inspect.getdoc(shape) or "")
    return definitions((code(name), (sentence(prose(does)),)) for name, does in told.items())
