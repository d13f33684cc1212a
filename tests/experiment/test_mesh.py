"""`device.mesh`: rows over the devices of one machine, the same density, and the same posterior."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from console import QUIET, credo, credo_process
from credo.errors import ConfigError
from credo.experiment import device

DIABETES = ("experiment=diabetes", "data.test_fraction=0", "inference=nuts", "inference.warmup=300", *QUIET)

DENSITY = """
from dataclasses import replace

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import xarray as xr

from credo.experiment import device
from credo.inference.density import potential
from credo.models.problem import Problem
from credo.models.program import Program


def model(x, y):
    beta = numpyro.sample("beta", dist.Normal(0, 2).expand([x.shape[1]]).to_event(1))
    with numpyro.plate("obs", len(y)):
        numpyro.sample("y", dist.StudentT(4.0, x @ beta, 1.5), obs=y)


if __name__ == "__main__":
    device.start("cpu", "float64", None, None, {"chains": 2, "data": 2})
    rng = np.random.default_rng(0)
    rows = {"x": (("obs", "feature"), rng.normal(size=(1000, 7))), "y": ("obs", rng.normal(size=1000))}
    whole = Problem(Program("density:model", {}), xr.Dataset(rows))
    parts = replace(whole, mesh=(2, 2))
    for array in parts.bound.arrays.values():
        assert sorted({str(shard.index[0]) for shard in array.addressable_shards}) == [
            "slice(0, 500, None)",
            "slice(500, 1000, None)",
        ]
    slope = jax.jit(lambda bound, z: jax.value_and_grad(potential(bound))(z))
    (one, by_one), (four, by_four) = (slope(p.bound, {"beta": np.linspace(-1, 1, 7)}) for p in (whole, parts))
    np.testing.assert_allclose(four, one, rtol=1e-10)
    np.testing.assert_allclose(by_four["beta"], by_one["beta"], rtol=1e-10)
"""


def test_density_and_gradient_are_those_of_one_device(tmp_path: Path) -> None:
    (tmp_path / "density.py").write_text(DENSITY)
    done = subprocess.run([sys.executable, "density.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_posteriors_agree(tmp_path: Path) -> None:
    assert credo_process(*DIABETES, "hydra.run.dir=one", cwd=tmp_path).code == 0
    said = credo_process(
        *DIABETES, "device=cpu", "device.mesh={chains: 2, data: 2}", "hydra.run.dir=four", cwd=tmp_path
    )
    assert said.code == 0, said.err
    one, four = (pd.read_csv(tmp_path / run / "summary.csv", index_col="variable") for run in ("one", "four"))
    apart = (one["mean"] - four["mean"]).abs() / np.hypot(one["mcse_mean"], four["mcse_mean"])
    assert apart.max() < 4
    with xr.open_datatree(tmp_path / "four" / "posterior.nc", engine="netcdf4") as tree:
        assert tree["posterior"].sizes["chain"] == 4


@pytest.mark.slow
def test_chains_whose_trees_differ_do_not_wait_for_each_other_forever(tmp_path: Path) -> None:
    words = (
        "experiment=eight_schools",
        "device=cpu",
        "device.mesh={chains: 2, data: 2}",
        "inference.warmup=200",
        *QUIET,
    )
    said = credo_process(*words, "inference.draws=100", cwd=tmp_path)
    assert said.code == 0, said.err


@pytest.mark.parametrize("mesh", [{}, {"rows": 2}, {"chains": 0}, {"data": True}, 4])
def test_only_numbers_of_devices_for_chains_and_data_are_taken(mesh: object) -> None:
    with pytest.raises(ConfigError, match=r"device\.mesh: expected"):
        device.mesh_of(mesh)


def test_shares_that_are_not_equal_are_refused(tmp_path: Path) -> None:
    words = (*DIABETES, "device=cpu", "hydra.run.dir=r")
    said = credo(*words, "device.mesh={chains: 1, data: 1}", "device.num_devices=3", cwd=tmp_path)
    assert said.code == 2
    assert "device.mesh: 1 x 1 devices are not the 3 of device.num_devices" in said.err
    said = credo_process(*words, "device.mesh={data: 4}", cwd=tmp_path)
    assert said.code == 2
    assert "device.mesh.data=4: 442 rows cannot be divided into 4 equal parts" in said.err
    said = credo_process(*words, "device.mesh={chains: 3}", cwd=tmp_path)
    assert "device.mesh.chains=3: 4 chains cannot be divided into 3 equal parts" in said.err
    assert not (tmp_path / "r").exists()


def test_chains_that_share_devices_and_rows_do_not_run_one_after_another(tmp_path: Path) -> None:
    words = ("experiment=eight_schools", "device=cpu", "device.mesh={chains: 2, data: 2}", *QUIET)
    said = credo_process(*words, "inference.chain_method=sequential", cwd=tmp_path)
    assert said.code == 2
    assert "inference.chain_method=sequential: chains on devices that share the rows, too, advance in step" in said.err
