"""Have chains converged, and what are their draws worth? Of all scalars at once.

R-hat is the larger of the rank-normalised and the folded split R-hat; effective sample sizes are those of the
rank-normalised draws (bulk), of the draws themselves (mean) and of indicators (quantiles): Vehtari, Gelman, Simpson,
Carpenter and Bürkner (2021), "Rank-normalization, folding, and localization: An improved R-hat", Bayesian Analysis
16(2), sections 3 and 4. Autocorrelations end by the initial monotone sequence of Geyer (1992), "Practical Markov chain
Monte Carlo", Statistical Science 7(4), section 3.3. The numbers are those of ArviZ, which takes one scalar after
another; other than there, draws are constant only where all are equal, however small they are.
"""

from collections.abc import Callable
from functools import cached_property, partial

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy.fft import irfft, rfft
from scipy.fft import next_fast_len
from scipy.special import betaincinv, ndtri

from credo.cores import each

Draws = Float[np.ndarray, "scalar chain draw"]
Numbers = Float[np.ndarray, "scalar"]

AT_ONCE = 2**18
"""Draws that are worked on at once, so that what is made of them stays in the processor's cache."""

FEWEST_DRAWS = 4

_ONE_SD = (0.1586553, 0.8413447)
"""The quantiles of a normal distribution at one standard deviation."""


class Chains:
    """The draws of some scalars, and what several statistics make of them.

    Args:
        draws: finite.
    """

    def __init__(self, draws: Draws) -> None:
        self.draws = draws

    @cached_property
    def halves(self) -> Float[np.ndarray, "scalar half half_draw"]:
        """Each chain as two, its first and its second half; the draw between them is left out."""
        return _split(self.draws)

    @cached_property
    def scores(self) -> Float[np.ndarray, "scalar half half_draw"]:
        """The normal scores of the halves."""
        return scores(self.halves)

    def below(self, prob: float) -> Bool[np.ndarray, "scalar chain draw"]:
        """Which draws are at most a quantile of all."""
        return self.draws <= np.quantile(self.draws, prob, axis=(1, 2), keepdims=True)


