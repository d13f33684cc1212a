"""An energy of a user's own, with Gibbs sampling: one .py and one .yaml in the user's folder, and nothing else."""

from pathlib import Path

import pytest

from console import completed, credo, credo_process

ENERGY = '''
"""Units that all pull on each other alike (Curie & Weiss): `energy=mean_field`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro
from jax import Array, lax
from numpyro.distributions import constraints

from credo.energies.base import Discrete
from credo.energies.model import UnitsModel
from credo.ranges import Count


class MeanField(Discrete):
    """E(s) = -beta (sum_i s_i)^2 / (2 sites), s_i in {-1, +1}."""

    values = (-1.0, 1.0)
    gibbs = True

    beta: Array
    sites: int = eqx.field(static=True)

    @property
    def dim(self):
        return self.sites

    def __call__(self, x):
        return -self.beta * jnp.square(x.sum()) / (2 * self.sites)

    def sweep(self, x, key, *, backwards=False):
        def one(i, x):
            pull = self.beta * (x.sum(1) - x[:, i]) / self.sites
            up = jax.random.uniform(jax.random.fold_in(key, i), pull.shape) < jax.nn.sigmoid(2 * pull)
            return x.at[:, i].set(jnp.where(up, 1.0, -1.0))

        return lax.fori_loop(0, self.sites, lambda i, x: one(self.sites - 1 - i if backwards else i, x), x)


class MeanFieldModel(UnitsModel):
    supports = {"beta": (constraints.positive,)}
    takes_one_row = True
    values = MeanField.values

    size: Count = eqx.field(static=True)

    @property
    def dim(self):
        return self.size

    def __call__(self, prior):
        return MeanField(numpyro.sample("beta", prior["beta"]), self.size)
'''
PRESET = """\
# credo data=synthetic data.rows=20 model=ebm energy=mean_field inference=exchange sampler=gibbs
defaults:
  - /prior@_global_.model.prior.beta: half_normal
  - /training@_global_.training: none
  - _self_
_target_: mean_field.MeanFieldModel
size: 6
"""
WORDS = ["data=synthetic", "data.rows=20", "model=ebm", "energy=mean_field", "tracking=none", "report=none"]
FEW = ["inference.chains=2", "inference.warmup=20", "inference.draws=20"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with the energy's two files."""
    here = tmp_path_factory.mktemp("energy")
    (here / "mean_field.py").write_text(ENERGY)
    (here / "conf" / "energy").mkdir(parents=True)
    (here / "conf" / "energy" / "mean_field.yaml").write_text(PRESET)
    return here


def test_an_energy_with_gibbs_is_two_files(folder: Path) -> None:
    ran = credo_process(*WORDS, *FEW, "inference=exchange", "sampler=gibbs", "hydra.run.dir=run", cwd=folder)
    assert ran.code == 0, ran.err
    assert (folder / "run" / "posterior.nc").exists()
    refused = credo_process(*WORDS, "inference=nuts", cwd=folder)
    assert refused.code == 2
    assert "Z of this energy is intractable" in refused.err


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("energy.size=many", "energy.size: expected a whole number, but got many"),
        ("energy.size=0", "energy.size: expected a whole number of at least 1, but got 0"),
        ("energy.sice=3", "energy.sice: there is no such key; did you mean 'size'?"),
        ("energy=mean_feild", "energy=mean_feild: there is no such option; did you mean 'mean_field'?"),
    ],
)
def test_it_is_refused_by_the_key_that_was_typed(word: str, sentence: str, folder: Path) -> None:
    said = credo(*WORDS, *FEW, "inference=exchange", word, "hydra.run.dir=refused", cwd=folder)
    assert (said.code, said.err) == (2, f"credo: {sentence}\n")
    assert not (folder / "refused").exists()


def test_the_help_and_tab_show_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ising, mean_field, neural" in credo("--help", cwd=folder).out
    assert "energy=mean_field" in completed("credo model=ebm energy=mea", folder, monkeypatch)
