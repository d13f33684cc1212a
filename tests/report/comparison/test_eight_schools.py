"""The comparison of the three textbook models of eight schools equals that of ArviZ, with exact draws of each."""

import re
from pathlib import Path

import arviz_stats
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fake_runs import config, finished, result
from scipy.stats import halfcauchy, multivariate_normal, norm

from console import Said, credo
from credo.data.eight_schools import EFFECTS, SCHOOLS, STANDARD_ERRORS

Y, SIGMA = np.array(EFFECTS), np.array(STANDARD_ERRORS)
LABELS = {"hierarchical": "eight schools", "gaussian": "eight schools, pooled", "program": "eight schools, unpooled"}
SHAPE = (4, 500)


def gaussian(random: np.random.Generator, prior_variance: np.ndarray, data_mean: np.ndarray, data_variance: np.ndarray):
    """Draws of a mean with a prior N(0, prior_variance) and an estimate of it."""
    variance = 1 / (1 / prior_variance + 1 / data_variance)
    return random.normal(variance * data_mean / data_variance, np.sqrt(variance))


def posteriors() -> dict[str, dict[str, np.ndarray]]:
    """By model, independent draws of its exact posterior [chain, draw, ...]; tau by its marginal on a fine grid."""
    random = np.random.default_rng(0)
    taus = (np.arange(4000) + 0.5) / 100
    log_density = [multivariate_normal.logpdf(Y, cov=np.diag(SIGMA**2 + tau**2) + 25) for tau in taus]
    density = np.exp(np.array(log_density) - max(log_density)) * halfcauchy.pdf(taus, scale=5)
    tau = random.choice(taus, SHAPE, p=density / density.sum())
    each = SIGMA**2 + tau[..., None] ** 2
    precision = (1 / each).sum(-1)
    mu = gaussian(random, np.full(SHAPE, 25.0), (Y / each).sum(-1) / precision, 1 / precision)
    theta = mu[..., None] + gaussian(random, tau[..., None] ** 2 + 0 * Y, Y - mu[..., None], SIGMA**2)
    weight = (1 / SIGMA**2).sum()
    loc = gaussian(random, np.full(SHAPE, 25.0), (Y / SIGMA**2).sum() / weight, 1 / weight)
    own = gaussian(random, np.full((*SHAPE, 8), 100.0), Y, SIGMA**2)
    return {
        "hierarchical": {"mu": mu, "tau": tau, "theta": theta},
        "gaussian": {"loc": loc},
        "program": {"theta": own},
    }


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    folder = tmp_path_factory.mktemp("schools")
    for model, posterior in posteriors().items():
        theta = posterior["theta"] if "theta" in posterior else posterior["loc"][..., None]
        found = result(posterior, norm.logpdf(Y, theta, SIGMA), school=list(SCHOOLS))
        finished(folder / model, config(name=LABELS[model], model={"_target_": model}), found, model=model)
    return folder, credo("compare", *LABELS, "--out", "compared", cwd=folder)


def test_it_is_the_comparison_of_arviz(compared: tuple[Path, Said]) -> None:
    ours = pd.read_csv(compared[0] / "compared" / "comparison.csv", index_col="label")
    trees = {
        label: xr.open_datatree(compared[0] / model / "posterior.nc", engine="netcdf4")
        for model, label in LABELS.items()
    }
    with pytest.warns(UserWarning, match="Pareto"):
        arviz = arviz_stats.compare(trees, method="stacking", round_to="none")
    assert list(ours.index) == list(arviz.index)
    names = {"elpd_loo": "elpd", "elpd_loo_se": "se", "p_loo": "p", "elpd_diff": "elpd_diff", "dse": "dse"}
    for own, theirs in (names | {"weight": "weight"}).items():
        assert ours[own].tolist() == pytest.approx(arviz[theirs].astype(float).tolist(), rel=1e-9, abs=1e-12), own
    high = [int(re.match(r"\d*", said)[0] or 0) for said in arviz["diag_elpd"]]  # type: ignore[index]
    assert ours["pareto_k_high"].tolist() == high
    assert sum(high) > 0


def test_pooling_predicts_better(compared: tuple[Path, Said]) -> None:
    ours = pd.read_csv(compared[0] / "compared" / "comparison.csv", index_col="label")
    assert list(ours.index) == ["eight schools, pooled", "eight schools", "eight schools, unpooled"]
    assert ours["elpd_diff"].iloc[2] < -2 * ours["dse"].iloc[2]


def test_what_a_person_reads(compared: tuple[Path, Said]) -> None:
    code, out, err = compared[1].code, compared[1].out, compared[1].err
    assert (code, err) == (0, "")
    assert "No clear winner: all predict about equally well, though elpd_loo is not reliable" in out
    assert re.search(r"eight schools, pooled +gaussian +passed", out)
    assert "elpd_loo rests on 8 observations" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    assert "compared/comparison.html" in out


def test_the_effects_are_drawn_side_by_side(compared: tuple[Path, Said]) -> None:
    page = (compared[0] / "compared" / "comparison.html").read_text()
    assert "Posteriors side by side" in page
    assert "Leave-one-out differences" in page
