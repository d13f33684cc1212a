"""Energies as likelihoods: normalised densities, draws, families and what they refuse.

What is random is compared at 4.5 standard errors, which right draws miss with probability 7e-6. The seeds are fixed.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from jax.random import PRNGKey
from numpyro import handlers

from credo.energies.image import ImageModel
from credo.energies.ising import IsingModel
from credo.energies.model import EnergyModel
from credo.energies.neural import ConditionalModel, NeuralModel
from credo.energies.polynomial import PolynomialModel
from credo.energies.potts import PottsModel
from credo.energies.quadratic import QuadraticModel
from credo.energies.rbm import RbmModel
from credo.energies.samplers.auto import Auto
from credo.energies.samplers.base import Sampler
from credo.errors import ConfigError
from credo.models.ebm import Ebm
from credo.models.energy_distribution import EnergyDistribution
from credo.models.problem import Problem
from credo.models.simulate import simulate
from registry import values

pytestmark = pytest.mark.slow  # `make proofs` runs them

CONF = Path(__file__).parents[2] / "conf"
POSITIVE = ("leading", "scale", "inverse_temperature")
RANDOM = np.random.default_rng(0)


def family(cls: type[EnergyModel], **settings: Any) -> EnergyModel:
    """With the settings of its YAML."""
    known: dict[str, Any] = values(CONF / "energy" / f"{cls.__name__.removesuffix('Model').lower()}.yaml")
    return cls(**(known | settings))


def quick(names: Iterable[str], *every_time: str) -> list[Any]:
    """Parameters of which only these are tried every time, and the others are proofs."""
    return [pytest.param(name, marks=() if name in every_time else pytest.mark.slow) for name in names]


def ebm(energy: EnergyModel, sampler: Sampler | None = None, normaliser: str = "auto") -> Ebm:
    prior = {name: dist.Gamma(4.0, 4.0) if name in POSITIVE else dist.Normal(0.0, 1.0) for name in energy.supports}
    return Ebm(prior, energy, Auto(10, 0.1) if sampler is None else sampler, normaliser)


def rows(y: Any, **variables: Any) -> xr.Dataset:
    return xr.Dataset({"y": (("obs", "target")[: np.ndim(y)], np.asarray(y, float)), **variables})


def fitted(energy: EnergyModel, y: Any, *settings: Any, **variables: Any) -> Problem:
    data = rows(y, **variables)
    return Problem(ebm(energy, *settings).fitted(data), data)


@jax.jit
def drawn(program: Any, key: jax.Array, given: Any = None) -> tuple[EnergyDistribution, dict[str, jax.Array]]:
    """The distribution of the observations, and the latents, drawn from their priors where they are not given."""
    seeded = handlers.seed(handlers.substitute(program, data=given or {}), key)
    messages = handlers.trace(seeded).get_trace()
    latents = {name: m["value"] for name, m in messages.items() if m["type"] == "sample" and not m["is_observed"]}
    return messages["y"]["fn"], latents


# ------------------------------------------------------------------------------------------------ log densities

X = {"x": (("obs", "feature"), RANDOM.normal(size=(3, 1)))}
NETWORK = {"hidden": (4,), "dtype": "float64"}


def grid(low: float, high: float, points: int, dim: int = 1) -> tuple[np.ndarray, float]:
    """Points [point, dim] in the middle of cells, and the volume of a cell."""
    step = (high - low) / points
    axis = low + step * (np.arange(points) + 0.5)
    return np.array(list(product(axis, repeat=dim))), step**dim


def states(values: tuple[float, ...], dim: int) -> tuple[np.ndarray, float]:
    return np.array(list(product(values, repeat=dim))), 1.0


# latents come from the priors, so that the densities are any of their family
DENSITIES: dict[str, tuple[EnergyModel, np.ndarray, tuple[np.ndarray, float]]] = {
    "polynomial": (family(PolynomialModel, powers=(1, 2, 4)), RANDOM.normal(size=3), grid(-6, 6, 2000)),
    "quadratic": (family(QuadraticModel), RANDOM.normal(size=(3, 2)), grid(-14, 14, 240, 2)),
    "ising": (family(IsingModel, shape=(2, 3), fields=None), np.ones((3, 6)), states((-1.0, 1.0), 6)),
    "ising on a graph": (
        family(IsingModel, shape=(4,), edges=((0, 1), (1, 2), (0, 2)), couplings=None, inverse_temperature=1.0),
        np.ones((3, 4)),
        states((-1.0, 1.0), 4),
    ),
    "potts": (family(PottsModel, shape=(2, 2)), np.ones((3, 4)), states((0.0, 1.0, 2.0), 4)),
    "potts with couplings": (
        family(PottsModel, kinds=4, shape=(3,), couplings=None, inverse_temperature=0.7),
        np.ones((3, 3)),
        states((0.0, 1.0, 2.0, 3.0), 3),
    ),
    "rbm": (family(RbmModel, hidden=3), np.ones((3, 5)), states((0.0, 1.0), 5)),
    "rbm of few visible units": (family(RbmModel, hidden=20), np.ones((3, 3)), states((0.0, 1.0), 3)),
    "gaussian rbm": (family(RbmModel, visible="gaussian", hidden=3), RANDOM.normal(size=(3, 1)), grid(-14, 14, 2000)),
    "neural": (family(NeuralModel, **NETWORK), RANDOM.normal(size=3), grid(-14, 14, 2000)),
    "neural, plane": (family(NeuralModel, **NETWORK), RANDOM.normal(size=(3, 2)), grid(-14, 14, 240, 2)),
    "neural, bounds": (
        family(NeuralModel, **NETWORK, tail=None, bounds=((-1, 2),)),
        RANDOM.uniform(size=(3, 2)),
        grid(-1, 2, 200, 2),
    ),
}


@pytest.mark.parametrize("name", quick(DENSITIES, "polynomial", "ising", "rbm", "neural", "neural, bounds"))
def test_densities_are_the_energies_and_sum_to_one(name: str) -> None:
    energy, y, (points, cell) = DENSITIES[name]
    of = fitted(energy, y)
    of.check()
    distribution, _ = drawn(of.bound, PRNGKey(3))
    assert distribution.normalised
    assert distribution.shape() == y.shape

    @jax.jit
    def found(d: EnergyDistribution, points: Any) -> Any:
        assert d.normaliser is not None
        x = points[:, 0] if d.scalar else points
        return d.log_prob(x), d.energies(x), d.normaliser.log_z(d.energy), d.unnormalised().log_prob(x)

    log_prob, energies, log_z, unnormalised = found(distribution, points)
    np.testing.assert_allclose(log_prob, -energies - log_z, rtol=1e-10)
    np.testing.assert_array_equal(unnormalised, -energies)
    assert np.exp(log_prob).sum() * cell == pytest.approx(1.0, abs=1e-9 if cell == 1.0 else 1e-4)
    assert np.std(energies) > 0.1


def test_a_conditional_density_sums_to_one_in_every_row() -> None:
    y = RANDOM.normal(size=3)
    distribution, _ = drawn(fitted(family(ConditionalModel, **NETWORK), y, **X).bound, PRNGKey(3))
    points, cell = grid(-14, 14, 2000)
    log_prob = jax.jit(jax.vmap(lambda x: distribution.log_prob(jnp.full(3, x)), out_axes=1))(points[:, 0])
    np.testing.assert_allclose(np.exp(log_prob).sum(1) * cell, 1.0, atol=1e-4)
    assert np.std(log_prob, axis=0).max() > 0.1  # each has its own


@pytest.mark.slow
def test_a_quadratic_is_the_normal_distribution() -> None:
    """Of three numbers by NumPyro, its precision being L'L with L = (I - B) / s; each regresses on those before it."""
    y = RANDOM.normal(size=(5, 3))
    distribution, latents = drawn(fitted(family(QuadraticModel), y).bound, PRNGKey(4))
    b = np.zeros((3, 3))
    b[np.tril_indices(3, -1)] = latents["slope"]
    root = (np.eye(3) - b) / np.asarray(latents["scale"])[:, None]
    known = dist.MultivariateNormal(latents["mu"], precision_matrix=root.T @ root).log_prob(y)
    found = jax.jit(distribution.log_prob)(y)
    np.testing.assert_allclose(found, known, rtol=1e-9)
    mean = latents["mu"] + (y - latents["mu"]) @ b.T
    one_by_one = dist.Normal(mean, latents["scale"]).log_prob(y).sum(1)
    np.testing.assert_allclose(found, one_by_one, rtol=1e-9)


