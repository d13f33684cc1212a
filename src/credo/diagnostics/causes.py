"""Why did the chains fail? What the draws tell of the usual causes, for the advice of the checks that saw a failure.

Chains apart in several modes, labels that switch, a direction in which the data say nothing, a posterior that is no
distribution, a trajectory that comes back to where it began. Each function says one of them in a sentence or two, or
returns `None`.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from credo.diagnostics.answers import group, some
from credo.diagnostics.base import Check
from credo.diagnostics.hamiltonian import statistic
from credo.diagnostics.summary import heavy, labels, moving, scalars
from credo.inference.result import Result

APART, AGREE = 4.0, 1.0
"""Distances of chains' means, in standard deviations within a chain: in different modes; in the same."""

EQUALLY_HIGH = 1.0
"""Nats between modes that are worth no number."""

TIED = 0.99
"""Correlation of two latents of which the data determine little more than a combination."""

WANDERS = 1.05
"""R-hat of a scalar that has not settled."""

MOST = 300
"""Scalars whose correlations are looked at."""


Cause = Callable[[Result, pd.DataFrame], str | None]


def explained(check: Check, result: Result, summary: pd.DataFrame, *causes: Cause) -> Check:
    """A failed check with those causes in its advice of which there are signs; others as they are."""
    if check.status != "failed":
        return check
    found = [cause(result, summary) for cause in causes]
    return dataclasses.replace(check, advice=" ".join([check.advice, *filter(None, found)]))


def resonant(result: Result, summary: pd.DataFrame) -> str | None:  # noqa: ARG001
    """A trajectory of a fixed length."""
    if result.method != "hmc":
        return None
    return (
        "A trajectory of fixed length can come back to where it began: change inference.trajectory_length, or use "
        "inference=nuts."
    )


def constant(result: Result, summary: pd.DataFrame) -> str | None:  # noqa: ARG001
    """A target that never varies, at which a density whose scale is unknown may have no bound."""
    for name, observed in group(result, "observed_data").data_vars.items():
        values = np.unique(observed.to_numpy())
        is_number = observed.dtype.kind == "f" or (observed.dtype.kind in "iu" and values.max(initial=0) > 1)
        if observed.size > 1 and len(values) == 1 and is_number and np.isfinite(values[0]):
            return (
                f"All {observed.size} values of {name} are {values[0]:g}: where its scale is unknown, the posterior "
                "may run off to a scale of 0. Observe what varies, or give the scale a prior that vanishes at 0, as a "
                "log-normal one does."
            )
    return None


def improper(result: Result, summary: pd.DataFrame) -> str | None:
    """Latents with an improper prior that run off, as the data do not bound them."""
    rows = summary.set_index("variable")
    posterior, named = group(result, "posterior"), []
    for name in (name for name in result.improper if name in posterior):
        own = rows.loc[labels(posterior[name])]
        named += list(own.index[(own["r_hat"] > WANDERS) | heavy(own)])
    if not named:
        return None
    return (
        f"The prior of {some(named)} is improper, and the data may not bound it: then there is no posterior (flat "
        "priors on separated classes, say). Give it a proper prior."
    )


def _shares(result: Result) -> Iterator[list[str]]:
    """The names of latents that are shares of a whole, which are tied whatever the data say."""
    posterior = group(result, "posterior")
    for variable in (posterior[name] for name in result.sampled if name in posterior):
        if variable.ndim > 2 and np.allclose(variable.to_numpy().sum(-1), 1.0, rtol=0.0, atol=1e-5):
            yield labels(variable)


def tied(result: Result, summary: pd.DataFrame) -> str | None:  # noqa: ARG001
    """Two latents of which only a combination is determined."""
    found = list(moving(result))
    if not found:
        return None
    names = [name for some_names, _ in found for name in some_names][:MOST]
    draws = np.concatenate([draws.reshape(len(draws), -1) for _, draws in found])[:MOST]
    if len(draws) < 2 or not np.isfinite(draws).all():
        return None
    with np.errstate(all="ignore"):
        correlations = np.nan_to_num(np.corrcoef(draws))
    np.fill_diagonal(correlations, 0.0)
    for shares in _shares(result):
        own = np.isin(names, shares)
        correlations[np.ix_(own, own)] = 0.0
    i, j = np.unravel_index(np.argmax(np.abs(correlations)), correlations.shape)
    if abs(correlations[i, j]) < TIED:
        return None
    sign = "sum" if correlations[i, j] < 0 else "difference"
    return (
        f"{names[min(i, j)]} and {names[max(i, j)]} have the correlation {correlations[i, j]:.4f}: the data may "
        f"determine little more than a {sign} of them. Fix one of them, or choose priors that tell them apart."
    )


