"""Every input has two targets: the branches are where they should be."""

import numpy as np
import pytest

from credo.data.branches import NOISE, Branches
from credo.models.base import Model


@pytest.fixture
def model() -> Model:
    return None  # type: ignore[return-value]  # it is not asked


def test_the_branches(model: Model) -> None:
    """Of 10,000 rows the noise's standard deviation is known to 0.7 %; 5 % off is seven standard errors."""
    data = Branches(rows=10_000, test_fraction=0.0, split_seed=0).load(model, 0)
    y, x = data["y"].to_numpy(), data["x"].to_numpy()[:, 0]
    off = np.abs(y) - (1 + np.sin(2 * x) / 2)
    assert abs(off.std() / NOISE - 1) < 0.05
    assert abs((y > 0).mean() - 0.5) < 0.025
    assert (x.min(), x.max()) == (pytest.approx(-2, abs=0.01), pytest.approx(2, abs=0.01))


def test_the_rows_are_those_of_the_split_seed(model: Model) -> None:
    one, same, other = (
        Branches(rows=50, test_fraction=0.3, split_seed=seed).load(model, run) for seed, run in ((1, 0), (1, 5), (2, 0))
    )
    assert one.identical(same)
    assert not one.identical(other)
    assert (one["split"] == "test").sum() == 15
