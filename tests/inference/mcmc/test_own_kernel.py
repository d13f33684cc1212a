"""A kernel of a user's own: one .py and one .yaml in the user's folder, and nothing else is touched."""

from pathlib import Path

import pytest

from console import QUIET, completed, credo

KERNEL = '''
"""A random walk: `inference=walk`."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from credo.inference.density import potential
from credo.inference.mcmc.kernel import Kernel
from credo.ranges import Positive


class State(NamedTuple):
    z: dict[str, Any]
    log_density: Any
    rng_key: Any


class Info(NamedTuple):
    moved: Any


class Walk(Kernel):
    scale: Positive

    info: ClassVar[Any] = Info
    uses_gradients: ClassVar[bool] = False

    def init(self, program, start, key, warmup):
        return State(start.z, -potential(program)(start.z), key)

    def step(self, program, state, warmup):
        key, propose_key, accept_key = jax.random.split(state.rng_key, 3)
        flat, unravel = ravel_pytree(state.z)
        z = unravel(flat + self.scale * jax.random.normal(propose_key, flat.shape, flat.dtype))
        log_density = -potential(program)(z)
        moved = jnp.log(jax.random.uniform(accept_key)) < log_density - state.log_density
        there = jax.tree.map(lambda new, old: jnp.where(moved, new, old), (z, log_density), state[:2])
        return State(*there, key), Info(moved)
'''
PRESET = """\
# credo data=coin_flips model=bernoulli inference=walk inference.scale=0.5
defaults:
  - base/chains@_here_
  - _self_
_target_: walk.Walk
warmup: 1000
draws: 1000
thinning: 1
block: 100
scale: 1.0
"""
COINS = ("data=coin_flips", "model=bernoulli", "inference=walk", *QUIET)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with the kernel's two files."""
    here = tmp_path_factory.mktemp("kernel")
    (here / "conf" / "inference").mkdir(parents=True)
    (here / "conf" / "inference" / "walk.yaml").write_text(PRESET)
    (here / "walk.py").write_text(KERNEL.lstrip())
    return here


def test_it_draws_by_the_settings_of_all_chains(folder: Path) -> None:
    short = ("inference.chains=2", "inference.warmup=20", "inference.draws=40")
    said = credo(*COINS, *short, "hydra.run.dir=run", cwd=folder)
    assert said.code == 0, said.err
    assert (folder / "run" / "posterior.nc").exists()


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("inference.draws=many", "inference.draws: expected a whole number, but got many"),
        ("inference.draws=0", "inference.draws: expected a whole number of at least 1, but got 0"),
        ("inference.drawz=5", "inference.drawz: there is no such key; did you mean 'draws'?"),
        ("inference.scale=wide", "inference.scale: expected a number, but got wide"),
        ("inference.scale=-1", "inference.scale: expected a positive number, but got -1.0"),
        ("inference.scael=1", "inference.scael: there is no such key; did you mean 'scale'?"),
    ],
)
def test_it_is_refused_by_the_key_that_was_typed(word: str, sentence: str, folder: Path) -> None:
    said = credo(*COINS, word, "hydra.run.dir=refused", cwd=folder)
    assert (said.code, said.err.count("\n")) == (2, 1), said.err
    assert said.err.startswith(f"credo: {sentence}")
    assert not (folder / "refused").exists()


def test_the_help_and_tab_show_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "vi, walk\n" in credo("--help", cwd=folder).out
    assert completed("credo inference=wa", folder, monkeypatch) == ["inference=walk"]
    assert completed("credo inference=walk inference.sc", folder, monkeypatch) == ["inference.scale="]
