"""The rows follow the density that is said of them."""

import numpy as np
import pytest

from credo.data.lopsided import LOG_SD, SD, SHARE, Lopsided, density
from credo.models.base import Model


@pytest.fixture
def model() -> Model:
    return None  # type: ignore[return-value]  # it is not asked


def test_the_rows(model: Model) -> None:
    """Of 5,000 rows on each side standard deviations are known to 1 %, and the share to 0.006: seven of them."""
    data = Lopsided(rows=10_000, test_fraction=0.0, split_seed=0).load(model, 0)
    y, x = data["y"].to_numpy(), data["x"].to_numpy()[:, 0]
    left, far = (x < 0) & (np.abs(np.sin(x)) > 0.5), np.abs(np.sin(x))
    upper = np.abs(y - np.sin(x)) < np.abs(y + np.sin(x))
    assert abs((upper[left]).mean() - SHARE) < 0.045
    off = (np.abs(y) - far)[left]
    assert abs(off.std() / SD - 1) < 0.08
    assert abs(np.log(y[x >= 0] + 1).std() / LOG_SD - 1) < 0.07


@pytest.mark.parametrize("x", [-2.5, -1.0, -0.1, 0.0, 1.0])
def test_the_density_is_one(x: float) -> None:
    y = np.linspace(-3, 6, 200_001)
    assert np.trapezoid(density(y, np.array(x)), y) == pytest.approx(1.0, abs=1e-6)