@pytest.mark.parametrize("name", quick(["polynomial", "ising", "rbm", "neural"], "polynomial"))
def test_without_a_normaliser_it_is_minus_the_energy(name: str) -> None:
    energy, y, _ = DENSITIES[name]
    of = fitted(energy, y, None, "none")
    distribution, _ = drawn(of.bound, PRNGKey(3))
    assert not distribution.normalised
    np.testing.assert_array_equal(distribution.log_prob(y), -distribution.energies(y))
    assert [site.normalised for site in of.named("observed")] == [False]
    assert [site.normalised for site in fitted(energy, y).named("observed")] == [True]


@pytest.mark.parametrize(
    ("energy", "y"),
    [
        (family(NeuralModel, **NETWORK), np.ones((4, 3))),
        (family(RbmModel, hidden=17), np.ones((4, 17))),
        (family(IsingModel, shape=(3, 3, 2), periodic=False), np.ones((4, 18))),
        (family(PottsModel, kinds=5, shape=(3, 3)), np.ones((4, 9))),
    ],
)
def test_where_z_is_intractable_it_says_so(energy: EnergyModel, y: np.ndarray) -> None:
    y[0] = y[1] * 0 if not isinstance(energy, IsingModel) else -y[1]
    assert [site.normalised for site in fitted(energy, y).named("observed")] == [False]


