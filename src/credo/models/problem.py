"""A model bound to its data, and what can be known of its sites before anything compiles."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from numpyro import handlers
from numpyro.distributions import constraints

from credo import memory
from credo.errors import ConfigError
from credo.models.base import Model
from credo.models.dependence import used
from credo.models.failure import told
from credo.models.messages import Message, Padded, Understood, is_factor, mask_of
from credo.models.names import Names
from credo.models.observations import Observation, observe
from credo.models.priors import Placeholders, is_improper
from credo.models.supports import describe

if TYPE_CHECKING:
    from credo.inference.training.base import Training

ROWS = "obs"
"""The plate of the rows; in the results it takes the name of the data's own first dimension."""


class BoundModel(eqx.Module):
    """A NumPyro program without arguments: a pytree of the model's numbers and the data's arrays.

    Attributes:
        model: the model.
        arrays: the data that it takes, by name.
        sizes: whole numbers that it takes; they are structure.
        params: the names of those `numpyro.param`s that are latents; `None` for all.
    """

    model: Model
    arrays: dict[str, Any]
    sizes: tuple[tuple[str, int], ...] = eqx.field(static=True)
    params: tuple[str, ...] | None = eqx.field(static=True, default=None)

    def __call__(self) -> None:
        """Run the program."""
        Understood(self._run, self.params)()

    def _run(self) -> None:
        # By its class: a bound method of an equinox module would take a variable called `self` for its own.
        type(self.model).__call__(self.model, **self.arrays, **dict(self.sizes))

    def of_rows(self, rows: Any, names: tuple[str, ...]) -> "BoundModel":
        """The program over some rows [row], by number, of the arrays that have a value per row."""
        arrays = {name: array[rows] if name in names else array for name, array in self.arrays.items()}
        return BoundModel(self.model, arrays, self.sizes, self.params)


