"""What the checks of point estimates share: the record of the optimisation."""

import json
from typing import Any

import numpy as np
from jaxtyping import Float

from credo.diagnostics.answers import group
from credo.inference.result import Result


def record(result: Result, name: str) -> Float[np.ndarray, "..."] | None:
    """A variable of the optimisation, in double precision, or `None` where it was not recorded."""
    optimisation = group(result, "optimisation")
    return optimisation[name].values.astype(float) if name in optimisation and optimisation[name].size else None


def best_start(result: Result) -> int | None:
    """The start that the estimate is from: the one recorded, or else that with the highest finite log density."""
    objective = record(result, "objective")
    if objective is None or not np.isfinite(objective).any():
        return None
    finite = np.where(np.isfinite(objective), objective, -np.inf)
    best = int(group(result, "optimisation").attrs.get("best", finite.argmax()))
    return best if np.isfinite(objective[best]) else None


def listed(result: Result, name: str) -> list[Any] | None:
    """What is listed in the attribute `boundary`, `unbounded` or `flat`, or `None` where it was not recorded."""
    attribute = group(result, "optimisation").attrs.get(name)
    return None if attribute is None else list(json.loads(attribute))


def unknown(result: Result) -> str:
    """Why the curvature at the estimate is not known, in a sentence; empty where it is."""
    return str(group(result, "optimisation").attrs.get("unknown", ""))
