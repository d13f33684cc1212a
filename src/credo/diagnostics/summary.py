"""The posterior in numbers: one row per scalar, with what its draws are worth.

R-hat is the larger of the rank-normalised and the folded split R-hat; the effective sample sizes are those of the
rank-normalised draws (bulk) and of the 5 % and 95 % quantiles (tail): Vehtari, Gelman, Simpson, Carpenter and Bürkner
(2021), "Rank-normalization, folding, and localization: An improved R-hat", Bayesian Analysis 16(2), section 4. ArviZ
computes them; a statistic that cannot be computed is NaN here, where ArviZ takes the effective sample size of a
constant to be the number of its draws. A mean or a standard deviation that does not exist is not reported either: what
draws of a Cauchy distribution have in its place says nothing (`tails`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress, product
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from credo.diagnostics import tails
from credo.diagnostics.answers import group
from credo.diagnostics.arviz import arviz_array
from credo.inference.result import Kind, Result
from credo.models.names import SITE

array_stats: Any = arviz_array.array_stats
"""ArviZ's statistics of plain arrays, which have no annotations."""

STATISTICS = ("mean", "sd", "q5", "q50", "q95", "mcse_mean", "ess_bulk", "ess_tail", "r_hat", "pareto_k")
TAILS = (0.05, 0.95)
NORMAL_Q95 = 1.6448536269514722
FEWEST_DRAWS = 4
MOST_IN_PIECE = 2**23
ROUNDING = 4
"""A scalar whose draws span no more than this many units in the last place is constant."""

Columns = dict[str, np.ndarray]


def summarise(result: Result) -> pd.DataFrame:
    """Return one row per scalar of the posterior.

    Returns:
        Columns `variable` (`theta[Choate]`, `w[a, 1]`, `beta[0]` where a dim has no coordinate), `mean`, `sd`, `q5`,
        `q50`, `q95`, `mcse_mean`, `ess_bulk`, `ess_tail`, `r_hat`, `pareto_k`. A constant has the `sd` 0 and no
        effective sample size or R-hat. `pareto_k` is the shape of the heavier tail, NaN where both are light; where it
        is so large that `sd` or `mean` do not exist, they are NaN, as is `mcse_mean` (see `heavy`). A point estimate
        has its standard error as `sd` and quantiles of the normal approximation.
    """
    parts = list(_of_point(result) if result.kind is Kind.POINT else _of_draws(result))
    columns: dict[str, object] = {"variable": [label for names, _ in parts for label in names]}
    for statistic in STATISTICS:
        columns[statistic] = np.concatenate([numbers[statistic] for _, numbers in parts] or [np.empty(0)])
    return pd.DataFrame(columns)


