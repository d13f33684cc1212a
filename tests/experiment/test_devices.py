"""Several devices: the chains are spread over them, and their draws are the same."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import pytest
import xarray as xr

from console import QUIET, credo_process
from credo import cores
from credo.errors import ConfigError
from credo.experiment import device
from credo.inference.mcmc.layout import Layout, _mesh
from credo.runs import provenance


@pytest.mark.slow
@pytest.mark.parametrize("method", ["nuts", "hmc", "mh"])
def test_draws_do_not_depend_on_the_number_of_devices(method: str, tmp_path: Path) -> None:
    words = ("experiment=eight_schools", f"inference={method}", "inference.warmup=100", "inference.draws=50", *QUIET)
    trees = []
    for count in (1, 2, 4, "auto"):
        run = f"hydra.run.dir={count}"
        assert credo_process(*words, "device=cpu", f"device.num_devices={count}", run, cwd=tmp_path).code == 0
        trees.append(xr.open_datatree(tmp_path / str(count) / "posterior.nc", engine="netcdf4"))
    for tree in trees[1:]:
        for group in trees[0].children:
            xr.testing.assert_identical(tree[group].to_dataset(), trees[0][group].to_dataset())
    for tree in trees:
        tree.close()


def test_a_run_on_several_devices_goes_on_with_programs_that_are_kept(tmp_path: Path) -> None:
    words = ("experiment=eight_schools", "inference.warmup=20", "inference.draws=20", *QUIET, "device.num_devices=2")
    assert credo_process(*words, "device.compilation_cache=kept", "hydra.run.dir=run", cwd=tmp_path).code == 0
    longer = credo_process("extend", "run", "--draws", 20, cwd=tmp_path)
    assert (longer.code, "Traceback" in longer.err) == (0, False), longer.err
    with xr.open_datatree(tmp_path / "run" / "posterior.nc", engine="netcdf4") as tree:
        assert tree["posterior"].sizes["draw"] == 40


def test_cores_are_those_that_are_left_to_a_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cores, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(12)), raising=False)
    monkeypatch.delenv("NPROC", raising=False)
    assert cores.cores() == 12
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert cores.cores() == 12
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    assert cores.cores() == 3
    for said, left in (("2", 2), ("64", 3), ("0", 1), ("many", 3)):
        monkeypatch.setenv("NPROC", said)
        assert cores.cores() == left


def test_auto_divides_a_cpu_unless_it_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def update(name: str, value: int) -> None:
        asked.append((name, value))

    fake: Any = SimpleNamespace(config=SimpleNamespace(update=update))
    monkeypatch.setattr(device, "cores", lambda: 40)
    monkeypatch.setenv("XLA_FLAGS", "")
    device._divide_as_far_as_possible(fake)
    assert asked == [("jax_num_cpu_devices", device.MOST)]
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=3")
    device._divide_as_far_as_possible(fake)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("num_devices", "platform", "in_turn", "devices"),
    [("auto", "cpu", True, 8), ("auto", "cpu", False, 1), ("auto", "gpu", False, 8), (8, "cpu", False, 8)],
)
def test_what_gains_nothing_by_several_devices_has_one(
    num_devices: Any, platform: str, in_turn: bool, devices: int
) -> None:
    used = {"platform": platform, "devices": 8, "precision": "float64"}
    try:
        assert device.settled(used, num_devices, in_turn=in_turn) == {**used, "devices": devices}
        assert (jax.config.jax_default_device is None) == (devices == 8)
    finally:
        jax.config.update("jax_default_device", None)


@pytest.mark.parametrize(("chains", "there", "used"), [(4, 3, 2), (4, 16, 4), (6, 4, 3), (5, 4, 1), (1, 8, 1)])
def test_devices_share_the_chains_evenly(chains: int, there: int, used: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr(jax, "devices", lambda: list(range(there)))
    monkeypatch.setattr(jax, "make_mesh", lambda shape, *_, **__: made.append(shape[0]))
    _mesh(Layout(chains, 10, 1, 10, in_step=False))
    assert made == [used]


def test_a_word_that_is_no_number_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^device\.num_devices: expected one of auto, null, a number, but got 'all'"):
        device.start("cpu", "float64", "all", None)


def test_auto_is_no_other_experiment() -> None:
    """Since draws do not depend on it: sweeps find what earlier releases finished."""
    same = [
        provenance.fingerprint({"device": {"platform": "cpu", "num_devices": one}}, "data") for one in (None, "auto")
    ]
    assert same[0] == same[1] != provenance.fingerprint({"device": {"platform": "cpu", "num_devices": 2}}, "data")
