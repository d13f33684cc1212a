"""An energy of a user's own, with Gibbs sampling: one .py and one .yaml in the user's folder, and nothing else."""

from pathlib import Path

from console import credo_process

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

    size: int = eqx.field(static=True)

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


def test_an_energy_with_gibbs_is_two_files(tmp_path: Path) -> None:
    (tmp_path / "mean_field.py").write_text(ENERGY)
    (tmp_path / "conf" / "energy").mkdir(parents=True)
    (tmp_path / "conf" / "energy" / "mean_field.yaml").write_text(PRESET)
    ran = credo_process(*WORDS, *FEW, "inference=exchange", "sampler=gibbs", "hydra.run.dir=run", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert (tmp_path / "run" / "posterior.nc").exists()
    refused = credo_process(*WORDS, "inference=nuts", cwd=tmp_path)
    assert refused.code == 2
    assert "Z of this energy is intractable" in refused.err
