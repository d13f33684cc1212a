"""What the checks that read the summary share: is the worst scalar good enough?"""

from collections.abc import Callable, Collection

import pandas as pd

from credo.diagnostics.answers import group, not_checked, some
from credo.diagnostics.base import Check
from credo.diagnostics.summary import labels, parametrisations
from credo.inference.result import Result

Words = Callable[[str, float], str]
"""Words a failure, given the names of the scalars that fail and the worst number."""


def judged(result: Result, summary: pd.DataFrame) -> pd.DataFrame:
    """The rows whose draws are to be judged, by label.

    Constants are left out where they are constant by construction: a deterministic site, the corner of a Cholesky
    factor, a discrete latent that the data determines. A continuous variable that the sampler should move and that
    does not move at all stays in, so that its missing R-hat is seen.
    """
    posterior = group(result, "posterior")
    constant = summary["sd"] == 0
    for name in result.sampled:
        if name in posterior and posterior[name].dtype.kind == "f":
            own = summary["variable"].isin(labels(posterior[name]))
            if constant[own].all():
                constant &= ~own
    return summary[~constant].set_index("variable")


FEWEST_DRAWS = 20
"""In shorter chains autocorrelation cannot be seen, and draws pass for independent ones."""


def unless_short(check: Check, result: Result) -> Check:
    """What an effective sample size says, which is never a pass where the chains are too short to have one."""
    draws = group(result, "posterior").sizes.get("draw", 0)
    if check.status != "passed" or draws >= FEWEST_DRAWS:
        return check
    reason = f"Chains of {draws} draws are too short for an effective sample size; run fewer and longer ones."
    return not_checked(check.name, check.threshold, reason)


def named_last(result: Result) -> Collection[str]:
    """The scalars that an advice names after all others: those that are only a parametrisation."""
    return parametrisations(group(result, "posterior")).keys()


def judge_largest(name: str, values: pd.Series, threshold: float, words: Words, last: Collection[str] = ()) -> Check:
    """Judge numbers of which large ones are bad.

    Args:
        name: the check's name.
        values: one number per scalar, by its label; NaN where it is unknown.
        threshold: the largest number that passes.
        words: words a failure.
        last: the scalars that the words name after all others.

    Returns:
        Failed if any number is bad; otherwise passed only if there are numbers and every one is known.
    """
    return _judge(name, values, threshold, words, last, sign=1)


def judge_smallest(name: str, values: pd.Series, threshold: float, words: Words, last: Collection[str] = ()) -> Check:
    """Judge numbers of which small ones are bad; otherwise as `judge_largest`."""
    return _judge(name, values, threshold, words, last, sign=-1)


def _judge(name: str, values: pd.Series, threshold: float, words: Words, last: Collection[str], sign: int) -> Check:
    badness = (sign * values.dropna()).sort_values(ascending=False)
    if badness.empty:
        reason = "It could not be computed for any scalar: too few chains or draws, or nothing moved."
        return not_checked(name, threshold, reason)
    worst = sign * float(badness.iloc[0])
    bad = badness.index[~(badness <= sign * threshold)]  # no number is below a NaN
    if len(bad):
        return Check(name, "failed", worst, threshold, words(some(sorted(bad, key=lambda label: label in last)), worst))
    if len(badness) < len(values):
        return not_checked(name, threshold, f"It could not be computed for {some(values.index[values.isna()])}.")
    of = f"The worst of {len(values)} scalars is " if len(values) > 1 else ""
    seen = f"{of}{badness.index[0]} with {worst:.4g}."
    return Check(name, "passed", worst, threshold, seen)
