"""The scores of a conditional model's predictions, as people read them."""

from credo.diagnostics.distinct import fewest
from credo.diagnostics.scores import scores
from credo.report.numbers import number
from credo.result import Result

_WORDS = {
    "nll_test": ("NLL", "nats per row"),
    "crps_test": ("CRPS", "in the target's units"),
    "rmse_test": ("RMSE", "of the predictive mean"),
    "coverage_50_test": ("coverage of 50 %", "by the central interval"),
    "coverage_90_test": ("coverage of 90 %", "by the central interval"),
    "sharpness_test": ("width of 90 %", "the central interval's, on average"),
}
_FEW = 100
"""A target with fewer distinct values has its CRPS first: its density can be gamed."""


def rows(result: Result) -> list[tuple[str, str, str]]:
    """Name, number and remark of each score of the held-out rows; empty where there are none."""
    found = scores(result)
    order = list(_WORDS)
    distinct = fewest(result)
    if distinct is not None and distinct < _FEW:
        order.insert(0, order.pop(order.index("crps_test")))
    return [(_WORDS[name][0], number(found[name], 4), _WORDS[name][1]) for name in order if name in found]


def title(result: Result) -> str:
    """What the scores are of."""
    count = result.tree["predictive"].sizes["row"]
    return f"Predictions of {count:,} held-out rows"
