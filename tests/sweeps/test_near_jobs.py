"""Jobs that finished jobs of their sweep answer, or begin."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from console import QUIET, Said, credo

MEANS = (
    "data=inline", "data.values=[1.2,0.7,-0.3,2.0]", "model=gaussian", "inference=nuts", "inference.warmup=400",
    "inference.draws=500", "diagnostics.checks.r_hat.threshold=1.05", *QUIET, "sweep.compare=false",
    "hydra.sweep.dir=s",
)  # fmt: skip


def sweep(cwd: Path, *words: str) -> Said:
    said = credo("-m", *MEANS, *words, cwd=cwd)
    assert said.code == 0, said.err
    return said


def provenance(cwd: Path, number: int) -> dict[str, object]:
    return json.loads((cwd / "s" / str(number) / "provenance.json").read_text())


def draws(cwd: Path, number: int) -> np.ndarray:
    with xr.open_datatree(cwd / "s" / str(number) / "posterior.nc", engine="netcdf4") as tree:
        return tree["posterior/loc"].to_numpy()


def posterior_mean(scale: float) -> float:
    return 3.6 / (1 / scale**2 + 4)


@pytest.mark.parametrize("key", ["sweep.reuse=importance", "sweep.warm_start=true"])
def test_an_answer_in_memory_is_that_of_its_files(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / name for name in ("remembered", "read")]
    for folder, most in zip(folders, (2**24, -1), strict=True):
        folder.mkdir()
        monkeypatch.setattr("credo.experiment.near.MOST_BYTES", most)
        sweep(folder, key, "model.prior.loc.loc=0", "model.prior.loc.scale=1,1.5")
        assert {"reweighted", "warm_start"} & set(provenance(folder, 1))
    remembered, read = (draws(folder, 1) for folder in folders)
    np.testing.assert_array_equal(remembered, read)


@pytest.mark.parametrize("launcher", ["basic", "compiled"])
def test_draws_of_a_neighbour_are_reweighted(launcher: str, tmp_path: Path) -> None:
    words = (f"hydra/launcher={launcher}", "sweep.reuse=importance", "model.prior.loc.loc=0")
    sweep(tmp_path, *words, "model.prior.loc.scale=1,1.5,0.7")
    assert "reweighted" not in provenance(tmp_path, 0)
    assert len({provenance(tmp_path, number)["fingerprint"] for number in range(3)}) == 3
    for number, scale in ((1, 1.5), (2, 0.7)):
        about = provenance(tmp_path, number)["reweighted"]
        assert isinstance(about, dict)
        assert about["folder"] == str(tmp_path / "s" / "0")
        assert about["pareto_k"] < 0.5
        verdict = json.loads((tmp_path / "s" / str(number) / "verdict.json").read_text())
        (check,) = [one for one in verdict["checks"] if one["name"] == "pareto_k"]
        assert check["status"] == "passed"
        assert check["advice"].startswith("These are the draws of job 0, reweighted")
        metrics = json.loads((tmp_path / "s" / str(number) / "metrics.json").read_text())
        assert metrics["gradients"] == 0
        assert metrics["ess_bulk_min"] < 2000
        assert draws(tmp_path, number).mean() == pytest.approx(posterior_mean(scale), abs=0.06)


def test_a_job_is_refitted_that_no_neighbour_can_answer(tmp_path: Path) -> None:
    """Of another seed; of a prior so far away that no weights are good enough; by too few draws."""
    prior = "model.prior.loc.loc=0"
    sweep(tmp_path, "sweep.reuse=importance", prior, "model.prior.loc.scale=1,1e-9", "seed=0,1")
    assert not any("reweighted" in provenance(tmp_path, number) for number in range(4))
    (tmp_path / "few").mkdir()
    sweep(tmp_path / "few", "sweep.reuse=importance", prior, "model.prior.loc.scale=1,1.5", "inference.draws=60")
    assert "reweighted" not in provenance(tmp_path / "few", 1)


def test_chains_begin_where_those_of_the_nearest_job_are(tmp_path: Path) -> None:
    words = ("sweep.warm_start=true", "model.prior.loc.loc=0", "model.prior.loc.scale=1,5,4")
    sweep(tmp_path, "hydra/launcher=compiled", *words)
    assert "warm_start" not in provenance(tmp_path, 0)
    about = provenance(tmp_path, 2)["warm_start"]
    assert isinstance(about, dict)
    assert about["folder"] == str(tmp_path / "s" / "1")
    assert about["warmup"] == 100
    evaluations = [json.loads((tmp_path / "s" / str(n) / "metrics.json").read_text())["gradients"] for n in range(3)]
    assert max(evaluations[1:]) < evaluations[0]
    assert draws(tmp_path, 2).mean() == pytest.approx(posterior_mean(4.0), abs=0.06)
    said = credo("reproduce", "s/2", cwd=tmp_path)
    assert said.code == 2
    assert "has chains that began at those of" in said.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("sweep.reuse=weights",), "sweep.reuse: expected importance, or null, but got weights"),
        (("sweep.reuse=importance", "inference=map"), "sweep.reuse: inference=map has no chains of their own"),
    ],
)
def test_what_cannot_be_reused_is_said(words: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    base = ("data=coin_flips", "model=bernoulli", *QUIET, "hydra.sweep.dir=s", "seed=0,1", "sweep.compare=false")
    said = credo("-m", *base, *words, cwd=tmp_path)
    assert sentence in said.err + said.out
    assert said.code == (2 if "weights" in words[0] else 0)


def test_a_single_run_reads_neither(tmp_path: Path) -> None:
    said = credo(*MEANS[:-2], "sweep.warm_start=true", cwd=tmp_path)
    assert said.code == 2
    assert "sweep.warm_start: only a sweep reads it" in said.err
