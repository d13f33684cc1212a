"""Groups of a program have the names that the data give them."""

import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
import xarray as xr

from console import QUIET, credo
from credo.models.plates import labels
from credo.models.problem import Problem
from credo.models.program import Program

WARDS = """\
import numpyro
import numpyro.distributions as dist


def model(hospital, age, n_hospital_level, y=None):
    with numpyro.plate("hospital", n_hospital_level):
        a = numpyro.sample("a", dist.Normal(0, 5))
    with numpyro.plate("row", len(age)):
        numpyro.sample("y", dist.Normal(a[hospital] + age, 1), obs=y)
"""


def test_a_plate_has_the_words_of_the_column_of_its_name(tmp_path):
    (tmp_path / "wards.py").write_text(WARDS)
    table = pd.DataFrame({"hospital": ["Rome", "Bern", "Rome", "Oslo"], "age": [1.0, 2, 3, 4], "y": [1.0, 2, 2, 5]})
    table.to_csv(tmp_path / "wards.csv", index=False)
    words = ("data=csv", "data.path=wards.csv", "data.columns=[hospital,age,y]", "model=program", "inference=map")
    said = credo(*words, "model.function=wards:model", "hydra.run.dir=run", *QUIET, cwd=tmp_path)
    assert said.code == 0, said
    for name in ("a[Bern]", "a[Oslo]", "a[Rome]"):
        assert name in said.out
    with xr.open_datatree(tmp_path / "run" / "posterior.nc", engine="netcdf4") as tree:
        assert tree["posterior"]["hospital"].values.tolist() == ["Bern", "Oslo", "Rome"]
        means = tree["posterior"]["a"].values.ravel()
    assert means == pytest.approx([0, 1 * 25 / 26, -0.5 * 50 / 51], abs=1e-3)  # of y - age, shrunk by the prior


def of(y):
    """A school per row: its effect stands in the order of the rows, not of the names."""
    with numpyro.plate("school", len(y)):
        theta = numpyro.sample("theta", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(theta, 1), obs=y)


def test_a_plate_of_rows_is_called_as_the_rows_are(monkeypatch):
    monkeypatch.setattr("credo.models.program.load", lambda _: of)
    names = {"school": ("obs", [2, 0, 1]), "y": ("obs", [1.0, 2.0, 3.0])}
    data = xr.Dataset(names, {"school_level": ["Bern", "Oslo", "Rome"], "obs": np.arange(3)})
    problem = Problem(Program("a:b", {}), data.drop_vars("school"))
    assert labels(problem, data, "school", 3).tolist() == ["Rome", "Bern", "Oslo"]
    assert labels(problem, data, "schools", 3).tolist() == ["Bern", "Oslo", "Rome"]
    assert labels(problem, data, "school", 4).tolist() == [0, 1, 2, 3]
    assert labels(problem, data, "other", 2).tolist() == [0, 1]


def test_a_deterministic_of_vectors_has_the_axis_of_its_plate(monkeypatch):
    def effects(y):
        mu = numpyro.sample("mu", dist.Normal().expand([2]).to_event(1))
        with numpyro.plate("group", 5):
            z = numpyro.sample("z", dist.Normal().expand([2]).to_event(1))
            numpyro.deterministic("effect", mu + z)
            numpyro.deterministic("mean", mu)
            numpyro.deterministic("first", z[:, 0])
            numpyro.sample("y", dist.Normal(z.sum(-1), 1.0), obs=y)

    monkeypatch.setattr("credo.models.program.load", lambda _: effects)
    problem = Problem(Program("a:b", {}), xr.Dataset({"y": ("row", np.zeros(5))}))
    dims = {site.name: site.dims for site in problem.sites}
    assert dims["z"] == ("group", "z_dim_1")
    assert dims["effect"] == ("group", "effect_dim_1")
    assert dims["mean"] == ("mean_dim_0",)
    assert dims["first"] == ("group",)
