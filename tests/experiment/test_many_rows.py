"""A run with more observed rows than `diagnostics.rows_max`, from the command to its files, and made longer."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from console import credo

ROWS = 2500
WORDS = (
    "data=csv",
    "data.path=rows.csv",
    "data.target=y",
    "model=regression",
    "model.family=bernoulli",
    "inference=nuts",
    "inference.chains=2",
    "inference.warmup=60",
    "tracking=none",
    "device.compilation_cache=null",
)


def numbers(run: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((run / "metrics.json").read_text())
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("rows")
    x = np.random.default_rng(0).normal(size=(ROWS, 2))
    y = np.random.default_rng(1).uniform(size=ROWS) < 1 / (1 + np.exp(-x @ [1.0, -0.5]))
    pd.DataFrame(x, columns=["a", "b"]).assign(y=y.astype(int)).to_csv(place / "rows.csv", index=False)
    said = credo(*WORDS, "inference.draws=60", "diagnostics.rows_max=2100", "hydra.run.dir=some", cwd=place)
    assert said.code == 0, said.err
    said = credo(*WORDS, "inference.draws=60", "diagnostics.rows_max=null", "hydra.run.dir=all", cwd=place)
    assert said.code == 0, said.err
    return place


def test_the_draws_and_the_score_are_those_of_all_rows(folder: Path) -> None:
    some, whole = numbers(folder / "some"), numbers(folder / "all")
    with xr.open_datatree(folder / "some/posterior.nc") as one, xr.open_datatree(folder / "all/posterior.nc") as other:
        xr.testing.assert_identical(one["posterior"].to_dataset(), other["posterior"].to_dataset())
        assert one["log_likelihood"]["y"].shape == one["posterior_predictive"]["y"].shape == (2, 60, 2000)
        np.testing.assert_allclose(one["pointwise"]["y"][1], other["log_likelihood"]["y"].mean(("chain", "draw")))
    # Four standard errors; the seeds are fixed.
    assert abs(some["elpd_loo"] - whole["elpd_loo"]) < 4 * some["elpd_loo_subsampling_se"]
    assert "elpd_loo_subsampling_se" not in whole
    verdict = (folder / "some/verdict.json").read_text()
    assert "2,000 of 2,500 observations, drawn by the hash of the data" in verdict
    assert "2,000 of 2,500 rows of y were looked at" in verdict
    assert (folder / "some/report.html").exists()


def test_it_can_be_made_longer(folder: Path) -> None:
    said = credo("extend", "some", "--draws", "40", cwd=folder)
    assert said.code == 0, said.err
    with xr.open_datatree(folder / "some/posterior.nc") as tree:
        assert tree["log_likelihood"]["y"].shape == (2, 100, 2000)
        assert (tree["pointwise"]["y"].sel(moment="draws") == 200).all()
        each = tree["log_likelihood"]["y"]
        at = tree["pointwise"]["y"].sel(moment="mean").to_numpy()[each.coords["y_obs_place"].to_numpy()]
        np.testing.assert_allclose(at, each.mean(("chain", "draw")), rtol=1e-10)
    assert numbers(folder / "some")["elpd_loo_subsampling_se"] > 0


def test_runs_are_compared(folder: Path) -> None:
    said = credo("compare", "some", "all", cwd=folder)
    assert said.code == 0, said.err