@dataclass(frozen=True)
class Site:
    """What is known of a site without running it.

    Attributes:
        name: its name.
        kind: `latent`, `observed`, `deterministic`, or `factor` (a term of the log density).
        shape: batch and event shape together.
        dims: a name for each axis, from the plates around it, else `NAME_dim_I`.
        discrete: whether it takes countably many values.
        enumerable: whether NumPyro can sum it out.
        from_zero: whether its values are 0, 1, 2, ..., over which NumPyro sums whatever they are.
        internal: whether it is left out of the results (a deterministic site shows it better).
        improper: whether its prior cannot be drawn from.
        group: of the results in which its draws are: `network` for weights, which have no meaning one by one.
        local: whether it belongs to the model's structure (a group's effect) rather than to its priors.
        normalised: whether an observed site's log density is that of a normalised distribution.
        distribution: the distribution's name, e.g. `Normal`; empty for a deterministic site.
        support: its support in words; empty for a deterministic site.
        constraint: its support.
        param: whether it is a `numpyro.param`: a latent with a flat prior.
        value: an observed site's value.
        seen: where an observed site counts; `None` for everywhere.
        imputed: whether it is the unobserved part of an observation (`sample(..., obs_mask=)`).
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    discrete: bool = False
    enumerable: bool = False
    internal: bool = False
    improper: bool = False
    local: bool = False
    group: str = "posterior"
    normalised: bool = True
    distribution: str = ""
    support: str = ""
    from_zero: bool = True
    param: bool = False
    imputed: bool = False
    constraint: Any = field(default=None, repr=False)
    value: Any = field(default=None, repr=False)
    seen: Any = field(default=None, repr=False)


@dataclass(frozen=True)
class Problem:
    """A model and its data.

    Attributes:
        model: the model.
        data: the training rows.
        test: the held-out rows, or `None`.
        training: how the model's networks are trained; `None` for a model without any.
    """

    model: Model
    data: xr.Dataset
    test: xr.Dataset | None = None
    training: "Training | None" = None

    @cached_property
    def bound(self) -> BoundModel:
        """The program over the training rows. Raises `ConfigError` where the data does not fit the model."""
        return bind(self.model, self.data)

    @cached_property
    def bound_test(self) -> BoundModel | None:
        """The program over the held-out rows."""
        return None if self.test is None else bind(self.model, self.test)

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """All sites in the program's order."""
        return trace(self.bound)

    @cached_property
    def observations(self) -> dict[str, Observation]:
        """What the observed sites observed, but for those that observe what depends on a latent."""
        return observe(self.bound, self.sites)

    @cached_property
    def observations_test(self) -> dict[str, Observation]:
        """As `observations`, of the held-out rows."""
        return {} if self.bound_test is None else observe(self.bound_test, trace(self.bound_test))

    @cached_property
    def unknown(self) -> dict[str, np.ndarray]:
        """Which entries of a latent are unknowns, where `sample(..., obs_mask=)` made one with others beside them."""
        found = {}
        for site in self.latents:
            partner = self.observations.get(f"{site.name.removesuffix('_unobserved')}_observed")
            if site.imputed and partner is not None:
                found[site.name] = np.zeros(site.shape, bool) if partner.seen is None else ~partner.seen
        return found

    @cached_property
    def names(self) -> Names:
        """What sites and dims are called in the results."""
        dims = [dim for site in self.sites for dim in self.dims(site)]
        return Names([site.name for site in self.sites], [*dims, *map(str, self.data.dims)])

    def named(self, kind: str) -> tuple[Site, ...]:
        """The sites of one kind."""
        return tuple(site for site in self.sites if site.kind == kind)

    @property
    def latents(self) -> tuple[Site, ...]:
        """The unknowns."""
        return self.named("latent")

    @property
    def judged(self) -> tuple[str, ...]:
        """What a verdict on chains is about: the latents, or what is computed of them where these are a network's.

        They are called as in the results.
        """
        latents = tuple(site.name for site in self.latents if not site.internal and site.group == "posterior")
        judged = latents or tuple(site.name for site in self.named("deterministic"))
        return tuple(map(self.names.variable, judged))

    @property
    def informative(self) -> tuple[str, ...]:
        """The names of the sites that say something of the latents: observations and factors."""
        return tuple(site.name for kind in ("observed", "factor") for site in self.named(kind))

    @property
    def improper(self) -> tuple[str, ...]:
        """The names of the latents whose priors are improper."""
        return tuple(site.name for site in self.latents if site.improper)

    @property
    def row_dim(self) -> str:
        """The data's name for its rows: the first dimension of the first variable that has one."""
        return next((str(v.dims[0]) for v in self.data.data_vars.values() if v.dims and _is_given(v)), ROWS)

    @property
    def by_row(self) -> tuple[str, ...]:
        """The names of the program's arrays that have a value per row."""
        return tuple(name for name in self.bound.arrays if self.data[name].dims[:1] == (self.row_dim,))

    def dims(self, site: Site) -> tuple[str, ...]:
        """The site's dims; those of an observed variable and of the rows are named as the data names them."""
        given = self.data.data_vars.get(site.name)
        if site.kind == "observed" and given is not None and given.shape == site.shape:
            return tuple(map(str, given.dims))
        return tuple(self.row_dim if dim == ROWS else dim for dim in site.dims)

    def require_enumerable(self, method: str) -> None:
        """Raise `ConfigError` unless there is a continuous latent and every discrete one can be summed out."""
        if all(site.discrete for site in self.latents if 0 not in site.shape):
            raise ConfigError(
                f"inference={method} moves continuous latents and the model has none "
                f"({', '.join(site.name for site in self.latents if site.discrete)} are discrete); use inference=mh"
            )
        for site in self.latents:
            if site.discrete and not site.enumerable:
                raise ConfigError(
                    f"inference={method} sums discrete latents out, but {site.name} ({site.distribution}) has no "
                    "finite support; use inference=mh"
                )

            if site.discrete and not site.from_zero:
                raise ConfigError(
                    f"inference={method} sums discrete latents out, which NumPyro does over 0, 1, 2, ..., but "
                    f"{site.name} ({site.distribution}) has other values; shift it, as in 1 + Categorical, or use "
                    "inference=mh"
                )

    def require_priors(self, method: str) -> None:
        """Raise `ConfigError` for a `numpyro.param`, unless the configuration says that its prior is flat."""
        for site in self.latents:
            if site.param and getattr(self.model, "params", None) != "flat":
                raise ConfigError(
                    f"model.function: {site.name} is a numpyro.param, which has no prior, but inference={method} draws "
                    "from a posterior; give it a prior by numpyro.sample, take its prior as flat by model.params=flat, "
                    "or estimate it by inference=mle or map"
                )

    @property
    def measure(self) -> str:
        """What the log likelihood is of: `mass` where everything observed is discrete, `density`, or `both`."""
        discrete = {site.discrete for site in self.named("observed")}
        return "both" if len(discrete) > 1 else "mass" if True in discrete else "density"

    def require_normalised(self, who: str) -> None:
        """Raise `ConfigError` if the likelihood has a Z that cannot be computed."""
        if any(not site.normalised for site in self.named("observed")):
            raise ConfigError(
                f"{who} needs the likelihood, but Z of this energy is intractable: it depends on theta and cannot be "
                "computed; use inference=exchange for the posterior, or inference=mle with training=pcd, nce or "
                "score_matching for an estimate"
            )

    def check(self) -> None:
        """Raise `ConfigError` if the data does not fit the model."""
        if all(0 in site.shape for site in self.latents):
            raise ConfigError("model: expected at least one latent variable, but the model has none; nothing to infer")
        memory.require("model", 4 * sum(math.prod(site.shape) for site in self.sites))
        for site in self.named("observed"):
            if site.name in self.observations:
                _check_support(site, self.observations[site.name], self.row_dim, self.model)


