"""From draws in unconstrained space to a tree in ArviZ's schema: one compiled program, in batches that fit memory."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpyro import handlers

from credo.inference.density import Values, constrain, sample_discrete
from credo.inference.joined import Joined
from credo.models.problem import BoundModel, Problem, Site, is_factor

_BATCH_SCALARS = 2**23
"""How many scalars one batch of draws may produce."""

_LEAST_BATCH = 64

BY_BLOCK = ("posterior_count", "posterior_mean", "posterior_variance")
"""Groups whose arrays have a value per block of draws."""


class _Shape(NamedTuple):
    """What is fixed of a batch: the temperature at which discrete latents are recovered, and sites by kind."""

    temperature: int
    deterministic: tuple[str, ...]
    discrete: tuple[str, ...]


Groups = dict[str, dict[str, np.ndarray]]


class Evaluation:
    """What is derived from draws, by group and site; one compiled program for draws in any number.

    Args:
        problem: the model and its data.
        key: for the predictive draws and the recovery of discrete latents.
        temperature: 1 recovers a discrete latent by a draw, 0 by its most probable value.
        most: draws that come at once, at most.
    """

    def __init__(self, problem: Problem, key: jax.Array, temperature: int = 1, most: int = 1000) -> None:
        self._problem, self._key = problem, key
        self._sites = _Shape(
            temperature,
            tuple(site.name for site in problem.named("deterministic")),
            tuple(site.name for site in problem.latents if site.discrete),
        )
        scalars = sum(int(np.prod(site.shape)) for site in problem.sites)
        self._batch = min(most, max(_LEAST_BATCH, _BATCH_SCALARS // max(3 * scalars, 1)))

    def __call__(self, draws: Mapping[str, np.ndarray], first: int = 0) -> Groups:
        """Derive the groups that `Result.tree` describes, but for sampler statistics.

        Args:
            draws: latents by site, each [chains, draws, ...]: continuous ones unconstrained; discrete ones may be
                missing, they are then recovered given the others.
            first: the number of the first of the draws in its chain, which decides on the keys.

        Returns:
            Arrays [chains, draws, ...] by group and site, in the program's order.
        """
        chains, count = next(iter(draws.values())).shape[:2]
        total = chains * count
        flat = {name: values.reshape(total, *values.shape[2:]) for name, values in draws.items()}
        numbers = (np.arange(first, first + count) * chains + np.arange(chains)[:, None]).ravel()
        parts = []
        for begin in range(0, total, self._batch):
            rows = np.minimum(np.arange(begin, begin + self._batch), total - 1)  # the last batch is filled up
            chosen = {name: values[rows] for name, values in flat.items()}
            bound, test = self._problem.bound, self._problem.bound_test
            part = _batch(self._sites, bound, test, chosen, self._key, numbers[rows])
            parts.append(jax.tree.map(lambda a, n=total - begin: np.asarray(a)[:n], part))
        joined = jax.tree.map(lambda *arrays: np.concatenate(arrays) if len(arrays) > 1 else arrays[0], *parts)
        groups: Groups = jax.tree.map(lambda a: a.reshape(chains, count, *a.shape[1:]), joined)
        return _selected(self._problem, groups)


def evaluate(
    problem: Problem,
    draws: Mapping[str, np.ndarray],
    stats: Mapping[str, np.ndarray],
    key: jax.Array,
    temperature: int = 1,
) -> xr.DataTree:
    """Build the tree of groups that `Result.tree` describes from all draws at once.

    Args:
        problem: the model and its data.
        draws: see `Evaluation`.
        stats: sampler statistics [chains, draws].
        key: see `Evaluation`.
        temperature: see `Evaluation`.
    """
    chains, count = next(iter(draws.values())).shape[:2]
    groups = Evaluation(problem, key, temperature, chains * count)(draws)
    return assemble(problem, groups | {"sample_stats": dict(stats)})


def assemble(problem: Problem, groups: Mapping[str, Mapping[str, np.ndarray | Joined]]) -> xr.DataTree:
    """Arrays [chains, draws, ...] by group and site, as a tree with the data's dims and coords."""
    sites = {site.name: site for site in problem.sites}
    tree = {
        group: _dataset(problem, sites, arrays, problem.data if group != "log_likelihood_test" else problem.test, group)
        for group, arrays in groups.items()
        if arrays
    }
    observed = {site.name for site in problem.named("observed")}
    given = {name for name, v in problem.data.data_vars.items() if v.attrs.get("role") != "truth"}
    plain = problem.data.drop_attrs(deep=False)
    for group, names in (
        ("observed_data", given & observed),
        ("constant_data", given - observed),
        ("truth", set(problem.data.data_vars) - given),
    ):
        if names:
            tree[group] = plain[sorted(str(name) for name in names)]
    return xr.DataTree.from_dict(tree)


