"""What a program whose target has levels says of the rows that it has not seen: the probability of each class."""

import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from credo.models.base import Found
from credo.models.mdn_derived import draws_of
from credo.models.problem import Problem
from credo.models.rows_predicted import predicted

_MOST_DRAWS = 1000
"""Draws of the latents that are used: more say no more."""


def add_classes[R: Found](problem: Problem, result: R, key: PRNGKeyArray) -> R:
    """The result with the group `classes` of held-out rows, where the target has levels (see `classes_derived`)."""
    model, rows = problem.model, problem.test
    if rows is None or problem.bound_test is None or not model.levels or not (draws := draws_of(problem, result)):
        return result
    count = len(next(iter(draws.values())))
    chosen = np.unique(np.linspace(0, count - 1, min(count, _MOST_DRAWS)).astype(int))
    arrays = {name: np.asarray(values) for name, values in problem.bound_test.arrays.items() if name != "y"}
    some = {name: values[chosen] for name, values in draws.items()}
    found = predicted(model, some, arrays or {"rows": np.zeros(rows["y"].size)}, key).classes
    assert found is not None  # noqa: S101 - for the type checker: it has levels
    y = rows["y"].to_numpy().astype(int)
    with np.errstate(divide="ignore"):
        nll = -np.log(found[np.arange(len(y)), y])
    result.tree["classes"] = xr.DataTree(
        xr.Dataset(
            {"y": ("row", y), "probability": (("row", "class"), found), "nll": ("row", nll)},
            coords={"class": list(model.levels)},
            attrs={"rows": "test", "made_by": "program"},
        )
    )
    return result
