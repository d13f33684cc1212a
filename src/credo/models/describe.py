"""What is asked: the model, its unknowns and its data, in words for reports and trackers."""

import json
from typing import Any

from credo.models.problem import Problem
from credo.models.sites import Site


def describe(problem: Problem, data_hash: str) -> dict[str, Any]:
    """The question.

    Returns:
        `model`: its formula. `latents`: name, dims with sizes, support and distribution of each, the
        latter also `stated` with its numbers. `observed`: the same
        of the observed sites, and whether their `measure` is a `mass` or a `density`. `data`: dims with sizes,
        variables, number of held-out rows, hash, the variables that the model does not take, the classes of the
        target in their order, and in words the columns of a table that are in none, and the rows that are left out.
    """
    taken = set(problem.bound.arrays) | dict(problem.bound.sizes).keys()
    given = [str(name) for name, v in problem.data.data_vars.items() if v.attrs.get("role") != "truth"]
    return {
        "model": problem.model.mathematics,
        "latents": [_site(problem, site) for site in problem.latents if not site.internal],
        "observed": [
            _site(problem, site) | {"measure": "mass" if site.discrete else "density"}
            for site in problem.named("observed")
        ],
        "data": {
            "dims": {str(dim): int(size) for dim, size in problem.data.sizes.items()},
            "variables": given,
            "unused": [name for name in given if name not in taken],
            "test_rows": 0 if problem.test is None else int(problem.test.sizes[problem.row_dim]),
            "left_out": _left_out(problem),
            "dropped": problem.data.attrs.get("dropped", ""),
            "imputed": problem.data.attrs.get("imputed", ""),
            "classes": _classes(problem),
            "hash": data_hash,
        },
    }


def _classes(problem: Problem) -> list[str]:
    """The classes of the target as they are written, in their order; none of a target of numbers."""
    return list(map(str, problem.data["class"].values)) if "class" in problem.data.coords else []


def _left_out(problem: Problem) -> str:
    """`sex, hospital (text), day (dates)`."""
    held: dict[str, list[str]] = {}
    for name, kind in json.loads(problem.data.attrs.get("left_out", "{}")).items():
        held.setdefault(kind, []).append(name)
    return ", ".join(f"{', '.join(names)} ({kind})" for kind, names in held.items())


def _site(problem: Problem, site: Site) -> dict[str, Any]:
    sizes = dict(zip(problem.dims(site), site.shape, strict=True))
    words = {"support": site.support, "distribution": site.distribution, "stated": site.stated}
    return {"name": site.name, "dims": sizes} | words
