"""From draws in unconstrained space to a tree in ArviZ's schema: one compiled program, in batches that fit memory."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpyro import handlers

from credo.inference.density import Values, constrain, sample_discrete
from credo.inference.mcmc.lazy import Joined
from credo.models.binding import BoundModel
from credo.models.dependence import independent
from credo.models.failure import told
from credo.models.messages import Padded, WholeCounts, is_factor
from credo.models.problem import Problem
from credo.models.sites import Site

_BATCH_SCALARS = 2**23
"""How many scalars one batch of draws may produce."""

_LEAST_BATCH = 64

BY_BLOCK = ("posterior_count", "posterior_mean", "posterior_variance")
"""Groups whose arrays have a value per block of draws."""


PARTS = ("discrete_latents", "log_prior", "log_likelihood", "posterior_predictive", "log_likelihood_test")
"""What may fail by itself: a model need not have all of it for its density to be known."""

_LARGE = ("log_likelihood", "posterior_predictive", "log_likelihood_test")
"""What is left out where a batch cannot be had for another reason than the model, such as memory."""


class _Shape(NamedTuple):
    """What is fixed of a batch.

    - **temperature** - at which discrete latents are recovered.
    - **deterministic**, **discrete** - sites by kind.
    - **left_out** - of `PARTS`.
    - **known** - where discrete latents are left out, the group and site of what does not depend on them.
    """

    temperature: int
    deterministic: tuple[str, ...]
    discrete: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    known: tuple[tuple[str, str], ...] = ()


Groups = dict[str, dict[str, np.ndarray]]


class Evaluation:
    """What is derived from draws, by group and site; one compiled program for draws in any number.

    Args:
        problem: the model and its data.
        key: for the predictive draws and the recovery of discrete latents.
        temperature: 1 recovers a discrete latent by a draw, 0 by its most probable value.
        most: draws that come at once, at most.

    Attributes:
        missing: of `PARTS`, those that could not be derived, each with the reason.
    """

    def __init__(self, problem: Problem, key: jax.Array, temperature: int = 1, most: int = 1000) -> None:
        self._problem, self._key = problem, key
        self.missing: dict[str, str] = {}
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
            part = self._derived({name: values[rows] for name, values in flat.items()}, numbers[rows])
            parts.append(jax.tree.map(lambda a, n=total - begin: a[:n], part))
        kept = {group: tuple(sites) for group, sites in parts[-1].items()}  # of a batch before, there may be more
        parts = [{group: {site: part[group][site] for site in kept[group]} for group in kept} for part in parts]
        joined = jax.tree.map(lambda *arrays: np.concatenate(arrays) if len(arrays) > 1 else arrays[0], *parts)
        groups: Groups = jax.tree.map(lambda a: a.reshape(chains, count, *a.shape[1:]), joined)
        return _selected(self._problem, groups)

    def _derived(self, draws: Values, numbers: np.ndarray) -> dict[str, Values]:
        """What is derived from a batch; what cannot be is left out from now on."""
        bound, test = self._problem.bound, self._problem.bound_test
        while True:
            try:
                derived = _batch(self._sites, bound, test, draws, self._key, numbers)
                return jax.tree.map(np.asarray, derived)
            except Exception as error:
                before = self._sites
                self._leave_out({name: values[0] for name, values in draws.items()}, error)
                if self._sites == before:
                    raise

    def _leave_out(self, draw: Values, error: Exception) -> None:
        """Leave out what cannot be derived from a draw; where all can, what needs much memory."""
        found = {part: why for part in PARTS if (why := self._failure(part, draw)) is not None}
        if "discrete_latents" in found:
            self._leave_discrete_out(draw, found["discrete_latents"])
            return
        for part, why in (found or dict.fromkeys(_LARGE, told(error))).items():
            if part != "log_likelihood_test" or self._problem.bound_test is not None:
                self.missing[part] = f"{_WORDS[part]} left out: {why}."
        self._sites = self._sites._replace(left_out=tuple(self.missing))

    def _leave_discrete_out(self, draw: Values, why: str) -> None:
        """Leave out the discrete latents and what depends on them."""
        names = ", ".join(self._sites.discrete)
        fixed = independent(
            lambda key, draw: _densities(self._sites, self._problem.bound, draw, key), jax.random.PRNGKey(0), draw
        )
        lost = {group for group in ("log_prior", "log_likelihood") if not all(fixed[group].values())}
        lost |= {"posterior_predictive"} if self._problem.observations else set()
        lost |= {"log_likelihood_test"} if self._problem.bound_test is not None else set()
        reason = f"{names} cannot be recovered ({why}). What depends on them is left out."
        self.missing |= {part: reason for part in PARTS if part in lost or part == "discrete_latents"}
        known = tuple((group, site) for group in fixed for site in fixed[group] if fixed[group][site])
        self._sites = self._sites._replace(left_out=("discrete_latents",), known=known)

    def _failure(self, part: str, draw: Values) -> str | None:
        """What is raised where this part alone is asked for; `None` where it can be had."""
        others = tuple(other for other in PARTS if other not in (part, "discrete_latents"))
        alone = self._sites._replace(left_out=others)
        try:
            jax.eval_shape(partial(_one, alone), self._problem.bound, self._problem.bound_test, draw, self._key)
        except Exception as error:  # noqa: BLE001 - the reason is reported
            unable = part == "discrete_latents" or type(error) is NotImplementedError
            return f"{_UNABLE[part]}: {told(error)}" if unable else told(error)
        return None


_UNABLE = dict.fromkeys(PARTS, "this is not implemented") | {
    "discrete_latents": "NumPyro does not implement this for such a program, as under scan",
    "posterior_predictive": "a distribution has no method sample",
}
"""What is said of a part where something is not implemented."""

_WORDS = {
    "log_prior": "The log prior densities are",
    "log_likelihood": "The log likelihoods are",
    "posterior_predictive": "Predictive draws are",
    "log_likelihood_test": "The log likelihoods of the held-out rows are",
}


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
    evaluation = Evaluation(problem, key, temperature, chains * count)
    groups = evaluation(draws)
    return assemble(problem, groups | {"sample_stats": dict(stats)}, evaluation.missing)


def assemble(
    problem: Problem, groups: Mapping[str, Mapping[str, np.ndarray | Joined]], missing: Mapping[str, str] | None = None
) -> xr.DataTree:
    """Arrays [chains, draws, ...] by group and site, as a tree with the data's dims and coords.

    Args:
        problem: the model and its data.
        groups: the arrays.
        missing: see `Evaluation.missing`; it becomes an attribute of the tree.
    """
    sites = {site.name: site for site in problem.sites}
    tree = {
        group: _dataset(problem, sites, arrays, problem.data if group != "log_likelihood_test" else problem.test, group)
        for group, arrays in groups.items()
        if arrays
    }
    given = {str(name) for name, v in problem.data.data_vars.items() if v.attrs.get("role") != "truth"}
    observed, as_given = _observed(problem, sites)
    beside = {
        "observed_data": observed,
        "constant_data": _as_given(problem, given - as_given),
        "truth": _as_given(problem, set(map(str, problem.data.data_vars)) - given),
    }
    tree |= {group: dataset for group, dataset in beside.items() if dataset.data_vars}
    told_missing = {"missing": json.dumps(missing)} if missing else {}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=told_missing), **tree})


def _as_given(problem: Problem, names: set[str]) -> xr.Dataset:
    """Some variables of the data."""
    chosen = problem.data.drop_attrs(deep=False)[sorted(names)]
    called = {dim: problem.names.dim(str(dim)) for dim in chosen.dims}
    return chosen.rename({dim: name for dim, name in called.items() if dim != name})


def _observed(problem: Problem, sites: Mapping[str, Site]) -> tuple[xr.Dataset, set[str]]:
    """The observed sites' own values, NaN where one does not count; and which variables of the data are just these."""
    variables, coords, as_given = {}, {}, set()
    for name, observation in problem.observations.items():
        given = problem.data.data_vars.get(name)
        values = observation.with_gaps
        if given is not None and np.array_equal(given.to_numpy(), values):
            as_given.add(name)
            values = given.to_numpy()
        dims = tuple(map(problem.names.dim, problem.dims(sites[name])))
        attributes = problem.names.attributes(name)
        variables[problem.names.variable(name)] = (dims, values, attributes)
        for dim, own, size in zip(problem.dims(sites[name]), dims, values.shape, strict=True):
            coords[own] = _labels(problem.data, dim, size)
    return xr.Dataset({name: variables[name] for name in sorted(variables)}, coords), as_given


