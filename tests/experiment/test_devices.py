"""Several devices: the chains are spread over them, and their draws are the same."""

from pathlib import Path

import pytest
import xarray as xr

from console import QUIET, credo_process

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("method", ["nuts", "hmc", "mh"])
def test_draws_do_not_depend_on_the_number_of_devices(method: str, tmp_path: Path) -> None:
    words = ("experiment=eight_schools", f"inference={method}", "inference.warmup=100", "inference.draws=50", *QUIET)
    trees = []
    for count in (1, 2, 4):
        run = f"hydra.run.dir={count}"
        assert credo_process(*words, "device=cpu", f"device.num_devices={count}", run, cwd=tmp_path).code == 0
        trees.append(xr.open_datatree(tmp_path / str(count) / "posterior.nc", engine="netcdf4"))
    for tree in trees[1:]:
        for group in trees[0].children:
            xr.testing.assert_identical(tree[group].to_dataset(), trees[0][group].to_dataset())
    for tree in trees:
        tree.close()
