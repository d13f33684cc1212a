"""Have chains converged, and what are their draws worth? Statistics of plain arrays.

The effective sample size of the tails is the smaller one of the 5 % and 95 % quantiles; all others are in
`credo.chain_stats`. A statistic that cannot be computed is NaN, as is one of a constant.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Shaped

from credo import chain_stats
from credo.chain_stats import FEWEST_DRAWS, Chains
from credo.inference.grouping import APART, Grouping

TAILS = (0.05, 0.95)
ROUNDING = 4
"""A scalar whose draws span no more than this many units in the last place is constant."""


def running(
    blocks: Sequence[Mapping[str, np.ndarray]],
    most: int | None = 64,
    wanted: Iterable[str] = ("r_hat", "ess_bulk"),
    grouping: Grouping = APART,
) -> dict[str, float]:
    """Return the worst of some statistics of the draws so far.

    Constants are left out. NaN where there is one chain, or a draw that is not finite.

    Example:
        >>> halves = np.random.default_rng(0).normal(size=(2, 4, 500, 3))
        >>> sorted(running([{"theta": half} for half in halves]))
        ['ess_bulk_min', 'r_hat_max']

    Args:
        blocks: arrays [chains, draws, ...] by name, one block after another.
        most: about how many scalars to look at, spread evenly and at least one of each variable, so that a large model
            is not slowed down; `None` for all.
        wanted: `r_hat`, `ess_bulk`, `ess_tail`, `mcse` (in posterior standard deviations).
        grouping: which draws belong together.

    Returns:
        `r_hat_max`, `ess_bulk_min`, `ess_tail_min`, `mcse_max`, as wanted; empty before there are four draws of every
        walker, or where nothing moves.
    """
    draws = _moving(blocks, most, FEWEST_DRAWS * grouping.walkers)
    if not len(draws):
        return {}
    statistics = mixing(draws, tuple("mcse_mean" if name == "mcse" else name for name in wanted), grouping)
    if "mcse_mean" in statistics:
        statistics["mcse"] = statistics.pop("mcse_mean") / draws.std(axis=(1, 2), ddof=1)
    return {
        f"{name}_{word}": float(worst(values))
        for name, values in statistics.items()
        for word, worst in [("min", np.min) if name.startswith("ess") else ("max", np.max)]
    }


def _moving(
    blocks: Sequence[Mapping[str, np.ndarray]], most: int | None, fewest: int
) -> Float[np.ndarray, "scalar chain draw"]:
    """The draws of about so many scalars that are not constant; none before there are so few."""
    sizes = {name: int(np.prod(array.shape[2:])) for name, array in blocks[0].items()}
    step = 1 if most is None else -(-sum(sizes.values()) // most)

    def chosen(name: str) -> Shaped[np.ndarray, "scalar chain draw"]:
        """Copied block by block, since a block may be on disk and is only to be in memory while it is read."""
        return np.concatenate([np.array(scalars_first(block[name])[::step]) for block in blocks], axis=2)

    few = [chosen(name) for name in sizes if sizes[name]]
    moved = [draws[~constant(draws)].astype(float) for draws in few if draws.shape[2] >= fewest]
    return np.concatenate(moved) if any(len(draws) for draws in moved) else np.empty((0, 1, 1))


def constant(draws: Shaped[np.ndarray, "*scalar chain draw"]) -> Bool[np.ndarray, "*scalar"]:
    """Which scalars take one value only, up to rounding; NaN is no value. [..., chain, draw] -> [...].

    Example:
        >>> constant(np.array([[[1.0, 1.0], [1.0, 1.0]], [[1.0, 2.0], [3.0, 4.0]]]))
        array([ True, False])
    """
    if draws.dtype.kind != "f":
        return np.asarray((draws == draws[..., :1, :1]).all(axis=(-2, -1)))
    with np.errstate(invalid="ignore", over="ignore"):
        low, high = draws.min(axis=(-2, -1)), draws.max(axis=(-2, -1))
        return np.asarray(high - low <= ROUNDING * np.finfo(draws.dtype).eps * np.maximum(abs(low), abs(high)))


def mixing(
    draws: Shaped[np.ndarray, "scalar chain draw"],
    wanted: tuple[str, ...] = ("mcse_mean", "ess_bulk", "ess_tail", "r_hat"),
    grouping: Grouping = APART,
) -> dict[str, Float[np.ndarray, "scalar"]]:
    """What the draws are worth, [scalar, chain, draw] -> [scalar]; NaN where they are constant or not finite.

    Example:
        >>> draws = np.random.default_rng(0).normal(size=(1, 4, 1000))
        >>> known = mixing(draws, ("r_hat", "ess_bulk"))
        >>> bool(known["r_hat"][0] < 1.01), bool(known["ess_bulk"][0] > 3000)
        (True, True)
        >>> mixing(np.ones((1, 4, 1000)), ("r_hat",))
        {'r_hat': array([nan])}
    """
    compute: dict[str, Callable[[Chains], np.ndarray]] = {
        "mcse_mean": partial(_mcse_mean, walkers=grouping.walkers),
        "ess_bulk": partial(_ess_bulk, walkers=grouping.walkers),
        "ess_tail": partial(_ess_tail, walkers=grouping.walkers),
        "r_hat": partial(chain_stats.r_hat, together=grouping.chains),
    }
    moves = ~constant(draws)
    numbers = np.full((len(wanted), len(draws)), np.nan)
    numbers[:, moves] = chain_stats.of(draws if moves.all() else draws[moves], *(compute[name] for name in wanted))
    return dict(zip(wanted, numbers, strict=True))


def by_round(draws: Float[np.ndarray, "scalar chain draw"], walkers: int) -> Float[np.ndarray, "scalar chain round"]:
    """The means of so many neighbouring draws, one of each walker; draws of a last, incomplete round are left out.

    Walkers of an ensemble move by each other, each in its turn. Neighbouring draws are those of different walkers, and
    the autocorrelation of draws shows nothing at most of its lags; that of the means has all of it (Goodman & Weare
    2010, section 3).
    """
    if walkers == 1:
        return draws
    rounds = draws.shape[-1] // walkers
    return draws[..., : rounds * walkers].reshape(*draws.shape[:-1], rounds, walkers).mean(axis=-1)


def effective(draws: Float[np.ndarray, "scalar chain draw"], walkers: int = 1) -> Float[np.ndarray, "scalar"]:
    """How many independent draws have a mean that is as precise."""
    if walkers == 1:
        return np.asarray(chain_stats.of(draws, chain_stats.ess_mean)[0])
    error = chain_stats.of(by_round(draws, walkers), chain_stats.mcse_mean)[0]
    return np.asarray(draws.var(axis=(1, 2), ddof=1) / np.square(error))


def _mcse_mean(chains: Chains, walkers: int) -> Float[np.ndarray, "scalar"]:
    if walkers == 1:
        return chain_stats.mcse_mean(chains)
    return np.asarray(chain_stats.of(by_round(chains.draws, walkers), chain_stats.mcse_mean)[0])


def _ess_bulk(chains: Chains, walkers: int) -> Float[np.ndarray, "scalar"]:
    return chain_stats.ess_bulk(chains) if walkers == 1 else effective(chain_stats.scores(chains.draws), walkers)


def _ess_tail(chains: Chains, walkers: int) -> Float[np.ndarray, "scalar"]:
    """The smaller effective sample size of both tails; a discrete scalar may have one tail only, or none (NaN)."""
    tails = []
    for probability in TAILS:
        below = chains.below(probability)
        tails.append(np.where(constant(below), np.nan, effective(below.astype(float), walkers)))
    return np.fmin(*tails)


def scalars_first(draws: Shaped[np.ndarray, "chain draw ..."]) -> Shaped[np.ndarray, "scalar chain draw"]:
    """[chain, draw, ...] -> [scalar, chain, draw].

    Example:
        >>> scalars_first(np.zeros((4, 1000, 2, 3))).shape
        (6, 4, 1000)
    """
    return np.moveaxis(draws.reshape(*draws.shape[:2], -1), 2, 0)
