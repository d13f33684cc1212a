"""The posterior in numbers: one row per scalar, with what its draws are worth.

The statistics of convergence are those of `inference.convergence`, NaN where they cannot be computed. A mean or a
standard deviation that does not exist is not reported either: what draws of a Cauchy distribution have in its place
says nothing (`tails`).
"""

from collections.abc import Iterator
from itertools import compress

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Int, Shaped

from credo.chain_stats import FEWEST_DRAWS
from credo.diagnostics import tails
from credo.diagnostics.answers import group
from credo.inference.convergence import constant, mixing, scalars_first
from credo.inference.kind import Kind
from credo.inference.labels import scalar_labels
from credo.inference.result import Result
from credo.models.names import ASIDE, EFFECT, INDICATOR, SITE

STATISTICS = ("mean", "sd", "q5", "q50", "q95", "mcse_mean", "ess_bulk", "ess_tail", "r_hat", "pareto_k")
NORMAL_Q95 = 1.6448536269514722
MOST_IN_PIECE = 2**23

Columns = dict[str, Shaped[np.ndarray, "scalar"]]


def summarise(result: Result) -> pd.DataFrame:
    """Return one row per scalar of the posterior.

    Returns:
        Columns `variable` (`theta[Choate]`, `w[a, 1]`, `beta[0]` where a dim has no coordinate), `mean`, `sd`, `q5`,
        `q50`, `q95`, `mcse_mean`, `ess_bulk`, `ess_tail`, `r_hat`, `pareto_k`. A constant has the `sd` 0 and no
        effective sample size or R-hat. `pareto_k` is the shape of the heavier tail, NaN where both are light; where it
        is so large that `sd` or `mean` do not exist, they are NaN, as is `mcse_mean` (see `heavy`). A point estimate
        has its standard error as `sd` and quantiles of the normal approximation. Independent draws have no R-hat or
        effective sample size of chains; their `mcse_mean` is by the effective number of draws. That of particles is at
        least the spread of the repeats' means.
    """
    parts = list(_of_point(result) if result.kind is Kind.POINT else _of_draws(result))
    columns: dict[str, object] = {"variable": [label for names, _ in parts for label in names]}
    for statistic in STATISTICS:
        columns[statistic] = np.concatenate([numbers[statistic] for _, numbers in parts] or [np.empty(0)])
    return pd.DataFrame(columns)


def heavy(summary: pd.DataFrame) -> pd.Series:
    """Which rows have tails so heavy that the standard deviation is not known, [scalar]."""
    return summary["pareto_k"].notna() & summary["sd"].isna()


def labels(variable: xr.DataArray) -> list[str]:
    """The names of a variable's scalars, in the order of its values: `theta[Choate]`; `mu` if it is one itself."""
    dims = [str(dim) for dim in variable.dims if dim not in ("chain", "draw")]
    return scalar_labels(title(variable), dims, variable.coords, [variable.sizes[dim] for dim in dims])


def title(variable: xr.DataArray) -> str:
    """What a variable is called in the program."""
    return str(variable.attrs.get(SITE, variable.name))


def is_parametrisation(variable: xr.DataArray) -> bool:
    """Whether other variables are computed from a variable, which says nothing by itself: standardised effects, say."""
    return ASIDE in variable.attrs or variable.attrs.get(EFFECT, title(variable)) != title(variable)


def is_aside(variable: xr.DataArray) -> bool:
    """Whether tables and plots fold a variable: it is only a parametrisation, or indicators, one per observation."""
    return is_parametrisation(variable) or INDICATOR in variable.attrs


def parametrisations(posterior: xr.Dataset) -> dict[str, str]:
    """The scalars that say nothing by themselves, each with what it belongs to.

    That is `the parametrisation (z)` for `z[Choate]`, and `the indicators (k)` for `k[0]`.
    """
    aside = [variable for variable in posterior.data_vars.values() if is_aside(variable)]
    return {label: f"the {_kind(variable)} ({title(variable)})" for variable in aside for label in labels(variable)}


