"""What a conditional model's predictive is worth on rows that it has not seen, and how it runs along an input."""

from typing import Any, cast

import numpy as np
import xarray as xr
from jaxtyping import Float, PRNGKeyArray

from credo.models.base import Found
from credo.models.classes_derived import classes
from credo.models.predict import PROBABILITIES, Predictive, Predictor
from credo.models.problem import Problem

_POINTS, _LEVELS, _SEEN = 80, 120, 400


def add_predictive[R: Found](problem: Problem, result: R, key: PRNGKeyArray) -> R:
    """The result of a conditional model with the groups `predictive` and `curve`, or `classes`; any other as it is."""
    draws = draws_of(problem, result)
    if not problem.model.predicts or not draws:
        return result
    predictive = Predictive(cast("Predictor", problem.model), draws)
    if problem.model.takes_classes:
        of, rows = ("train", problem.data) if problem.test is None else ("test", problem.test)
        result.tree["classes"] = xr.DataTree(classes(predictive, rows, of))
        return result
    if problem.test is not None or not problem.model.rows_depend:
        result.tree["predictive"] = xr.DataTree(_rows(problem, result, predictive, key))
    if problem.data["x"].ndim == 2:
        result.tree["curve"] = xr.DataTree(_curve(problem, predictive))
    return result


def draws_of(problem: Problem, result: Found) -> dict[str, Float[np.ndarray, "draw ..."]]:
    """The draws of the weights, or of the latents of a model without any, by site; empty where they were not kept."""
    if "network" in result.tree.children:
        found = dict(result.tree["network"].to_dataset().data_vars.items())
    elif "posterior" in result.tree.children:
        posterior = result.tree["posterior"].to_dataset()
        names = {name: problem.names.variable(name) for name in problem.own_latents}
        if any(name not in posterior for name in names.values()):
            return {}
        found = {site: posterior[name] for site, name in names.items()}
    else:
        return {}
    return {str(name): v.to_numpy().reshape(-1, *v.shape[2:]) for name, v in found.items()}


def _rows(problem: Problem, result: Found, predictive: Predictive, key: PRNGKeyArray) -> xr.Dataset:
    """The predictive of each held-out row, or of the training rows where none is held out."""
    data = problem.data if problem.test is None else problem.test
    x, y, context = _arrays(data)
    mean, sd = predictive.moments(x, context)
    by_row: dict[str, Any] = {
        "y": y,
        "mean": mean,
        "sd": sd,
        "crps": predictive.crps(x, y, context),
        "pit": predictive.pit(key, x, y, context),
    }
    weight = predictive.weights(x, context)
    group = "log_likelihood" if problem.test is None else "log_likelihood_test"
    every = next(iter(result.tree[group].data_vars.values())).to_numpy()
    every = every.reshape(-1, every.shape[-1])
    highest = every.max(0)
    return xr.Dataset(
        {name: (("row", "target"), values) for name, values in by_row.items()}
        | {
            "weight": (("row", "component"), weight),
            "nll": ("row", -highest - np.log(np.exp(every - highest).mean(0))),
            "quantile": (
                ("row", "target", "probability"),
                predictive.quantile(x, np.array(PROBABILITIES), context),
            ),
        },
        coords={"target": _names(data, y), "probability": list(PROBABILITIES)},
        attrs={
            "rows": "train" if problem.test is None else "test",
            "measure": problem.measure,
            "normal": int("network" not in result.tree.children),
        },
    )


def _curve(problem: Problem, predictive: Predictive) -> xr.Dataset:
    """The predictive along the input on which its mean depends most, the others at their medians."""
    x, y, context = _arrays(problem.data)
    low, high = np.quantile(x, (0.01, 0.99), axis=0)
    places = np.linspace(low, high, _POINTS)
    middle = None if context is None else np.tile(np.median(context, axis=0), (_POINTS, 1))
    paths = []
    for feature in range(x.shape[1]):
        path = np.tile(np.median(x, axis=0), (_POINTS, 1))
        path[:, feature] = places[:, feature]
        paths.append(path)
    swings = [np.ptp(predictive.mean(path, middle) / y.std(0), axis=0).max() for path in paths]
    chosen = int(np.argmax(swings))
    path = paths[chosen]
    quantile = predictive.quantile(path, np.array(PROBABILITIES), middle)
    ends = np.quantile(y, (0.0, 1.0), axis=0)
    margin = 0.05 * (ends[1] - ends[0])
    levels = np.linspace(ends[0] - margin, ends[1] + margin, _LEVELS, axis=1)
    if np.issubdtype(y.dtype, np.integer):
        levels = np.round(levels)
    seen = np.unique(np.linspace(0, len(x) - 1, _SEEN).astype(int))
    names = problem.data["feature"].to_numpy() if "feature" in problem.data.coords else range(x.shape[1])
    others = x.shape[1] > 1 or context is not None
    return xr.Dataset(
        {
            "at": ("point", path[:, chosen]),
            "quantile": (("point", "target", "probability"), quantile),
            "weight": (("point", "component"), predictive.weights(path, middle)),
            "level": (("target", "level"), levels),
            "density": (("point", "target", "level"), predictive.density(path, levels, middle)),
            "seen_at": ("seen", x[seen, chosen]),
            "seen_y": (("seen", "target"), y[seen]),
        },
        coords={"target": _names(problem.data, y), "probability": list(PROBABILITIES)},
        attrs={
            "feature": str(names[chosen]),
            "held": "The other inputs are at their medians." if others else "",
        },
    )


def _arrays(
    data: xr.Dataset,
) -> tuple[
    Float[np.ndarray, "row *feature"], Float[np.ndarray, "row target"], Float[np.ndarray, "row context_feature"] | None
]:
    """The inputs, targets and context."""
    y = data["y"].to_numpy()
    context = data["context"].to_numpy() if "context" in data else None
    return data["x"].to_numpy(), y.reshape(len(y), -1), context


def _names(data: xr.Dataset, y: Float[np.ndarray, "row target"]) -> list[str]:
    if "target" in data.coords:
        return [str(name) for name in data["target"].to_numpy()]
    return ["y"] if y.shape[1] == 1 else [f"y_{i}" for i in range(y.shape[1])]
