"""The scores of a conditional model's predictions, as people read them."""

from math import log

import numpy as np

from credo.diagnostics.distinct import fewest
from credo.diagnostics.information import GROUP
from credo.diagnostics.metrics import find
from credo.diagnostics.scores import scores
from credo.inference.result import Result
from credo.report.drawing.numbers import fixed, number, places

_SCORES = ("nll_test", "crps_test", "rmse_test", "coverage_50_test", "coverage_90_test", "sharpness_test")
LN2 = log(2)
_OF_CLASSES = (
    *("accuracy_test", "cross_entropy_test", "cross_entropy_bits_test", "brier_test", "auc_test", "ece_test"),
    "temperature",
)
_FEW = 100
"""A target with fewer distinct values has its CRPS first: its density can be gamed."""


def rows(result: Result) -> list[tuple[str, str, str]]:
    """Name, number and remark of each score of the held-out rows; empty where there are none."""
    found = scores(result) | _temperature(result) or _energy_scores(result)
    order = list(_OF_CLASSES if "classes" in result.tree.children else _SCORES)
    distinct = fewest(result)
    if distinct is not None and distinct < _FEW:
        order.insert(0, order.pop(order.index("crps_test")))
    listed = [(m.title, number(found[m.name], 4), m.unit or m.reading) for m in map(find, order) if m.name in found]
    return [*listed, *_log_z(result), *_information(result)]


def _temperature(result: Result) -> dict[str, float]:
    """By what the logits of a classifier were divided."""
    if "classes" not in result.tree.children or "training" not in result.tree.children:
        return {}
    training = result.tree["training"].to_dataset()
    return {"temperature": float(training["temperature"])} if "temperature" in training else {}


def _energy_scores(result: Result) -> dict[str, float]:
    """The negative log likelihood of held-out rows, of an energy-based model."""
    if "normaliser" not in result.tree.children or "log_likelihood_test" not in result.tree.children:
        return {}
    rows = result.tree["log_likelihood_test"]["y"].to_numpy()
    return {"nll_test": -float((np.logaddexp.reduce(rows, axis=(0, 1)) - np.log(rows[..., 0].size)).mean())}


def _log_z(result: Result) -> list[tuple[str, str, str]]:
    if "normaliser" not in result.tree.children:
        return []
    found = result.tree["normaliser"].to_dataset()
    value, low, high = (float(found[name].mean()) for name in ("value", "low", "high"))
    remark = f"between {number(low, 6)} and {number(high, 6)}, by {found.attrs['how']}"
    return [] if np.isnan(value) else [("log Z", number(value, 6), remark)]


def _information(result: Result) -> list[tuple[str, str, str]]:
    """What a critic found, the most that it could have found, and the truth of synthetic data."""
    if "information" not in result.tree.children:
        return []
    found = result.tree["information"].to_dataset()
    value, error, bound = (float(found[name].mean()) for name in ("value", "error", "bound"))
    words = number(value, 4) if np.isnan(error) else f"{number(value, 4)} ± {number(error, 2)}"
    shown = [
        ("mutual information", words, "nats, a lower bound"),
        ("its ceiling", number(bound, 4), f"ln {round(np.exp(bound))}, by training.batch_size"),
    ]
    return [*shown, *([("the truth", number(float(found["truth"]), 4), "of these data")] if "truth" in found else [])]


def gained(result: Result) -> list[tuple[str, str, str]]:
    """What the data say of each scalar, KL(posterior || prior), in nats and in bits."""
    if GROUP not in result.tree.children:
        return []
    found = result.tree[GROUP].to_dataset()
    columns = (found[name].values.tolist() for name in ("scalar", "value", "error"))
    return [
        (name, *(f"{fixed(value / unit, places(error))} ± {fixed(error / unit, places(error))}" for unit in (1.0, LN2)))
        for name, value, error in zip(*columns, strict=True)
    ]


def title(result: Result) -> str:
    """What the scores are of."""
    if "information" in result.tree.children:
        return f"What x tells of y in {result.tree['information'].attrs['rows']:,} held-out rows"
    if "classes" in result.tree.children:
        return f"Classes of {result.tree['classes'].sizes['row']:,} held-out rows"
    if "predictive" not in result.tree.children:
        held_out = "log_likelihood_test" in result.tree.children
        return "Held-out rows, and the normaliser" if held_out else "The normaliser"
    count = result.tree["predictive"].sizes["row"]
    return f"Predictions of {count:,} held-out rows"
