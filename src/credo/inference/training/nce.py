"""Noise contrastive estimation: the energy learns to tell the data from noise of a known density.

`binary` (Gutmann & Hyvarinen 2010) classifies each state; the network's last bias learns log Z. `ranking` (Ma & Collins
2018) finds the observed state among noise, and needs no Z; for y given x with noise about the observed y see Gustafsson
et al. (2020).
"""

from functools import partial
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax import Array
from jax.nn import log_softmax, logsumexp, softplus
from jaxtyping import Float, PRNGKeyArray

from credo import memory
from credo.errors import ConfigError
from credo.inference.density import Values
from credo.inference.training.contrastive import OfEnergies, log_prior, states_of
from credo.inference.training.descent import Batch, Method
from credo.models.binding import BoundModel
from credo.models.energy_distribution import EnergyDistribution
from credo.models.problem import Problem
from credo.ranges import Count, Positive

FORMS = ("binary", "ranking")
NOISES = ("kde", "gaussian", "uniform", "base", "local")


class Noise(NamedTuple):
    """A mixture of normals: **centers** [center, dim], and **root** [dim, dim], the root of their covariance."""

    centers: Float[Array, "center dim"]
    root: Float[Array, "dim dim"]

    def sample(self, key: PRNGKeyArray, count: int) -> Float[Array, "count dim"]:
        """Draws."""
        chosen_key, noise_key = jax.random.split(key)
        chosen = jax.random.randint(chosen_key, (count,), 0, len(self.centers))
        return self.centers[chosen] + jax.random.normal(noise_key, (count, self.root.shape[0])) @ self.root.T

    def log_prob(self, y: Float[Array, "state dim"]) -> Float[Array, "state"]:
        """The log densities of states."""
        away = jax.scipy.linalg.solve_triangular(
            self.root, (y[:, None] - self.centers).reshape(-1, y.shape[1]).T, lower=True
        )
        squared = jnp.square(away).sum(0).reshape(len(y), -1)
        constant = jnp.log(jnp.diagonal(self.root)).sum() + 0.5 * y.shape[1] * np.log(2 * np.pi)
        return logsumexp(-0.5 * squared, axis=1) - np.log(len(self.centers)) - constant


