"""What is known of an energy-based model once theta is estimated: log Z between bounds, samples, and what follows.

For a point estimate, a trained network or a small ensemble; of chains with thousands of draws the likelihood of each is
already in the result, where Z is tractable.
"""

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from jaxtyping import Float, PRNGKeyArray, Shaped

from credo.energies.normaliser import ais
from credo.energies.normaliser.base import Normaliser
from credo.energies.samplers.agreement import largest_r_hat
from credo.energies.samplers.base import Walkers
from credo.models.base import Found
from credo.models.binding import BoundModel
from credo.models.energy_distribution import EnergyDistribution, states_at
from credo.models.problem import Problem
from credo.models.replicates import replicates

_MOST_MEMBERS = 10
_CHAINS, _WARMUP, _DRAWS = 64, 200, 128
"""Chains of samples; calls of the sampler before the first draw, and draws of each chain."""
_LONGEST, _AGREED, _GAINED = 32, 1.05, 0.8
"""The chains of samples go on up to so many times as long until their R-hat is at most the second number; but not where
it stays above 1 by more than the third times as much as at half the length: such chains are stuck."""
_AIS_CHAINS, _RUNGS, _NARROW = 256, (400, 1600), 0.2
"""Chains of each direction, and rungs: the second number where the first leaves an interval of so many nats."""
_SEEN = 2000
_GRID = 120


class LogZ(NamedTuple):
    """Log Z in nats (of a conditional energy the mean over rows), its interval, and how it was found."""

    value: float
    low: float
    high: float
    how: str


def add_energy[R: Found](problem: Problem, result: R, key: PRNGKeyArray) -> R:
    """The result of an energy-based model with some groups more, any other as it is.

    They are `normaliser`, `samples`, `density` and, of a trained one, `replicates`.

    Where Z is intractable `log_likelihood` and `log_likelihood_test` are added, too, by the estimate of log Z. A critic
    tells pairs apart and is no density, so that it has none of these.
    """
    draws = _draws(result) if _is_density(problem) and "posterior" in result.tree.children else {}
    members = next(iter(draws.values())).shape[0] if draws else 0
    if not 0 < members <= _MOST_MEMBERS:
        return result
    sample_key, z_key = jax.random.split(key)
    found, log_likelihood, held_out = [], [], []
    for m in range(members):
        theta = {name: values[m] for name, values in draws.items()}
        states, y = _states(problem.bound, theta)
        exactly = not (problem.training is not None and problem.training.by_samples) and _can_draw(states, key)
        samples = _samples(states, y, jax.random.fold_in(sample_key, m), exactly) if m == 0 else None
        if samples is not None:
            word = "exact draws" if exactly else states.sampler.of(states.energy).name
            adjusted = exactly or states.sampler.of(states.energy).unbiased
            result.tree["samples"] = xr.DataTree(
                _samples_dataset(problem, word, *samples).assign_attrs(exact=int(exactly), adjusted=int(adjusted))
            )
        if m == 0 and result.kind == "trained":
            result.tree["replicates"] = xr.DataTree(_replicates(problem, theta, samples, jax.random.fold_in(key, 2)))
        log_z, each = _log_z(states, None if samples is None else samples[0], jax.random.fold_in(z_key, m))
        found.append(log_z)
        if not states.normalised:
            log_likelihood.append(-np.asarray(_energies(states, y)) - each)
            if problem.bound_test is not None:
                test, y_test = _states(problem.bound_test, theta)
                held_out.append(-np.asarray(_energies(test, y_test)) - each)
        if m == 0 and not states.model.conditional and y.shape[1] <= 2:
            result.tree["density"] = xr.DataTree(_density(problem, states, y, each))
    result.tree["normaliser"] = xr.DataTree(_normaliser(found))
    for group, values, data in (
        ("log_likelihood", log_likelihood, problem.data),
        ("log_likelihood_test", held_out, problem.test),
    ):
        if values and data is not None and np.isfinite(values).all():
            result.tree[group] = xr.DataTree(_by_row(problem, data, values))
    return result


def _is_density(problem: Problem) -> bool:
    """Whether the energy stands for a density; a critic, and what was trained to tell pairs apart, does not."""
    model: Any = problem.model
    return model.has_energy and model.energy.density and (problem.training is None or problem.training.of_density)


def _by_row(problem: Problem, data: xr.Dataset, values: list[Float[np.ndarray, "row"]]) -> xr.Dataset:
    """The log likelihoods of members, by the rows' names where they have some."""
    row = problem.row_dim
    variable = xr.Dataset({"y": (("chain", "draw", row), np.array(values)[None])})
    return variable.assign_coords({row: data[row].to_numpy()}) if row in data.coords else variable


