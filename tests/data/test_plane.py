"""Each density is where it should be, and its entropy is the one given."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.datasets import make_moons

from credo.data.plane import ENTROPIES, Plane
from credo.errors import ConfigError
from credo.models.base import Model

ROWS = 20_000
NOISE = {"two_moons": 0.1, "eight_gaussians": 0.5, "checkerboard": 0.0, "four_rings": 0.08}


@pytest.fixture
def model() -> Model:
    return None  # type: ignore[return-value]  # it is not asked


def points(density: str, model: Model, noise: float | None = None) -> np.ndarray:
    noise = NOISE[density] if noise is None else noise
    return np.asarray(Plane(density, noise, rows=ROWS, test_fraction=0.0, split_seed=0).load(model, 0)["y"])


def normal_mixture(y: np.ndarray, centres: np.ndarray, sd: float) -> np.ndarray:
    """Log density [obs] of a Gaussian about each of the centres [centre, target]."""
    squares = ((y[:, None] - centres) ** 2).sum(-1) / sd**2
    return logsumexp(-squares / 2, axis=1) - np.log(len(centres) * 2 * np.pi * sd**2)


def two_moons(y: np.ndarray, noise: float) -> np.ndarray:
    angle = (np.arange(200) + 0.5) * np.pi / 200
    outer = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return normal_mixture(y, np.concatenate([outer, [1, 0.5] - outer]), noise)


def eight_gaussians(y: np.ndarray, noise: float) -> np.ndarray:
    angle = np.arange(8) * np.pi / 4
    return normal_mixture(y, 4 * np.stack([np.cos(angle), np.sin(angle)], axis=1) / 2**0.5, noise / 2**0.5)


def checkerboard(y: np.ndarray, noise: float) -> np.ndarray:
    assert noise == 0
    dark = (np.floor(y / 2).sum(1) % 2 == 0) & (np.abs(y) <= 4).all(1)
    return np.where(dark, -np.log(32), -np.inf)


def four_rings(y: np.ndarray, noise: float) -> np.ndarray:
    radius = np.linalg.norm(y, axis=1)[:, None]
    squares = ((radius - [0.75, 1.5, 2.25, 3.0]) / noise) ** 2
    return logsumexp(-squares / 2, axis=1) - np.log(4 * np.sqrt(2 * np.pi) * noise * 2 * np.pi * radius[:, 0])


LAWS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    law.__name__: law for law in (two_moons, eight_gaussians, checkerboard, four_rings)
}


@pytest.mark.parametrize(("density", "noise"), ENTROPIES)
def test_the_mean_log_density_is_minus_the_entropy(density: str, noise: float, model: Model) -> None:
    """Within 4 standard errors, which draws of the right law miss once in 16,000 times."""
    log_p = LAWS[density](points(density, model, noise), noise)
    error = log_p.std() / ROWS**0.5
    assert abs(log_p.mean() + ENTROPIES[density, noise]) <= 4 * error + 1e-5


def test_the_entropies_are_those_of_the_reference(reference: Callable[[str], dict]) -> None:
    known = reference("closed_forms.json")["toy_2d_entropy_nats"]
    words = {"two_moons": "two_moons_noise_{}", "four_rings": "four_rings_radial_noise_{}"}
    for (density, noise), entropy in ENTROPIES.items():
        assert known[words.get(density, density).format(noise)] == pytest.approx(entropy, abs=1e-6)


@pytest.mark.parametrize("density", LAWS)
def test_the_plane_is_filled_as_its_law_says(density: str, model: Model) -> None:
    """The counts of a grid's cells by chi-squared; the law is integrated over 4 x 4 nodes of each cell."""
    y, nodes, side = points(density, model), 4, 40
    edges = np.linspace(-5, 5, side + 1)
    fine = -5 + 10 * (np.arange(side * nodes) + 0.5) / (side * nodes)
    grid = np.stack(np.meshgrid(fine, fine, indexing="ij"), -1).reshape(-1, 2)
    density_there = np.exp(LAWS[density](grid, NOISE[density])).reshape(side, nodes, side, nodes)
    expected = ROWS * density_there.mean((1, 3)) * (10 / side) ** 2
    assert expected.sum() == pytest.approx(ROWS, rel=2e-3)
    counts = np.histogram2d(*y.T, bins=[edges, edges])[0]
    many = expected >= 5
    z = ((counts - expected)[many] ** 2 / expected[many]).sum() - many.sum()
    assert abs(z) < 4.5 * np.sqrt(2 * many.sum())


def test_the_moons_are_scikit_learns(model: Model) -> None:
    """Without noise, all of its points lie on our half circles."""
    ours, theirs = points("two_moons", model, 0.0), make_moons(200, noise=None)[0]
    nearest = np.linalg.norm(theirs[:, None] - ours, axis=-1).min(1)
    assert nearest.max() < 0.01


def test_rows_split_and_entropy(model: Model) -> None:
    one, same, other = (
        Plane("two_moons", 0.1, rows=50, test_fraction=0.2, split_seed=seed).load(model, run)
        for seed, run in ((1, 0), (1, 5), (2, 0))
    )
    assert one.identical(same)
    assert not one.equals(other)
    assert (one["split"] == "test").sum() == 10
    assert one["target"].values.tolist() == ["y1", "y2"]
    assert one.attrs == {"entropy": 1.00758}
    assert Plane("two_moons", 0.2, rows=50, test_fraction=0.2, split_seed=1).load(model, 0).attrs == {}


def test_a_density_is_one_of_four() -> None:
    with pytest.raises(ConfigError, match=r"^data\.density: got 'two_moon'; did you mean 'two_moons'\?$"):
        Plane("two_moon", 0.1, rows=50, test_fraction=0.0, split_seed=0)