# -------------------------------------------------------------------------------------------------------- draws

MANY = 4000


def moments(name: str, distribution: EnergyDistribution) -> np.ndarray:
    """Means and mean squares of every number, by the points of `DENSITIES`."""
    points, cell = DENSITIES[name][2]
    p = np.exp(distribution.log_prob(points[:, 0] if distribution.scalar else points)) * cell
    return np.concatenate([p @ points, p @ points**2])


@pytest.mark.parametrize("name", quick(["polynomial", "ising", "potts", "rbm", "neural, plane"], "ising"))
def test_exact_draws_have_the_right_moments(name: str) -> None:
    """38 comparisons together, false alarms 3e-4."""
    energy, y, _ = DENSITIES[name]
    distribution, _ = drawn(fitted(energy, y).bound, PRNGKey(3))
    many = EnergyDistribution(
        distribution.energy,
        distribution.model,
        distribution.sampler,
        distribution.normaliser,
        MANY,
        distribution.scalar,
    )
    x = np.asarray(jax.jit(many.sample)(PRNGKey(1)))
    assert x.shape == (MANY, *y.shape[1:])
    compare(x.reshape(MANY, -1), moments(name, distribution))
    assert np.asarray(distribution.support(jnp.asarray(x))).all()


def compare(x: np.ndarray, known: np.ndarray) -> None:
    features = np.concatenate([x, x**2], 1)
    error = np.maximum(features.std(0), 1e-9) / np.sqrt(len(x))
    np.testing.assert_array_less(np.abs(features.mean(0) - known) / error, 4.5)


@pytest.mark.parametrize("name", quick(["quadratic", "rbm", "gaussian rbm"], "quadratic"))
def test_chains_have_the_right_moments(name: str) -> None:
    """Where there is no exact way: from the base, by the sampler. 16 comparisons together, false alarms 1e-4."""
    energy, y, _ = DENSITIES[name]
    distribution, _ = drawn(fitted(energy, y, None, "auto").bound, PRNGKey(3))
    many = EnergyDistribution(distribution.energy, distribution.model, Auto(10, 0.1), None, MANY, distribution.scalar)
    x = np.asarray(jax.jit(many.sample)(PRNGKey(1)))
    assert many.exactly(PRNGKey(0)) is None
    compare(x.reshape(MANY, -1), moments(name, distribution))


def test_draws_have_the_shapes_that_are_asked_for() -> None:
    ising, _ = drawn(fitted(*DENSITIES["ising"][:2]).bound, PRNGKey(3))
    scalar, _ = drawn(fitted(*DENSITIES["polynomial"][:2]).bound, PRNGKey(3))
    conditional, _ = drawn(fitted(family(ConditionalModel, **NETWORK), np.arange(3.0), **X).bound, PRNGKey(3))
    for distribution, shape in ((ising, (3, 6)), (scalar, (3,)), (conditional, (3,))):
        assert jax.eval_shape(distribution.sample, PRNGKey(0)).shape == shape
        assert jax.eval_shape(lambda key: distribution.sample(key, (2,)), PRNGKey(0)).shape == (2, *shape)  # noqa: B023
    several = np.asarray(jax.jit(lambda key: scalar.sample(key, (2, 5)))(PRNGKey(0)))
    assert several.shape == (2, 5, 3)
    assert len(np.unique(several)) == 30