def of(
    draws: Shaped[np.ndarray, "scalar chain draw"], *statistics: Callable[[Chains], Numbers]
) -> Float[np.ndarray, "statistic scalar"]:
    """Some statistics of all scalars; NaN where a draw is not finite, or where there are fewer than four per chain.

    Example:
        >>> draws = np.random.default_rng(0).normal(size=(1, 4, 1000))
        >>> worst, size = of(draws, r_hat, ess_bulk)
        >>> bool(worst[0] < 1.01), bool(size[0] > 3000)
        (True, True)
    """
    found = np.full((len(statistics), len(draws)), np.nan)
    if draws.shape[2] < FEWEST_DRAWS:
        return found
    step = max(AT_ONCE // max(draws[:1].size, 1), 1)

    @np.errstate(all="ignore")
    def some(first: int) -> None:
        part = np.asarray(draws[first : first + step], float)
        known = np.isfinite(part).all(axis=(1, 2))
        if known.any():
            chains = Chains(part if known.all() else part[known])
            found[:, first : first + step][:, known] = [statistic(chains) for statistic in statistics]

    each(some, range(0, len(draws), step))
    return found


def r_hat(chains: Chains, together: int = 1) -> Numbers:
    """R-hat; NaN of one chain.

    Args:
        chains: at least two.
        together: so many neighbouring chains began at one point; R-hat is then the nested one of Margossian et al.
            (2024), "Nested R-hat", Bayesian Analysis, equation 8.
    """
    if chains.draws.shape[1] < 2:
        return np.full(len(chains.draws), np.nan)
    ratio = _ratio if together == 1 else partial(_nested, together=together, chains=chains.draws.shape[1])
    folded = np.abs(chains.halves - np.median(chains.halves, axis=(1, 2), keepdims=True))
    return np.fmax(ratio(chains.scores), ratio(scores(folded)))


def ess_bulk(chains: Chains) -> Numbers:
    """The effective sample size of the rank-normalised draws."""
    return _ess(chains.scores)


def ess_mean(chains: Chains) -> Numbers:
    """The effective sample size for the mean."""
    return _ess(chains.halves)


def ess_quantile(chains: Chains, prob: float) -> Numbers:
    """The effective sample size for a quantile."""
    return _ess(_split(chains.below(prob).astype(float)))


def mcse_mean(chains: Chains) -> Numbers:
    """The Monte Carlo standard error of the mean."""
    return chains.draws.std(axis=(1, 2), ddof=1) / np.sqrt(ess_mean(chains))


def mcse_quantile(chains: Chains, prob: float) -> Numbers:
    """Half of the distance between the order statistics that a standard error of the quantile leads to."""
    ess = ess_quantile(chains, prob)
    ordered = np.sort(chains.draws.reshape(len(ess), -1), axis=1)
    last = ordered.shape[1] - 1
    low, high = shares_of_quantile(ess, prob).T * (last + 1) - 1
    ends = np.stack([np.floor(np.fmax(low, 0)), np.ceil(np.fmin(high, last))], axis=1).astype(int)
    return np.diff(np.take_along_axis(ordered, ends, axis=1), axis=1)[:, 0] / 2


def shares_of_quantile(ess: Numbers, prob: float) -> Float[np.ndarray, "scalar 2"]:
    """The shares of draws below a quantile, one standard deviation of its error down and up."""
    with np.errstate(invalid="ignore"):
        return betaincinv(ess[:, None] * prob + 1, ess[:, None] * (1 - prob) + 1, np.array(_ONE_SD))


def scores(draws: Draws) -> Draws:
    """The normal scores of the draws' ranks (Vehtari et al. 2021, equation 14); equal draws have their mean rank.

    Example:
        >>> scores(np.array([[[3.0, 1.0, 2.0]]])).round(2)
        array([[[ 0.87, -0.87,  0.  ]]])
    """
    flat = draws.reshape(len(draws), -1)
    count = flat.shape[1]
    order = np.argsort(flat, axis=1)
    of_rank = ndtri((np.arange(2, 2 * count + 1) / 2 - 0.375) / (count + 0.25))  # of 1, 1.5, ..., count
    placed = np.repeat(of_rank[None, ::2], len(flat), axis=0)
    ordered = np.take_along_axis(flat, order, axis=1)
    if (equal := ordered[:, 1:] == ordered[:, :-1]).any():
        _share(placed, of_rank, equal)
    found = np.empty(flat.shape)
    np.put_along_axis(found, order, placed, axis=1)
    return found.reshape(draws.shape)


def _share(
    placed: Float[np.ndarray, "scalar draw"],
    of_rank: Float[np.ndarray, " rank"],
    equal: Bool[np.ndarray, "scalar pair"],
) -> None:
    """Give the scores of their mean rank to draws in order of which some are equal to the next one."""
    count = placed.shape[1]
    pairs = np.flatnonzero(np.pad(equal, ((0, 0), (0, 1))))
    begins = np.flatnonzero(np.diff(pairs, prepend=-2) > 1)  # of a run of equal draws
    lengths = np.diff(begins, append=len(pairs)) + 1
    first = pairs[begins]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    twice = 2 * (first % count) + lengths - 1  # the first and the last rank, counted from 0
    placed.ravel()[np.repeat(first, lengths) + within] = np.repeat(of_rank[twice], lengths)


def _split(draws: Draws) -> Float[np.ndarray, "scalar half half_draw"]:
    half = draws.shape[2] // 2
    return np.concatenate([draws[..., :half], draws[..., -half:]], axis=1)


def _ratio(draws: Draws) -> Numbers:
    """R-hat of chains as they are (Vehtari et al. 2021, equation 3)."""
    count = draws.shape[2]
    between = count * draws.mean(axis=2).var(axis=1, ddof=1)
    within = draws.var(axis=2, ddof=1).mean(axis=1)
    return np.sqrt((between / within + count - 1) / count)


def _nested(draws: Draws, together: int, chains: int) -> Numbers:
    """The nested R-hat of chains of which so many neighbours belong together; their halves come one after another."""
    ids = np.arange(draws.shape[1]) % chains // together
    groups = [np.flatnonzero(ids == one) for one in np.unique(ids)]
    means, variances = draws.mean(axis=2), draws.var(axis=2, ddof=1)
    own = np.stack([means[:, group].mean(axis=1) for group in groups], axis=1)
    spread = [means[:, group].var(axis=1, ddof=1) + variances[:, group].mean(axis=1) for group in groups]
    return np.sqrt(1 + own.var(axis=1, ddof=1) / np.mean(spread, axis=0))


def _ess(draws: Draws) -> Numbers:
    """The effective sample size of chains as they are (Vehtari et al. 2021, equations 10 to 13).

    Autocorrelations of neighbouring lags, an even and an odd one, are taken together: their sums are positive and
    fall. They are summed up to the first sum that is not positive, and of this pair the even one is, where it is
    positive.
    """
    chains, count = draws.shape[1:]
    covariance = _autocovariance(draws)
    within = covariance[:, :1] * (count / (count - 1))
    total = covariance[:, :1].copy()
    if chains > 1:
        total += draws.mean(axis=2).var(axis=1, ddof=1)[:, None]
    rho = 1 - (within - covariance) / total
    rho[:, 0] = 1.0
    most = max((count - 3) // 2, 0)
    even, odd = rho[:, : 2 * most + 1 : 2], rho[:, 1 : 2 * most + 2 : 2]
    sums = even + odd
    ended = ~(sums > 0)
    ended[:, -1] = True
    last = ended.argmax(axis=1)[:, None]  # the pair of which only the even lag counts
    falling = np.minimum.accumulate(sums, axis=1)
    counted = np.where(np.arange(sums.shape[1]) < last, falling, 0.0).sum(axis=1)
    of_last, sum_of_last = (np.take_along_axis(of, last, axis=1)[:, 0] for of in (even, sums))
    tau = 2 * counted - 1 + np.where((of_last > 0) | (sum_of_last >= 0), of_last, 0.0)
    size = chains * count
    ess = np.where(np.isnan(rho[:, 1]), np.nan, size / np.maximum(tau, 1 / np.log10(size)))
    constant = (draws == draws[:, :1, :1]).all(axis=(1, 2))
    return np.where(constant, float(size), ess)


def _autocovariance(draws: Draws) -> Float[np.ndarray, "scalar lag"]:
    """The mean of the chains' autocovariances, divided by the number of draws at each lag."""
    count = draws.shape[2]
    length = next_fast_len(2 * count, real=True)
    spectrum = rfft(draws - draws.mean(axis=2, keepdims=True), n=length, axis=2)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    return np.asarray(irfft(power.mean(axis=1), n=length, axis=1)[:, :count] / count)