def _dataset(
    problem: Problem,
    sites: Mapping[str, Site],
    arrays: Mapping[str, np.ndarray | Joined],
    data: xr.Dataset | None,
    group: str,
) -> xr.Dataset:
    variables, coords = {}, {}
    first = ("chain",) if group == "start" else ("chain", "block" if group in BY_BLOCK else "draw")
    for name, values in arrays.items():
        own = problem.dims(sites[name]) if name in sites else ()
        own = own[: values.ndim - len(first)]  # a log likelihood has none of the dims within an event
        variables[name] = ((*first, *own), values.lazy() if isinstance(values, Joined) else values)
        for dim, size in zip((*first, *own), values.shape, strict=True):
            known = data is not None and dim in data.coords and data.sizes.get(dim) == size
            coords[dim] = data.coords[dim].to_numpy() if known and data is not None else np.arange(size)
    return xr.Dataset(variables, coords)


def _selected(problem: Problem, groups: Groups) -> Groups:
    """The sites that belong to each group, in the program's order."""
    shown = [s for s in problem.sites if s.kind in ("latent", "deterministic") and not s.internal]
    order = {group: [s.name for s in shown if s.group == group] for group in ("posterior", "network")}
    order["log_prior"] = [s.name for s in problem.latents if not s.local]
    given = groups | {"network": groups["posterior"]}
    return {
        group: {name: arrays[name] for name in order.get(group, arrays) if name in arrays}
        for group, arrays in given.items()
    }


@partial(jax.jit, static_argnums=0)
def _batch(
    shape: _Shape,
    program: BoundModel,
    test: BoundModel | None,
    draws: Values,
    key: jax.Array,
    numbers: jax.Array,
) -> dict[str, Values]:
    keys = jax.vmap(partial(jax.random.fold_in, key))(numbers)
    return jax.vmap(partial(_one, shape, program, test))(draws, keys)


def _one(
    shape: _Shape,
    program: BoundModel,
    test: BoundModel | None,
    draw: Values,
    key: jax.Array,
) -> dict[str, Values]:
    """Everything that is derived from one draw."""
    discrete_key, predictive_key = jax.random.split(key)
    given = {name: draw[name] for name in shape.discrete if name in draw}
    free = {name: value for name, value in draw.items() if name not in given}
    latents = {**constrain(handlers.condition(program, data=given), free), **given}
    if set(shape.discrete) - set(given):
        latents = {**latents, **sample_discrete(program, latents, discrete_key, shape.temperature)}
    messages = _trace(program, latents)
    prior, likelihood = _log_probs(messages)
    groups = {
        "posterior": {**latents, **{name: messages[name]["value"] for name in shape.deterministic}},
        "log_prior": {name: value.sum() for name, value in prior.items()},
        "log_likelihood": likelihood,
        "posterior_predictive": _predict(program, latents, predictive_key, tuple(likelihood)),
    }
    if test is not None:
        groups["log_likelihood_test"] = _log_probs(_trace(test, latents))[1]
    return groups


def _trace(program: BoundModel, latents: Values) -> dict[str, dict[str, Any]]:
    seeded = handlers.seed(program, jax.random.PRNGKey(0))
    return handlers.trace(handlers.substitute(seeded, data=latents)).get_trace()


def _log_probs(messages: dict[str, dict[str, Any]]) -> tuple[Values, Values]:
    """Log p per latent site and per observed site, elementwise over its batch shape."""
    prior: Values = {}
    likelihood: Values = {}
    for name, message in messages.items():
        if message["type"] != "sample" or is_factor(message):
            continue
        log_prob = message["fn"].log_prob(message["value"])
        if message["scale"] is not None:
            log_prob = message["scale"] * log_prob
        if not getattr(message["fn"], "normalised", True):
            continue
        (likelihood if message["is_observed"] else prior)[name] = log_prob
    return prior, likelihood


def _predict(program: BoundModel, latents: Values, key: jax.Array, sites: tuple[str, ...]) -> Values:
    """One new draw of each observed site."""
    free = handlers.uncondition(handlers.seed(program, key))
    messages = handlers.trace(handlers.substitute(free, data=latents)).get_trace()
    return {name: _filled(messages[name], jax.random.fold_in(key, i)) for i, name in enumerate(sites)}


def _filled(message: dict[str, Any], key: jax.Array) -> jax.Array:
    """A site's draw, in the shape of its observation, where that is larger than the distribution."""
    seen = jnp.shape(message["infer"]["obs"])
    value: jax.Array = message["value"]
    if seen == value.shape:
        return value
    fn = message["fn"]
    return fn.expand(seen[: len(seen) - fn.event_dim]).sample(key)