def _dataset(
    problem: Problem,
    sites: Mapping[str, Site],
    arrays: Mapping[str, np.ndarray | Joined],
    data: xr.Dataset | None,
    group: str,
) -> xr.Dataset:
    variables, coords = {}, {}
    first = ("chain",) if group == "start" else ("chain", "block" if group in BY_BLOCK else "draw")
    names = problem.names
    for name, values in arrays.items():
        own = problem.dims(sites[name]) if name in sites else ()
        mask = _chosen(problem, group, name, values.ndim - len(first))
        where = dict(zip(own, sites[name].shape, strict=True)) if name in sites else {}
        if mask is not None:
            rest = own[mask.ndim :]
            own = (f"{name}_{own[0]}", *rest)
            coords[names.dim(own[0])] = _labels_of(mask, [_labels(data, dim, where[dim]) for dim in where][: mask.ndim])
        own = own[: values.ndim - len(first)]  # a log likelihood has none of the dims within an event
        dims = (*first, *map(names.dim, own))
        variable = name if group == "sample_stats" else names.variable(name)
        attributes = {} if group == "sample_stats" else names.attributes(name)
        variables[variable] = (dims, values.lazy() if isinstance(values, Joined) else values, attributes)
        for dim, called, size in zip((*first, *own), dims, values.shape, strict=True):
            coords.setdefault(called, _labels(data, dim, size))
    return xr.Dataset(variables, coords)


