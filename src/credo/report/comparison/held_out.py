"""Which configuration predicts held-out rows best: paired differences of their log predictive densities, row by row.

The difference of two configurations is known better than either's score, as the rows are the same. Its standard error
is that of a mean of independent rows.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from credo.report.comparison.configurations import Configuration
from credo.report.comparison.runs import Run
from credo.runs import files, saved

METRIC = "nll_test"

_OF_ROWS, _DRAWN = ("predictive", "classes"), "log_likelihood_test"
"""Groups of what a model has of each row, and of what its draws have."""

COLUMNS = ["nll", "diff", "se"]


def compare(lines: Sequence[Configuration]) -> pd.DataFrame:
    """The held-out scores of those lines that have them, the best first.

    Returns:
        By label: `nll`, the mean over rows and seeds; `diff`, by how much it is above that of the best; and `se`, the
        standard error of that difference, NaN where the rows are not the same or are not kept.
    """
    scored = {line.label: line for line in lines if (nll := line.mean(METRIC)) is not None and np.isfinite(nll)}
    table = pd.DataFrame(
        {"nll": [line.mean(METRIC) for line in scored.values()]}, index=list(scored), columns=COLUMNS, dtype=float
    ).sort_values("nll", kind="stable")
    if len(table) < 2:
        return table
    table["diff"] = table["nll"] - table["nll"].iloc[0]
    best, *others = table.index
    table.loc[best, "se"] = 0.0
    first = _rows(scored[best])
    for label in others if first else ():
        table.loc[label, "se"] = _error(first, _rows(scored[label]))
    return table


def near_best(table: pd.DataFrame) -> list[str]:
    """The best, and those whose difference to it is within two of its standard errors."""
    return [str(label) for label in table.index[table["diff"] <= 2 * table["se"]]]


Rows = Mapping[tuple[str, int, int | None], Float[np.ndarray, " row"]]
"""The negative log predictive densities of held-out rows, by the data set, and the seed and fold that held them out."""


def _error(first: Rows, other: Rows) -> float:
    """The standard error of the mean difference over all rows that both have."""
    shared = [key for key in first if key in other and first[key].shape == other[key].shape]
    if not shared or len(shared) != len(first) or len(shared) != len(other):
        return np.nan
    each = np.concatenate([other[key] - first[key] for key in shared])
    return float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else np.nan


def _rows(line: Configuration) -> Rows:
    """What is kept of the rows of its runs; nothing where one of them does not keep them."""
    found = {(run.data_hash, *run.part): _of_run(run) for run in line.runs}
    known = {key: rows for key, rows in found.items() if rows is not None}
    return known if len(known) == len(line.runs) else {}


def _of_run(run: Run) -> Float[np.ndarray, " row"] | None:
    """Of each row; `None` where they are not kept, or are not what the run's score is the mean of."""
    if not (run.folder / saved.DRAWS).exists():
        return None
    with files.tree(run.folder / saved.DRAWS, saved.BESIDES, *_OF_ROWS, _DRAWN) as tree:
        parts = [_own(tree), _drawn(tree)]
    score = run.metrics.get(METRIC, np.nan)
    return next((rows for rows in parts if rows is not None and np.isclose(rows.mean(), score, 1e-6, 1e-9)), None)


def _own(tree: xr.DataTree) -> Float[np.ndarray, " row"] | None:
    """As a model that predicts rows has them."""
    for name in _OF_ROWS:
        if name in tree.children and tree[name].attrs.get("rows") == "test" and "nll" in tree[name]:
            return np.ravel(tree[name]["nll"].to_numpy().astype(float))
    return None


def _drawn(tree: xr.DataTree) -> Float[np.ndarray, " row"] | None:
    """By the mean of the rows' densities over the draws."""
    if _DRAWN not in tree.children:
        return None
    rows = []
    for values in tree[_DRAWN].data_vars.values():
        drawn = values.transpose("chain", "draw", ...).to_numpy()
        flat = drawn.reshape(drawn.shape[0] * drawn.shape[1], -1).astype(float)
        rows.append(np.log(len(flat)) - np.logaddexp.reduce(flat, axis=0))
    return np.concatenate(rows) if rows else None
