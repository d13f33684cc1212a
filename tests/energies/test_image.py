"""Energies of images: what their parts are alone, log Z of small ones by sampling, and what the family asks for."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from jax import Array
from jax.test_util import check_grads

from credo.energies.image import BinaryImage, ImageModel, RealImage, network_of
from credo.energies.normaliser import ais, enumeration
from credo.energies.rbm import BernoulliRbm
from credo.energies.samplers.dmala import Dmala
from credo.errors import ConfigError
from credo.networks.conv import Encoder
from registry import values

ROOT = Path(__file__).parents[2]
KEY = jax.random.PRNGKey(0)
RNG = np.random.default_rng(2)
SHAPE = (1, 3, 3)
STATES = np.array(list(product((0.0, 1.0), repeat=9)))


def binary(hidden: int = 0, head: float = 1.0) -> BinaryImage:
    """An energy of images of 3 x 3 pixels whose convolutions count `head` times."""
    encoder = Encoder(SHAPE, 1, (4,), pool=1, dtype=jnp.float64, key=KEY)
    encoder = eqx.tree_at(lambda e: (e.head.weight, e.head.bias), encoder, replace_fn=lambda a: head * a)
    network = network_of(encoder, hidden, 9, jax.random.PRNGKey(1))
    return BinaryImage(eqx.tree_at(lambda n: n.field, network, jnp.asarray(RNG.normal(size=9))), SHAPE, "float64")


def real(head: float = 1.0) -> RealImage:
    encoder = Encoder(SHAPE, 1, (4,), pool=1, dtype=jnp.float64, key=KEY)
    encoder = eqx.tree_at(lambda e: (e.head.weight, e.head.bias), encoder, replace_fn=lambda a: head * a)
    mean, sd = tuple(RNG.normal(size=9).tolist()), tuple(RNG.uniform(1, 2, 9).tolist())
    return RealImage(encoder, mean, sd, 1.5, "float64", SHAPE)


def of_all(energy: Any) -> np.ndarray:
    """The energies of all binary images."""
    return np.asarray(energy.batch(jnp.asarray(STATES)))


def image(**settings: Any) -> ImageModel:
    """The family with the settings of its YAML but for these."""
    known: dict[str, Any] = values(ROOT / "conf" / "energy" / "image.yaml")
    return ImageModel(**(known | settings))


def test_without_convolutions_it_is_a_restricted_boltzmann_machine() -> None:
    energy = binary(hidden=5, head=0.0)
    units = energy.network.units
    assert units is not None
    assert units.bias is not None
    machine = BernoulliRbm(units.weight.T, energy.network.field, units.bias)
    np.testing.assert_allclose(
        energy.batch(jnp.asarray(STATES)), machine.batch(jnp.asarray(STATES)), rtol=1e-12, atol=1e-12
    )


def test_convolutions_see_plus_and_minus_one_as_an_image() -> None:
    energy = binary()
    encoder, field = energy.network.encoder, energy.network.field
    for x in jnp.asarray(STATES[::100]):
        expected = encoder((2 * x - 1).reshape(SHAPE))[0] - field @ x
        assert energy(x) == pytest.approx(float(expected), rel=1e-12)


def test_parts_are_added() -> None:
    both, units, convolutions = binary(5), binary(5, head=0.0), binary()
    alone = [of_all(one) + STATES @ np.asarray(one.network.field) for one in (both, units, convolutions)]
    np.testing.assert_allclose(alone[0], alone[1] + alone[2], rtol=1e-12, atol=1e-12)


def test_without_convolutions_real_pixels_are_normal() -> None:
    energy = real(head=0.0)
    x = jnp.asarray(RNG.normal(size=(20, 9)))
    mean, sd = np.array(energy.mean), 1.5 * np.array(energy.sd)
    log_p = dist.Normal(mean, sd).to_event(1).log_prob(x)
    np.testing.assert_allclose(np.diff(energy.batch(x)), np.diff(-log_p), rtol=1e-10, atol=1e-10)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("make", [binary, real])
def test_energies_are_smooth_functions_of_one_image_each(make: Callable[[], Any]) -> None:
    energy = make()
    x = jnp.asarray(RNG.uniform(size=(5, 9)))
    assert energy.batch(x).shape == (5,)
    np.testing.assert_allclose(energy.batch(x), [energy(one) for one in x], rtol=1e-12)
    check_grads(energy.batch, (x,), order=1, modes=["rev"])
    with pytest.raises(ConfigError, match=r"^energy: expected a state of shape \(9,\), but got \(5, 9\)"):
        energy(x)


@pytest.mark.slow
def test_log_z_by_discrete_langevin_chains_from_a_base_is_that_of_all_states() -> None:
    # the interval is of two standard errors to each side of two bounds: an estimate outside is 2 of 100 at most
    energy = eqx.tree_at(lambda e: e.network.units.weight, binary(5), replace_fn=lambda w: 8 * w)
    known = float(enumeration.log_z(energy))
    base: Any = dist.BernoulliProbs(np.linspace(0.3, 0.8, 9)).to_event(1)
    found = ais.log_z(energy, base, Dmala(5, 0.5), jax.random.PRNGKey(4), chains=200, rungs=60)
    assert found.low <= known <= found.high
    assert found.high - found.low < 0.2
    assert abs(found.log_z - known) < 4 * found.error


def sized(**settings: Any) -> ImageModel:
    return image(channels=(2,), pool=1, **settings)


def test_the_family_takes_moments_and_begins_at_them() -> None:
    y = (np.random.default_rng(0).uniform(size=(200, 9)) < np.linspace(0.2, 0.9, 9)).astype(float)
    family = sized(shape=(3, 3), hidden=2).fitted(y, None, None)
    np.testing.assert_allclose(family.base.mean, y.mean(0), rtol=1e-6)
    field = family.start(KEY)["field"]
    np.testing.assert_allclose(jax.nn.sigmoid(field), y.mean(0), rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "picture"), [((3, 4), (3, 4)), ((1, 3, 4), (3, 4)), ((2, 3, 4), None)], ids=["plain", "grey", "colours"]
)
def test_a_picture_has_one_channel(shape: tuple[int, ...], picture: tuple[int, int] | None) -> None:
    family = sized(shape=shape)
    assert family.picture == picture
    assert family.dim == np.prod(shape)


REFUSED = {
    "shape": ({"shape": (3,)}, r"^shape: expected height and width, or channels, height and width, but got \[3\]$"),
    "infinite": ({"pixels": "real", "tail": None}, r"^tail: without a tail Z is infinite"),
    "bounds": ({"pixels": "real", "bounds": (1.0, 0.0)}, r"^bounds: expected low < high, .* but got \[1\.0, 0\.0\]$"),
    "blocks": ({"shape": (3, 3), "pool": 2}, r"pooling by 2 leaves nothing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    settings, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message):
        image(**settings)


def test_bounded_pixels_need_no_tail() -> None:
    family = sized(shape=(3, 3), pixels="real", tail=None, bounds=(0.0, 1.0))
    y = np.random.default_rng(0).uniform(size=(50, 9))
    states: Array = jnp.asarray(family.fitted(y, None, None).base.sample(KEY, (100,)))
    assert bool(family.support(states).all())
    assert not family.support(states.at[0, 0].set(1.5))[0]