def _labels(data: xr.Dataset | None, dim: str, size: int) -> np.ndarray:
    """The labels that the data has along a dim; else 0, 1, ..."""
    known = data is not None and dim in data.coords and data.sizes.get(dim) == size
    return data.coords[dim].to_numpy() if known and data is not None else np.arange(size)


def _labels_of(mask: np.ndarray, labels: list[np.ndarray]) -> np.ndarray:
    """The labels of the chosen elements of an array, several axes in one."""
    places = np.argwhere(mask)
    if len(labels) == 1:
        return labels[0][places[:, 0]]
    return np.array([", ".join(str(along[i]) for along, i in zip(labels, place, strict=True)) for place in places])


def _chosen(problem: Problem, group: str, name: str, ndim: int) -> np.ndarray | None:
    """Which elements of a site belong to a group, over the first of its dims; `None` for all.

    Of a log likelihood those that count, of a latent those that are unknowns.
    """
    if group.startswith("log_likelihood"):
        every = problem.observations_test if group == "log_likelihood_test" else problem.observations
        return every[name].seen_rows(ndim) if name in every else None
    return problem.unknown.get(name) if group in _UNKNOWNS else None


_UNKNOWNS = ("posterior", "posterior_mean", "posterior_variance")


def _selected(problem: Problem, groups: Groups) -> Groups:
    """The sites that belong to each group, in the program's order."""
    shown = [s for s in problem.sites if s.kind in ("latent", "deterministic") and not s.internal]
    order = {group: [s.name for s in shown if s.group == group] for group in ("posterior", "network")}
    order["log_prior"] = [s.name for s in problem.latents if not s.local]
    given = groups | {"network": groups["posterior"]}
    return {
        group: {name: _part(problem, group, name, arrays[name]) for name in order.get(group, arrays) if name in arrays}
        for group, arrays in given.items()
    }


