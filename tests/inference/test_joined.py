"""Blocks on disk or in memory as one array: whatever is asked of it is what the whole would answer."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from credo.inference.base import Snapshot
from credo.inference.lazy import Joined
from credo.runs import netcdf
from credo.runs.checkpoint import Checkpoint

BLOCKS = [np.random.default_rng(seed).normal(size=(3, size, 5)) for seed, size in enumerate((4, 1, 7))]
WHOLE = np.concatenate(BLOCKS, axis=1)


@pytest.fixture(params=["memory", "disk"])
def joined(request: pytest.FixtureRequest, tmp_path: Path) -> Joined:
    checkpointer = Checkpoint(tmp_path, None, {})
    blocks = [{"posterior/x": block, "other": block[..., 0]} for block in BLOCKS]
    spilled = [checkpointer.spill(block) for block in blocks]
    return Joined(blocks if request.param == "memory" else spilled, "posterior/x")


@pytest.mark.parametrize(
    "key",
    [
        np.s_[:, :, :], np.s_[1], np.s_[:, 4], np.s_[:, 3:6, 1:3], np.s_[0, ::3, 2], np.s_[:, 11, :], np.s_[:, 5:5],
        np.s_[2, 0, 0], np.s_[:, 1:12:4, ::2],
    ],
)  # fmt: skip
def test_every_piece_is_that_of_the_whole(key: tuple, joined: Joined) -> None:
    assert (joined.shape, joined.ndim, joined.nbytes) == (WHOLE.shape, 3, WHOLE.nbytes)
    lazy = xr.Variable(("chain", "draw", "dim"), joined.lazy())
    assert np.array_equal(lazy[key].values, WHOLE[key])
    assert np.array_equal(joined.whole(), WHOLE)


def test_a_tree_on_disk_is_written_piece_by_piece(
    joined: Joined, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dims, coords = ("chain", "draw", "dim"), {"dim": list("abcde"), "chain": range(3), "draw": range(12)}
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"x": (dims, joined.lazy()), "s": (dims[:2], WHOLE[..., 0])}, coords),
            "observed_data": xr.Dataset({"y": ("obs", np.zeros(3))}),
        }
    )
    monkeypatch.setattr(netcdf, "MOST_BYTES", 400)
    netcdf.write(tree, tmp_path / "posterior.nc")
    with xr.open_datatree(tmp_path / "posterior.nc", engine="netcdf4") as read:
        assert np.array_equal(read["posterior"]["x"], WHOLE)
        assert list(read["posterior"]["x"].coords["dim"].values) == list("abcde")
        xr.testing.assert_identical(read["posterior"]["s"], tree["posterior"]["s"])
        xr.testing.assert_identical(read["observed_data"].to_dataset(), tree["observed_data"].to_dataset())


def test_shelves_and_loose_blocks_come_back_in_order(tmp_path: Path) -> None:
    blocks = [{"x": block} for block in BLOCKS]
    checkpointer = Checkpoint(tmp_path, 60.0, {})
    kept = [blocks[0], checkpointer.spill(blocks[1]), blocks[2]]
    checkpointer.save(Snapshot({}, {}, kept[:2]))
    checkpointer.save(Snapshot({}, {}, kept))
    again = Checkpoint(tmp_path, 60.0, {}, resumed=True)
    again.check()
    found = again.load()
    assert found is not None
    assert np.array_equal(np.concatenate([block["x"] for block in found.blocks], axis=1), WHOLE)
    more = again.spill({"x": WHOLE})
    again.done(Snapshot({}, {}, [*found.blocks, more]))
    assert sorted(file.name for file in (tmp_path / "checkpoint").iterdir()) == [
        "before.npz", "blocks-0.npz", "blocks-2.npz", "spill-0", "spill-1", "state.npz",
    ]  # fmt: skip
    again.finish()
    assert [file.name for file in (tmp_path / "checkpoint").iterdir()] == ["state.npz"]
