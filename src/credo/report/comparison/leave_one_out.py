"""Which configuration predicts an observation best that it has not seen: by leave-one-out, stacking and differences.

The pointwise predictive densities are those of `credo.diagnostics.loo`, which also has the references; ArviZ compares
them. Stacking weights: Yao, Vehtari, Simpson and Gelman (2018), "Using stacking to average Bayesian predictive
distributions", Bayesian Analysis 13(3).
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from credo.diagnostics.completed import completed
from credo.report.comparison.runs import Run
from credo.runs import saved

THRESHOLD = 0.7
"""The largest Pareto k that is reliable, with many draws."""


@dataclass(frozen=True)
class LeftOut:
    """The expected log predictive density of every observation, each left out by itself.

    Attributes:
        sites: the observed variables and how many observations each has.
        elpd: [observation], in nats; over several seeds, the mean.
        p: [observation], the effective number of parameters.
        pareto_k: [observation]; over several seeds, the largest.
        good_k: up to which Pareto k an observation's density is reliable.
        draws: of how many draws.
        of_runs: `elpd_loo` of each run.
        drawn: of sites of which some observations stand for all, how many there are, and by how much the densities of
            those that were left out differ from the log of their mean likelihood; over several seeds, the mean.
    """

    sites: Mapping[str, int]
    elpd: np.ndarray
    p: np.ndarray
    pareto_k: np.ndarray
    good_k: float
    draws: int
    of_runs: tuple[float, ...]
    drawn: Mapping[str, tuple[int, np.ndarray]] = field(default_factory=dict)

    @property
    def se(self) -> float:
        """The standard error of the sum over the observations, by the data and by the drawing of some."""
        if len(self.elpd) < 2:
            return math.nan
        return float(math.hypot(math.sqrt(len(self.elpd)) * self.elpd.std(ddof=1), error_of_drawing(self.drawn)))

    @property
    def high_k(self) -> int:
        """How many observations change the posterior too much when they are left out."""
        return int((self.pareto_k > self.good_k).sum())


def of(runs: Sequence[Run]) -> LeftOut | None:
    """Leave out every observation of the runs of one configuration; `None` where one of them does not allow it."""
    if not all((run.folder / saved.LEFT_OUT).exists() for run in runs):
        return None
    found = [_of_run(run) for run in runs]
    return _mean(found) if all(one.sites == found[0].sites for one in found) else None


def _of_run(run: Run) -> LeftOut:
    rows, known = saved.left_out(run.folder, saved.BESIDES), saved.log_means(run.folder, saved.BESIDES)
    sites = {str(name): int(count) for name, count in rows["site"].value_counts(sort=False).items()}
    drawn = {
        site: (len(one.every), rows["elpd"].to_numpy()[(rows["site"] == site).to_numpy()] - one.every[one.drawn])
        for site, one in known.items()
    }
    draws, every = int(run.metrics["draws"]), completed(rows, known)
    bar = min(THRESHOLD, 1 - 1 / math.log10(max(2, draws)))
    sites |= {site: count for site, (count, _) in drawn.items()}
    return LeftOut(
        sites, every.elpd, every.p, rows["pareto_k"].to_numpy(), bar, draws, (float(every.elpd.sum()),), drawn
    )


def error_of_drawing(drawn: Mapping[str, tuple[int, np.ndarray]]) -> float:
    """The standard error of a sum over all observations, of which some were drawn."""
    return math.sqrt(sum(n**2 * (1 - len(off) / n) * off.var(ddof=1) / len(off) for n, off in drawn.values()))


def _between(one: LeftOut, other: LeftOut) -> float:
    """The standard error of the difference of two sums by the drawing, which takes the same observations of a site."""
    none = (0, np.zeros(()))
    sizes = {site: count for site, (count, _) in {**one.drawn, **other.drawn}.items()}
    return error_of_drawing(
        {site: (count, one.drawn.get(site, none)[1] - other.drawn.get(site, none)[1]) for site, count in sizes.items()}
    )


def _mean(found: Sequence[LeftOut]) -> LeftOut:
    return LeftOut(
        found[0].sites,
        np.mean([one.elpd for one in found], axis=0),
        np.mean([one.p for one in found], axis=0),
        np.max([one.pareto_k for one in found], axis=0),
        min(one.good_k for one in found),
        sum(one.draws for one in found),
        tuple(value for one in found for value in one.of_runs),
        {
            site: (n, np.mean([one.drawn[site][1] for one in found if site in one.drawn], axis=0))
            for site, (n, _) in found[0].drawn.items()
        },
    )


def compare(found: Mapping[str, LeftOut]) -> pd.DataFrame:
    """Compare by ArviZ, the best first.

    Returns:
        By label: `elpd_diff` to the best, at most 0, and its standard error `dse`; `weight`, the stacking weight.
    """
    import_module("numpyro")  # before ArviZ, which puts another one in its place, without its submodules
    arviz: Any = import_module("arviz_stats")
    every = {
        label: arviz.ELPDDataLOO(
            elpd=float(one.elpd.sum()),
            se=one.se,
            p=float(one.p.sum()),
            n_samples=one.draws,
            n_data_points=len(one.elpd),
            scale="log",
            warning=one.high_k > 0,
            good_k=one.good_k,
            elpd_i=xr.DataArray(one.elpd, dims="observation"),
            pareto_k=xr.DataArray(one.pareto_k, dims="observation"),
        )
        for label, one in found.items()
    }
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # `Comparison.notes` has it in our own words
        table: pd.DataFrame = arviz.compare(every, method="stacking", round_to="none")
    best = found[str(table.index[0])]
    table["dse"] = [math.hypot(dse, _between(found[str(label)], best)) for label, dse in table["dse"].items()]
    return table[["elpd_diff", "dse", "weight"]].astype(float)