def _part(problem: Problem, group: str, name: str, values: np.ndarray) -> np.ndarray:
    """The elements that belong to the group, [chains, draws, ...]."""
    mask = _chosen(problem, group, name, values.ndim - 2)
    return values if mask is None else values[:, :, mask]


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
    latents = _latents(shape, program, draw)
    recovered = not set(shape.discrete) - set(given)
    if not recovered and "discrete_latents" not in shape.left_out:
        latents = {**latents, **sample_discrete(program, latents, discrete_key, shape.temperature)}
        recovered = True
    groups = _densities(shape, program, draw, jax.random.PRNGKey(0), latents)
    if not recovered:
        keep = {group: {n: v for n, v in sites.items() if (group, n) in shape.known} for group, sites in groups.items()}
        return {**keep, "posterior": {**latents, **keep["posterior"]}}
    groups["posterior"] = {**latents, **groups["posterior"]}
    if "posterior_predictive" not in shape.left_out:
        groups["posterior_predictive"] = _predict(program, latents, predictive_key)
    if test is not None and "log_likelihood_test" not in shape.left_out:
        groups["log_likelihood_test"] = _log_probs(_trace(test, latents), observed=True)
    return groups


def _latents(shape: _Shape, program: BoundModel, draw: Values) -> Values:
    """A draw in the latents' own space."""
    given = {name: draw[name] for name in shape.discrete if name in draw}
    free = {name: value for name, value in draw.items() if name not in given}
    return {**constrain(handlers.condition(program, data=given), free), **given}


def _densities(
    shape: _Shape, program: BoundModel, draw: Values, key: jax.Array, latents: Values | None = None
) -> dict[str, Values]:
    """Deterministic sites and log densities given the latents; the key draws those that are not."""
    messages = _trace(program, _latents(shape, program, draw) if latents is None else latents, key)
    groups = {"posterior": {name: messages[name]["value"] for name in shape.deterministic}}
    if "log_prior" not in shape.left_out:
        groups["log_prior"] = {name: v.sum() for name, v in _log_probs(messages, observed=False).items()}
    if "log_likelihood" not in shape.left_out:
        groups["log_likelihood"] = _log_probs(messages, observed=True)
    return groups


def _trace(program: BoundModel, latents: Values, key: jax.Array | None = None) -> dict[str, dict[str, Any]]:
    seeded = handlers.seed(program, jax.random.PRNGKey(0) if key is None else key)
    return handlers.trace(handlers.substitute(seeded, data=latents)).get_trace()


def _is_density(message: dict[str, Any]) -> bool:
    """Whether a site has a density that is known: no constant, factor, or energy without its normaliser."""
    if message["type"] != "sample" or message["infer"].get("constant") or is_factor(message):
        return False
    return bool(getattr(message["fn"], "normalised", True))


def _log_probs(messages: dict[str, dict[str, Any]], *, observed: bool) -> Values:
    """Log p per observed or per latent site, elementwise over its batch shape."""
    found: Values = {}
    for name, message in messages.items():
        if _is_density(message) and message["is_observed"] == observed:
            fn = message["fn"].without_padding() if isinstance(message["fn"], Padded) else message["fn"]
            log_prob = fn.log_prob(message["value"])
            found[name] = log_prob if message["scale"] is None else message["scale"] * log_prob
    return found


def _predict(program: BoundModel, latents: Values, key: jax.Array) -> Values:
    """One new draw of each observed site."""
    free = handlers.uncondition(handlers.seed(program, key))
    messages = handlers.trace(WholeCounts(handlers.substitute(free, data=latents))).get_trace()
    sites = [name for name, message in messages.items() if _was_observed(message)]
    return {name: _filled(messages[name], jax.random.fold_in(key, i)) for i, name in enumerate(sites)}


def _was_observed(message: dict[str, Any]) -> bool:
    return _is_density(message) and bool(message["infer"].get("was_observed"))


def _filled(message: dict[str, Any], key: jax.Array) -> jax.Array:
    """A site's draw, in the shape of its observation, where that is larger than the distribution."""
    seen = jnp.shape(message["infer"]["obs"])
    value: jax.Array = message["value"]
    if seen == value.shape:
        return value
    fn = message["fn"]
    return fn.expand(seen[: len(seen) - fn.event_dim]).sample(key)