def _replicates(
    problem: Problem,
    theta: dict[str, Any],
    samples: tuple[Float[np.ndarray, "draw chain dim"], Float[np.ndarray, "draw chain"]] | None,
    key: PRNGKeyArray,
) -> xr.Dataset:
    """Rows that were held out, if any were, and states of the model."""
    program, data = (problem.bound, problem.data) if problem.test is None else (problem.bound_test, problem.test)
    assert program is not None  # noqa: S101 -- for the type checker
    states, y = _states(program, theta)
    given = tuple(data[name].to_numpy() for name in ("x", "context") if name in data)
    return replicates(problem, states, y, given, None if samples is None else samples[0], key)


def _draws(result: Found) -> dict[str, Shaped[np.ndarray, "draw ..."]]:
    """The latents by site, in their own space."""
    groups = [result.tree[name].to_dataset() for name in ("posterior", "network") if name in result.tree.children]
    return {
        str(name): v.to_numpy().reshape(-1, *v.shape[2:])
        for group in groups
        for name, v in group.data_vars.items()
        if str(name) != "relative_energy"
    }


@eqx.filter_jit
def _states(program: BoundModel, theta: dict[str, Any]) -> tuple[EnergyDistribution, Float[Array, "row dim"]]:
    """The distribution of the observations at theta, and the observations as states."""
    return states_at(program, theta)


def _can_draw(states: EnergyDistribution, key: PRNGKeyArray) -> bool:
    """Whether there is an exact way to draw states."""
    return not states.model.conditional and jax.eval_shape(states.exactly, key) is not None


@jax.jit
def _energies(states: EnergyDistribution, y: Float[Array, "row dim"]) -> Float[Array, "row"]:
    return states.energy.batch(y)


def _log_z(
    states: EnergyDistribution, samples: Float[np.ndarray, "draw chain"] | None, key: PRNGKeyArray
) -> tuple[LogZ, Any]:
    """Log Z with its interval, and its value (of each row, where it differs)."""
    if states.normaliser is not None:
        coarse, fine = (
            np.asarray(_exactly(way, states.energy)) for way in (states.normaliser, states.normaliser.finer())
        )
        off = float(np.max(np.abs(fine - coarse)))
        value = float(fine.mean())
        return LogZ(value, value - off, value + off, states.normaliser.name), fine
    if states.model.conditional:
        return LogZ(np.nan, np.nan, np.nan, "unknown"), np.nan
    sampler = states.sampler.of(states.energy)
    if not sampler.unbiased:
        return LogZ(np.nan, np.nan, np.nan, "unknown"), np.nan
    target = None
    if samples is not None:
        drawn = samples.reshape(-1, samples.shape[-1])
        target = jnp.asarray(drawn[np.linspace(0, len(drawn) - 1, _AIS_CHAINS).astype(int)])
    base = None if states.energy.gibbs else states.model.base
    for rungs in _RUNGS:
        found = ais.log_z(states.energy, base, sampler, key, chains=_AIS_CHAINS, rungs=rungs, target_draws=target)
        if float(found.high - found.low) < _NARROW:
            break
    value = float(found.log_z)
    return LogZ(value, float(found.low), float(found.high), "annealed importance sampling"), value


@eqx.filter_jit
def _exactly(way: Normaliser, energy: Any) -> Float[Array, "*row"]:
    return way.log_z(energy)


def _normaliser(found: list[LogZ]) -> xr.Dataset:
    columns = {name: ("member", [getattr(one, name) for one in found]) for name in ("value", "low", "high")}
    return xr.Dataset(columns, attrs={"how": found[0].how})


def _samples(
    states: EnergyDistribution, y: Float[Array, "row dim"], key: PRNGKeyArray, exactly: bool
) -> tuple[Float[np.ndarray, "draw chain dim"], Float[np.ndarray, "draw chain"]] | None:
    """States and energies: half of the chains begin at the base, half at the data."""
    if states.model.conditional:
        return None
    x = np.asarray(_drawn(states, key)) if exactly else _chains(states, y, key)
    return x, _energies_along(states, x)


@eqx.filter_jit
def _drawn(states: EnergyDistribution, key: PRNGKeyArray) -> Float[Array, "draw chain dim"]:
    """Independent exact draws, in the form of chains."""
    assert states.normaliser is not None  # noqa: S101 -- for the type checker
    keys = jax.random.split(key, _DRAWS * _CHAINS)
    draws: Any = jax.vmap(partial(states.normaliser.draws, states.energy))(keys)
    return jnp.reshape(draws, (_DRAWS, _CHAINS, -1))


