"""Structural time series: level, trend, seasons and autoregression, summed by choice, with the states marginalised."""

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
from jaxtyping import Bool, Float, Int, PRNGKeyArray, Shaped
from numpyro.distributions import constraints

from credo.errors import ConfigError
from credo.models.base import Found, Model
from credo.models.kalman import Series, Smoothed, System, smoothed, together
from credo.models.mixtures import ConditionalMixture, normals
from credo.networks.bayesian import require_varied
from credo.ranges import Count, Natural, Positive

LEVELS = ("local", "trend", "none")
MOST_TIMES = 100_000
UNEVEN = 1e-3
"""By how much of a step a row may stand beside the grid of time."""


class Learned(eqx.Module):
    """The training rows on the grid of time.

    Attributes:
        y: the target, standardised; 0 where there is none.
        there: whether there is one.
        origin: the time of the first.
        step: between two places.
        location: the mean of the target.
        spread: its standard deviation.
    """

    y: Float[Array | np.ndarray, "time"]
    there: Bool[Array | np.ndarray, "time"]
    origin: Float[Array | np.ndarray, ""]
    step: Float[Array | np.ndarray, ""]
    location: Float[Array | np.ndarray, ""]
    spread: Float[Array | np.ndarray, ""]


class TimeSeries(Model):
    """y_t = level_t + season_t + ar_t + e_t, e_t ~ N(0, sigma); a Kalman filter marginalises the states.

    level_t+1 = level_t + slope_t + N(0, sigma_level), slope_t+1 = slope_t + N(0, sigma_slope); the seasons of a period
    add up to N(0, sigma_seasonal); ar_t is a stationary autoregression with the scale sigma_ar, whose partial
    autocorrelations have prior.partial. All is in standard deviations of the training target, which counts from its
    mean. The data has one feature, the time; times between the rows may be missing.

    Attributes:
        level: `local`, without a slope; `trend`, with one; `none`.
        period: of the seasons, in steps of time; `None` for none.
        ar: the order of the autoregression.
        initial: the standard deviation of the first level, slope and seasons.
        horizon: how many steps of time behind the last row can be predicted.
        learned: the training rows, once it is `fitted`.
        held_out: whether the rows are given the training rows.
    """

    formula: ClassVar[str] = "y_t = level_t + season_t + ar_t + e_t, e_t ~ N(0, sigma)"
    predicts: ClassVar[bool] = True
    rows_depend: ClassVar[bool] = True
    derives: ClassVar[str] = "predictive"
    supports: ClassVar[dict[str, Any]] = {
        **dict.fromkeys(("sigma", "sigma_level", "sigma_slope", "sigma_seasonal", "sigma_ar"), (constraints.positive,)),
        "partial": (constraints.interval(-1.0, 1.0),),
    }

    level: str = eqx.field(static=True)
    period: Count | None = eqx.field(static=True)
    ar: Natural = eqx.field(static=True)
    initial: Positive
    horizon: Count = eqx.field(static=True)
    learned: Learned | None = None
    held_out: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if self.level not in LEVELS:
            raise ConfigError(f"level: expected one of {', '.join(LEVELS)}, but got {self.level!r}")
        if self.period is not None and self.period < 2:
            raise ConfigError(f"period: expected at least 2 steps of time, or null, but got {self.period}")
        if self.level == "none" and self.period is None and not self.ar:
            raise ConfigError("level: none leaves a series without parts; set model.ar=1 or model.period=12, say")

    @property
    def unread(self) -> Mapping[str, str]:
        """The priors of parts that the series does not have."""
        parts = {
            "sigma_level": (self.level != "none", "model.level=local"),
            "sigma_slope": (self.level == "trend", "model.level=trend"),
            "sigma_seasonal": (self.period is not None, "model.period=12"),
            "sigma_ar": (self.ar > 0, "model.ar=1"),
            "partial": (self.ar > 0, "model.ar=1"),
        }
        why = "the series has no such part; leave it out, or set"
        return {f"prior.{name}": f"{why} {word}" for name, (is_there, word) in parts.items() if not is_there}

    def fitted(self, train: xr.Dataset) -> "TimeSeries":
        """This model with the training rows.

        Raises:
            ConfigError: there is not one feature, its steps are not even, or the target is constant.
        """
        if "x" not in train or "y" not in train or train["y"].ndim != 1:
            return self  # `bind` says what is missing
        x, y = train["x"].to_numpy().astype(float), train["y"].to_numpy().astype(float)
        if x.shape[1] != 1:
            raise ConfigError(
                f"data.features: model=time_series takes one feature, the time, but got {x.shape[1]}; name it, as in "
                "data.features=[year]"
            )
        require_varied(y[:, None], "data.target", ["the target"])
        steps = np.diff(x[:, 0])
        if not (steps > 0).all():
            row = int(np.argmin(steps > 0)) + 2
            raise ConfigError(
                f"data.features: expected the time to increase, but row {row} is not later; sort the rows"
            )
        step, places = steps.min(), (x[:, 0] - x[0, 0]) / steps.min()
        index = np.round(places).astype(int)
        if (abs(places - index) > UNEVEN).any() or index[-1] >= MOST_TIMES:
            raise ConfigError(
                f"data.features: expected times at whole steps of {step:g}, the least between two rows, at most "
                f"{MOST_TIMES:,} of them; round the times, or use model=gaussian_process"
            )
        grid, there = np.zeros(index[-1] + 1), np.zeros(index[-1] + 1, bool)
        location, spread = y.mean(), y.std()
        grid[index], there[index] = (y - location) / spread, True
        numbers = map(np.asarray, (x[0, 0], step, location, spread))
        return dataclasses.replace(self, learned=Learned(grid, there, *numbers))

    def given_training(self) -> "TimeSeries":
        """This model of rows that are given the training rows."""
        return dataclasses.replace(self, held_out=True)

    def derived[R: Found](self, problem: Any, result: R, key: PRNGKeyArray) -> R:
        """With the states, the predictive of held-out rows, and the density of each row given all others."""
        from credo.models.mdn_derived import add_predictive, draws_of
        from credo.models.rows_given import add_given_others

        if draws := draws_of(problem, result):
            result.tree["states"] = xr.DataTree(self._states_of(draws))
        return add_given_others(problem, add_predictive(problem, result, key))

    def exported(self) -> dict[str, Shaped[np.ndarray, "..."]]:
        """The training rows as plain arrays."""
        return {field.name: np.asarray(getattr(self._known, field.name)) for field in dataclasses.fields(Learned)}

    def restored(self, arrays: Mapping[str, Shaped[np.ndarray, "..."]]) -> "TimeSeries":
        """This model with the training rows of another."""
        known = Learned(**{field.name: arrays[field.name] for field in dataclasses.fields(Learned)})
        return dataclasses.replace(self, learned=known)

    def require_rows(self, x: Float[np.ndarray, "row feature"]) -> None:
        """Raise `ConfigError` where a row lies before the first time or behind the horizon."""
        known = self._known
        last = float(known.origin + known.step * (len(known.y) - 1 + self.horizon))
        if ((x[:, 0] < known.origin - known.step / 2) | (x[:, 0] > last + known.step / 2)).any():
            raise ConfigError(
                f"the table has times that cannot be predicted: expected {float(known.origin):g} to {last:g}; set "
                "model.horizon to reach further"
            )

    def __call__(self, y: Shaped[Array, "obs"], x: Float[Array, "obs feature"]) -> None:  # type: ignore[override]
        """Observe y at the times x."""
        latents = self._sampled()
        if self.held_out:
            likelihood: Any = dist.Normal(*self._given(latents, x))
        elif self.learned is None:
            likelihood = Series(self.system(latents), jnp.arange(len(y)), jnp.ones(len(y), bool), 0.0, 1.0)
        else:
            known = self.learned
            there = jnp.asarray(known.there)
            likelihood = Series(self.system(latents), self._places(x), there, known.location, known.spread)
        with numpyro.plate("obs", len(y)):
            numpyro.sample("y", likelihood, obs=y)

    def conditional(
        self,
        latents: dict[str, Float[Array, "..."]],
        x: Float[Array, "row feature"],
        context: Float[Array, "row context_feature"] | None = None,  # noqa: ARG002 - as of other models
    ) -> ConditionalMixture:
        """The normal distribution of each row given the training rows, as a mixture of one."""
        return normals(*self._given(latents, x))

    def system(self, latents: Mapping[str, Array]) -> System:
        """The state space model of some numbers."""
        return together([part for _, part in self._parts(latents)], jnp.asarray(latents["sigma"]) ** 2)

    def _parts(self, latents: Mapping[str, Array]) -> list[tuple[str, System]]:
        """The parts by their names."""
        first, none, found = jnp.asarray(self.initial) ** 2, jnp.zeros(()), []
        if self.level != "none":
            size = 2 if self.level == "trend" else 1
            scales = jnp.stack([latents[name] for name in ("sigma_level", "sigma_slope")[:size]])
            transition = jnp.eye(size) + jnp.eye(size, k=1)
            found.append(("level", System(transition, jnp.eye(size)[0], scales**2, first * jnp.eye(size), none)))
        if self.period is not None:
            size = self.period - 1
            transition = jnp.eye(size, k=-1).at[0].set(-1.0)
            variances = latents["sigma_seasonal"] ** 2 * jnp.eye(size)[0]
            found.append(("season", System(transition, jnp.eye(size)[0], variances, first * jnp.eye(size), none)))
        if self.ar:
            transition = jnp.eye(self.ar, k=-1).at[0].set(coefficients(latents["partial"]))
            variances = latents["sigma_ar"] ** 2 * jnp.eye(self.ar)[0]
            twice = jnp.eye(self.ar**2) - jnp.kron(transition, transition)
            start = jnp.linalg.solve(twice, jnp.diag(variances).ravel()).reshape(self.ar, self.ar)
            found.append(("ar", System(transition, jnp.eye(self.ar)[0], variances, start, none)))
        return found

    def _sampled(self) -> dict[str, Float[Array, "..."]]:
        names = ["sigma", *(["sigma_level"] if self.level != "none" else [])]
        names += ["sigma_slope"] if self.level == "trend" else []
        names += ["sigma_seasonal"] if self.period is not None else []
        names += ["sigma_ar"] if self.ar else []
        found = {name: numpyro.sample(name, self.prior[name]) for name in names}
        if self.ar:
            with numpyro.plate("lag", self.ar):
                found["partial"] = numpyro.sample("partial", self.prior["partial"])
            with numpyro.plate("lag", self.ar):
                numpyro.deterministic("phi", coefficients(found["partial"]))
        return found

    def _smoothed(self, latents: Mapping[str, Array], ahead: int) -> Smoothed:
        """The states at all times and so many behind the last."""
        known = self._known
        y = jnp.concatenate([jnp.asarray(known.y), jnp.zeros(ahead)])
        there = jnp.concatenate([jnp.asarray(known.there), jnp.zeros(ahead, bool)])
        return smoothed(self.system(latents), y, there)

    def _given(self, latents: Mapping[str, Array], x: Array) -> tuple[Float[Array, "row"], Float[Array, "row"]]:
        """Mean and standard deviation of each row given the training rows."""
        known, system = self._known, self.system(latents)
        found = self._smoothed(latents, self.horizon)
        loc = found.mean @ system.seen
        variance = jnp.einsum("i,tij,j->t", system.seen, found.covariance, system.seen) + system.noise
        at = self._places(x)
        outside = (at < 0) | (at >= len(loc))
        at = jnp.clip(at, 0, len(loc) - 1)
        loc, variance = (jnp.where(outside, jnp.nan, values[at]) for values in (loc, variance))
        spread = jnp.asarray(known.spread)
        return jnp.asarray(known.location) + spread * loc, spread * jnp.sqrt(variance)

    def _places(self, x: Array) -> Int[Array, "row"]:
        """Where rows stand on the grid of time."""
        return jnp.round((x[:, 0] - self._known.origin) / self._known.step).astype(int)

    def _states_of(self, draws: Mapping[str, Any]) -> xr.Dataset:
        """Means and standard deviations of the parts at each time, in the target's units."""

        @jax.jit
        def moments(draws: dict[str, Array]) -> tuple[Array, Array]:
            def one(latents: dict[str, Array]) -> tuple[Array, Array]:
                parts, found, first = self._parts(latents), self._smoothed(latents, 0), 0
                means, variances = [], []
                for _, part in parts:
                    means.append(found.mean[:, first])
                    variances.append(found.covariance[:, first, first])
                    first += len(part.seen)
                return jnp.stack(means), jnp.stack(variances)

            means, variances = jax.vmap(one)(draws)
            return means.mean(0), jnp.sqrt(variances.mean(0) + means.var(0))

        count = len(next(iter(draws.values())))
        chosen = np.unique(np.linspace(0, count - 1, min(count, 200)).astype(int))
        some = {name: jnp.asarray(values[chosen]) for name, values in draws.items()}
        mean, sd = map(np.asarray, moments(some))
        known = self._known
        names = [name for name, _ in self._parts({name: values[0] for name, values in some.items()})]
        shift = np.where(np.array(names) == "level", float(known.location), 0.0)[:, None]
        at = float(known.origin) + float(known.step) * np.arange(mean.shape[1])
        spread = float(known.spread)
        variables = {"mean": shift + spread * mean, "sd": spread * sd}
        return xr.Dataset({name: (("part", "time"), v) for name, v in variables.items()}, {"part": names, "time": at})

    @property
    def _known(self) -> Learned:
        assert self.learned is not None  # noqa: S101 - for the type checker: `fitted` was called
        return self.learned


def coefficients(partial: Float[Array, "lag"]) -> Float[Array, "lag"]:
    """The coefficients of a stationary autoregression by its partial autocorrelations (Barndorff-Nielsen & Schou 1973).

    Example:
        >>> coefficients(jnp.array([0.5, -0.2])).round(2).tolist()
        [0.6, -0.2]
    """
    found = jnp.zeros((0,))
    for k in range(len(partial)):
        found = jnp.concatenate([found - partial[k] * found[::-1], partial[k : k + 1]])
    return found
