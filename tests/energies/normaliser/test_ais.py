"""Log Z by annealed importance sampling: the reference answers, calibrated errors, bounds, and what is refused.

An estimate is compared at 4.5 of its standard errors, and the reference answers at 0.1 nat. Where standard scores of
many seeds are compared, their mean square over 64 seeds is within 0.5 and 1.75: of 64 normal scores it has the standard
deviation 0.18, so that right errors are missed less than once in 1,000. The seeds are fixed.
"""

from collections.abc import Callable
from math import log, pi
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from credo.energies import path as paths
from credo.energies.base import Energy
from credo.energies.ising import Ising
from credo.energies.normaliser import ais, enumeration
from credo.energies.polynomial import Polynomial
from credo.energies.potts import Potts
from credo.energies.quadratic import Quadratic
from credo.energies.rbm import BernoulliRbm, GaussianRbm, HiddenUnits
from credo.energies.samplers.auto import Auto
from credo.energies.samplers.base import Sampler
from credo.energies.samplers.gibbs import Gibbs
from credo.energies.samplers.hmc import Hmc
from credo.energies.samplers.langevin import Langevin
from credo.energies.samplers.mala import Mala
from credo.energies.samplers.mh import Mh
from credo.errors import ConfigError


def seeded(visible: int, hidden: int, seed: int) -> BernoulliRbm:
    """A machine of the reference answers, of scale 0.5."""
    rng = np.random.default_rng(seed)
    return BernoulliRbm(*(rng.normal(0, 0.5, shape) for shape in ((visible, hidden), visible, hidden)))


# from ../shared/reference/closed_forms.json
REFERENCE: dict[str, tuple[Callable[[], Energy], float]] = {
    "nv6_nh4_scale0.5_seed0": (lambda: seeded(6, 4, 0), 7.025233101076649),
    "nv10_nh8_scale0.5_seed1": (lambda: seeded(10, 8, 1), 13.15872482803186),
    "K=0.2": (lambda: Ising.lattice((4, 4), inverse_temperature=0.2), 11.771470358541583),
    "K=0.4": (lambda: Ising.lattice((4, 4), inverse_temperature=0.4), 14.561093023844045),
    "critical": (lambda: Ising.lattice((4, 4), inverse_temperature=log(1 + 2**0.5) / 2), 15.52191545875528),
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if "nv6" in n else []) for n in REFERENCE])
def test_reference_answers(name: str) -> None:
    make, known = REFERENCE[name]
    found = ais.log_z(make(), None, Auto(1, 0.1), jax.random.PRNGKey(0), chains=400, rungs=150)
    for value, error in (
        (found.log_z, found.error),
        (found.forward, found.forward_error),
        (found.backward, found.backward_error),
    ):
        assert value == pytest.approx(known, abs=0.1)
        assert abs(value - known) < 4.5 * error
    assert found.low - 0.1 < known < found.high + 0.1
    assert found.low <= found.high
    assert 200 < found.ess <= 400
    assert (jnp.diff(found.betas) > 0).all()
    assert found.betas[0] == 0
    assert found.betas[-1] == 1


RNG = np.random.default_rng(8)
W, B, C = 0.5 * RNG.normal(size=(5, 3)), RNG.normal(size=5), RNG.normal(size=3)
P = np.array([[1.0, 0.5, 0.0], [0.5, 4.0, 0.2], [0.0, 0.2, 25.0]])


def normal(dim: int, scale: float) -> dist.Distribution:
    """A base of real numbers."""
    return dist.Normal(jnp.zeros(dim), scale).to_event(1)


CASES: dict[str, Callable[[], tuple[Energy, Any, Sampler, float | None]]] = {
    "potts": lambda: (Potts.lattice((3, 3), 3, 0.7, [0.0, 0.2, -0.1]), None, Gibbs(1), None),
    "gaussian rbm": lambda: (GaussianRbm(W, B, C, 0.7), None, Gibbs(1), None),
    "gaussian rbm by hmc": lambda: (GaussianRbm(W, B, C, 0.7), normal(5, 2.0), Hmc(1, 0.2, leapfrogs=4), None),
    "flips": lambda: (HiddenUnits(seeded(4, 6, 2)), None, Mh(8, 1.0), None),
    "units of a base": lambda: (seeded(6, 4, 0), dist.Bernoulli(jnp.full(6, 0.6)).to_event(1), Mh(8, 1.0), None),
    "well": lambda: (Polynomial([1.0, -2.0, 1.0], (0, 2, 4)), normal(1, 1.5), Mala(4, 0.1), log(1.9737321500898242)),
    "quartic": lambda: (Polynomial([1.0], (4,)), normal(1, 1.0), Mh(4, 0.1), log(1.812804954110954)),
    "normal": lambda: (Quadratic(np.ones(3), P), normal(3, 2.0), Auto(4, 0.5), float(Quadratic(np.ones(3), P).log_z())),
    "no increments": lambda: (Quadratic([0.0], [[1.0]]), normal(1, 1.0), Mala(1, 0.5), 0.5 * log(2 * pi)),
}


FAST = ("well", "units of a base")


@pytest.mark.parametrize("case", [c if c in FAST else pytest.param(c, marks=pytest.mark.slow) for c in CASES])
def test_kinds_of_states_and_paths(case: str) -> None:
    energy, base, sampler, known = CASES[case]()
    known = float(enumeration.log_z(energy)) if known is None else known  # type: ignore[arg-type]
    found = ais.log_z(energy, base, sampler, jax.random.PRNGKey(1), chains=256, rungs=100)
    assert found.log_z == pytest.approx(known, abs=0.15)
    assert abs(found.log_z - known) < 4.5 * found.error + 1e-9
    assert found.ess > 100


