"""Priors of all coefficients of a regression together, most of which they shrink to zero.

Coefficient j is unit_j scale_j z_j with z_j ~ N(0, 1), so that the sites are `z[beta]` and what the scales are made of,
and `beta` is computed (Betancourt & Girolami 2015). The unit is what a coefficient of normal prior scale 1 has: 1, or
sd(y) / sd(x_j) of a formula whose priors scale with the data.
"""

import abc
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Float

from credo.ranges import Between, Positive

Plates = Callable[[], AbstractContextManager[Any]]
"""What makes the plates around one coefficient."""


class Shrinkage(eqx.Module):
    """A prior of all coefficients together: subclasses sample their scales.

    Attributes:
        of_noise: whether coefficients are in units of the noise, sigma / sd(x_j) (1 / sd(x_j) of families without).
    """

    of_noise: ClassVar[bool] = False

    @abc.abstractmethod
    def scales(self, name: str, shape: tuple[int, ...], plates: Plates) -> Float[Array, "..."]:
        """Sample what the scales of coefficients of this name and shape are made of."""

    @property
    @abc.abstractmethod
    def words(self) -> str:
        """The scales in mathematics."""

    def sample(
        self, name: str, shape: tuple[int, ...], unit: float | Float[Array, "..."], plates: Plates
    ) -> Float[Array, "..."]:
        """Sample the coefficients of this name and shape."""
        scales = self.scales(name, shape, plates)
        with plates():
            z = numpyro.sample(f"z[{name}]", dist.Normal(0.0, 1.0), infer={"local": True, "effect": name})
            value: Array = numpyro.deterministic(name, unit * scales * z)
        return value


class Horseshoe(Shrinkage):
    """scale_j = global local_j, both half-Cauchy.

    Carvalho, C. M., Polson, N. G. and Scott, J. G. (2010). The horseshoe estimator for sparse signals. Biometrika 97.

    Attributes:
        scale: of the global scale; p0 / (p - p0) / sqrt(n) where p0 of p coefficients are expected to matter
            (Piironen & Vehtari 2017, equation 3.12, in units of the noise).
    """

    scale: Positive

    def scales(self, name: str, shape: tuple[int, ...], plates: Plates) -> Float[Array, "..."]:  # noqa: ARG002 - plates say it
        """The product."""
        whole, local = _global_and_local(name, self.scale, plates)
        return whole * local

    @property
    def words(self) -> str:
        """In mathematics."""
        return f"global ~ HalfCauchy({float(self.scale):.3g}), local_j ~ HalfCauchy(1)"


class RegularisedHorseshoe(Shrinkage):
    """A horseshoe whose large coefficients are shrunk as by a normal prior of the width `slab`.

    scale_j^2 = slab^2 (global local_j)^2 / (slab^2 + (global local_j)^2), slab^2 ~ InverseGamma(df / 2, df s^2 / 2), so
    that a large coefficient has a Student-t prior with `slab_df` and `slab_scale` (Piironen, J. and Vehtari, A. 2017,
    Sparsity information and regularization in the horseshoe and other shrinkage priors, EJS 11, equation 2.8).

    Attributes:
        scale: of the global scale, as of `Horseshoe`.
        slab_scale: s.
        slab_df: the degrees of freedom.
    """

    scale: Positive
    slab_scale: Positive
    slab_df: Positive

    def scales(self, name: str, shape: tuple[int, ...], plates: Plates) -> Float[Array, "..."]:  # noqa: ARG002 - plates say it
        """The product, at most the slab's width."""
        half = jnp.asarray(self.slab_df) / 2
        slab2 = numpyro.sample(f"slab2[{name}]", dist.InverseGamma(half, half * self.slab_scale**2))
        whole, local = _global_and_local(name, self.scale, plates)
        free = whole * local
        return free / jnp.sqrt(1 + free**2 / slab2)

    @property
    def words(self) -> str:
        """In mathematics."""
        slab = f"slab2 ~ InverseGamma({self.slab_df / 2:.3g}, {self.slab_df * self.slab_scale**2 / 2:.3g})"
        return f"global ~ HalfCauchy({float(self.scale):.3g}), local_j ~ HalfCauchy(1), {slab}"


class R2d2(Shrinkage):
    """scale_j^2 = share_j R^2 / (1 - R^2), where R^2 is Beta distributed and the shares are Dirichlet.

    R^2 is the share of the target's variance that the coefficients of uncorrelated columns explain in the prior mean.
    Zhang, Y. D., Naughton, B. P., Bondell, H. D. and Reich, B. J. (2022). Bayesian regression using a prior on the
    model fit: the R2-D2 shrinkage prior. JASA 117, with normal coefficients as in Aguilar & Bürkner (2023).

    Attributes:
        mean: of R^2.
        precision: the sum of the two numbers of its Beta distribution.
        concentration: of the shares; the smaller it is, the fewer coefficients have most of R^2.
    """

    of_noise: ClassVar[bool] = True

    mean: Between
    precision: Positive
    concentration: Positive

    def scales(self, name: str, shape: tuple[int, ...], plates: Plates) -> Float[Array, "..."]:
        """From the shares of what is explained."""
        r2 = numpyro.sample(f"r2[{name}]", dist.BetaProportion(self.mean, self.precision))
        even = jnp.broadcast_to(jnp.asarray(self.concentration, float), (jnp.zeros(shape).size,))
        shares = numpyro.sample(f"shares[{name}]", dist.Dirichlet(even), infer={"local": True, "internal": True})
        with plates():
            share = numpyro.deterministic(f"share[{name}]", shares.reshape(shape))
        return jnp.sqrt(share * r2 / (1 - r2))

    @property
    def words(self) -> str:
        """In mathematics."""
        a, b = self.mean * self.precision, (1 - self.mean) * self.precision
        return f"r2 ~ Beta({a:.3g}, {b:.3g}), share ~ Dirichlet({float(self.concentration):.3g}, ...)"


def _global_and_local(name: str, scale: Any, plates: Plates) -> tuple[Float[Array, ""], Float[Array, "..."]]:
    whole = numpyro.sample(f"global[{name}]", dist.HalfCauchy(scale))
    with plates():
        return whole, numpyro.sample(f"local[{name}]", dist.HalfCauchy(1.0), infer={"local": True, "aside": name})