def running(
    blocks: Sequence[Mapping[str, np.ndarray]], most: int | None = 64, wanted: Iterable[str] = ("r_hat", "ess_bulk")
) -> dict[str, float]:
    """Return the worst of some statistics of the draws so far.

    Constants are left out. NaN where there is one chain, or a draw that is not finite.

    Args:
        blocks: arrays [chains, draws, ...] by name, one block after another.
        most: about how many scalars to look at, spread evenly and at least one of each variable, so that a large model
            is not slowed down; `None` for all.
        wanted: `r_hat`, `ess_bulk`, `ess_tail`, `mcse` (in posterior standard deviations).

    Returns:
        `r_hat_max`, `ess_bulk_min`, `ess_tail_min`, `mcse_max`, as wanted; empty before there are four draws, or where
        nothing moves.
    """
    sizes = {name: int(np.prod(array.shape[2:])) for name, array in blocks[0].items()}
    step = 1 if most is None else -(-sum(sizes.values()) // most)

    def chosen(name: str) -> np.ndarray:
        """Copied block by block, since a block may be on disk and is only to be in memory while it is read."""
        return np.concatenate([np.array(_scalars_first(block[name])[::step]) for block in blocks], axis=2)

    few = [chosen(name) for name in sizes if sizes[name]]
    moved = [draws[~constant(draws)].astype(float) for draws in few if draws.shape[2] >= FEWEST_DRAWS]
    if not any(len(draws) for draws in moved):
        return {}
    draws = np.concatenate(moved)
    statistics = mixing(draws, tuple("mcse_mean" if name == "mcse" else name for name in wanted))
    if "mcse_mean" in statistics:
        statistics["mcse"] = statistics.pop("mcse_mean") / draws.std(axis=(1, 2), ddof=1)
    worst = {
        "r_hat": ("max", np.max),
        "mcse": ("max", np.max),
        "ess_bulk": ("min", np.min),
        "ess_tail": ("min", np.min),
    }
    return {f"{name}_{worst[name][0]}": float(worst[name][1](values)) for name, values in statistics.items()}


def heavy(summary: pd.DataFrame) -> pd.Series:
    """Which rows have tails so heavy that the standard deviation is not known, [scalar]."""
    return summary["pareto_k"].notna() & summary["sd"].isna()


def labels(variable: xr.DataArray) -> list[str]:
    """The names of a variable's scalars, in the order of its values: `theta[Choate]`; `mu` if it is one itself."""
    dims = [dim for dim in variable.dims if dim not in ("chain", "draw")]
    if not dims:
        return [title(variable)]
    values = [variable.coords[dim].values if dim in variable.coords else range(variable.sizes[dim]) for dim in dims]
    return [f"{title(variable)}[{', '.join(map(str, index))}]" for index in product(*values)]


def title(variable: xr.DataArray) -> str:
    """What a variable is called in the program."""
    return str(variable.attrs.get(SITE, variable.name))


def scalars(variable: xr.DataArray) -> np.ndarray:
    """A variable's draws, [scalar, chain, draw], in the order of `labels`."""
    return _scalars_first(variable.transpose("chain", "draw", ...).values)


def pieces(variable: xr.DataArray) -> Iterator[tuple[list[str], np.ndarray]]:
    """A variable's names and draws, [scalar, chain, draw], piece by piece: a large one is never whole in memory."""
    ordered, names = variable.transpose("chain", "draw", ...), labels(variable)
    if ordered.size <= MOST_IN_PIECE or ordered.ndim == 2:
        yield names, scalars(ordered)
        return
    inner = int(np.prod(ordered.shape[3:]))
    step = max(MOST_IN_PIECE // (ordered.shape[0] * ordered.shape[1] * inner), 1)
    for first in range(0, ordered.shape[2], step):
        part = ordered.isel({ordered.dims[2]: slice(first, first + step)})
        yield names[first * inner : (first + step) * inner], scalars(part)


def moving(result: Result) -> Iterator[tuple[list[str], np.ndarray]]:
    """The names and the draws, [scalar, chain, draw], of what is sampled and not constant, piece by piece."""
    posterior = group(result, "posterior")
    for variable in (posterior[name] for name in result.sampled if name in posterior):
        for names, draws in pieces(variable):
            moved = ~constant(draws)
            if moved.any():
                yield list(compress(names, moved)), draws[moved].astype(float)


def constant(draws: np.ndarray) -> np.ndarray:
    """Which scalars take one value only, up to rounding; NaN is no value. [..., chain, draw] -> [...]."""
    if draws.dtype.kind != "f":
        return np.asarray((draws == draws[..., :1, :1]).all(axis=(-2, -1)))
    with np.errstate(invalid="ignore", over="ignore"):
        low, high = draws.min(axis=(-2, -1)), draws.max(axis=(-2, -1))
        return np.asarray(high - low <= ROUNDING * np.finfo(draws.dtype).eps * np.maximum(abs(low), abs(high)))


def mixing(draws: np.ndarray, wanted: tuple[str, ...] = ("mcse_mean", "ess_bulk", "ess_tail", "r_hat")) -> Columns:
    """What the draws are worth, [scalar, chain, draw] -> [scalar]; NaN where they are constant or not finite."""
    compute = {
        "mcse_mean": array_stats.mcse,
        "ess_bulk": array_stats.ess,
        "ess_tail": _ess_tail,
        "r_hat": array_stats.rhat,
    }
    known = np.isfinite(draws).all(axis=(1, 2)) & ~constant(draws)
    numbers = {name: np.full(len(draws), np.nan) for name in wanted}
    with np.errstate(all="ignore"):
        for name, column in numbers.items():
            column[known] = compute[name](draws[known].astype(float))
    return numbers


def _ess_tail(draws: np.ndarray) -> np.ndarray:
    """The smaller effective sample size of both tails; a discrete scalar may have one tail only, or none (NaN)."""
    tails = []
    for probability in TAILS:
        ess = array_stats.ess(draws, method="quantile", prob=probability)
        quantile = np.quantile(draws, probability, axis=(1, 2), keepdims=True)
        tails.append(np.where(constant(draws <= quantile), np.nan, ess))
    return np.fmin(*tails)


def _of_draws(result: Result) -> Iterator[tuple[list[str], Columns]]:
    for variable in group(result, "posterior").data_vars.values():
        for names, draws in pieces(variable):
            numbers = _moments(draws.astype(float)) | mixing(draws)
            numbers["sd"] = np.where(constant(draws), 0.0 * numbers["sd"], numbers["sd"])
            yield names, numbers | _existing(draws, numbers)
    means, variances = group(result, "posterior_mean"), group(result, "posterior_variance")
    for name, mean in means.data_vars.items():
        counts = group(result, "posterior_count")["draws"].values
        numbers = _of_blocks(_scalars_first(mean.values), _scalars_first(variances[name].values), counts)
        yield labels(mean.rename(block="draw")), numbers


def _existing(draws: np.ndarray, numbers: Columns) -> Columns:
    """The shape of the tails, and the moments without those that do not exist; discrete scalars are not asked."""
    if draws.dtype.kind != "f":
        return {"pareto_k": np.full(len(draws), np.nan)}
    k, error, least = tails.shape(draws.astype(float), numbers["ess_tail"])
    no_sd, no_mean = tails.unknown(k, error, least)
    gone = {"sd": no_sd, "mcse_mean": no_sd, "mean": no_mean}
    return {"pareto_k": k} | {name: np.where(where, np.nan, numbers[name]) for name, where in gone.items()}


def _of_blocks(means: np.ndarray, variances: np.ndarray, counts: np.ndarray) -> Columns:
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


def _moments(draws: np.ndarray) -> Columns:
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


def _scalars_first(draws: np.ndarray) -> np.ndarray:
    """[chain, draw, ...] -> [scalar, chain, draw]."""
    return np.moveaxis(draws.reshape(*draws.shape[:2], -1), 2, 0)
