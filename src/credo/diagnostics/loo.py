"""How well does the model predict an observation that it has not seen? And can that be said from this posterior?

Pareto-smoothed importance sampling leave-one-out cross-validation: Vehtari, Gelman and Gabry (2017), "Practical
Bayesian model evaluation", Statistics and Computing 27; Vehtari, Simpson, Gelman, Yao and Gabry (2024), "Pareto
Smoothed Importance Sampling", JMLR 25(72). A Pareto k above 0.7 says that leaving this observation out changes the
posterior too much for reweighting. Several observed sites are taken together, each observation left out by itself.
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, PRNGKeyArray
from scipy.special import logsumexp

from credo import pareto
from credo.cores import each
from credo.diagnostics import answers
from credo.diagnostics.answers import group, has_data, not_checked, some
from credo.diagnostics.base import Check
from credo.diagnostics.completed import completed, drawn_of, log_means
from credo.diagnostics.refit import MATCHING, REFIT, Whole, refined
from credo.diagnostics.summary import labels, moving, scalars, title
from credo.errors import ConfigError
from credo.inference import pointwise
from credo.inference.base import Inference
from credo.inference.convergence import effective
from credo.inference.kind import Kind, Of, of
from credo.inference.result import Result
from credo.models.problem import Problem
from credo.models.rows_given import GROUP as GIVEN
from credo.ranges import Finite, Natural


@dataclass(frozen=True)
class Loo:
    """The largest Pareto k of all observations; a large one is noted, as it spoils `elpd_loo` and not the posterior.

    Attributes:
        threshold: the largest k that passes; with fewer than 2200 draws the bar is 1 - 1 / log10(draws), which is
            lower.
        refit: answer observations with a larger k by moment matching, and then by refits without them.
        refit_max: how many refits at most.
    """

    threshold: Finite
    refit: bool = False
    refit_max: Natural = 20

    of: ClassVar[Of] = of(Kind.CHAINS)
    derives: ClassVar[str] = "leave-one-out by refits"

    def require(self, problem: Problem, method: Inference) -> None:
        """Refuse to refit what has no observations that can be left out of chains."""
        if self.refit:
            require_refits(problem, method)

    def derived(self, problem: Problem, method: Inference, result: Result, key: PRNGKeyArray) -> Result:
        """The result with better answers in the group `loo`, where refits are asked for."""
        rows = leave_one_out(result) if self.refit and result.kind is Kind.CHAINS else pd.DataFrame()
        if len(rows) < 2:
            return result
        whole, r_eff = Whole(problem, method, result), _relative_efficiency(result)
        found, cost, why = refined(whole, rows, self._bar(result), r_eff, self.refit_max, key)
        result.tree[GROUP] = xr.DataTree(_grouped(found).assign_attrs(why=why))
        return replace(result, cost=result.cost + cost)

    def _bar(self, result: Result) -> float:
        """The largest Pareto k that passes."""
        sizes = group(result, "log_likelihood").sizes
        return min(self.threshold, 1 - 1 / math.log10(max(2, sizes["chain"] * sizes["draw"])))

    def __call__(self, result: Result, summary: pd.DataFrame) -> Check | None:  # noqa: ARG002
        """Judge draws of a model with data."""
        if not has_data(result):
            return None
        if (missing := answers.left_out(result, "loo", self.threshold, "log_likelihood")) is not None:
            return missing
        left_out = leave_one_out(result)
        if len(left_out) == 1:
            return None  # without its only observation, the posterior is the prior
        if left_out.empty:
            return not_checked("loo", self.threshold, "There is no finite log likelihood of observations.")
        threshold, drawn = self._bar(result), drawn_of(result.tree, left_out)
        largest = float(left_out["pareto_k"].max())
        high = left_out["pareto_k"][~(left_out["pareto_k"] <= threshold)].sort_values(ascending=False)
        if high.empty:
            if drawn is not None and drawn.varied:
                return Check("loo", "note", largest, threshold, f"{drawn.words} {drawn.doubt}")
            which = f"the {len(left_out)}" if drawn else f"all {len(left_out)}"
            seen = f"The predictive score rests on {which} observations without trouble{_how(left_out)}."
            return Check("loo", "passed", largest, threshold, f"{seen} {drawn.words}" if drawn else seen)
        advice = (
            f"elpd_loo is not reliable: {len(high)} of {len(left_out)} observations change the posterior much when "
            f"left out ({some(high.index)}){_how(left_out)}. {f'{drawn.words} ' if drawn else ''}{_what_to_do(result)}"
        )
        return Check("loo", "note", largest, threshold, advice)


def _how(left_out: pd.DataFrame) -> str:
    """How many observations were answered otherwise than by reweighting: `; 3 rows: 2 by moment matching, ...`."""
    counts = left_out["by"].value_counts() if "by" in left_out else {}
    words = [f"{counts[way]} by {way}" for way in (MATCHING, REFIT) if way in counts]
    total = sum(int(counts[way]) for way in (MATCHING, REFIT) if way in counts)
    return f"; {total} row{'s' if total > 1 else ''}: {', '.join(words)}" if words else ""


def _what_to_do(result: Result) -> str:
    why = group(result, GROUP).attrs.get("why")
    if why is None:
        return "Set diagnostics.checks.loo.refit=true, or compare models by held-out data."
    return f"They were not answered by a refit ({why}). Look at them, or compare models by held-out data."


def require_refits(problem: Problem, method: Inference) -> None:
    """Raise `ConfigError`, whose sentence begins with `refit`, where no observation can be left out by a refit."""
    kind = getattr(method, "kind", lambda _: Kind.CHAINS)(problem)
    kept = getattr(method, "keep", None)
    discrete = [one.name for one in problem.latents if one.discrete]
    lost = [one.name for one in problem.latents if kept is not None and one.name not in kept]
    rows = sum(one.value.size for one in problem.observations.values())
    why = ""
    if kind is not Kind.CHAINS or problem.training is not None:
        why = "leave-one-out takes the draws of Markov chains, which this method does not make; use inference=nuts"
    elif rows < 2:
        why = f"the model has {rows or 'no'} observation{'' if rows == 1 else 's'}, and leaves none out; use other data"
    elif discrete:
        why = f"the density without a row is not known where discrete latents ({', '.join(discrete)}) are drawn"
    elif problem.model.rows_depend:
        why = f"the rows of model={problem.model.name} depend on each other, and one cannot be masked"
    elif any(not site.normalised for site in problem.named("observed")):
        why = "the likelihood is known up to a factor alone"
    elif lost:
        why = f"the draws of {', '.join(lost)} are not kept; add them to inference.keep"
    if why:
        raise ConfigError(f"refit: {why}, or set it to false")


def loo_metrics(result: Result) -> dict[str, float]:
    """The predictive score and how far it can be trusted.

    Returns:
        `elpd_loo`, the expected log predictive density of all observations, in nats, higher is better; `elpd_loo_se`,
        its standard error; `elpd_loo_subsampling_se`, the part of it that is due to leaving out some observations only;
        `p_loo`, the effective number of parameters; `pareto_k_max`. Empty where it cannot be
        computed.
    """
    left_out = leave_one_out(result) if result.kind is Kind.CHAINS else pd.DataFrame()
    if left_out.empty:
        return {}
    every = completed(left_out, log_means(result.tree))
    return {
        "elpd_loo": float(every.elpd.sum()),
        "elpd_loo_se": every.se,
        **({"elpd_loo_subsampling_se": every.error} if every.error else {}),
        "p_loo": float(every.p.sum()),
        "pareto_k_max": float(left_out["pareto_k"].max()),
    }


GROUP = "loo"
"""The group of a result that has what was computed once for the check, the metrics and `loo.csv`."""


def add_leave_one_out(result: Result) -> Result:
    """The result with the group `loo`, if it has draws: dim `observation`; empty where nothing can be left out."""
    if result.kind is Kind.CHAINS:
        result.tree[GROUP] = xr.DataTree(_grouped(_leave_one_out(result)))
    return result


def _grouped(rows: pd.DataFrame) -> xr.Dataset:
    columns = {str(name): ("observation", column.to_numpy()) for name, column in rows.items()}
    return xr.Dataset(columns, coords={"observation": rows.index.to_numpy()})


def leave_one_out(result: Result) -> pd.DataFrame:
    """Leave every observation out once, which takes time, unless the result has the group `loo`.

    Returns:
        One row per observation, by its label (`observation`): `site`, `elpd`, `p` and `pareto_k`, and `by`, how it was
        answered, where refits were asked for; empty where a log likelihood is not finite.
    """
    if GROUP not in result.tree.children:
        return _leave_one_out(result)
    found = result.tree[GROUP].to_dataset()
    names = [name for name in ("site", "elpd", "p", "pareto_k", "by") if name in found]
    return found.to_dataframe()[names] if names else pd.DataFrame()


def _leave_one_out(result: Result) -> pd.DataFrame:
    given = GIVEN if GIVEN in result.tree.children else "log_likelihood"
    sites = list(group(result, given).data_vars.values())
    log_likelihood = np.concatenate([scalars(site).astype(float) for site in sites] or [np.empty((0, 0, 0))])
    some = any(pointwise.places(site) is not None for site in sites) and pointwise.GROUP not in result.tree.children
    if some or not log_likelihood.size or not np.isfinite(log_likelihood).all():
        return pd.DataFrame()  # where some observations stand for others, nothing is known without the others
    names = pd.Index([label for site in sites for label in labels(site)], name="observation")
    whose = [title(site) for site in sites for _ in labels(site)]
    return pd.DataFrame({"site": whose} | _left_out(log_likelihood, _relative_efficiency(result)), index=names)


EVEN = 0.1
"""Nats: where an observation's log likelihood varies by less over the draws, no importance weight exceeds another by
more than 11 %. The draws then serve as they are, and the shape of the weights' tail (often rounding) means nothing."""

