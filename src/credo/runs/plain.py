"""The answer of a run as plain containers, for programs that act on it."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from omegaconf import OmegaConf

from credo.diagnostics.base import Check
from credo.runs import contents, files, saved
from credo.runs.changes import changes
from credo.secrets import masked


class Answer(TypedDict):
    """The answer of a finished run, as `credo show RUN --json` prints it.

    Attributes:
        folder: of the run.
        name: of the run; `null` where it has none.
        choices: the words of the command for data, model and inference, and for the other groups.
        seed: from which its random numbers follow.
        status: the verdict: `passed`, `failed` or `not checked`.
        checks: each with `name`, `status`, `value`, `threshold`, `advice`, and `changes`: the settings that the advice
            names, each with its `key`, its value `now`, and the `value` to try, `null` where that is left to a person.
        metrics: the numbers that MLflow has, by name.
        summary: per scalar of the posterior `mean`, `sd`, quantiles, and what is known of their precision.
        places: the files of the run that there are, by name.
        tracking: `name`, `uri`, `experiment`, and the `search` by which MLflow finds the run.
    """

    folder: str
    name: str | None
    choices: dict[str, str]
    seed: int
    status: str
    checks: list[dict[str, Any]]
    metrics: dict[str, float | None]
    summary: dict[str, dict[str, float | None]]
    places: dict[str, str]
    tracking: dict[str, str | None]


class CalibrationAnswer(TypedDict):
    """The answer of a finished calibration, as `credo show RUN --json` prints it.

    Attributes:
        folder: of the run.
        status: the verdict: `calibrated`, `not calibrated` or `too few replications`.
        sentence: the verdict in words.
        replications: how many data sets were fitted.
        failed: how many of them have no answer.
        replications_needed: how many are enough; `null` where these are.
        places: the files of the run that there are, by name.
    """

    folder: str
    status: str
    sentence: str
    replications: int
    failed: int
    replications_needed: int | None
    places: dict[str, str]


class Ended(TypedDict):
    """How a command with `--json` ended, beside the answer of its run, where there is one.

    Attributes:
        exit_code: of the command.
        error: the sentence on stderr, where there is no answer.
        jobs: of a sweep, each with `overrides`, `state` and `reason`, and, where it has an answer, that.
    """

    exit_code: int
    error: NotRequired[str]
    jobs: NotRequired[list[dict[str, Any]]]


class _Calibrated(TypedDict):
    status: str
    sentence: str
    replications: int
    failed: int
    replications_needed: int | None


def answer(run: Path) -> Answer | CalibrationAnswer:
    """What a finished run answered; `None` stands for NaN.

    Raises:
        DamagedError: a file is missing, or damaged.
    """
    config = saved.plain(run)
    if is_calibration(config):
        return calibration(run)
    verdict, choices = saved.verdict(run), saved.choices(run)
    return Answer(
        folder=str(run),
        name=config["name"],
        choices={group: word for group, word in choices.items() if "hydra" not in group and word != "None"},
        seed=config["seed"],
        status=verdict.status,
        checks=[_check(check, config, choices) for check in verdict.checks],
        metrics={name: _finite(value) for name, value in saved.metrics(run).items()},
        summary=_summary(run),
        places=places(run),
        tracking=_tracking(run, config, choices),
    )


def calibration(run: Path) -> CalibrationAnswer:
    """What a finished calibration answered.

    Raises:
        DamagedError: its verdict is missing, or damaged.
    """
    found: _Calibrated = files.plain_json(run / saved.VERDICT, _Calibrated, saved.ANEW)
    kept = {name: found[name] for name in _Calibrated.__annotations__}  # type: ignore[literal-required]
    return CalibrationAnswer(folder=str(run), places=places(run), **kept)  # type: ignore[typeddict-item]


def is_calibration(config: Mapping[str, Any]) -> bool:
    """Whether a run of this configuration is a calibration and nothing besides."""
    settings = config.get("calibrate")
    return settings is not None and not settings.get("beside")


def places(run: Path) -> dict[str, str]:
    """The files and folders of a run that there are, by name."""
    return {name: str(run / name) for name in contents.FILES if name[0] != "." and (run / name).exists()}


def _check(check: Check, config: Mapping[str, Any], choices: Mapping[str, str]) -> dict[str, Any]:
    named = changes(check, config, choices)
    return {
        "name": check.name,
        "status": check.status,
        "value": _finite(check.value),
        "threshold": _finite(check.threshold),
        "advice": check.advice,
        "changes": [dataclasses.asdict(one) for one in named],
    }


def _summary(run: Path) -> dict[str, dict[str, float | None]]:
    table = saved.summary(run)
    numbers = {str(name): column.astype(float) for name, column in table.items()}
    return {
        str(scalar): {name: _finite(float(column.iloc[row])) for name, column in numbers.items()}
        for row, scalar in enumerate(table.index)
    }


def _tracking(run: Path, config: Mapping[str, Any], choices: Mapping[str, str]) -> dict[str, str | None]:
    experiment = (config.get("tracking") or {}).get("experiment")
    uri = OmegaConf.select(saved.configuration(run), "tracking.uri", default=None)
    return {
        "name": choices.get("tracking"),
        "uri": None if uri is None else masked(str(uri)),
        "experiment": experiment,
        "search": None if experiment is None else f"tags.folder = '{run}'",
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