def bind(model: Model, data: xr.Dataset) -> BoundModel:
    """Choose from the data what the model takes.

    Raises:
        ConfigError: the model requires a variable that the data has not.
    """
    required, optional = model.arguments()
    given: Mapping[str, Any] = {str(name): v for name, v in data.data_vars.items() if _is_given(v)}
    sizes = {f"n_{dim}": int(size) for dim, size in data.sizes.items()}
    word = type(model).__name__.lower()
    taken = {n: v for n, v in given.items() if n in required | optional or "*" in optional}
    counts = {n: v for n, v in sizes.items() if n in required | optional and n not in given}
    if missing := sorted(required - set(taken) - set(counts)):
        raise ConfigError(
            f"data: the model {word!r} needs the variable {missing[0]!r}, but the data has only "
            f"{', '.join(given) or 'nothing'}; choose other data, or another model"
        )
    if "target" in data.dims and not model.several_targets:
        names = ", ".join(map(str, data["target"].to_numpy()))
        raise ConfigError(f"data.target: model={word} takes one target, but got a list ({names}); name one column")
    if word == "program" and (unknown := sorted(set(given) - set(taken))):
        raise ConfigError(
            f"model.function: the data has the variable {unknown[0]!r}, which the function does not take; "
            "give it a parameter of this name, or **kwargs"
        )
    if "context" in given and "context" not in taken:
        raise ConfigError(f"data.context: model={word} takes no context; set data.context=null, or use model=mdn")
    whole = {n: int(v.item()) for n, v in taken.items() if v.ndim == 0 and v.dtype.kind in "iu"}
    arrays = {n: _array(v) for n, v in taken.items() if n not in whole}
    for name, values in arrays.items():
        _require_in_range(name, values)
    program = BoundModel(model, arrays, tuple(sorted({**whole, **counts}.items())))
    return BoundModel(program.model, program.arrays, program.sizes, _latent_params(program))


def _latent_params(program: BoundModel) -> tuple[str, ...]:
    """The `numpyro.param`s on which the density depends; others, as `random_eqx_module` leaves, are no unknowns."""
    initial: dict[str, Any] = {}
    _traced(program, lambda messages: initial.update(_initial(messages)))

    def log_density(values: dict[str, Any]) -> Any:
        with handlers.trace() as messages, Placeholders(), handlers.seed(rng_seed=jax.random.PRNGKey(0)):
            handlers.substitute(program, data=values)()
        sampled = [m for m in messages.values() if m["type"] == "sample" and not m["infer"].get("param")]
        return sum(jnp.sum(message["fn"].log_prob(message["value"])) for message in sampled)

    return used(log_density, initial)