SIMULATED: dict[str, tuple[EnergyModel, tuple[int, ...], tuple[float, ...] | None, dict[str, tuple[int, ...]]]] = {
    "ising": (
        family(IsingModel, shape=(2, 3), fields=None),
        (6,),
        (-1, 1),
        {"fields": (6,), "inverse_temperature": ()},
    ),
    "rbm": (
        family(RbmModel, hidden=2, size=3),
        (3,),
        (0, 1),
        {"weights": (3, 2), "visible_bias": (3,), "hidden_bias": (2,)},
    ),
    "gaussian rbm": (
        family(RbmModel, visible="gaussian", hidden=2, size=3),
        (3,),
        None,
        {"weights": (3, 2), "visible_bias": (3,), "hidden_bias": (2,)},
    ),
    "potts": (family(PottsModel, shape=(2, 2)), (4,), (0, 1, 2), {"inverse_temperature": ()}),
    "polynomial": (family(PolynomialModel), (), None, {"theta": (1,), "leading": ()}),
}


@pytest.mark.parametrize(
    ("name", "normaliser"),
    [
        *(pytest.param(name, "auto", marks=() if name == "ising" else pytest.mark.slow) for name in SIMULATED),
        pytest.param("polynomial", "none", marks=pytest.mark.slow),
    ],
)
def test_data_are_simulated(name: str, normaliser: str) -> None:
    energy, shape, values, latents = SIMULATED[name]
    model, empty = ebm(energy, None, normaliser), rows(np.zeros(30))
    observed, truth = simulate(model, empty, 1)
    assert {site: value.shape for site, value in truth.items()} == latents
    assert observed["y"].shape == (30, *shape)
    assert len(np.unique(observed["y"], axis=0)) > 1
    if values is not None:
        assert np.isin(observed["y"], values).all()
    if name == "polynomial":
        again, other = (simulate(model, empty, seed)[0]["y"] for seed in (1, 2))
        assert np.array_equal(observed["y"], again)
        assert not np.array_equal(observed["y"], other)
    Problem(model.fitted(rows(observed["y"])), rows(observed["y"])).check()


@pytest.mark.parametrize(
    "energy", [family(NeuralModel), family(QuadraticModel), family(ConditionalModel), family(RbmModel)]
)
def test_what_takes_its_sizes_from_data_cannot_be_simulated(energy: EnergyModel) -> None:
    sentence = (
        "data: this energy takes its sizes and scales from data, so that nothing can be drawn without any; use a "
        "table, or data=two_moons"
    )
    with pytest.raises(ConfigError) as refused:
        simulate(ebm(energy), rows(np.zeros(3)), 0)
    assert str(refused.value) == sentence


def test_one_lattice_tells_something_of_its_energy_and_one_point_does_not() -> None:
    one, many = ebm(family(IsingModel, shape=(3, 3))), ebm(family(QuadraticModel))
    assert (one.takes_one_row, many.takes_one_row) == (True, False)
    Problem(one.fitted(rows(np.ones((1, 9)))), rows(np.ones((1, 9)))).check()


# ----------------------------------------------------------------------------------------------------- networks


@pytest.mark.slow
def test_far_away_there_is_the_tail_alone() -> None:
    """|u|^2 / (2 tail^2), u in units of the rows' deviations, as tanh is bounded; a wider tail is flatter."""
    y = np.array([[0.0, 10.0], [2.0, 30.0]])  # of deviations 1 and 10 about 1 and 20
    for tail in (1.0, 4.0):
        energy = family(NeuralModel, hidden=(3,), activation="tanh", tail=tail)
        distribution, _ = drawn(fitted(energy, y).bound, PRNGKey(0))
        for away, u in (([1.0 + 1e3, 20.0], 1e3), ([1.0, 20.0 - 1e4], 1e3)):
            assert distribution.energies(jnp.array([away]))[0] == pytest.approx(u**2 / (2 * tail**2), rel=1e-4)


