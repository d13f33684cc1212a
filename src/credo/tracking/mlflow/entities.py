"""A run in MLflow's own terms."""

import json
import math
import shlex
import time
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING

from credo.runs import job
from credo.runs.record import RunRecord
from credo.secrets import masked
from credo.tracking.mlflow.names import TAG_LIMIT, accepted, cut

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric, Param, RunTag

GROUPS = ("data", "model", "inference", "device")
"""Groups whose chosen words are tags, to search and group by."""

PARENT = "mlflow.parentRunId"
"""The tag by which a run folds under that of its sweep."""

CUT_HERE = "\n\n*(cut here; the whole text is in report.html)*"


def tags(words: Mapping[str, object]) -> "list[RunTag]":
    """Turn names and values into tags that MLflow accepts."""
    from mlflow.entities import RunTag

    names = accepted(words)
    return [RunTag(names[name], cut(masked(str(value)), TAG_LIMIT)) for name, value in words.items()]


def params(words: Mapping[str, str], stored: Container[str] = ()) -> "list[Param]":
    """Return params that are not stored yet; MLflow takes no second value for a name."""
    from mlflow.entities import Param

    return [Param(name, value) for name, value in words.items() if name not in stored]


def now() -> int:
    """Return the time as MLflow counts it, in milliseconds."""
    return int(time.time() * 1000)


def metrics(numbers: Mapping[str, float], step: int, when: int | None = None) -> "list[Metric]":
    """Return the numbers as they are, NaN and infinities included; see `not_finite`."""
    from mlflow.entities import Metric

    when = now() if when is None else when
    names = accepted(numbers)
    return [Metric(names[name], float(number), when, step) for name, number in numbers.items()]


_LAST = tuple(f"posterior/{column}/" for column in ("mean", "sd", "q50", "q5", "q95"))
"""What is left out first where there are too many metrics, from its end."""


def foremost(numbers: Mapping[str, float], most: int | None) -> tuple[dict[str, float], int]:
    """The first metrics, those of the posterior behind all others, and how many are left out.

    Example:
        >>> foremost({"posterior/sd/mu": 1.0, "posterior/mean/mu": 2.0, "elpd_loo": 3.0}, 2)
        ({'elpd_loo': 3.0, 'posterior/mean/mu': 2.0}, 1)
    """
    ranks = {name: next((i + 1 for i, start in enumerate(_LAST) if name.startswith(start)), 0) for name in numbers}
    ordered = sorted(numbers, key=lambda name: (ranks[name], "[" in name if ranks[name] else False))
    kept = ordered if most is None else ordered[:most]
    return {name: float(numbers[name]) for name in kept}, len(ordered) - len(kept)


def not_finite(numbers: Mapping[str, float]) -> dict[str, str]:
    """Return the tag that names every metric that is NaN or infinite; nothing where all are finite.

    MLflow shows NaN as such, but its SQL stores keep an infinity as the largest float.
    """
    strange = [f"{name}={float(number)}" for name, number in numbers.items() if not math.isfinite(number)]
    return {"not_finite": ", ".join(strange)} if strange else {}


def origin(record: RunRecord) -> dict[str, str]:
    """Say who ran what: our own words, to search by, and MLflow's, for the columns of its run table."""
    git = record.provenance.get("git") or {}
    words = {group: record.choices.get(group) for group in GROUPS} | {
        "data_hash": record.provenance.get("data_hash"),
        "code_hash": record.provenance.get("code", {}).get("hash"),
        "git_commit": git.get("commit"),
        "git_dirty": json.dumps(git["dirty"]) if git else None,
        "fingerprint": record.provenance.get("fingerprint"),
        "question": record.provenance.get("question"),
        "overrides": typed(record.overrides, () if record.sweep is None else record.sweep.keys),
        "folder": str(record.folder),
        "mlflow.user": record.provenance.get("user"),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": "credo",
        "mlflow.source.git.commit": git.get("commit"),
        "mlflow.source.git.branch": git.get("branch"),
    }
    if (sweep := record.sweep) is not None:
        words |= {"sweep": sweep.name, "swept": ", ".join(sweep.keys), PARENT: sweep.parent}
    return {name: word for name, word in words.items() if word}


def typed(overrides: Sequence[str], swept: Sequence[str]) -> str:
    """What was typed, first what makes a job another one than its neighbours, as columns of a table are narrow."""
    return shlex.join(sorted(masked(overrides), key=lambda word: job.key_of(word) not in swept))


def dataset(record: RunRecord) -> dict[str, str]:
    """Describe the data set: name, hash, and one row of the schema per variable, with its dims.

    It is put together by hand, because MLflow's own wrappers know arrays and tables but no named dims.
    """
    columns = [
        {"name": f"{name} [{', '.join(map(str, array.dims))}]", "type": str(array.dtype), "required": True}
        for name, array in record.data.data_vars.items()
    ]
    name = record.choices.get("data", "data")
    return {
        "name": name,
        "digest": str(record.provenance.get("data_hash"))[:12],
        "source_type": "code",
        "source": json.dumps({"tags": {"mlflow.source.name": f"credo data={name}"}}),
        "schema": json.dumps({"mlflow_colspec": columns}),
        "profile": json.dumps({str(dim): size for dim, size in record.data.sizes.items()}),
    }


def dataset_input(described: Mapping[str, str]) -> "DatasetInput":
    """Turn the description of a data set into an input of a run."""
    from mlflow.entities import Dataset, DatasetInput

    return DatasetInput(Dataset(**described), tags=[])


def description(text: str) -> dict[str, str]:
    """Return the tag that MLflow shows as the run's description, in markdown."""
    whole = len(text) <= TAG_LIMIT
    return {"mlflow.note.content": text if whole else text[: TAG_LIMIT - len(CUT_HERE)] + CUT_HERE}