def _initial(messages: dict[str, Message]) -> dict[str, Any]:
    """The shapes of all params, by name."""
    return {
        name: jax.ShapeDtypeStruct(jnp.shape(message["value"]), jnp.result_type(message["value"]))
        for name, message in messages.items()
        if message["type"] == "sample" and message["infer"].get("param")
    }


def trace(program: BoundModel) -> tuple[Site, ...]:
    """The program's sites in order, traced abstractly: nothing is computed or compiled.

    Raises:
        ConfigError: the program raised an exception; the sentence tells where.
    """
    sites: list[Site] = []
    _traced(program, lambda messages: sites.extend(site_of(m) for m in messages.values() if m["type"] in _SITES))
    return tuple(sites)


_SITES = ("sample", "deterministic")


def _traced(program: BoundModel, look: Callable[[dict[str, Message]], Any]) -> None:
    """Look at a program's messages, of which nothing is computed."""

    def run(key: jax.Array) -> None:
        with handlers.seed(rng_seed=key), handlers.trace() as messages, Placeholders():
            program()
        look(messages)

    try:
        jax.eval_shape(run, jax.random.key_data(jax.random.key(0)))
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:  # a script without a main guard leaves the process
        raise _failed(program.model, error) from error


def _failed(model: Model, error: BaseException) -> ConfigError:
    if isinstance(error, KeyError) and (latent := error.args[0]) in model.supports and latent not in model.prior:
        return ConfigError(
            f"model.prior.{latent}: the model needs a prior of {latent}, but there is none; "
            f"choose one, as in prior@model.prior.{latent}=gaussian"
        )
    key = "model.function" if hasattr(model, "function") else f"model={type(model).__name__.lower()}"
    return ConfigError(f"{key}: running the model raised {told(error)}")