MOST = 1000
"""About how many scalars tell how efficient the draws are."""

MOST_AT_ONCE = 2**19
"""Numbers of the log likelihood that are worked on at once."""

FEWEST = 25
"""With fewer draws nothing is known of the weights' tail."""


def _left_out(
    log_likelihood: Float[np.ndarray, "observation chain draw"], r_eff: float
) -> dict[str, Float[np.ndarray, "observation"]]:
    """`elpd`, `p` and Pareto k of every observation.

    Draws that serve as they are are not smoothed; where no tail can be fitted (equal values, too few draws), k is
    infinite.
    """
    flat = log_likelihood.reshape(len(log_likelihood), -1)
    step = max(MOST_AT_ONCE // flat.shape[1], 1)
    tail = pareto.length(flat.shape[1], r_eff)
    parts = each(lambda first: _answered(flat[first : first + step], tail), range(0, len(flat), step))
    return dict(zip(("elpd", "p", "pareto_k"), np.concatenate(parts, axis=1), strict=True))


def _answered(flat: Float[np.ndarray, "observation draw"], tail: int) -> Float[np.ndarray, "3 observation"]:
    """`elpd`, `p` and Pareto k of some observations, whose weights have a tail of so many draws."""
    size = np.log(flat.shape[1])
    elpd, lppd = size - logsumexp(-flat, axis=1), logsumexp(flat, axis=1) - size
    even = (flat.shape[1] >= FEWEST) & (np.ptp(flat, axis=1) < EVEN)
    k = np.where(even, 0.0, np.inf)
    if not even.all():
        uneven = flat[~even]
        log_weight, found = pareto.smooth(-uneven, tail)
        elpd[~even] = logsumexp(log_weight + uneven, axis=1)
        k[~even] = np.where(np.isnan(found), np.inf, found)
    return np.stack([elpd, lppd - elpd, k])


def _relative_efficiency(result: Result) -> float:
    """Effective draws per draw, averaged over the scalars that are sampled and move; 1 for one chain, as in ArviZ.

    Of very many scalars some are taken, spread evenly: it is an average.
    """
    worth = []
    posterior = group(result, "posterior")
    sampled = [posterior[name].isel(chain=0, draw=0) for name in result.sampled if name in posterior]
    step = 1 + sum(one.size for one in sampled) // MOST
    for _, every in moving(result):
        draws = every[::step]
        if draws.shape[1] == 1 or not np.isfinite(draws).all():
            return 1.0
        worth.append(effective(draws, result.grouping.walkers) / draws[0].size)
    return float(np.mean(np.concatenate(worth))) if worth else 1.0