def different_modes(result: Result, summary: pd.DataFrame) -> str | None:  # noqa: ARG001
    """Chains that stay apart: in modes of different height, or in modes that are permutations of each other."""
    parts = together(result)
    if len(parts) < 2:
        return None
    if switched := _switched(result, parts):
        return (
            f"The chains agree but for the order of {some(switched)}: the labels switch. Constrain the order (an "
            "ordered latent), or ask only for what does not depend on the labels."
        )
    advice = (
        "Chains that stay where they begin do not weigh modes: try inference.start=prior, or raise inference.chains."
    )
    lp = statistic(result, "lp")
    heights = [float(lp[part].mean()) if lp is not None else 0.0 for part in parts]
    best = int(np.argmax(heights))
    lower = [i for i in np.argsort(heights) if heights[best] - heights[i] > EQUALLY_HIGH]
    if not lower:
        words = " and ".join(_chains(part) for part in parts[:3])
        return f"{words} stay apart, in modes of about the same height. {advice}"
    several = len(parts[best]) > 1 and len(parts) == 2
    others = "the others" if several else _chains(parts[best]).lower()
    stay = {i: f"{_chains(parts[i])} stay{'s' if len(parts[i]) == 1 else ''}" for i in lower[:3]}
    words = ", ".join(f"{who} {_nats(heights[best] - heights[i])} below {others}" for i, who in stay.items())
    return f"{words}, in another mode. {advice}"


def together(result: Result) -> list[list[int]]:
    """The chains in parts: those within a part are linked by chains whose means are not apart."""
    distances = [_distances(draws) for _, draws in moving(result) if draws.shape[2] > 1]
    if not distances:
        return []
    apart = np.max(distances, axis=0) > APART
    parts: list[list[int]] = []
    for chain in range(len(apart)):
        linked = [part for part in parts if not apart[chain, part].all()]
        rest = [part for part in parts if part not in linked]
        parts = [*rest, sorted([chain, *(other for part in linked for other in part)])]
    return sorted(parts)


def _distances(draws: Shaped[np.ndarray, "scalar chain draw"]) -> Float[np.ndarray, "chain chain"]:
    """The largest distance of the means of two chains, in standard deviations within."""
    with np.errstate(all="ignore"):
        means, within = draws.mean(axis=2), np.sqrt(draws.var(axis=2).mean(axis=1))
        between = np.abs(means[:, :, None] - means[:, None, :]) / within[:, None, None]
    return np.asarray(np.nan_to_num(between, nan=0.0).max(axis=0))


def _switched(result: Result, parts: list[list[int]]) -> list[str]:
    """The vectors that differ between the parts in their order alone; none if a vector differs in more."""
    posterior = group(result, "posterior")
    switched = []
    for variable in (posterior[name] for name in result.sampled if name in posterior):
        if variable.ndim != 3 or variable.dtype.kind != "f":
            continue
        draws = scalars(variable)
        means = np.stack([draws[:, part].mean(axis=(1, 2)) for part in parts])  # [part, element]
        within = np.sqrt(draws.var(axis=2).mean(axis=1)).max()
        if np.ptp(means, axis=0).max() <= APART * within:
            continue
        if np.ptp(np.sort(means, axis=1), axis=0).max() > AGREE * within:
            return []
        switched.append(str(variable.name))
    return switched


def _nats(height: float) -> str:
    return f"{height:,.0f} nats" if height >= 10 else f"{height:.1f} nats"


def _chains(part: list[int]) -> str:
    return f"Chain {part[0]}" if len(part) == 1 else f"Chains {', '.join(map(str, part[:-1]))} and {part[-1]}"