def simulate(model: Model, data: xr.Dataset, seed: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """See `Model.simulate`."""
    bound = bind(model, data)
    sites = {site.name: site for site in trace(bound)}
    for site in sites.values():
        if site.kind == "latent" and site.improper:
            raise ConfigError(
                f"model.prior.{site.name}: data=synthetic draws from the prior, but a flat prior has no draws"
            )

    @jax.jit
    def draw(bound: BoundModel, key: jax.Array) -> dict[str, Any]:
        free = handlers.uncondition(handlers.seed(bound, key))
        return {name: message["value"] for name, message in handlers.trace(free).get_trace().items() if name in sites}

    values = {name: np.asarray(value) for name, value in draw(bound, jax.random.PRNGKey(seed)).items()}
    observed = {name: value for name, value in values.items() if sites[name].kind == "observed"}
    truth = {name: value for name, value in values.items() if name not in observed and not sites[name].internal}
    return observed, truth


def _is_given(variable: xr.DataArray) -> bool:
    return variable.attrs.get("role") != "truth"


def _array(variable: xr.DataArray) -> np.ndarray:
    values = variable.to_numpy()
    if values.dtype.kind == "b":
        return values.astype(int)
    return values.astype(float) if values.dtype.kind == "f" else values


def _require_in_range(name: str, values: np.ndarray) -> None:
    """Refuse what overflows in the run's precision."""
    if jax.config.jax_enable_x64:
        return
    limits = np.finfo(np.float32) if values.dtype.kind == "f" else np.iinfo(np.int32)
    if (beyond := (values > float(limits.max)) | (values < float(limits.min))).any():
        row = f" in row {np.argwhere(beyond)[0, 0] + 1}" if values.ndim else ""
        raise ConfigError(
            f"device.precision=float32: the data's {name!r} holds {values[beyond].flat[0]:g}{row}, but numbers of this "
            f"precision end at {float(limits.max):.3g}; scale the data, or set device.precision=float64"
        )


def site_of(message: Message) -> Site:
    """What a message of a traced program says of its site.

    Raises:
        ConfigError: the distribution and the observation have different shapes, or a latent has no support.
    """
    value_shape = tuple(np.shape(message["value"]))
    dims = _dims(message, len(value_shape))
    if message["type"] == "deterministic" or message["infer"].get("constant"):
        return Site(message["name"], "deterministic", value_shape, dims)
    fn, infer, observed = message["fn"], message["infer"], message["is_observed"]
    support = fn.support
    if observed:
        _check_shape(message["name"], tuple(fn.shape()), value_shape)
        support = constraints.real if support is None else support
    if support is None:
        raise ConfigError(
            f"model.function: the distribution of {message['name']} has no support; set support, as in "
            "support = constraints.real"
        )
    return Site(
        name=message["name"],
        kind="factor" if is_factor(message) else "observed" if observed else "latent",
        shape=value_shape,
        dims=dims,
        discrete=bool(support.is_discrete),
        enumerable=bool(fn.has_enumerate_support) and not fn.event_shape,
        from_zero=observed or not support.is_discrete or _counts_from_zero(fn),
        internal=bool(infer.get("internal", False)),
        improper=is_improper(fn),
        local=bool(infer.get("local", False)),
        group=infer.get("group", "posterior"),
        normalised=bool(getattr(fn, "normalised", True)),
        distribution="a numpyro.param" if infer.get("param") else _distribution(fn),
        support=describe(support),
        param=bool(infer.get("param", False)),
        constraint=support,
        value=message["value"] if observed else None,
        imputed=bool(infer.get("imputed", False)),
        seen=mask_of(fn) if observed else None,
    )


def _distribution(fn: Any) -> str:
    fn = fn.base if isinstance(fn, Padded) else fn
    while hasattr(fn, "base_dist"):
        fn = fn.base_dist
    return type(fn).__name__


def _counts_from_zero(fn: Any) -> bool:
    """Whether the values of a distribution that can be enumerated are 0, 1, 2, ..."""
    try:
        with jax.ensure_compile_time_eval():
            values = np.ravel(fn.enumerate_support(expand=False))
    except Exception:  # noqa: BLE001 - the values depend on what is not known yet; the sum itself is tried later
        return True
    return bool(np.array_equal(values, np.arange(values.size)))


def _check_shape(name: str, shape: tuple[int, ...], value_shape: tuple[int, ...]) -> None:
    """A distribution that is larger than its observation would count the observation several times."""
    try:
        fits = np.broadcast_shapes(shape, value_shape) == value_shape
    except ValueError:
        fits = False
    if not fits:
        raise ConfigError(
            f"model: the observation {name} has the shape {value_shape}, but its distribution has {shape}; "
            "give both the same shape"
        )


def _dims(message: dict[str, Any], ndim: int) -> tuple[str, ...]:
    event_dim = message["fn"].event_dim if message["type"] == "sample" else 0
    names = [f"{message['name']}_dim_{i}" for i in range(ndim)]
    for frame in message["cond_indep_stack"]:
        axis = ndim + frame.dim - event_dim
        if 0 <= axis < ndim:
            names[axis] = frame.name
    return tuple(names)


def _check_support(site: Site, observation: Observation, row_dim: str, model: Model) -> None:
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(site.constraint)):
        return  # the support depends on a latent
    value = observation.value
    inside = np.asarray(site.constraint(value))
    if observation.seen is not None:
        counts = observation.seen_rows(inside.ndim)
        inside = (
            inside if counts is None else inside | ~counts.reshape(counts.shape + (1,) * (inside.ndim - counts.ndim))
        )
    if np.all(inside):
        return
    where = tuple(int(i) for i in np.argwhere(~inside)[0])
    family = f"model.family={model.family}" if hasattr(model, "family") else f"model={type(model).__name__.lower()}"
    raise ConfigError(
        f"{family}: every {site.name} must be {site.support}, but {row_dim} "
        f"{where[0] if len(where) == 1 else where} has {_short(value[where])}; choose another model or other data"
    )


def _short(value: np.ndarray) -> str:
    """A number, or those of an event."""
    return f"{value:.6g}" if value.ndim == 0 else f"({', '.join(f'{one:.6g}' for one in np.ravel(value))})"