@pytest.mark.slow
@pytest.mark.parametrize("exact", [True, False])
def test_errors_are_calibrated_and_bounds_are_bounds(exact: bool) -> None:
    """Of few rungs, so that the weights differ much, and of 64 seeds at once."""
    energy, seeds, chains, rungs = Ising.lattice((3, 3), inverse_temperature=0.4, fields=0.1), 64, 100, 12
    known = float(enumeration.log_z(energy))
    states = jnp.asarray(np.array(np.meshgrid(*[energy.values] * 9)).reshape(9, -1).T)
    chosen = jax.random.categorical(jax.random.PRNGKey(7), -energy.batch(states), shape=(seeds, chains))
    path, keys = paths.to(energy), jax.random.split(jax.random.PRNGKey(2), seeds)
    ladder = eqx.filter_jit(ais.tuned)(path, Gibbs(1), jax.random.PRNGKey(3), rungs)

    def one(key: jax.Array, draws: jax.Array) -> ais.Estimate:
        return ais.both_ways(path, Gibbs(1), ladder, key, draws if exact else None, chains)

    found = jax.jit(jax.vmap(one))(keys, states[chosen])
    for value, error in (
        (found.log_z, found.error),
        (found.forward, found.forward_error),
        (found.backward, found.backward_error),
    ):
        assert 0.5 < np.mean(np.square((value - known) / error)) < 1.75
        # within 4 standard errors of the mean over seeds, and of the bias of a log
        assert abs(np.mean(value) - known) < 4 * np.std(value) / np.sqrt(seeds) + np.var(value)
    assert np.mean((found.low <= known) & (known <= found.high)) > 0.8
    assert np.std(found.log_z) < np.std(found.forward)


@pytest.mark.slow
def test_few_chains_bracket_from_both_sides() -> None:
    # two chains on two rungs: the mean over seeds is too low forwards, and too high backwards
    energy = Ising.lattice((3, 3), inverse_temperature=0.5)
    known, path = float(enumeration.log_z(energy)), paths.to(energy)
    states = jnp.asarray(np.array(np.meshgrid(*[energy.values] * 9)).reshape(9, -1).T)
    chosen = jax.random.categorical(jax.random.PRNGKey(0), -energy.batch(states), shape=(200, 2))
    keys = jax.random.split(jax.random.PRNGKey(1), 200)
    even = ais.Ladder(jnp.linspace(0.0, 1.0, 3), jnp.ones(3))
    found = jax.jit(jax.vmap(lambda key, x: ais.both_ways(path, Gibbs(1), even, key, x, 2)))(keys, states[chosen])
    assert np.mean(found.forward) + 4 * np.std(found.forward) / np.sqrt(200) < known
    assert np.mean(found.backward) - 4 * np.std(found.backward) / np.sqrt(200) > known


def test_the_ladder_divides_the_length_evenly() -> None:
    betas, scales = jnp.linspace(0.0, 1.0, 5), jnp.array([1.0, 1.0, 2.0, 2.0, 4.0])
    ladder = ais.placed(betas, jnp.array([3.0, 1.0, 0.0, 0.0]), scales, 4)
    np.testing.assert_allclose(ladder.betas, [0.0, 1 / 12, 1 / 6, 0.25, 1.0], atol=0.02)
    np.testing.assert_allclose((ladder.scales[0], ladder.scales[-1]), [1.0, 4.0])
    even = ais.placed(betas, jnp.zeros(4), scales, 4)
    np.testing.assert_allclose(even.betas, betas)


def test_the_base_of_a_path_is_its_start() -> None:
    for energy in (seeded(4, 3, 0), GaussianRbm(W, B, C, 0.7), Ising.lattice((2, 3)), Potts.lattice((2, 2), 3)):
        path = paths.to(energy)
        assert path.log_z == pytest.approx(float(enumeration.log_z(path.at(jnp.zeros(())))), rel=1e-12)
        x = path.draws(jax.random.PRNGKey(0), 7)
        assert x.shape == (7, energy.dim)
        np.testing.assert_allclose(path.at(jnp.ones(())).batch(x), energy.batch(x), rtol=1e-12)


KEY = jax.random.PRNGKey(0)
WELL = Polynomial([1.0], (4,))
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "base": (lambda: ais.log_z(WELL, None, Mala(1, 0.1), KEY), r"evidence\.base: Polynomial has real numbers"),
    "shape": (lambda: ais.log_z(WELL, normal(2, 1.0), Mala(1, 0.1), KEY), r"evidence\.base: .* shape \(1,\)"),
    "langevin": (lambda: ais.log_z(WELL, normal(1, 1.0), Langevin(1, 0.1), KEY), r"langevin does not leave exp"),
    "gibbs": (lambda: ais.log_z(WELL, normal(1, 1.0), Gibbs(1), KEY), r"gibbs knows .* not of Polynomial"),
    "chains": (lambda: ais.log_z(WELL, normal(1, 1.0), Mala(1, 0.1), KEY, chains=1), r"chains=1, rungs=200"),
    "draws": (
        lambda: ais.log_z(WELL, normal(1, 1.0), Mala(1, 0.1), KEY, target_draws=jnp.zeros((3, 2))),
        r"evidence\.target_draws: .* \[chain, 1\], but got \(3, 2\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    make, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message):
        make()
