"""An earlier posterior as a prior: a mixture of normal distributions over all latents in unconstrained space.

It stands in the program site by site, each given the sites before it, so that it can be drawn from like any prior. Its
numbers are leaves: another earlier run compiles nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax import Array
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp
from jaxtyping import Float
from numpyro.primitives import Messenger

from credo.models.messages import Message


class Mixture(eqx.Module):
    """A mixture of normal distributions over vectors.

    Attributes:
        log_weights: of the components.
        means: of each.
        scales: the lower factors of their covariances.
        sites: the latents in the program's order, and how many unconstrained scalars each has.
    """

    log_weights: Float[Any, "component"]
    means: Float[Any, "component dim"]
    scales: Float[Any, "component dim dim"]
    sites: tuple[tuple[str, int], ...] = eqx.field(static=True)

    def span(self, site: str) -> tuple[int, int]:
        """Where the scalars of a site begin and end."""
        first = 0
        for name, size in self.sites:
            if name == site:
                return first, first + size
            first += size
        raise KeyError(site)

    def noise(self, z: Float[Array, "some"]) -> Float[Array, "component some"]:
        """The standardised values of the first scalars, by every component."""
        n = len(z)

        def one(mean: Array, scale: Array) -> Array:
            return solve_triangular(scale[:n, :n], z - mean[:n], lower=True)

        return jax.vmap(one)(self.means, self.scales)

    def running(self, z: Float[Array, "some"]) -> Float[Array, "some_and_one"]:
        """Log density of the first scalars, of the first 0, 1, 2, ... of them."""
        steps = self._steps(z)
        return logsumexp(self.log_weights[:, None] + steps, axis=0)

    def _steps(self, z: Float[Array, "some"]) -> Float[Array, "component some_and_one"]:
        stretch = jnp.log(jnp.diagonal(self.scales, axis1=1, axis2=2))[:, : len(z)]
        each = jax.scipy.stats.norm.logpdf(self.noise(z)) - stretch
        return jnp.concatenate([jnp.zeros((len(each), 1), each.dtype), jnp.cumsum(each, axis=1)], axis=1)

    def draw(self, before: Float[Array, "before"], last: int, key: Array) -> Float[Array, "new"]:
        """The scalars up to a number, given those before."""
        first, (choice, own) = len(before), jax.random.split(key)
        chosen = jax.random.categorical(choice, self.log_weights + self._steps(before)[:, -1])
        mean, scale = jnp.asarray(self.means)[chosen], jnp.asarray(self.scales)[chosen]
        noise = jax.random.normal(own, (last - first,), mean.dtype)
        both = jnp.concatenate([self.noise(before)[chosen], noise])
        return mean[first:last] + scale[first:last, :last] @ both


class EarlierPosterior(dist.Distribution):
    """A latent's distribution in an earlier posterior, given the latents before it.

    Args:
        base: its own prior, which says its shape and support.
        mixture: over all latents.
        before: the unconstrained values of the latents before it.
        last: where its own scalars end.
    """

    pytree_data_fields = ("base", "mixture", "before")
    pytree_aux_fields = ("last",)

    def __init__(self, base: Any, mixture: Mixture, before: Any, last: int) -> None:
        self.base, self.mixture, self.before, self.last = base, mixture, before, last
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    @property
    def support(self) -> Any:
        """That of its own prior."""
        return self.base.support

    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> Any:
        """A draw given the latents before."""
        transform = dist.biject_to(self.support)
        shape = transform.inverse_shape(self.shape())

        def one(key: Array) -> Array:
            return transform(jnp.reshape(self.mixture.draw(self.before, self.last, key), shape))

        if not sample_shape:
            return one(key)
        keys = jax.random.split(key, sample_shape)
        for _ in sample_shape:
            one = jax.vmap(one)
        return one(keys)

    def log_prob(self, value: Any) -> Any:
        """The density of each scalar given those before it, in the latent's own space."""
        transform = dist.biject_to(self.support)
        z = transform.inv(value)
        running = self.mixture.running(jnp.concatenate([self.before, jnp.ravel(z)]))
        each = jnp.reshape(jnp.diff(running)[len(self.before) :], jnp.shape(z))
        density = _summed(each, len(self.batch_shape))
        return density - _summed(transform.log_abs_det_jacobian(z, value), len(self.batch_shape))


def _summed(values: Any, dims: int) -> Any:
    """Summed over all but the first dims."""
    return jnp.sum(values, axis=tuple(range(dims, jnp.ndim(values))))


class FromEarlier(Messenger):
    """Gives the latents of a program the distribution of an earlier posterior."""

    def __init__(self, fn: Any, mixture: Mixture) -> None:
        super().__init__(fn)
        self._mixture = mixture
        self._before: dict[str, Any] = {}

    def process_message(self, msg: Message) -> None:
        """Replace a prior."""
        if msg["type"] == "sample" and not msg["is_observed"]:
            z = jnp.concatenate([jnp.zeros(0, self._mixture.means.dtype), *self._before.values()])
            self._before[msg["name"]] = None
            msg["fn"] = EarlierPosterior(msg["fn"], self._mixture, z, self._mixture.span(msg["name"])[1])

    def postprocess_message(self, msg: Message) -> None:
        """Remember the value, on which the next latents depend."""
        if msg["type"] == "sample" and msg["name"] in self._before:
            self._before[msg["name"]] = jnp.ravel(dist.biject_to(msg["fn"].support).inv(msg["value"]))


@dataclass(frozen=True)
class Earlier:
    """An earlier run whose posterior is the prior.

    Attributes:
        mixture: what its posterior was approximated by.
        about: the run: `folder`, `draws_hash`; of the approximation `pareto_k` and `divergence`, in nats.
    """

    mixture: Mixture
    about: Mapping[str, Any]