def test_the_integral_reaches_beyond_all_rows() -> None:
    """Otherwise an outlier, where it sees nothing, could be made as likely as one likes by `training=exact`."""
    y = np.append(RANDOM.normal(size=300), [30.0])
    nodes = []
    for rows_ in (y, y[:-1]):
        way = fitted(family(NeuralModel, **NETWORK, tail=1.0), rows_).model.energy.normaliser  # type: ignore[attr-defined]
        nodes.append(way.nodes[0])
    assert nodes[0].max() > 30
    assert 4.4 < nodes[1].max() < 6


@pytest.mark.slow
def test_within_bounds_no_tail_is_needed_and_nothing_is_outside() -> None:
    bounds = ((-1, 2), (0.0, 5.0))
    energy = family(NeuralModel, hidden=(3,), tail=None, bounds=bounds)
    y = RANDOM.uniform([-1, 0], [2, 5], (20, 2))
    of = fitted(energy, y)
    of.check()
    assert of.model.energy.box == bounds  # type: ignore[attr-defined]
    assert fitted(family(NeuralModel, bounds=((-1, 2),)), y / 5).model.energy.box == ((-1.0, 2.0),) * 2  # type: ignore[attr-defined]
    distribution, _ = drawn(of.bound, PRNGKey(0))
    draws = np.asarray(jax.jit(distribution.sample)(PRNGKey(1)))
    base = np.asarray(of.model.energy.base.sample(PRNGKey(2), (500,)))  # type: ignore[attr-defined]
    for x in (draws, base):
        assert (x >= [-1, 0]).all()
        assert (x <= [2, 5]).all()
    with pytest.raises(ConfigError, match=r"^model=ebm: every y must be a number between .*, but obs 0 has"):
        fitted(energy, y + 6).check()


@pytest.mark.slow
def test_spectral_bounds_the_slope() -> None:
    """Every matrix's largest singular value is at most 1, and tanh's slope too: the network moves less than u."""
    weights = {"layers_0_weight": 5.0, "layers_1_weight": 0.01, "head_weight": 5.0}
    slopes = {}
    for spectral in (False, True):
        energy = family(NeuralModel, hidden=(4, 4), activation="tanh", spectral=spectral, tail=1e6, dtype="float64")
        of = fitted(energy, RANDOM.normal(size=(30, 2)))
        start = of.model.start(PRNGKey(0))
        data = {
            n: value * weights.get(n, 1.0) / (jnp.linalg.norm(value, 2) if value.ndim == 2 else 1.0)
            for n, value in start.items()
        }
        distribution, _ = drawn(of.bound, PRNGKey(0), data)
        sd = np.array(of.model.energy.sd)  # type: ignore[attr-defined]
        gradients = jax.jit(jax.vmap(jax.grad(distribution.energy)))(jnp.asarray(RANDOM.normal(size=(200, 2)))) * sd
        slopes[spectral] = np.linalg.norm(gradients, axis=1).max()
        norms = [np.linalg.norm(layer.weight, 2) for layer in distribution.energy.network.layers]
        np.testing.assert_allclose(norms, [1.0 if spectral else 5.0, 0.01], rtol=1e-6)
    assert slopes[True] <= 0.01
    assert slopes[False] > 0.05


CONTEXT = {"context": (("obs", "context_feature"), RANDOM.normal(size=(3, 2)))}


@pytest.mark.parametrize("conditioning", ["concat", pytest.param("film", marks=pytest.mark.slow)])
@pytest.mark.parametrize("given", [X, X | CONTEXT])
def test_what_is_given_changes_the_energy_of_its_row_alone(conditioning: str, given: dict[str, Any]) -> None:
    of = fitted(
        family(ConditionalModel, **NETWORK, conditioning=conditioning, context_hidden=(3,)), np.arange(3.0), **given
    )
    distribution, latents = drawn(of.bound, PRNGKey(2))
    y = np.array([0.3, 0.3, 0.3])
    energies = distribution.energies(y)
    assert energies.shape == (3,)
    assert len(np.unique(energies)) == 3
    for name, (_, given_values) in given.items():
        changed = dict(of.bound.arrays) | {name: given_values + np.array([[0.0], [1.0], [0.0]])}
        other, _ = drawn(replace(of.bound, arrays=changed), PRNGKey(2), latents)
        assert list(np.isclose(other.energies(y), energies)) == [True, False, True], name


