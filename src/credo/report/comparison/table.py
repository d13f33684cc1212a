"""A comparison as a table."""

import math
from typing import Any

import pandas as pd

from credo.report.comparison.compare import Comparison
from credo.report.comparison.configurations import Configuration


def frame(comparison: Comparison) -> pd.DataFrame:
    """All numbers in full, one row per line.

    Returns:
        `label`, `config.KEY` of what distinguishes it, `state`, `runs`, `seeds`, `verdict`; `elpd_loo`, `elpd_loo_se`,
        `p_loo`, `pareto_k_max`, `pareto_k_high`, `elpd_diff`, `dse`, `weight`; where evidence is known,
        `log_bayes_factor`, `probability` (of the model), and both with `_error`; `prior_sensitivity`; all metrics but
        the posterior's; where posteriors are shared with the first line, `kl/SCALAR` and `wasserstein/SCALAR`, both
        with `_error`; `NAME_sd` over seeds; `reason` and `folder`.
    """
    return pd.DataFrame([_row(comparison, line) for line in comparison.lines])


def _row(comparison: Comparison, line: Configuration) -> dict[str, Any]:
    numbers: dict[str, float] = {}
    names = dict.fromkeys(name for run in line.runs for name in run.metrics if not name.startswith("posterior/"))
    for name in names:
        numbers[name] = _or_nan(line.mean(name))
        numbers |= {f"{name}_sd": _or_nan(line.sd(name))} if len(line.runs) > 1 else {}
    if (evidence := comparison.evidence.get(line.label)) is not None:
        numbers |= {"log_bayes_factor": evidence.log_factor, "log_bayes_factor_error": evidence.factor_error}
        numbers |= {"probability": evidence.probability, "probability_error": evidence.probability_error}
    checks = [check for run in line.runs if (check := run.check("prior_sensitivity")) is not None]
    numbers["prior_sensitivity"] = max((_or_nan(check.value) for check in checks), default=math.nan)
    return {
        "label": line.label,
        **{f"config.{key}": word for key, word in line.differs.items()},
        "state": ", ".join(dict.fromkeys(run.state for run in line.runs)),
        "runs": len(line.runs),
        "seeds": line.seeds,
        "verdict": verdict(line),
        **numbers,
        **_of_left_out(comparison, line.label),
        **_of_distances(comparison, line.label),
        "reason": "; ".join(dict.fromkeys(run.reason for run in line.runs if run.reason)),
        "folder": " ".join(str(run.folder) for run in line.runs),
    }


def _of_left_out(comparison: Comparison, label: str) -> dict[str, float]:
    found = comparison.left_out.get(label)
    if found is None:
        return {}
    numbers = {
        "elpd_loo": float(found.elpd.sum()),
        "elpd_loo_se": found.se,
        "p_loo": float(found.p.sum()),
        "pareto_k_max": float(found.pareto_k.max()),
        "pareto_k_high": float(found.high_k),
    }
    compared = comparison.loo.loc[label].to_dict() if label in comparison.loo.index else {}
    return numbers | {str(name): float(value) for name, value in compared.items()}


def _of_distances(comparison: Comparison, label: str) -> dict[str, float]:
    return {
        f"{name}/{one.scalar}{end}": getattr(one, f"{name}{end}")
        for one in comparison.distances
        if one.label == label
        for name in ("kl", "wasserstein")
        for end in ("", "_error")
    }


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def verdict(line: Configuration) -> str:
    """The verdict of its runs: one word where all agree, else `1 of 3 failed`; the state where there is none."""
    given = [run.verdict.status for run in line.runs if run.verdict is not None]
    if not given:
        return ", ".join(dict.fromkeys(run.state.lower() for run in line.runs))
    worst = next(word for word in ("failed", "not checked", "passed") if word in given)
    return worst if len(set(given)) == 1 else f"{given.count(worst)} of {len(given)} {worst}"
