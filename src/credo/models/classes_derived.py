"""What a classifier says of the rows that it has not seen: the probability of each class."""

import numpy as np
import xarray as xr
from jaxtyping import Float, Shaped

from credo.models.predict import Predictive


def classes(
    predictive: Predictive,
    rows: xr.Dataset,
    known_as: str,
) -> xr.Dataset:
    """The probabilities of the classes by row, the mean over draws, and what was observed.

    Args:
        predictive: of a classifier.
        rows: with x, the classes y [row], and a context if there is one.
        known_as: `test` or `train`.

    Returns:
        `y` [row], `probability` [row, class] and `nll` [row], minus the log probability of y.
    """
    x, y = rows["x"].to_numpy(), rows["y"].to_numpy().reshape(rows["x"].shape[0])
    context = rows["context"].to_numpy() if "context" in rows else None
    nll = -predictive.log_density(x, y[:, None], context)
    probability = probabilities(predictive, x, context)
    count = probability.shape[1]
    levels = rows["class"].to_numpy() if rows.sizes.get("class") == count else range(count)
    return xr.Dataset(
        {"y": ("row", y.astype(int)), "probability": (("row", "class"), probability), "nll": ("row", nll)},
        coords={"class": list(map(str, levels))},
        attrs={"rows": known_as},
    )


def probabilities(
    predictive: Predictive,
    x: Shaped[np.ndarray, "row *feature"],
    context: Shaped[np.ndarray, "row context_feature"] | None = None,
) -> Float[np.ndarray, "row class"]:
    """The probability of each class for each row, the mean over draws."""
    numbers = np.arange(predictive.family(x, context).classes).astype(float)
    return predictive.density(x, numbers[None], context)[:, 0]
