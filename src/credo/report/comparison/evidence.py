"""Log evidence side by side: Bayes factors and the probabilities of the models, with the errors of the estimates."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from credo.report.comparison.configurations import Configuration

METRIC = "log_evidence"
"""The metric that is the log marginal likelihood. `log_z` of an energy is a normaliser: it makes no Bayes factor."""

_OF_MODELS = ("data", "model", "energy")
"""The parts of a configuration that make another model; others make another way to the same answer."""


class Weighed(NamedTuple):
    """The evidence of a line; each number has its standard error, NaN where it is not known.

    - **log_evidence**, **error** - in nats.
    - **log_factor**, **factor_error** - the log Bayes factor to the line with the most evidence; NaN where the lines
      observe different sites.
    - **probability**, **probability_error** - of the model among those with evidence, all of which are as probable
      before; NaN where some lines are of the same model.
    """

    log_evidence: float
    error: float
    log_factor: float = math.nan
    factor_error: float = math.nan
    probability: float = math.nan
    probability_error: float = math.nan


def weighed(lines: Sequence[Configuration], *, other_sites: bool) -> Mapping[str, Weighed]:
    """The evidence of those lines that have it, by label.

    Args:
        lines: finished ones.
        other_sites: whether they observe different sites, so that their evidence is of different things.
    """
    known = {line.label: _own(line) for line in lines if line.mean(METRIC) is not None}
    models = [_model(line) for line in lines if line.label in known]
    if other_sites or not known:
        return known
    best = max(known.values(), key=lambda one: one.log_evidence)
    total = sum(math.exp(one.log_evidence - best.log_evidence) for one in known.values())
    shares = {label: math.exp(one.log_evidence - best.log_evidence) / total for label, one in known.items()}
    are_models = len(models) > 1 and all(models.count(model) == 1 for model in models)
    return {
        label: one._replace(
            log_factor=one.log_evidence - best.log_evidence,
            factor_error=0.0 if one is best else math.hypot(one.error, best.error),
            probability=shares[label] if are_models else math.nan,
            probability_error=_error(label, shares, known) if are_models else math.nan,
        )
        for label, one in known.items()
    }


def _own(line: Configuration) -> Weighed:
    """Over several runs the mean, and the mean of the errors, as runs of the same data may err alike."""
    error = line.mean("log_evidence_error")
    return Weighed(line.mean(METRIC) or 0.0, math.nan if error is None else error)


def _model(line: Configuration) -> str:
    """What makes its model another one than those of other lines."""
    config = line.runs[0].config
    return json.dumps({part: config.get(part) for part in _OF_MODELS}, sort_keys=True, default=str)


def _error(label: str, shares: Mapping[str, float], known: Mapping[str, Weighed]) -> float:
    """The standard error of a probability, by the delta method."""
    parts = [(float(other == label) - share) * known[other].error for other, share in shares.items()]
    return shares[label] * math.hypot(*parts)
