"""Log Z by transfer matrix: the reference answers, enumeration on small strips, gradients, and what is refused."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from credo.energies.ising import Ising
from credo.energies.normaliser import enumeration, transfer
from credo.errors import ConfigError

Reference = Callable[[str], Any]


@pytest.mark.parametrize("n", ["N10_K0.5_h0.0", "N10_K0.5_h0.3", "N16_K1.0_h0.1"])
def test_ising_ring(reference: Reference, n: str) -> None:
    sites, k, h = (float(word[1:]) for word in n.split("_"))
    known = reference("closed_forms.json")["ising_1d_ring"][n]
    # here the reference's K multiplies the couplings alone
    ring = Ising.lattice((int(sites),), k, h)
    assert transfer.log_z(ring, (int(sites),)) == pytest.approx(float(known), rel=1e-12)


@pytest.mark.parametrize("temperature", ["0.2000000000", "0.4000000000", "0.4406867935"])
def test_ising_4x4(reference: Reference, temperature: str) -> None:
    known = reference("closed_forms.json")["ising_2d"][temperature]
    k = np.log(1 + np.sqrt(2)) / 2 if temperature == "0.4406867935" else float(temperature)
    for periodic, word in ((True, "lnZ_periodic_4x4"), (False, "lnZ_open_4x4_tm")):
        lattice = Ising.lattice((4, 4), inverse_temperature=k, periodic=periodic)
        assert transfer.log_z(lattice, (4, 4), periodic=periodic) == pytest.approx(known[word], rel=1e-12)


STRIPS: list[tuple[tuple[int, ...], bool | tuple[bool, ...]]] = [
    ((5,), False),
    ((2,), True),
    ((1,), False),
    ((4, 3), True),
    ((4, 3), False),
    ((4, 3), (True, False)),
    ((4, 3), (False, True)),
    ((2, 2), True),
    ((1, 4), (False, True)),
    ((4, 1), (True, False)),
]


@pytest.mark.parametrize(("shape", "periodic"), STRIPS)
def test_strips_of_any_numbers_equal_enumeration(shape: tuple[int, ...], periodic: bool | tuple[bool, ...]) -> None:
    rng = np.random.default_rng(5)
    plain = Ising.lattice(shape, periodic=periodic)
    strip = Ising(plain.edges, rng.normal(size=len(plain.edges)), rng.normal(size=plain.dim), 1.3, sites=plain.dim)
    value, slope = jax.jit(jax.value_and_grad(lambda e: transfer.log_z(e, shape, periodic=periodic)))(strip)
    known, expected = jax.value_and_grad(enumeration.log_z)(strip)
    assert value == pytest.approx(float(known), rel=1e-12)
    for one, other in zip(jax.tree.leaves(slope), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-11)


def test_a_long_strip_equals_powers_of_the_whole_transfer_matrix() -> None:
    strip = Ising.lattice((40, 7), 0.3, 0.05, periodic=(False, True))
    rows = np.array(np.meshgrid(*[[-1, 1]] * 7, indexing="ij")).reshape(7, -1).T
    weight = np.exp(0.3 * (rows * np.roll(rows, -1, 1)).sum(1) + 0.05 * rows.sum(1))
    matrix = np.exp(0.3 * rows @ rows.T) * weight / 1e3
    known = np.log((weight @ np.linalg.matrix_power(matrix, 39)).sum()) + 39 * np.log(1e3)
    assert transfer.log_z(strip, (40, 7), periodic=(False, True)) == pytest.approx(float(known), rel=1e-12)


def test_frustrated_and_frozen_spins_stay_finite() -> None:
    ring = Ising.lattice((1001,), -1000.0)
    value, slope = jax.value_and_grad(lambda e: transfer.log_z(e, (1001,)))(ring)
    assert value == pytest.approx(999 * 1000 + np.log(2002), rel=1e-14)
    assert np.isfinite(slope.couplings).all()


def test_other_graphs_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected the edges of a lattice"):
        transfer.log_z(Ising.lattice((3, 3)), (3, 3), periodic=False)
    with pytest.raises(ConfigError, match="9 sites"):
        transfer.log_z(Ising.lattice((3, 3)), (9,))
    with pytest.raises(ConfigError, match=r"evidence\.shape: expected \(length,\) or \(length, width\)"):
        transfer.log_z(Ising.lattice((2, 2, 2)), (2, 2, 2))
    with pytest.raises(ConfigError, match=r"evidence\.shape: expected a width of at most 12, but got 13"):
        transfer.log_z(Ising.lattice((2, 13)), (2, 13))
