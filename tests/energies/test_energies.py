"""Energies: their formulas, shapes, gradients by every leaf, conditionals, and what is refused."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from credo.energies.base import Energy
from credo.energies.graph import lattice_edges
from credo.energies.ising import Ising
from credo.energies.polynomial import Polynomial
from credo.energies.quadratic import Quadratic
from credo.energies.rbm import BernoulliRbm, GaussianRbm, HiddenUnits
from credo.errors import ConfigError

RNG = np.random.default_rng(7)
W, B, C = RNG.normal(size=(3, 2)), RNG.normal(size=3), RNG.normal(size=2)
P = np.array([[2.0, 0.3], [0.3, 1.0]])

ENERGIES: dict[str, Callable[[], Energy]] = {
    "polynomial": lambda: Polynomial([1.0, -2.0, 0.5], (0, 2, 4)),
    "quadratic": lambda: Quadratic([1, -1], P),
    "ising": lambda: Ising([(0, 1), (1, 2)], [1.0, -0.5], [0.1, 0.2, 0.3], 0.7),
    "bernoulli_rbm": lambda: BernoulliRbm(W, B, C),
    "gaussian_rbm": lambda: GaussianRbm(W, B, C, [0.5, 1.0, 2.0]),
    "hidden_units": lambda: HiddenUnits(GaussianRbm(W, B, C, 0.8)),
}


@pytest.fixture(params=ENERGIES)
def energy(request: pytest.FixtureRequest) -> Energy:
    return ENERGIES[request.param]()


def test_an_energy_is_one_number_per_state(energy: Energy) -> None:
    x = RNG.normal(size=(5, energy.dim))
    assert energy(jnp.asarray(x[0])).shape == ()
    assert jax.jit(jax.vmap(energy))(x).shape == (5,)


def test_leaves_are_numbers_to_differentiate_by(energy: Energy) -> None:
    assert all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(energy))
    x = jnp.asarray(RNG.normal(size=energy.dim))
    check_grads(lambda e, x: e(x), (energy, x), order=1, modes=["rev"])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("wrong", [(), (7,), (1, 2)])
def test_a_state_of_another_shape_is_refused(energy: Energy, wrong: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"batches go through jax\.vmap"):
        energy(jnp.zeros(wrong))


def test_float32_stays(energy: Energy) -> None:
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), energy)
    assert single(jnp.ones(energy.dim, jnp.float32)).dtype == jnp.float32


def test_polynomial() -> None:
    assert Polynomial([1.0, -2.0, 1.0], (0, 2, 4))(jnp.array([1.5])) == (1.5**2 - 1) ** 2
    assert Polynomial([3, 2])(jnp.array([5.0])) == 13
    at_zero = jax.grad(lambda x: Polynomial([1.0, 1.0], (0, 3))(x))(jnp.zeros(1))
    assert at_zero == 0


def test_quadratic_by_hand() -> None:
    away = np.array([1.0, 3.0])
    assert Quadratic([1, -1], P)(jnp.array([2.0, 2.0])) == pytest.approx(away @ P @ away / 2)
    assert Quadratic([0, 0], P).log_z() == pytest.approx(np.log(2 * np.pi / np.sqrt(np.linalg.det(P))))
    assert Quadratic([0, 0], P + np.array([[0, 1], [-1, 0]])).log_z() == pytest.approx(Quadratic([0, 0], P).log_z())
    assert np.isnan(Quadratic([0, 0], -P).log_z())


def test_ising_lattice_against_shifted_arrays() -> None:
    s = RNG.choice([-1.0, 1.0], (3, 4))
    bonds = s * np.roll(s, -1, 0), s * np.roll(s, -1, 1)
    torus = Ising.lattice((3, 4), inverse_temperature=0.4)
    assert torus(jnp.asarray(s.ravel())) == pytest.approx(-0.4 * (bonds[0].sum() + bonds[1].sum()))
    sheet = Ising.lattice((3, 4), 2.0, 0.1, periodic=False)
    inner = bonds[0][:-1].sum() + bonds[1][:, :-1].sum()
    assert sheet(jnp.asarray(s.ravel())) == pytest.approx(-2 * inner - 0.1 * s.sum())
    tube = Ising.lattice((3, 4), periodic=(True, False))
    assert tube(jnp.asarray(s.ravel())) == pytest.approx(-bonds[0].sum() - bonds[1][:, :-1].sum())


def test_lattice_edges_are_ordered_by_axis() -> None:
    assert lattice_edges((2, 3), periodic=False) == ((0, 3), (1, 4), (2, 5), (0, 1), (1, 2), (3, 4), (4, 5))
    assert lattice_edges((3,)) == ((0, 1), (1, 2), (2, 0))
    assert lattice_edges((2,)) == ((0, 1), (1, 0))
    assert len(lattice_edges((3, 4, 5))) == 3 * 60


def _joint(machine: Any, v: Any, h: Any) -> Any:
    if isinstance(machine, BernoulliRbm):
        return -(B @ v + C @ h + v @ W @ h)
    s2 = np.square(machine.scale)
    return ((v - B) ** 2 / (2 * s2)).sum() - C @ h - (v / s2) @ W @ h


@pytest.mark.parametrize("word", ["bernoulli_rbm", "gaussian_rbm"])
def test_rbm_free_energy_and_the_conditional_of_visible_units_follow_from_the_joint_energy(word: str) -> None:
    machine: Any = ENERGIES[word]()
    v = jnp.array([1.0, 0.0, 1.0])
    hs = jnp.array([[a, b] for a in (0.0, 1.0) for b in (0.0, 1.0)])
    joint = np.array([_joint(machine, v, h) for h in hs])
    np.testing.assert_allclose([machine.energy(v, h) for h in hs], joint, rtol=1e-13)
    np.testing.assert_allclose(machine(v), -np.log(np.exp(-joint).sum()), rtol=1e-13)
    # log p(v | h) + E(v, h) does not depend on v: it is the free energy of h
    for w in ([0.0, 0.0, 0.0], [1.0, 1.0, 0.0]):
        w = jnp.array(w)
        both = machine.visible_given(hs[1]).log_prob(w) + machine.energy(w, hs[1])
        np.testing.assert_allclose(both, HiddenUnits(machine)(hs[1]), rtol=1e-12)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "powers": (lambda: Polynomial([1.0], (-1,)), r"energy\.powers: expected whole numbers of at least 0, .* \(-1,\)"),
    "no powers": (lambda: Polynomial([]), r"energy\.powers"),
    "same powers": (lambda: Polynomial([1.0, 2.0], (2, 2)), r"energy\.powers: expected different powers"),
    "theta": (lambda: Polynomial([1.0, 2.0], (4,)), r"energy\.theta: expected numbers of shape \(1,\), but got \(2,\)"),
    "mu": (lambda: Quadratic(0.0, [[1.0]]), r"energy\.mu: expected a vector"),
    "precision": (lambda: Quadratic([0.0], np.eye(2)), r"energy\.precision: expected .* \(1, 1\), but got \(2, 2\)"),
    "self": (lambda: Ising([(0, 0)]), r"energy\.edges: expected pairs of different sites"),
    "triple": (lambda: Ising([(0, 1, 2)]), r"energy\.edges: expected pairs"),
    "beyond": (lambda: Ising([(0, 3)], sites=3), r"energy\.edges: expected sites from 0 to 2, but got site 3"),
    "no sites": (lambda: Ising([]), r"energy\.edges"),
    "couplings": (lambda: Ising([(0, 1)], [1.0, 2.0]), r"energy\.couplings: .* \(1,\), but got \(2,\)"),
    "fields": (lambda: Ising.lattice((2, 2), fields=[1.0]), r"energy\.fields: .* \(4,\), but got \(1,\)"),
    "beta": (lambda: Ising([(0, 1)], inverse_temperature=[1.0]), r"energy\.inverse_temperature"),
    "shape": (lambda: Ising.lattice((0, 2)), r"energy\.shape: expected at least one site"),
    "axes": (lambda: Ising.lattice((2, 2), periodic=(True,)), r"energy\.periodic: expected one word for each of 2"),
    "itself": (lambda: Ising.lattice((1, 4)), r"energy\.periodic: .* couple it to itself"),
    "weights": (lambda: BernoulliRbm(B, B, C), r"energy\.weights: expected a matrix"),
    "visible": (lambda: BernoulliRbm(W, C, C), r"energy\.visible_bias: .* \(3,\), but got \(2,\)"),
    "hidden": (lambda: BernoulliRbm(W, B, B), r"energy\.hidden_bias"),
    "scale": (lambda: GaussianRbm(W, B, C, [1.0]), r"energy\.scale"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    make, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message):
        make()
