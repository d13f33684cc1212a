"""Log Z by enumeration: the reference answers, gradients as expectations, chunks, and what is refused."""

from collections.abc import Callable
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from credo.energies.base import Discrete, Energy
from credo.energies.ising import Ising
from credo.energies.normaliser import enumeration
from credo.energies.quadratic import Quadratic
from credo.energies.rbm import BernoulliRbm, GaussianRbm, HiddenUnits
from credo.errors import ConfigError

Reference = Callable[[str], Any]


def seeded(machine: str) -> BernoulliRbm:
    """The machine `nv6_nh4_scale0.5_seed0` of the reference answers."""
    visible, hidden, scale, seed = (float(word.lstrip("nvhscaled")) for word in machine.split("_"))
    rng = np.random.default_rng(int(seed))
    shapes = (int(visible), int(hidden)), int(visible), int(hidden)
    return BernoulliRbm(*(rng.normal(0, scale, shape) for shape in shapes))


@pytest.mark.parametrize("temperature", ["0.2000000000", "0.4000000000", "0.4406867935"])
def test_ising_4x4(reference: Reference, temperature: str) -> None:
    known = reference("closed_forms.json")["ising_2d"][temperature]
    # the temperature is the critical one in full, and not its ten digits
    k = np.log(1 + np.sqrt(2)) / 2 if temperature == "0.4406867935" else float(temperature)
    torus = Ising.lattice((4, 4), inverse_temperature=k)
    value, slope = jax.value_and_grad(enumeration.log_z)(torus)
    assert value == pytest.approx(known["lnZ_brute_4x4"], rel=1e-12)
    assert slope.inverse_temperature == pytest.approx(known["mean_sum_sisj_4x4"], rel=1e-10)
    sheet = Ising.lattice((4, 4), inverse_temperature=k, periodic=False)
    assert enumeration.log_z(sheet) == pytest.approx(known["lnZ_open_4x4_brute"], rel=1e-12)


@pytest.mark.parametrize("word", ["nv6_nh4_scale0.5_seed0", "nv10_nh8_scale0.5_seed1"])
def test_rbm(reference: Reference, word: str) -> None:
    known = reference("closed_forms.json")["rbm"][word]
    machine = seeded(word)
    value, slope = jax.value_and_grad(enumeration.log_z)(machine)
    assert value == pytest.approx(known["logZ"], rel=1e-12)
    np.testing.assert_allclose(slope.visible_bias, known["E_v"], atol=1e-9)
    np.testing.assert_allclose(slope.hidden_bias, known["E_h"], atol=1e-9)
    turned = BernoulliRbm(machine.weights.T, machine.hidden_bias, machine.visible_bias)
    assert enumeration.log_z(turned) == pytest.approx(known["logZ_other_side"], rel=1e-12)


@pytest.mark.parametrize("n", ["N10_K0.5_h0.0", "N10_K0.5_h0.3", "N16_K1.0_h0.1"])
def test_ising_ring(reference: Reference, n: str) -> None:
    sites, k, h = (float(word[1:]) for word in n.split("_"))
    known = reference("closed_forms.json")["ising_1d_ring"][n]
    assert enumeration.log_z(Ising.lattice((int(sites),), k, h)) == pytest.approx(known, rel=1e-12)


RNG = np.random.default_rng(3)
J, H, W, B, C = (RNG.normal(size=shape) for shape in (4, 4, (4, 2), 4, 2))
SMALL: dict[str, Callable[[], Any]] = {
    "ising": lambda: Ising([(0, 1), (1, 2), (0, 2), (2, 3)], J, H, 0.8),
    "rbm": lambda: BernoulliRbm(W, B, C),
}


@pytest.mark.parametrize("word", SMALL)
@pytest.mark.parametrize("chunk", [1, 3, 8192])
def test_the_gradient_is_minus_the_expected_slope_of_the_energy(word: str, chunk: int) -> None:
    energy = SMALL[word]()
    states = jnp.asarray(list(product(energy.values, repeat=energy.dim)))
    weights = jax.nn.softmax(-jax.vmap(energy)(states))
    slopes = jax.vmap(jax.grad(lambda e, x: e(x)), (None, 0))(energy, states)
    expected = jax.tree.map(lambda slope: -jnp.tensordot(weights, slope, 1), slopes)
    value, slope = jax.jit(jax.value_and_grad(lambda e: enumeration.log_z(e, chunk=chunk)))(energy)
    assert value == pytest.approx(float(jax.nn.logsumexp(-jax.vmap(energy)(states))), rel=1e-13)
    for one, other in zip(jax.tree.leaves(slope), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_gaussian_rbm_is_a_mixture_of_gaussians() -> None:
    weights, b, c, scale = RNG.normal(size=(3, 2)), RNG.normal(size=3), RNG.normal(size=2), np.array([0.5, 1.0, 2.0])
    total = 0.0
    for h in product((0.0, 1.0), repeat=2):
        m = weights @ h
        total += np.exp(c @ h + ((b * m + m**2 / 2) / scale**2).sum()) * np.prod(np.sqrt(2 * np.pi) * scale)
    value = enumeration.log_z(GaussianRbm(weights, b, c, scale))
    assert value == pytest.approx(np.log(total), rel=1e-13)


def test_both_layers_have_one_z() -> None:
    machine = SMALL["rbm"]()
    assert enumeration.log_z(HiddenUnits(machine)) == pytest.approx(float(enumeration.log_z(machine)), rel=1e-13)


def test_units_of_three_values() -> None:
    class Potts(Discrete):
        values = (0.0, 1.0, 2.0)
        theta: jax.Array

        @property
        def dim(self) -> int:
            return len(self.theta)

        def __call__(self, x: jax.Array) -> jax.Array:
            return self.theta @ x

    theta = jnp.array([0.3, -1.0, 2.0])
    expected = np.log(np.exp(-np.outer(theta, [0, 1, 2])).sum(1)).sum()
    assert enumeration.log_z(Potts(theta), chunk=5) == pytest.approx(expected, rel=1e-13)


def test_eighteen_spins_and_huge_energies() -> None:
    ring = Ising.lattice((18,), 500.0, 0.0)
    assert enumeration.log_z(ring) == pytest.approx(18 * 500 + np.log(2), rel=1e-14)


REFUSED: dict[str, tuple[Energy, dict[str, int], str]] = {
    "many": (Ising.lattice((5, 5)), {}, r"at most 16777216 states, but 25 units of 2 values have 2\^25"),
    "most": (Ising.lattice((3,)), {"most": 7}, r"at most 7 states"),
    "chunk": (Ising.lattice((3,)), {"chunk": 0}, r"evidence\.chunk: expected at least 1 state, but got 0"),
    "real": (Quadratic([0.0], [[1.0]]), {}, r"expected discrete units, but got Quadratic"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    energy, settings, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message):
        enumeration.log_z(energy, **settings)  # type: ignore[arg-type]