def _chains(
    states: EnergyDistribution, y: Float[Array, "row dim"], key: PRNGKeyArray
) -> Float[np.ndarray, "draw chain dim"]:
    """Evenly spaced draws of chains that go on until they agree, twice as long each time, or are seen to be stuck."""
    start_key, key = jax.random.split(key)
    walkers, first = _block(states, _warm(states, y, start_key), jax.random.fold_in(key, 0))
    x, blocks, before = np.asarray(first), 1, np.inf
    while blocks < _LONGEST:
        off = largest_r_hat(x.swapaxes(0, 1), _energies_along(states, x).T) - 1
        if not _AGREED - 1 < off < _GAINED * before:
            break
        longer = [x[1::2]]
        for i in range(blocks, 2 * blocks):
            walkers, new = _block(states, walkers, jax.random.fold_in(key, i))
            longer.append(np.asarray(new)[2 * blocks - 1 :: 2 * blocks])
        x, blocks, before = np.concatenate(longer), 2 * blocks, off
    return x


@eqx.filter_jit
def _warm(states: EnergyDistribution, y: Float[Array, "row dim"], key: PRNGKeyArray) -> Walkers:
    """Chains before their first draw."""
    base_key, data_key, key = jax.random.split(key, 3)
    half = _CHAINS // 2
    begin = states.model.base.sample(base_key, (half,)).astype(y.dtype)
    begin = jnp.concatenate([begin, jax.random.choice(data_key, y, (_CHAINS - half,))])
    sampler = states.sampler.of(states.energy)
    walkers = sampler.start(states.energy, begin)
    return sampler.run(states.energy, walkers, key, _WARMUP * sampler.steps, adapt=True)[0]


@eqx.filter_jit
def _block(
    states: EnergyDistribution, walkers: Walkers, key: PRNGKeyArray
) -> tuple[Walkers, Float[Array, "draw chain dim"]]:
    """As many draws as are kept of the chains."""
    return states.sampler.of(states.energy).draws(states.energy, walkers, key, _DRAWS)


def _energies_along(states: EnergyDistribution, x: Any) -> Float[np.ndarray, "draw chain"]:
    """The energies of states [draw, chain, dim]."""
    return np.stack([np.asarray(_energies(states, one)) for one in x])


def _samples_dataset(
    problem: Problem, sampler: str, x: Float[np.ndarray, "draw chain dim"], energies: Float[np.ndarray, "draw chain"]
) -> xr.Dataset:
    """As ArviZ has draws: y [chain, draw, dim] and energy [chain, draw]; `picture` is the size of what states show."""
    shown = x.transpose(1, 0, 2)
    names = problem.data["target"].to_numpy() if "target" in problem.data.coords else np.arange(x.shape[2])
    dataset = xr.Dataset({"y": (("chain", "draw", "target"), shown), "energy": (("chain", "draw"), energies.T)})
    model: Any = problem.model
    size = model.energy.picture or problem.data["y"].attrs.get("picture")
    size = {} if size is None or np.prod(size) != x.shape[2] else {"picture": tuple(size)}
    return dataset.assign_coords(target=names).assign_attrs(sampler=sampler, **size)


def _density(problem: Problem, states: EnergyDistribution, y: Float[Array, "row dim"], log_z: Any) -> xr.Dataset:
    """The density on a grid over the data, of one or two dimensions, with some of the rows."""
    rows = np.asarray(y)
    low, high = rows.min(0), rows.max(0)
    margin = 0.08 * (high - low)
    axes = [np.linspace(lo, hi, _GRID) for lo, hi in zip(low - margin, high + margin, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    log_density = -np.asarray(_energies(states, jnp.asarray(grid.reshape(-1, len(axes))))) - float(np.mean(log_z))
    inside = np.asarray(states.model.support(grid.reshape(-1, len(axes))))
    density = np.where(inside, np.exp(log_density), 0.0).reshape(grid.shape[:-1])
    names = problem.data["target"].to_numpy() if "target" in problem.data.coords else ["y"]
    seen = np.unique(np.linspace(0, len(rows) - 1, _SEEN).astype(int))
    dims = tuple(f"axis_{i}" for i in range(len(axes)))
    return xr.Dataset(
        {"density": (dims, density), "seen": (("row", "target"), rows[seen])},
        coords={**dict(zip(dims, axes, strict=True)), "target": [str(n) for n in names]},
    )
