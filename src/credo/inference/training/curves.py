"""What members of a training have learned, epoch by epoch."""

import numpy as np
import xarray as xr

from credo.errors import RunError
from credo.inference.training.epoch import Member
from credo.inference.training.objective import Objective


def require_finite(training: Objective, members: Member) -> None:
    """Raise `RunError` if the weights of a member exploded."""
    finite = np.asarray(members.finite)
    if finite.all():
        return
    epoch = int(np.asarray(members.epoch)[~finite].min())
    raise RunError(
        f"training={training.name}: the {training.curve} exploded in epoch {epoch}; the last good weights are in "
        "the run's folder checkpoint; lower training.learning_rate, set training.clip, or regularise"
    )


def learning_curves(members: Member) -> xr.Dataset:
    """The learning curves up to the last epoch of any member."""
    last = int(np.max(np.asarray(members.epoch)))
    known = np.asarray(members.finite), np.asarray(members.best_epoch)
    return xr.Dataset(
        {
            "train": (("member", "epoch"), np.asarray(members.train)[:, :last]),
            "validation": (("member", "epoch"), np.asarray(members.validation)[:, :last]),
            "finite": ("member", known[0]),
            "best": ("member", known[1]),
        },
        coords={"epoch": np.arange(1, last + 1)},
    )
