"""Each pair of coordinates has the correlation that makes up the mutual information."""

from collections.abc import Callable

import numpy as np
import pytest

from credo.data.correlated_gaussians import CorrelatedGaussians
from credo.models.base import Model


@pytest.fixture
def model() -> Model:
    return None  # type: ignore[return-value]  # it is not asked


@pytest.mark.parametrize("mi", [2, 6])
def test_rho_is_that_of_the_reference(mi: int, reference: Callable[[str], dict]) -> None:
    known = reference("closed_forms.json")["infonce_20d_correlated_gaussian"][f"MI{mi}"]["rho"]
    assert CorrelatedGaussians(20, mi, rows=2, test_fraction=0.0, split_seed=0).rho == pytest.approx(known, rel=1e-14)


def test_covariance(model: Model) -> None:
    """Of 40,000 rows a covariance is known to at most sqrt(2 / 40,000) = 0.0071; 36 of them, each within 4.5 of these.

    Right draws fail once in 4,000 times.
    """
    source = CorrelatedGaussians(4, 1.5, rows=40_000, test_fraction=0.0, split_seed=0)
    data = source.load(model, 0)
    both = np.concatenate([data["x"], data["y"]], axis=1)
    expected = np.block([[np.eye(4), source.rho * np.eye(4)], [source.rho * np.eye(4), np.eye(4)]])
    np.testing.assert_allclose(np.cov(both.T), expected, atol=4.5 * 0.0071)


def test_ends_and_names(model: Model) -> None:
    assert CorrelatedGaussians(3, 0.0, rows=2, test_fraction=0.0, split_seed=0).rho == 0
    data = CorrelatedGaussians(2, 50.0, rows=10, test_fraction=0.2, split_seed=1).load(model, 0)
    np.testing.assert_allclose(data["x"], data["y"], atol=1e-9)
    assert data.attrs == {"mutual_information": 50.0}
    assert data["feature"].values.tolist() == ["x1", "x2"]
    assert data["target"].values.tolist() == ["y1", "y2"]
    assert (data["split"] == "test").sum() == 2
    assert data.identical(CorrelatedGaussians(2, 50.0, rows=10, test_fraction=0.2, split_seed=1).load(model, 7))
