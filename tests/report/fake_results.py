"""Results made of numpy draws."""

import xarray as xr

from credo.result import Cost, Result, Status

DRAWS = ("chain", "draw")
COST = Cost({"compile": 1.2, "warmup": 0.3, "sampling": 0.25}, gradients=63450, density_evaluations=63450, programs=2)


def make(
    groups: dict[str, xr.Dataset], method: str = "nuts", kind: str = "draws", status: Status = Status.DONE
) -> Result:
    return Result(xr.DataTree.from_dict(groups), status, COST, method, kind, tuple(groups["posterior"].data_vars))
