"""One contract for all samplers: what they leave as it is, what they keep, and what they refuse.

Moments of many independent chains, at the end of a run from states that are far from stationary, are compared with
enumeration, quadrature or closed forms. Each of about 120 comparisons asks for less than 4.5 standard errors of the
mean over chains, which right samplers miss with probability 1e-5 each, 1e-3 together. The seeds are fixed.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from credo.energies.base import Energy, Given
from credo.energies.graph import coloured
from credo.energies.ising import Ising
from credo.energies.polynomial import Polynomial
from credo.energies.potts import Potts
from credo.energies.quadratic import Quadratic
from credo.energies.rbm import BernoulliRbm, GaussianRbm, HiddenUnits
from credo.energies.samplers.auto import Auto
from credo.energies.samplers.base import Sampler
from credo.energies.samplers.dmala import Dmala
from credo.energies.samplers.gibbs import Gibbs
from credo.energies.samplers.hmc import Hmc
from credo.energies.samplers.langevin import Langevin
from credo.energies.samplers.mala import Mala
from credo.energies.samplers.mh import Mh
from credo.energies.samplers.nuts import Nuts
from credo.energies.samplers.tempering import Tempering
from credo.errors import ConfigError

RNG = np.random.default_rng(5)
W, B, C = RNG.normal(size=(4, 3)), RNG.normal(size=4), RNG.normal(size=3)
J, H = RNG.normal(size=6), 0.5 * RNG.normal(size=5)
TRIANGLES = [(0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (2, 4)]
CHAINS = 4000
P = np.array([[2.0, 1.0], [1.0, 3.0]])
KEY = jax.random.PRNGKey(8)

ENERGIES: dict[str, Callable[[], Energy]] = {
    "ising": lambda: Ising(TRIANGLES, J, H, 0.9),
    "torus": lambda: Ising.lattice((2, 4), inverse_temperature=0.3, fields=0.1),
    "potts": lambda: Potts(TRIANGLES, 3, J, RNG_FIELDS, 0.9),
    "rbm": lambda: BernoulliRbm(W, B, C),
    "hidden_units": lambda: HiddenUnits(BernoulliRbm(W, B, C)),
    "gaussian_rbm": lambda: GaussianRbm(0.5 * W, B, C, [0.5, 1.0, 0.7, 1.2]),
    "quadratic": lambda: Quadratic([1.0, -1.0], P),
    "well": lambda: Polynomial([1.0, -2.0, 1.0], (0, 2, 4)),
}
RNG_FIELDS = 0.5 * np.random.default_rng(6).normal(size=(5, 3))
DISCRETE = ("ising", "torus", "potts", "rbm", "hidden_units")
REAL = ("quadratic", "well", "gaussian_rbm")

SAMPLERS: dict[str, tuple[Sampler, int, int, tuple[str, ...]]] = {
    # the sampler, transitions that adapt, transitions after them, energies
    "gibbs": (Gibbs(1), 0, 60, ("ising", "torus", "potts", "rbm", "gaussian_rbm")),
    "gibbs backwards": (Gibbs(1).backward(), 0, 60, ("ising", "potts")),
    "mh": (Mh(1, 0.5), 100, 300, (*DISCRETE, *REAL)),
    "dmala": (Dmala(1, 0.5), 60, 200, ("ising", "potts", "rbm")),
    "mala": (Mala(1, 0.1), 100, 100, REAL),
    "hmc": (Hmc(1, 0.1, leapfrogs=5), 60, 30, REAL),
    "nuts": (Nuts(1, 0.1, max_tree_depth=4), 40, 20, ("quadratic", "well")),
    "tempering": (Tempering(1, Gibbs(1), (1.0, 0.6, 0.3)), 0, 30, ("ising", "potts", "rbm", "gaussian_rbm")),
    "tempered mala": (Tempering(1, Mala(1, 0.1), (1.0, 0.5, 0.2)), 100, 60, ("quadratic", "well")),
    "auto": (Auto(1, 0.1), 100, 300, ("potts", "hidden_units", "well")),
}
SLOW = (
    ("nuts", "well"),
    ("tempered mala", "quadratic"),
    *(("tempering", name) for name in ("rbm", "potts")),
    *(("mh", name) for name in ("torus", "rbm", "potts", "gaussian_rbm")),
    *(("mala", name) for name in ("gaussian_rbm", "well")),
    ("hmc", "gaussian_rbm"),
    *(("auto", name) for name in ("potts", "well")),
)
PAIRS = [
    pytest.param(*pair, marks=[pytest.mark.slow] if pair in SLOW else [])
    for pair in ((word, energy) for word, (*_, energies) in SAMPLERS.items() for energy in energies)
]


def features(energy: Energy, x: Any) -> Any:
    """What is compared: every number and its square, and products of the first with the others, [state, feature]."""
    return jnp.concatenate([x, x**2, x[:, :1] * x[:, 1:], jnp.abs(x)], 1)


def exact(energy: Any) -> np.ndarray:
    """The expected features."""
    if isinstance(energy, GaussianRbm):
        return _gaussian_rbm(energy)
    values = getattr(energy, "values", None) or np.linspace(-7, 7, 141)
    states = jnp.asarray(list(product(values, repeat=energy.dim)))
    p = jax.nn.softmax(-energy.batch(states))
    return np.asarray(p @ features(energy, states))


def _gaussian_rbm(machine: GaussianRbm) -> np.ndarray:
    """A mixture of one normal distribution per hidden state; its absolute moments are left out."""
    h = jnp.asarray(list(product((0.0, 1.0), repeat=machine.hidden)))
    p = jax.nn.softmax(-jax.vmap(machine.hidden_free_energy)(h))
    m = machine.visible_bias + h @ machine.weights.T
    squares = p @ (m**2 + machine.scale**2)
    return np.concatenate([p @ m, squares, p @ (m[:, :1] * m[:, 1:])])


def begun(energy: Energy) -> jax.Array:
    """Every chain at the same state, or nearly."""
    if (values := getattr(energy, "values", None)) is not None:
        return jnp.full((CHAINS, energy.dim), values[-1])
    return 1.0 + 0.1 * jax.random.normal(jax.random.PRNGKey(9), (CHAINS, energy.dim))


@pytest.mark.parametrize(("word", "name"), PAIRS)
def test_stationary_moments(word: str, name: str) -> None:
    sampler, warmup, steps, _ = SAMPLERS[word]
    energy = ENERGIES[name]()
    sampler = sampler.of(energy)

    @eqx.filter_jit
    def run(energy: Energy, x: jax.Array, key: jax.Array) -> Any:
        first, second = jax.random.split(key)
        walkers = sampler.start(energy, x)
        walkers, _ = sampler.run(energy, walkers, first, warmup, adapt=True) if warmup else (walkers, None)
        return sampler.run(energy, walkers, second, steps)

    walkers, rate = run(energy, begun(energy), jax.random.PRNGKey(3))
    found = features(energy, walkers.x)
    known = exact(energy)
    found = found[:, : len(known)]
    error = np.maximum(np.asarray(found).std(0), 1e-9) / np.sqrt(CHAINS)
    np.testing.assert_array_less(np.abs(np.asarray(found).mean(0) - known) / error, 4.5)
    assert 0 < rate <= 1
    if word in ("mala", "hmc", "nuts", "tempered mala") or (word == "mh" and name in REAL):
        assert rate == pytest.approx(getattr(sampler, "sampler", sampler).target, abs=0.1)


def test_langevin_of_small_steps_and_its_own_bias() -> None:
    # of exp(-x^2 / 2) the chain x <- (1 - e^2/2) x + e z has variance 1 / (1 - e^2 / 4)
    energy, steps = Quadratic([0.0], [[1.0]]), 400
    for size in (0.2, 1.0):
        sampler = Langevin(steps, size)
        walkers = sampler.start(energy, jnp.zeros((CHAINS, 1)))
        walkers, rate = eqx.filter_jit(sampler.run)(energy, walkers, jax.random.PRNGKey(1))
        assert rate == 1
        variance = 1 / (1 - size**2 / 4)
        assert abs(np.var(walkers.x) / variance - 1) < 4.5 * np.sqrt(2 / CHAINS)
    with pytest.raises(AssertionError):
        assert variance == pytest.approx(1.0, abs=0.1)


def test_langevin_without_noise_descends_and_long_gradients_are_clipped() -> None:
    energy = Quadratic([2.0, 2.0], 100 * np.eye(2))
    sampler = Langevin(1, 1.0, noise=0.0, clip=3.0)
    walkers, _ = sampler.step(energy, sampler.start(energy, jnp.array([[50.0, 2.0], [2.01, 2.0]])), jax.random.key(0))
    np.testing.assert_allclose(walkers.x, [[48.5, 2.0], [1.51, 2.0]])
    assert not Langevin.unbiased


def test_draws_are_steps_apart() -> None:
    sampler, energy = Mala(3, 0.5), ENERGIES["quadratic"]()
    walkers = sampler.start(energy, jnp.zeros((5, 2)))
    last, draws = sampler.draws(energy, walkers, jax.random.PRNGKey(0), 4)
    assert draws.shape == (4, 5, 2)
    assert (draws[-1] == last.x).all()
    assert last.scale == pytest.approx(0.5)


@pytest.mark.parametrize("word", ["langevin", "mala", "hmc", "mh", "nuts"])
def test_every_chain_has_its_own_conditions(word: str) -> None:
    class Around(Energy):
        dim = 1  # type: ignore[assignment]

        def __call__(self, y: jax.Array, x: jax.Array) -> jax.Array:  # type: ignore[override]
            return 50 * ((y - x) ** 2).sum()

    samplers = {"hmc": Hmc(1, 0.05, leapfrogs=4), "langevin": Langevin(1, 0.05)}
    sampler = samplers.get(word) or {"mala": Mala, "mh": Mh, "nuts": Nuts}[word](1, 0.05)
    x = jnp.arange(20.0)[:, None]
    energy: Any = Given(Around(), (x,))
    walkers = sampler.of(energy).start(energy, x)
    walkers, _ = eqx.filter_jit(sampler.run)(energy, walkers, jax.random.PRNGKey(0), 100)
    away = np.asarray(walkers.x - x)
    assert np.abs(away).max() < 0.5
    assert away.std() > 0.03


@pytest.mark.parametrize("word", ["ising", "rbm"])
def test_float32_stays(word: str) -> None:
    energy = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), ENERGIES[word]())
    for sampler in (Gibbs(2), Mh(2, 1.0), Tempering(2, Gibbs(1), (1.0, 0.5))):
        walkers = sampler.start(energy, begun(energy).astype(jnp.float32))
        walkers, rate = sampler.run(energy, walkers, jax.random.PRNGKey(0))
        assert walkers.x.dtype == rate.dtype == walkers.scale.dtype == jnp.float32


def test_float32_spins_have_the_right_moments() -> None:
    energy = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), ENERGIES["ising"]())
    sampler = Gibbs(60)
    start = sampler.start(energy, begun(energy).astype(jnp.float32))
    x = np.asarray(eqx.filter_jit(sampler.run)(energy, start, jax.random.PRNGKey(4))[0].x, float)
    known = exact(ENERGIES["ising"]())[:5]
    np.testing.assert_array_less(np.abs(x.mean(0) - known) / (x.std(0) / np.sqrt(CHAINS)), 4.5)


def test_even_lattices_are_chequerboards() -> None:
    torus = Ising.lattice((4, 6))
    black, white = coloured(torus.edges, torus.dim)
    assert (np.array([divmod(site, 6) for site in black.sites]).sum(1) % 2 == 0).all()
    assert len(white.sites) == 12
    assert len(coloured(Ising.lattice((3,)).edges, 3)) == 3
    assert len(coloured((), 3)) == 1


def test_sites_without_neighbours() -> None:
    alone = Ising([], fields=[0.5, -1.0])
    sampler = Gibbs(1)
    walkers, _ = sampler.run(alone, sampler.start(alone, jnp.ones((CHAINS, 2))), jax.random.PRNGKey(0))
    np.testing.assert_allclose(walkers.x.mean(0), np.tanh([0.5, -1.0]), atol=4.5 / np.sqrt(CHAINS))


def test_walls_of_infinite_energy_reject() -> None:
    class Box(Energy):
        dim = 1  # type: ignore[assignment]

        def __call__(self, x: jax.Array) -> jax.Array:
            return jnp.where(jnp.abs(x[0]) < 1, 0.0, jnp.inf)

    for sampler in (Mh(1, 0.5), Mala(1, 0.5), Hmc(1, 0.5, leapfrogs=2)):
        walkers = sampler.start(Box(), jnp.zeros((CHAINS, 1)))
        walkers, rate = eqx.filter_jit(sampler.run)(Box(), walkers, jax.random.PRNGKey(2), 100)
        assert (jnp.abs(walkers.x) < 1).all()
        assert rate < 1
        assert np.var(walkers.x) == pytest.approx(1 / 3, abs=0.03)


def test_slopes_carried_from_state_to_state_change_nothing() -> None:
    energy, sampler = ENERGIES["ising"](), Dmala(1, 0.5)
    begin = sampler.start(energy, begun(energy)[:50])
    once, _ = sampler.run(energy, begin, KEY, 7)
    walkers = begin
    for key in jax.random.split(KEY, 7):
        walkers, _ = sampler.step(energy, walkers, key)
    np.testing.assert_array_equal(once.x, walkers.x)


def test_auto_chooses() -> None:
    chosen = {name: type(Auto(1, 0.1).of(make())) for name, make in ENERGIES.items()}
    assert chosen == {
        **dict.fromkeys(("ising", "torus", "potts", "rbm", "gaussian_rbm"), Gibbs),
        "hidden_units": Mh,
        **dict.fromkeys(("quadratic", "well"), Mala),
    }


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "gibbs": (lambda: Gibbs(1).of(ENERGIES["well"]()), r"gibbs knows .* not of Polynomial; choose mh"),
    "mala": (lambda: Mala(1, 0.1).of(ENERGIES["ising"]()), r"mala moves real numbers, .* Ising are discrete"),
    "dmala": (lambda: Dmala(1, 0.5).of(ENERGIES["well"]()), r"dmala moves discrete units, but Polynomial has real"),
    "nuts": (lambda: Nuts(1, 0.1).of(ENERGIES["potts"]()), r"nuts moves real numbers"),
    "given": (lambda: Hmc(1, 0.1, leapfrogs=2).of(Given(ENERGIES["rbm"](), ())), r"hmc .* BernoulliRbm are discrete"),  # type: ignore[arg-type]
    "inner": (lambda: Tempering(1, Mala(1, 0.1), (1.0, 0.5)).of(ENERGIES["ising"]()), r"mala moves real"),
    "ladder": (lambda: Tempering(1, Gibbs(1), (0.9, 0.5)), r"ladder: expected at least two .* from 1 downwards"),
    "inexact": (lambda: Tempering(1, Langevin(1, 0.1), (1.0, 0.5)), r"leaves exp\(-E\) as it is, but got langevin"),
    "rising": (lambda: Tempering(1, Gibbs(1), (1.0, 0.5, 0.6)), r"ladder"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    make, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message):
        make()