def test_film_begins_as_the_network_without_it() -> None:
    """And the network of y alone, where x modulates it, does not see x then."""
    of = fitted(family(ConditionalModel, **NETWORK, conditioning="film", context_hidden=(3,)), np.arange(3.0), **X)
    begun = of.model.start(PRNGKey(0))
    assert {name.split("_")[0] for name in begun} == {"trunk", "context"}
    energies = drawn(of.bound, PRNGKey(0), begun)[0].energies(np.full(3, 0.3))
    np.testing.assert_allclose(energies, energies[0], rtol=1e-12)


def test_the_probe_is_the_energies_of_some_rows_about_their_mean() -> None:
    """By which chains are judged: a last bias, which log Z takes back, does not change it."""
    y = RANDOM.normal(size=120)
    of = fitted(family(NeuralModel, **NETWORK), y)
    assert {site.name: (site.shape, site.dims) for site in of.named("deterministic")} == {
        "relative_energy": ((50,), ("probe",))
    }
    assert of.judged == ("relative_energy",)

    @jax.jit
    def probe(program: Any, given: Any) -> Any:
        messages = handlers.trace(handlers.seed(handlers.substitute(program, data=given), PRNGKey(0))).get_trace()
        return messages["relative_energy"]["value"], messages["y"]["fn"].energies(y)

    latents = drawn(of.bound, PRNGKey(1))[1]
    found, energies = probe(of.bound, latents)
    seen = energies[np.unique(np.linspace(0, 119, 50).astype(int))]
    np.testing.assert_allclose(found, seen - seen.mean(), atol=1e-12)
    assert np.std(found) > 0.1
    np.testing.assert_allclose(probe(of.bound, latents | {"head_bias": latents["head_bias"] + 3})[0], found, atol=1e-12)
    assert fitted(family(PolynomialModel), y).named("deterministic") == ()


# ----------------------------------------------------------------------------------------------------- refusals

SEVEN = np.zeros((3, 7))
DATA: dict[str, tuple[EnergyModel, xr.Dataset, str]] = {
    "polynomial": (
        family(PolynomialModel),
        rows(SEVEN),
        "data: energy has states of 1 numbers, but y has 7; choose other data, or another energy",
    ),
    "ising": (
        family(IsingModel),
        rows(SEVEN),
        "data: energy has states of 16 numbers, but y has 7; choose other data, or another energy",
    ),
    "potts": (
        family(PottsModel),
        rows(SEVEN),
        "data: energy has states of 9 numbers, but y has 7; choose other data, or another energy",
    ),
    "rbm": (
        family(RbmModel, size=6),
        rows(SEVEN),
        "data: energy has states of 6 numbers, but y has 7; choose other data, or another energy",
    ),
    "image": (
        family(ImageModel, shape=(2, 2), channels=(2,), kernel=1),
        rows(SEVEN),
        "data: energy has states of 4 numbers, but y has 7; choose other data, or another energy",
    ),
    "spins of 0 and 1": (
        family(IsingModel, shape=(7,)),
        rows(SEVEN),
        (
            "model=ebm: every y must be one of -1, 1, but obs 0 has (0, 0, 0, 0, 0, 0, 0); choose another model or "
            "other data"
        ),
    ),
    "kinds": (
        family(PottsModel, shape=(7,), kinds=2),
        rows(SEVEN + 2),
        (
            "model=ebm: every y must be one of 0, 1, but obs 0 has (2, 2, 2, 2, 2, 2, 2); choose another model or "
            "other data"
        ),
    ),
    "rbm of real numbers": (
        family(RbmModel),
        rows(SEVEN + 0.5),
        (
            "model=ebm: every y must be one of 0, 1, but obs 0 has (0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5); choose another "
            "model or other data"
        ),
    ),
    "grey image": (
        family(ImageModel, shape=(1, 7), channels=(2,), kernel=1, pool=1),
        rows(SEVEN + 0.5),
        (
            "energy.pixels: binary pixels are 0 or 1, but the data has other values; use real, or data of binary "
            "pixels (data.scale=binary)"
        ),
    ),
    "bounds": (
        family(NeuralModel, bounds=((0, 1), (0, 1))),
        rows(SEVEN),
        "energy.bounds: expected one pair, or one for each of 7 numbers, but got 2",
    ),
    "no x": (
        family(ConditionalModel),
        rows(SEVEN),
        "data: a conditional energy needs the variable 'x', but the data has none",
    ),
    "constant x": (
        family(ConditionalModel),
        rows(SEVEN, x=(("obs", "feature"), np.ones((3, 1)))),
        "data.features: column 0 is constant on the 3 training rows; leave it out",
    ),
    "nan": (
        family(QuadraticModel),
        rows([0.0, np.nan, 1.0]),
        "model=ebm: every y must be a finite number, but obs 1 has nan; choose another model or other data",
    ),
}


