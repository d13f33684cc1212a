"""Standardising by the training rows: mean 0, standard deviation 1 (with divisor n)."""

import json

import numpy as np
import xarray as xr

from credo.data.dataset import split
from credo.errors import ConfigError


def standardise(dataset: xr.Dataset, *, features: bool, target: bool) -> xr.Dataset:
    """Standardise `x` [obs, feature] by column, `y` [obs], or both; `sigma` [obs] is scaled along with `y`.

    The attribute `scaler` records how to go back, as JSON:
    `{"x": {"feature": [...], "mean": [...], "sd": [...]}, "y": {"mean": ..., "sd": ...}}`.

    Raises:
        ConfigError: a feature, or the target, is constant on the training rows, or there are no features.
    """
    train, _ = split(dataset)
    scaler = {}
    if features and "x" not in dataset:
        raise ConfigError("data.standardise: expected features to standardise, but the data has none; set it to false")
    if features:
        names = [str(name) for name in dataset["feature"].to_numpy()]
        mean, sd = _moments(train["x"].to_numpy(), "data.standardise", [f"feature {name!r}" for name in names])
        dataset = dataset.assign(x=(dataset["x"] - mean) / sd)
        scaler["x"] = {"feature": names, "mean": mean.tolist(), "sd": sd.tolist()}
    if target:
        column = train["y"].to_numpy()[:, None]
        (mean,), (sd,) = _moments(column, "data.standardise_target", ["target"])
        dataset = dataset.assign(y=(dataset["y"] - mean) / sd)
        if "sigma" in dataset:
            dataset = dataset.assign(sigma=dataset["sigma"] / sd)
        scaler["y"] = {"mean": float(mean), "sd": float(sd)}
    return dataset.assign_attrs(scaler=json.dumps(scaler)) if scaler else dataset


def _moments(columns: np.ndarray, key: str, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column of `columns` [obs, column]."""
    for name, width in zip(names, np.ptp(columns, axis=0), strict=True):
        if width == 0:
            raise ConfigError(
                f"{key}: the {name} is constant on the {len(columns)} training rows and cannot be standardised; "
                f"leave it out, or set {key}=false"
            )
    return columns.mean(0), columns.std(0)