class Nce(OfEnergies):
    """The classification loss per row.

    Attributes:
        form: `binary` or `ranking`.
        noise: `kde`, normals about some training rows; `gaussian`, with the rows' covariance; `uniform` within the
            energy's bounds; `base`, the energy's base distribution (that of discrete units); `local`, normals about
            each observed y, for `ranking` of conditional energies.
        widths: of `local`, standard deviations in units of the data's, of which each is as likely as the others; of
            `kde` and `gaussian` the first multiplies the deviations.
        samples: noise states per row of `binary` and of conditional energies; per step of `ranking` otherwise.
        centers: of `kde`.
    """

    form: str = eqx.field(static=True)
    noise: str = eqx.field(static=True)
    widths: tuple[Positive, ...] = eqx.field(static=True, converter=tuple)
    samples: Count = eqx.field(static=True)
    centers: Count = eqx.field(static=True)

    curve: ClassVar[str] = "nce"
    reading: ClassVar[str] = "classification loss per row"

    def __check_init__(self) -> None:
        for name, words in (("form", FORMS), ("noise", NOISES)):
            if getattr(self, name) not in words:
                raise ConfigError(f"{name}: expected one of {', '.join(words)}, but got {getattr(self, name)!r}")
        if not self.widths:
            raise ConfigError("widths: expected at least one, but got none; training.widths=[1.0], say")

    def check(self, problem: Problem) -> None:
        """As all trainings; and form, noise and energy must go together."""
        super().check(problem)
        memory.require(f"training.samples={self.samples}", 4 * self.samples * self.batch_size)
        energy = problem.model.energy  # type: ignore[attr-defined]
        if self.form == "binary" and not energy.networks:
            raise ConfigError(
                "training.form: binary learns log Z as the last bias of a network, but this energy has none; use "
                "training.form=ranking"
            )
        if energy.support.is_discrete and self.noise != "base":
            raise ConfigError(
                f"training.noise: discrete states need base, but got {self.noise}; set training.noise=base"
            )
        if self.noise == "local" and not (energy.conditional and self.form == "ranking"):
            raise ConfigError("training.noise: local is for training.form=ranking of a conditional energy; use kde")
        if self.noise == "uniform" and not np.isfinite(energy.box).all():
            raise ConfigError("training.noise: uniform needs energy.bounds, but there are none; use kde")

    def begin(self, program: BoundModel, key: PRNGKeyArray) -> Any:
        """The noise, learned from the training rows."""
        if self.noise not in ("kde", "gaussian"):
            return ()
        y = program.arrays["y"]
        y = jnp.asarray(y, float).reshape(len(y), -1)
        rows, dim = y.shape
        covariance = jnp.cov(y.T).reshape(dim, dim) + 1e-9 * jnp.eye(dim)
        if self.noise == "gaussian":
            return Noise(y.mean(0, keepdims=True), self.widths[0] * jnp.linalg.cholesky(covariance))
        count = min(self.centers, rows)
        chosen = jax.random.choice(key, rows, (count,), replace=False)
        scott = count ** (-1 / (dim + 4))
        return Noise(y[chosen], self.widths[0] * scott * jnp.linalg.cholesky(covariance))

    def loss(
        self, method: Method, batch: Batch, z: Values, memory: Any, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], tuple[Float[Array, ""], Any]]:
        """The loss and the prior."""
        states, y = states_of(batch.program, z)
        value = self._classified(states, y, memory, key)
        return value - log_prior(method, batch, z), (value, memory)

    def _classified(
        self, states: EnergyDistribution, y: Float[Array, "row dim"], memory: Any, key: PRNGKeyArray
    ) -> Float[Array, ""]:
        if states.model.conditional:
            return self._of_conditional(states, y, memory, key)
        count = self.samples * len(y) if self.form == "binary" else self.samples
        noise = self._noise(states, memory, key, count)
        data, other = (-states.energy.batch(x) - self._log_noise(states, memory, x) for x in (y, noise))
        if self.form == "binary":
            shift = np.log(self.samples)
            return softplus(shift - data).mean() + self.samples * softplus(other - shift).mean()
        everything = jnp.logaddexp(data, logsumexp(other))
        return (everything - data).mean() - np.log(self.samples + 1)

    def _of_conditional(
        self, states: EnergyDistribution, y: Float[Array, "row dim"], memory: Any, key: PRNGKeyArray
    ) -> Float[Array, ""]:
        """Each row among its own noise."""
        rows, dim = y.shape
        if self.noise == "local":
            noise = _local(self._widths(states, y), y, key, self.samples)
            log_noise: Any = jax.vmap(partial(_log_local, self._widths(states, y)))
        else:
            noise = self._noise(states, memory, key, rows * self.samples).reshape(rows, self.samples, dim)

            def log_noise(_: Array, x: Array) -> Array:
                return self._log_noise(states, memory, x.reshape(-1, dim)).reshape(rows, -1)

        everything = jnp.concatenate([y[:, None], noise], 1)
        energies = jax.vmap(states.energy.batch, 1, 1)(everything)
        scores = -energies - log_noise(y, everything)
        if self.form == "ranking":
            return -log_softmax(scores)[:, 0].mean() - np.log(self.samples + 1)
        shift = np.log(self.samples)
        return (softplus(shift - scores[:, 0]) + softplus(scores[:, 1:] - shift).sum(1)).mean()

    def _widths(self, states: EnergyDistribution, y: Float[Array, "row dim"]) -> Float[Array, "width dim"]:
        return jnp.asarray(self.widths)[:, None] * jnp.asarray(states.model.unit or np.ones(y.shape[1]))

    def _known(self, states: EnergyDistribution, memory: Any) -> Any:
        if self.noise == "uniform":
            low, high = np.array(states.model.box).T
            return dist.Uniform(low, high).to_event(1)
        return states.model.base if self.noise == "base" else memory

    def _noise(
        self, states: EnergyDistribution, memory: Any, key: PRNGKeyArray, count: int
    ) -> Float[Array, "count dim"]:
        known = self._known(states, memory)
        if isinstance(known, Noise):
            low, high = np.array(states.model.box).T
            return jnp.clip(known.sample(key, count), low, high)
        return known.sample(key, (count,)).astype(float)

    def _log_noise(
        self, states: EnergyDistribution, memory: Any, x: Float[Array, "state dim"]
    ) -> Float[Array, "state"]:
        return self._known(states, memory).log_prob(x)


def _local(
    widths: Float[Array, "width dim"], y: Float[Array, "row dim"], key: PRNGKeyArray, samples: int
) -> Float[Array, "row sample dim"]:
    """Noise about states y, of widths."""
    chosen_key, noise_key = jax.random.split(key)
    chosen = jax.random.randint(chosen_key, (len(y), samples), 0, len(widths))
    return y[:, None] + widths[chosen] * jax.random.normal(noise_key, (len(y), samples, y.shape[1]))


def _log_local(
    widths: Float[Array, "width dim"], about: Float[Array, "dim"], x: Float[Array, "state dim"]
) -> Float[Array, "state"]:
    """The log densities of states x under noise about one state."""
    each = dist.Normal(about, widths[:, None]).to_event(1).log_prob(x)
    return logsumexp(each, axis=0) - np.log(len(widths))
