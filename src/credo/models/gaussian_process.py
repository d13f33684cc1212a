"""Regression by a Gaussian process, exact or by the eigenfunctions of a box."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import xarray as xr
from jax import Array
from jax.scipy.linalg import solve_triangular
from jaxtyping import Float, PRNGKeyArray, Shaped
from numpyro.distributions import constraints

from credo import memory
from credo.errors import ConfigError
from credo.models.base import Found, Model
from credo.models.covariances import COVARIANCES, ROUGHNESS, eigenfunctions, spectral_density, terms
from credo.models.dependent import Chain
from credo.models.mixtures import ConditionalMixture, normals
from credo.networks.bayesian import Moments, moments, require_varied
from credo.ranges import Count, Positive

_DRAWS = 200
"""Covariances of the rows that there are at once where rows are predicted."""

ROUNDING = 10
"""By how many roundings of its mean the diagonal of a covariance is raised, so that it has a Cholesky factor."""


class Learned(eqx.Module):
    """The training rows.

    Attributes:
        x: the inputs, standardised.
        y: the target, standardised.
        inputs: the moments of the inputs.
        location: the mean of the target.
        spread: its standard deviation.
    """

    x: Float[Array | np.ndarray, "row feature"]
    y: Float[Array | np.ndarray, "row"]
    inputs: Moments
    location: Float[Array | np.ndarray, ""]
    spread: Float[Array | np.ndarray, ""]


class GaussianProcess(Model):
    """y_i = f(x_i) + e_i, f ~ GP(0, kernel), e_i ~ N(0, sigma); f is marginalised.

    The kernel is a sum of products of `covariances.COVARIANCES`. Each term has an amplitude, the standard deviation of
    its part of f; each factor has a lengthscale, or one per feature. With `standardise`, all of them are in standard
    deviations of the training rows, and y counts from its mean.

    Attributes:
        kernel: as `rbf`, or `rbf + periodic*matern32`.
        approximation: `none`, or `hsgp` for one of rbf, matern32 and matern52: `basis` eigenfunctions per feature on a
            box that reaches `boundary` times as far as the training rows (Solin & Särkkä 2020), whose weights are
            latents. It costs rows times functions rather than the cube of the rows.
        basis: of hsgp.
        boundary: of hsgp.
        ard: whether each feature has its own lengthscale.
        standardise: whether the process is over standardised inputs and target.
        learned: the training rows, once it is `fitted`.
        held_out: whether the rows are given the training rows.
    """

    formula: ClassVar[str] = (
        "y_i = f(x_i) + e_i, e_i ~ N(0, sigma)\nf ~ GP(0, kernel), with prior.amplitude and prior.lengthscale"
    )
    predicts: ClassVar[bool] = True
    derives: ClassVar[str] = "predictive"
    supports: ClassVar[dict[str, Any]] = dict.fromkeys(
        ("amplitude", "lengthscale", "period", "sigma"), (constraints.positive,)
    )

    kernel: str = eqx.field(static=True)
    approximation: str = eqx.field(static=True)
    basis: Count = eqx.field(static=True)
    boundary: Positive
    ard: bool = eqx.field(static=True)
    standardise: bool = eqx.field(static=True)
    learned: Learned | None = None
    held_out: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        found = terms(self.kernel)
        if self.approximation not in ("none", "hsgp"):
            raise ConfigError(f"approximation: expected none or hsgp, but got {self.approximation!r}")
        if self.approximation == "hsgp" and (len(found) > 1 or len(found[0]) > 1 or found[0][0] not in ROUGHNESS):
            raise ConfigError(
                f"approximation: hsgp takes one of {', '.join(ROUGHNESS)} as the kernel, but got {self.kernel!r}; "
                "choose one, or set model.approximation=none"
            )

    @property
    def mathematics(self) -> str:
        """With the kernel."""
        how = "" if self.approximation == "none" else f" by {self.basis} eigenfunctions per feature"
        return f"y_i = f(x_i) + e_i, e_i ~ N(0, sigma)\nf ~ GP(0, {self.kernel}){how}"

    @property
    def rows_depend(self) -> bool:  # type: ignore[override]
        """Given the weights of eigenfunctions they do not."""
        return self.approximation == "none"

    @property
    def unread(self) -> Mapping[str, str]:
        """The priors of numbers that the kernel does not have, and what only eigenfunctions read."""
        numbers = {prior for prior in self.supports if prior not in self._sites().values()}
        found = {f"prior.{name}": f"model.kernel={self.kernel} has no {name}; leave it out" for name in numbers}
        if self.approximation == "none":
            why = "model.approximation=none is exact; leave it out, or set model.approximation=hsgp"
            found |= dict.fromkeys(("basis", "boundary"), why)
        return found

    def fitted(self, train: xr.Dataset) -> "GaussianProcess":
        """This model with the training rows.

        Raises:
            ConfigError: an input or the target is constant, or there are too many rows.
        """
        if "x" not in train or "y" not in train or train["y"].ndim != 1:
            return self  # `bind` says what is missing
        x, y = train["x"].to_numpy().astype(float), train["y"].to_numpy().astype(float)
        if self.approximation == "none":
            memory.require("model.approximation=none", _DRAWS * len(y) ** 2)
        else:
            memory.require(f"model.basis={self.basis}", len(y) * float(self.basis) ** x.shape[1])
        require_varied(y[:, None], "data.target", ["the target"])
        inputs, location, spread = moments(train, "x"), np.asarray(y.mean()), np.asarray(y.std())
        if not self.standardise:
            inputs, location, spread = Moments(np.zeros(x.shape[1]), np.ones(x.shape[1])), np.zeros(()), np.ones(())
        known = Learned(inputs(x), (y - location) / spread, inputs, location, spread)  # type: ignore[arg-type]
        return dataclasses.replace(self, learned=known)

    def given_training(self) -> "GaussianProcess":
        """This model of rows that are given the training rows."""
        return dataclasses.replace(self, held_out=True)

    def derived[R: Found](self, problem: Any, result: R, key: PRNGKeyArray) -> R:
        """With the predictive of held-out rows and along an input, and the density of each row given all others."""
        from credo.models.mdn_derived import add_predictive
        from credo.models.rows_given import add_given_others

        result = add_predictive(problem, result, key)
        return result if self.approximation == "hsgp" else add_given_others(problem, result)

    def template(self, data: xr.Dataset) -> xr.Dataset:
        """Refuse, unless nothing is learned from data."""
        if self.standardise or self.approximation == "hsgp":
            raise ConfigError(
                "data: model=gaussian_process takes its scales from data; use a table, or set model.standardise=false "
                "and model.approximation=none"
            )
        return data

    def exported(self) -> dict[str, Shaped[np.ndarray, "..."]]:
        """The training rows as plain arrays."""
        known = self._known
        found = {"x": known.x, "y": known.y, "location": known.location, "spread": known.spread}
        found |= {"inputs_mean": known.inputs.mean, "inputs_sd": known.inputs.sd}
        return {name: np.asarray(value) for name, value in found.items()}

    def restored(self, arrays: Mapping[str, Shaped[np.ndarray, "..."]]) -> "GaussianProcess":
        """This model with the training rows of another."""
        inputs = Moments(arrays["inputs_mean"], arrays["inputs_sd"])
        known = Learned(arrays["x"], arrays["y"], inputs, arrays["location"], arrays["spread"])
        return dataclasses.replace(self, learned=known)

    def __call__(self, y: Shaped[Array, "obs"], x: Float[Array, "obs feature"]) -> None:  # type: ignore[override]
        """Observe y given x."""
        latents = self._sampled(x.shape[1])
        if self.held_out or self.approximation == "hsgp":
            loc, scale = self._given(latents, x)
            likelihood: Any = dist.Normal(loc, scale)
        else:
            location, spread = self._units
            factor = self._factor(latents, self._inputs(x))
            likelihood = Chain(jnp.full(len(x), location), spread * factor)
        with numpyro.plate("obs", len(x)):
            numpyro.sample("y", likelihood, obs=y)

    def conditional(
        self,
        latents: dict[str, Float[Array, "..."]],
        x: Float[Array, "row feature"],
        context: Float[Array, "row context_feature"] | None = None,  # noqa: ARG002 - as of other models
    ) -> ConditionalMixture:
        """The normal distribution of each row given the training rows, as a mixture of one."""
        return normals(*self._given(latents, x))

    def _sampled(self, features: int) -> dict[str, Float[Array, "..."]]:
        """The numbers of the kernel, the noise, and the weights of eigenfunctions, by site."""
        found = {}
        for site, prior in self._sites().items():
            if prior == "lengthscale" and self.ard:
                with numpyro.plate("feature", features):
                    found[site] = numpyro.sample(site, self.prior[prior])
            else:
                found[site] = numpyro.sample(site, self.prior[prior])
        if self.approximation == "hsgp":
            with numpyro.plate("basis", self.basis**features):
                found["weight"] = numpyro.sample("weight", dist.Normal(0.0, 1.0), infer={"local": True})
        return found

    def _sites(self) -> dict[str, str]:
        """The sites of numbers, each with the prior that it has."""
        parts = terms(self.kernel)
        found = {_called("amplitude", "*".join(term), len(parts)): "amplitude" for term in parts}
        for prior in ("lengthscale", "period"):
            having = [word for term in parts for word in term if prior in COVARIANCES[word][1]]
            found |= {_called(prior, word, len(having)): prior for word in having}
        return found | {"sigma": "sigma"}

    def _covariance(self, latents: Mapping[str, Array], x: Array, z: Array) -> Array:
        """The kernel between standardised inputs."""
        parts, total = terms(self.kernel), jnp.zeros((len(x), len(z)))
        for term in parts:
            value = latents[_called("amplitude", "*".join(term), len(parts))] ** 2
            for word in term:
                function, names = COVARIANCES[word]
                value = value * function(x, z, {n: latents[n if n in latents else f"{n}[{word}]"] for n in names})
            total = total + value
        return total

    def _factor(self, latents: Mapping[str, Array], x: Array) -> Float[Array, "row row"]:
        """Of the standardised rows' covariance, noise included."""
        covariance = self._covariance(latents, x, x)
        least = ROUNDING * float(np.finfo(covariance.dtype).eps) * jnp.trace(covariance) / len(x)
        return jnp.linalg.cholesky(covariance + (latents["sigma"] ** 2 + least) * jnp.eye(len(x)))

    def _given(self, latents: Mapping[str, Array], x: Array) -> tuple[Float[Array, "row"], Float[Array, "row"]]:
        """Mean and standard deviation of each row: given the training rows (ibid., 2.25 and 2.26), or the weights."""
        known, u = self._known, self._inputs(x)
        if self.approximation == "hsgp":
            loc, variance = self._by_functions(latents, u), latents["sigma"] ** 2 * jnp.ones(len(u))
        else:
            seen = jnp.asarray(known.x)
            factor = self._factor(latents, seen)
            across = solve_triangular(factor, self._covariance(latents, seen, u), lower=True)
            loc = across.T @ solve_triangular(factor, jnp.asarray(known.y), lower=True)
            own = jax.vmap(lambda row: self._covariance(latents, row[None], row[None])[0, 0])(u)
            variance = jnp.maximum(own - (across**2).sum(0), 0.0) + latents["sigma"] ** 2
        location, spread = self._units
        return location + spread * loc, spread * jnp.sqrt(variance)

    def _by_functions(self, latents: Mapping[str, Array], u: Array) -> Float[Array, "row"]:
        """The process at standardised inputs, by eigenfunctions."""
        half_widths = self.boundary * jnp.abs(jnp.asarray(self._known.x)).max(0)
        waves, omega = eigenfunctions(u, half_widths, self.basis)
        density = spectral_density(terms(self.kernel)[0][0], omega, latents["lengthscale"])
        return latents["amplitude"] * waves @ (jnp.sqrt(density) * latents["weight"])

    @property
    def _units(self) -> tuple[Array, Array]:
        """What the target counts from, and in which unit."""
        if self.learned is None:
            return jnp.zeros(()), jnp.ones(())
        return jnp.asarray(self.learned.location), jnp.asarray(self.learned.spread)

    def _inputs(self, x: Array) -> Array:
        return x if self.learned is None else self.learned.inputs(x)

    @property
    def _known(self) -> Learned:
        assert self.learned is not None  # noqa: S101 - for the type checker: `fitted` was called
        return self.learned


def _called(name: str, word: str, count: int) -> str:
    """A site's name, with whose it is where there are several."""
    return name if count == 1 else f"{name}[{word}]"