@pytest.mark.parametrize("case", DATA)
def test_rows_that_are_no_states_are_refused(case: str) -> None:
    energy, data, sentence = DATA[case]
    with pytest.raises(ConfigError) as refused:
        Problem(ebm(energy).fitted(data), data).check()
    assert str(refused.value) == sentence


SETTINGS: dict[str, tuple[type[EnergyModel], dict[str, Any], str]] = {
    "odd": (
        PolynomialModel,
        {"powers": (2, 3)},
        "powers: expected an even highest power, or Z is infinite, but got [2, 3]",
    ),
    "unsorted": (
        PolynomialModel,
        {"powers": (4, 2)},
        "powers: expected different powers from 1, ascending, but got [4, 2]",
    ),
    "twice": (
        PolynomialModel,
        {"powers": (2, 2)},
        "powers: expected different powers from 1, ascending, but got [2, 2]",
    ),
    "no powers": (PolynomialModel, {"powers": ()}, "powers: expected different powers from 1, ascending, but got []"),
    "nothing unknown": (
        IsingModel,
        {"inverse_temperature": 1.0},
        (
            "inverse_temperature: expected null for couplings, fields or inverse_temperature, as something must be "
            "inferred, but all of them are given"
        ),
    ),
    "both unknown": (
        IsingModel,
        {"couplings": None},
        (
            "inverse_temperature: it multiplies the couplings, so that only one of both can be inferred, but both are "
            "null; set energy.inverse_temperature=1"
        ),
    ),
    "potts": (
        PottsModel,
        {"couplings": None},
        (
            "inverse_temperature: expected null for exactly one of couplings and inverse_temperature, which is "
            "inferred, but got couplings=None and inverse_temperature=None"
        ),
    ),
    "visible": (RbmModel, {"visible": "x"}, "visible: expected one of bernoulli, gaussian, but got 'x'"),
    "activation": (
        NeuralModel,
        {"activation": "x"},
        "activation: expected one of mish, tanh, relu, gelu, silu, identity, but got 'x'",
    ),
    "dtype": (NeuralModel, {"dtype": "int8"}, "dtype: expected one of float32, float64, but got 'int8'"),
    "no tail": (
        NeuralModel,
        {"tail": None},
        "tail: without a tail Z is infinite over the whole space; give it a width, or set energy.bounds",
    ),
    "turned": (
        NeuralModel,
        {"bounds": ((1, 0),)},
        "bounds: expected pairs low < high of finite numbers, but got [(1.0, 0.0)]",
    ),
    "one number": (
        NeuralModel,
        {"bounds": (1,)},
        "bounds: expected pairs low < high of finite numbers, but got [(1.0,)]",
    ),
    "conditioning": (
        ConditionalModel,
        {"conditioning": "x"},
        "conditioning: expected one of concat, film, but got 'x'",
    ),
    "film": (
        ConditionalModel,
        {"conditioning": "film", "hidden": ()},
        "hidden: film modulates hidden layers, but there are none; give it one",
    ),
    "pixels": (ImageModel, {"pixels": "x"}, "pixels: expected one of binary, real, but got 'x'"),
    "kernel": (ImageModel, {"kernel": 2}, "kernel: expected an odd number, but got 2"),
    "hidden of real pixels": (
        ImageModel,
        {"pixels": "real", "hidden": 2},
        "hidden: expected 0 for real pixels, but got 2; or set pixels=binary",
    ),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_impossible_settings_are_refused(case: str) -> None:
    cls, settings, sentence = SETTINGS[case]
    with pytest.raises(ConfigError) as refused:
        family(cls, **settings)
    assert str(refused.value) == sentence


def test_a_normaliser_is_auto_or_none() -> None:
    with pytest.raises(ConfigError, match=r"^normaliser: expected one of auto, none, but got 'x'$"):
        ebm(family(PolynomialModel), None, "x")
