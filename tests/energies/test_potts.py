"""The Potts model: its formula, its Ising model of two kinds, log Z, gradients, and what is refused."""

from collections.abc import Callable
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from credo.energies.ising import Ising
from credo.energies.normaliser import enumeration
from credo.energies.potts import Potts
from credo.errors import ConfigError

RNG = np.random.default_rng(11)
EDGES = [(0, 1), (1, 2), (0, 2), (2, 3), (2, 3)]
J, H = RNG.normal(size=5), RNG.normal(size=(4, 3))


def by_hand(s: np.ndarray) -> float:
    bonds = sum(j * (s[a] == s[b]) for j, (a, b) in zip(J, EDGES, strict=True))
    return float(-0.8 * (bonds + sum(H[i, int(s[i])] for i in range(4))))


def test_energies_by_hand() -> None:
    model = Potts(EDGES, 3, J, H, 0.8)
    states = np.array(list(product(model.values, repeat=4)))
    expected = [by_hand(s) for s in states]
    np.testing.assert_allclose(jax.jit(jax.vmap(model))(jnp.asarray(states)), expected, rtol=1e-13, atol=1e-13)
    total = np.logaddexp.reduce(-np.array(expected))
    assert enumeration.log_z(model, chunk=10) == pytest.approx(total, rel=1e-13)


def test_two_kinds_are_the_ising_model_of_half_the_couplings() -> None:
    couplings, fields, beta = RNG.normal(size=24), RNG.normal(size=12), 0.7
    ising = Ising.lattice((3, 4), couplings, fields, beta)
    both = np.stack([-fields, fields], 1)
    potts = Potts.lattice((3, 4), 2, 2 * couplings, both, beta)
    s = jnp.asarray(RNG.choice([-1.0, 1.0], (20, 12)))
    shift = beta * couplings.sum()
    np.testing.assert_allclose(potts.batch((s + 1) / 2), ising.batch(s) - shift, rtol=1e-12)
    assert enumeration.log_z(potts) == pytest.approx(float(enumeration.log_z(ising)) + shift, rel=1e-13)


def test_a_ring_has_the_eigenvalues_of_its_transfer_matrix() -> None:
    # Potts (1952): Z = (e^K + q - 1)^n + (q - 1) (e^K - 1)^n
    k, q, n = 0.6, 4, 7
    expected = np.log((np.exp(k) + q - 1) ** n + (q - 1) * (np.exp(k) - 1) ** n)
    assert enumeration.log_z(Potts.lattice((n,), q, k)) == pytest.approx(expected, rel=1e-13)


def test_gradients_by_the_leaves() -> None:
    x = jnp.array([0.0, 2.0, 2.0, 1.0])
    check_grads(lambda model: model(x), (Potts(EDGES, 3, J, H, 0.8),), order=1, modes=["rev"])


def test_fields_of_all_sites_alike() -> None:
    kinds = jnp.array([0.1, -0.2, 0.4])
    one, all_sites = Potts(EDGES, 3, J, kinds), Potts(EDGES, 3, J, jnp.tile(kinds, (4, 1)))
    x = jnp.array([0.0, 2.0, 2.0, 1.0])
    assert one(x) == all_sites(x)
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), one)
    assert single(x.astype(jnp.float32)).dtype == jnp.float32


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "kinds": (lambda: Potts(EDGES, 1), r"energy\.kinds: expected at least 2, but got 1"),
    "self": (lambda: Potts([(1, 1)], 2), r"energy\.edges: expected pairs of different sites"),
    "couplings": (lambda: Potts(EDGES, 3, [1.0]), r"energy\.couplings: .* \(5,\), but got \(1,\)"),
    "fields": (lambda: Potts(EDGES, 3, J, [1.0, 2.0]), r"energy\.fields: .* \(4, 3\), but got \(2,\)"),
    "sites": (lambda: Potts(EDGES, 3, J, H[:3]), r"energy\.edges: expected sites from 0 to 2, but got site 3"),
    "state": (lambda: Potts(EDGES, 3)(jnp.zeros(3)), r"expected a state of shape \(4,\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    make, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message):
        make()
