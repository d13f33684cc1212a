"""How good the predictions of held-out rows are."""

import numpy as np

from credo.diagnostics.class_scores import class_scores
from credo.inference.result import Result


def scores(result: Result) -> dict[str, float]:
    """The scores of the held-out rows, means over rows and targets; empty without any.

    Returns:
        `nll_test` in nats per row; `crps_test`, `rmse_test` and `sharpness_test` (the width of the central 90 %
        interval) in the target's units; `coverage_50_test` and `coverage_90_test`, the shares of rows in the central
        intervals. Of a classifier those of `class_scores`.
    """
    if "classes" in result.tree.children and result.tree["classes"].attrs["rows"] == "test":
        return class_scores(result.tree["classes"].to_dataset())
    if "predictive" not in result.tree.children or result.tree["predictive"].attrs["rows"] != "test":
        return {}
    rows = result.tree["predictive"].to_dataset()
    quantile = rows["quantile"].to_numpy()
    off = np.abs(rows["pit"].to_numpy() - 0.5)
    return {
        "nll_test": float(rows["nll"].mean()),
        "crps_test": float(rows["crps"].mean()),
        "rmse_test": float(np.sqrt(((rows["y"] - rows["mean"]) ** 2).mean())),
        "coverage_50_test": float(np.mean(off <= 0.25)),
        "coverage_90_test": float(np.mean(off <= 0.45)),
        "sharpness_test": float(np.mean(quantile[..., -1] - quantile[..., 0])),
    }