def _kind(variable: xr.DataArray) -> str:
    return "parametrisation" if is_parametrisation(variable) else "indicators"


def scalars(variable: xr.DataArray) -> Shaped[np.ndarray, "scalar chain draw"]:
    """A variable's draws, in the order of `labels`."""
    return scalars_first(variable.transpose("chain", "draw", ...).values)


def pieces(variable: xr.DataArray) -> Iterator[tuple[list[str], Shaped[np.ndarray, "scalar chain draw"]]]:
    """A variable's names and draws, piece by piece: a large one is never whole in memory."""
    ordered, names = variable.transpose("chain", "draw", ...), labels(variable)
    if ordered.size <= MOST_IN_PIECE or ordered.ndim == 2:
        yield names, scalars(ordered)
        return
    inner = int(np.prod(ordered.shape[3:]))
    step = max(MOST_IN_PIECE // (ordered.shape[0] * ordered.shape[1] * inner), 1)
    for first in range(0, ordered.shape[2], step):
        part = ordered.isel({ordered.dims[2]: slice(first, first + step)})
        yield names[first * inner : (first + step) * inner], scalars(part)


def moving(result: Result) -> Iterator[tuple[list[str], Shaped[np.ndarray, "scalar chain draw"]]]:
    """The names and the draws, of what is sampled and not constant, piece by piece."""
    posterior = group(result, "posterior")
    for variable in (posterior[name] for name in result.sampled if name in posterior):
        for names, draws in pieces(variable):
            moved = ~constant(draws)
            if moved.any():
                yield list(compress(names, moved)), draws[moved].astype(float)


def _of_draws(result: Result) -> Iterator[tuple[list[str], Columns]]:
    for variable in group(result, "posterior").data_vars.values():
        for names, draws in pieces(variable):
            numbers = _moments(draws.astype(float))
            numbers |= _worth(result, draws, numbers)
            numbers["sd"] = np.where(constant(draws), 0.0 * numbers["sd"], numbers["sd"])
            yield names, numbers | _existing(draws, numbers)
    means, variances = group(result, "posterior_mean"), group(result, "posterior_variance")
    for name, mean in means.data_vars.items():
        counts = group(result, "posterior_count")["draws"].values
        numbers = _of_blocks(scalars_first(mean.values), scalars_first(variances[name].values), counts)
        yield labels(mean.rename(block="draw")), numbers


def _worth(result: Result, draws: Shaped[np.ndarray, "scalar chain draw"], moments: Columns) -> Columns:
    """What the draws are worth, by the kind of the result."""
    match result.kind:
        case Kind.INDEPENDENT:
            return _independent(result, draws, moments)
        case Kind.WEIGHTED:
            return _repeated(draws)
    return mixing(draws, grouping=result.grouping)


def _repeated(draws: Shaped[np.ndarray, "scalar chain draw"]) -> Columns:
    """As of chains, but the standard error is at least the spread of the repeats' means: their draws have kin."""
    numbers = mixing(draws)
    repeats = draws.shape[1]
    if repeats > 1:
        between = draws.astype(float).mean(axis=2).std(axis=1, ddof=1) / np.sqrt(repeats)
        numbers["mcse_mean"] = np.maximum(numbers["mcse_mean"], between)
    return numbers


def _independent(result: Result, draws: Shaped[np.ndarray, "scalar chain draw"], moments: Columns) -> Columns:
    """The standard error by the number of independent draws that those of an approximation are worth."""
    effective = float(group(result, "importance").attrs.get("effective", np.nan))
    unknown = np.full(len(draws), np.nan)
    error = np.where(constant(draws), np.nan, moments["sd"] / np.sqrt(effective))
    return dict.fromkeys(("ess_bulk", "ess_tail", "r_hat"), unknown) | {"mcse_mean": error}


def _existing(draws: Shaped[np.ndarray, "scalar chain draw"], numbers: Columns) -> Columns:
    """The shape of the tails, and the moments without those that do not exist; discrete scalars are not asked."""
    if draws.dtype.kind != "f":
        return {"pareto_k": np.full(len(draws), np.nan)}
    k, error, least = tails.shape(draws.astype(float), numbers["ess_tail"])
    no_sd, no_mean = tails.unknown(k, error, least)
    gone = {"sd": no_sd, "mcse_mean": no_sd, "mean": no_mean}
    return {"pareto_k": k} | {name: np.where(where, np.nan, numbers[name]) for name, where in gone.items()}


def _of_blocks(
    means: Float[np.ndarray, "scalar chain block"],
    variances: Float[np.ndarray, "scalar chain block"],
    counts: Int[np.ndarray, "chain block"],
) -> Columns:
    """Statistics of draws of which only means and variances by block are known, [scalar, chain, block] -> [scalar].

    The standard error is that of batch means (Flegal & Jones 2010, Annals of Statistics 38(2)), the last block of each
    chain, which may be shorter, left out; R-hat is the split one of Gelman et al. (2013), section 11.4, without ranks.
    """
    chains, blocks = means.shape[1:]
    unknown = np.full(len(means), np.nan)
    numbers = dict.fromkeys(STATISTICS, unknown)
    share = counts / counts.sum()  # [chain, block]
    mean = (share * means).sum(axis=(1, 2))
    sd = np.sqrt((share * (variances + (means - mean[:, None, None]) ** 2)).sum(axis=(1, 2)))
    numbers |= {"mean": mean, "sd": sd}
    whole, half = means[..., :-1] if blocks > FEWEST_DRAWS else means, blocks // 2
    if half < 2 or chains * blocks < 10:
        return numbers
    with np.errstate(all="ignore"):
        error = whole.std(axis=(1, 2), ddof=1) / np.sqrt(chains * whole.shape[2])
        halves = [(means[..., :half], variances[..., :half]), (means[..., -half:], variances[..., -half:])]
        centres = np.concatenate([m.mean(axis=2) for m, _ in halves], axis=1)
        within = np.concatenate([v.mean(axis=2) + m.var(axis=2) for m, v in halves], axis=1).mean(axis=1)
        r_hat = np.sqrt(1 + centres.var(axis=1, ddof=1) / within)
        moved = sd > 0
        found = {"mcse_mean": error, "ess_bulk": (sd / error) ** 2, "r_hat": r_hat}
        return numbers | {name: np.where(moved, values, np.nan) for name, values in found.items()}


def _moments(draws: Shaped[np.ndarray, "scalar chain draw"]) -> Columns:
    """Mean, standard deviation and quantiles. [scalar, chain, draw] -> [scalar]."""
    axes = (1, 2)
    with np.errstate(invalid="ignore", over="ignore"):
        q5, q50, q95 = np.quantile(draws, (0.05, 0.5, 0.95), axis=axes)
        size = draws.shape[1] * draws.shape[2]
        sd = draws.std(axis=axes, ddof=1) if size > 1 else np.full(len(draws), np.nan)
        return {"mean": draws.mean(axis=axes), "sd": sd, "q5": q5, "q50": q50, "q95": q95}


def _of_point(result: Result) -> Iterator[tuple[list[str], Columns]]:
    errors = group(result, "standard_error")
    for name, variable in group(result, "posterior").data_vars.items():
        mean = scalars(variable)[:, 0, 0].astype(float)
        unknown = np.full(len(mean), np.nan)
        dims = [dim for dim in variable.dims if dim not in ("chain", "draw")]
        sd = np.ravel(errors[name].transpose(*dims).values).astype(float) if name in errors else unknown
        numbers = {"mean": mean, "sd": sd, "q5": mean - NORMAL_Q95 * sd, "q50": mean, "q95": mean + NORMAL_Q95 * sd}
        yield labels(variable), dict.fromkeys(STATISTICS, unknown) | numbers
