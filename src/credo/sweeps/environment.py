"""What a job of a sweep learns from its environment, in whichever process and on whichever machine it runs.

The sweep sets the variables by Hydra's `hydra.job.env_set`, so that every launcher passes them on.
"""

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

from credo.runs.job import Membership

SWEEP, TRIAL = "CREDO_SWEEP", "CREDO_TRIAL"
"""The variables, which `conf/config.yaml` lists."""


@dataclass(frozen=True)
class Trial:
    """The trial of a search that a job is.

    Attributes:
        storage: Optuna's database.
        study: the study's name there.
        trial: Optuna's id of the trial.
        metric: the running metric by which the pruner judges.
        pruner: its name.
    """

    storage: str
    study: str
    trial: int
    metric: str
    pruner: str


def membership() -> Membership | None:
    """The sweep of the job that runs here; `None` outside one."""
    if (content := _read(SWEEP)) is None:
        return None
    return Membership(**content | {"keys": tuple(content["keys"])})


def trial() -> Trial | None:
    """The trial of the job that runs here, if it may be pruned."""
    return None if (content := _read(TRIAL)) is None else Trial(**content)


def override(name: str, content: Membership | Trial | str) -> str:
    """The override by which a job gets a variable."""
    text = content if isinstance(content, str) else json.dumps(asdict(content))
    return f"{'' if name in (SWEEP, TRIAL) else '+'}hydra.job.env_set.{name}={quoted(text)}"


def quoted(text: str) -> str:
    """As a string of Hydra's grammar."""
    return QuotedString(text, Quote.single).with_quotes()


def _read(name: str) -> dict[str, Any] | None:
    text = os.environ.get(name)
    return json.loads(text) if text else None
