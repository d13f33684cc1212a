"""Leave-one-out of very many observations, of which some were left out: what is known of all.

Magnusson, Riis Andersen, Jonasson and Vehtari (2019), "Bayesian leave-one-out cross-validation for large data", ICML,
section 3.2: the log densities with and without an observation differ by what varies little, so that the differences of
few tell their sum. ArviZ's `loo_subsample` has the same for one site.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float, Int

from credo.diagnostics.summary import title
from credo.inference import pointwise

VARIED = 0.4
"""The posterior variance of a log likelihood from which on importance sampling is doubtful (Vehtari, Gelman and Gabry
2017, section 2.2)."""


class LogMeans(NamedTuple):
    """The likelihood of the observations of a site.

    - **every** - the log of the mean of each.
    - **variance** - of the log of each.
    - **drawn** - the numbers, among them, of those that are left out.
    """

    every: Float[np.ndarray, "observation"]
    variance: Float[np.ndarray, "observation"]
    drawn: Int[np.ndarray, "left_out"]


class Completed(NamedTuple):
    """All observations.

    - **elpd** - of each; where it was not left out, the log of its mean likelihood and the mean difference of the
      others, so that the sum is the difference estimate.
    - **p** - of each, or the mean of the others.
    - **variance** - of the sum of the log densities, over data sets.
    - **error** - the standard error of this sum by the drawing of those that were left out; 0 where all were.
    """

    elpd: Float[np.ndarray, "observation"]
    p: Float[np.ndarray, "observation"]
    variance: float
    error: float

    @property
    def se(self) -> float:
        """The standard error of the sum, by the data and by the drawing; NaN of one observation."""
        return float(np.sqrt(self.variance + self.error**2)) if len(self.elpd) > 1 else float("nan")


class Drawn(NamedTuple):
    """Observations that were drawn to be left out.

    - **number** - how many.
    - **every** - of how many.
    - **error** - of `elpd_loo` by the drawing, in nats.
    - **varied** - how many of the others have a log likelihood that varies much.
    """

    number: int
    every: int
    error: float
    varied: int

    @property
    def words(self) -> str:
        """What was done."""
        return (
            f"{self.number:,} of {self.every:,} observations, drawn by the hash of the data, were left out one at a "
            f"time; that the others were not adds {self.error:.2g} nats to the standard error of elpd_loo."
        )

    @property
    def doubt(self) -> str:
        """That others may have a large Pareto k."""
        return (
            f"The log likelihood of {self.varied:,} others varies so much that their Pareto k may be large. Leave all "
            "out with diagnostics.rows_max=null, or compare models by held-out data."
        )


def log_means(tree: xr.DataTree) -> dict[str, LogMeans]:
    """By the title of a site of which some observations stand for all; empty where all are there."""
    if pointwise.GROUP not in tree.children:
        return {}
    found = {}
    for name, moments in tree[pointwise.GROUP].to_dataset().data_vars.items():
        log_mean, _, variance, _ = moments.to_numpy()
        counts = np.flatnonzero(np.isfinite(log_mean))
        rows = pointwise.places(tree["log_likelihood"].to_dataset()[name])
        drawn = np.arange(len(counts)) if rows is None else np.searchsorted(counts, rows)
        found[title(moments)] = LogMeans(log_mean[counts], variance[counts], drawn)
    return found


def completed(left_out: pd.DataFrame, known: Mapping[str, LogMeans]) -> Completed:
    """All observations, from those that were left out.

    Args:
        left_out: one row per observation that was left out: `site`, `elpd`, `p`.
        known: the observations of sites of which some were left out.
    """
    elpd, p, error = [], [], 0.0
    sites = [(str(site), rows) for site, rows in left_out.groupby("site", sort=False)]
    for site, rows in sites:
        own, own_p = rows["elpd"].to_numpy(), rows["p"].to_numpy()
        if site in known:
            every, _, drawn = known[site]
            difference = own - every[drawn]
            error += len(every) ** 2 * (1 - len(own) / len(every)) * difference.var(ddof=1) / len(own)
            whole, effective = every + difference.mean(), np.full(len(every), own_p.mean())
            whole[drawn], effective[drawn] = own, own_p
            own, own_p = whole, effective
        elpd.append(own)
        p.append(own_p)
    found = np.concatenate(elpd)
    squares = sum(_squares(rows["elpd"].to_numpy(), known.get(site), found.mean()) for site, rows in sites)
    count = len(found)
    variance = (squares + error / count) * count / (count - 1) if count > 1 else float("nan")
    return Completed(found, np.concatenate(p), max(variance, 0.0), float(np.sqrt(error)))


def _squares(elpd: Float[np.ndarray, "left_out"], known: LogMeans | None, centre: float) -> float:
    """The sum of the squared distances of all log densities of a site from a number."""
    own = np.square(elpd - centre)
    if known is None:
        return float(own.sum())
    every = np.square(known.every - centre)
    return float(every.sum() + len(every) * (own - every[known.drawn]).mean())


def drawn_of(tree: xr.DataTree, left_out: pd.DataFrame) -> Drawn | None:
    """What is to be said where not every observation was left out."""
    if not (known := log_means(tree)):
        return None
    every, varied = completed(left_out, known), 0
    for one in known.values():
        variance = one.variance.copy()
        variance[one.drawn] = 0.0
        varied += int((variance > VARIED).sum())
    return Drawn(len(left_out), len(every.elpd), every.error, varied)
