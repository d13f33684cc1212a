"""Standardising by the training rows: mean 0, standard deviation 1 (with divisor n)."""

import json
from typing import Any

import numpy as np
import xarray as xr

from credo.data.dataset import require_finite, split
from credo.errors import ConfigError


def standardise(dataset: xr.Dataset, *, features: bool, target: bool) -> xr.Dataset:
    """Standardise each column of `x` [obs, feature] and `context` [obs, context_feature], of `y`, or of all.

    `y` is [obs], with which `sigma` [obs] is scaled, or [obs, target]. The attribute `scaler` records how to go back,
    as JSON: `{"x": {"feature": [...], "mean": [...], "sd": [...]}, "context": {"context_feature": [...], ...},
    "y": {"mean": ..., "sd": ...}}`, where several targets have lists and their names as `target`.

    Raises:
        ConfigError: a column is constant on the training rows, or there are neither features nor context.
    """
    inputs = [name for name in ("x", "context") if name in dataset] if features else []
    if features and not inputs:
        raise ConfigError("data.standardise: expected features to standardise, but the data has none; set it to false")
    scaler = {}
    for name in inputs:
        dataset, scaler[name] = _standardised(dataset, name, "data.standardise")
    if target:
        dataset, scaler["y"] = _standardised(dataset, "y", "data.standardise_target")
        if "sigma" in dataset:
            dataset = dataset.assign(sigma=dataset["sigma"] / scaler["y"]["sd"])
    return dataset.assign_attrs(scaler=json.dumps(scaler)) if scaler else dataset


_WORDS = {"x": "feature", "context": "context", "y": "target"}
"""What a variable's columns are called in messages."""


def _standardised(dataset: xr.Dataset, name: str, key: str) -> tuple[xr.Dataset, dict[str, Any]]:
    """The data set with the variable `name` [obs] or [obs, column] standardised, and how to go back."""
    labels = {str(dim): list(map(str, dataset[dim].to_numpy())) for dim in dataset[name].dims[1:]}
    train = split(dataset)[0][name].to_numpy().astype(float)
    columns = train.reshape(len(train), -1)
    if (constant := columns.max(0) == columns.min(0)).any():
        which = "".join(f" {names[constant.argmax()]!r}" for names in labels.values())
        raise ConfigError(
            f"{key}: the {_WORDS[name]}{which} is constant on the {len(columns)} training rows and cannot be "
            f"standardised; leave it out, or set {key}=false"
        )
    # Powers of two change no bit of a moment; without them squares of 1e200 overflow, and those of 1e-200 vanish.
    exponent = np.frexp(np.abs(columns).max(0))[1]
    small = np.ldexp(columns, -exponent)
    mean, sd, exponent = (each.reshape(train.shape[1:]) for each in (small.mean(0), small.std(0), exponent))
    with np.errstate(over="ignore"):  # of a held-out row, which is refused
        values = (np.ldexp(dataset[name].to_numpy().astype(float), -exponent) - mean) / sd
    require_finite(values, f"{key}: the standardised {_WORDS[name]}")
    mean, sd = np.ldexp(mean, exponent), np.ldexp(sd, exponent)
    dataset = dataset.assign({name: dataset[name].copy(data=values)})
    return dataset, labels | {"mean": mean.tolist(), "sd": sd.tolist()}
