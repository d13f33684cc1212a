"""The sites of a program, and what can be known of them before anything compiles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import jax
import numpy as np
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.distributions import constraints, truncated

from credo.config.failure import in_words
from credo.config.supports import describe
from credo.errors import ConfigError
from credo.models.base import Model
from credo.models.messages import Message, Padded, innermost, is_factor, mask_of
from credo.models.priors import Placeholders
from credo.models.scaled import Censored
from credo.networks.bayesian import is_improper


class Bound(Protocol):
    """A program without arguments."""

    @property
    def model(self) -> Model:
        """The model that it runs."""
        ...

    def __call__(self) -> None:
        """Run it."""
        ...


@dataclass(frozen=True)
class Site:
    """What is known of a site without running it.

    Attributes:
        name: its name.
        kind: `latent`, `observed`, `deterministic`, or `factor` (a term of the log density).
        shape: batch and event shape together.
        dims: a name for each axis, from the plates around it, or those that `infer={"dims": ...}` gives to the axes of
            an event, else `NAME_dim_I`.
        event_dims: how many of its last axes are one value, whose log density is one number.
        discrete: whether it takes countably many values.
        enumerable: whether NumPyro can sum it out.
        from_zero: whether its values are 0, 1, 2, ..., over which NumPyro sums whatever they are.
        internal: whether it is left out of the results (a deterministic site shows it better).
        improper: whether its prior cannot be drawn from.
        group: of the results in which its draws are: `network` for weights, which have no meaning one by one.
        local: whether it belongs to the model's structure (a group's effect) rather than to its priors.
        effect: the site of effects that share a prior, such as a group's, which this one is, or of which it is but a
            parametrisation (`infer={"effect": "theta"}`); empty for others.
        aside: the site that shows better what this one is for (`infer={"aside": "intercept"}`); empty for others.
        normalised: whether an observed site's log density is that of a normalised distribution.
        distribution: the distribution's name, e.g. `Normal`; empty for a deterministic site.
        stated: the same with the numbers that are known of it: `Normal(loc=0, scale)`, whose scale is a latent, say.
        support: its support in words; empty for a deterministic site.
        constraint: its support.
        param: whether it is a `numpyro.param`: a latent with a flat prior.
        value: an observed site's value.
        seen: where an observed site counts; `None` for everywhere.
        imputed: whether it is the unobserved part of an observation (`sample(..., obs_mask=)`).
        censored: whether an observed value may be a bound of what is not known.
        link: between an observed site's mean and a linear predictor (`infer={"link": "log"}`); else empty.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    event_dims: int = 0
    discrete: bool = False
    enumerable: bool = False
    internal: bool = False
    improper: bool = False
    local: bool = False
    group: str = "posterior"
    effect: str = ""
    aside: str = ""
    normalised: bool = True
    distribution: str = ""
    stated: str = ""
    support: str = ""
    from_zero: bool = True
    param: bool = False
    imputed: bool = False
    censored: bool = False
    link: str = ""
    constraint: Any = field(default=None, repr=False)
    value: Any = field(default=None, repr=False)
    seen: Any = field(default=None, repr=False)


def trace(program: Bound) -> tuple[Site, ...]:
    """The program's sites in order, traced abstractly: nothing is computed or compiled.

    Raises:
        ConfigError: the program raised an exception; the sentence tells where.
    """
    sites: list[Site] = []
    traced(program, lambda messages: sites.extend(site_of(m) for m in messages.values() if m["type"] in _SITES))
    return tuple(sites)


_SITES = ("sample", "deterministic")


def traced(program: Bound, look: Callable[[dict[str, Message]], Any]) -> None:
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
    latent = error.args[0] if isinstance(error, KeyError) and error.args else None
    if isinstance(latent, str) and latent in model.supports and latent not in model.prior:
        return ConfigError(
            f"model.prior.{latent}: the model needs a prior of {latent}, but there is none; "
            f"choose one, as in prior@model.prior.{latent}=gaussian"
        )
    return ConfigError(f"{model.key}: running the model raised {in_words(error)}")


_CENSORING = (
    Censored,
    dist.IntervalCensoredDistribution,
    dist.LeftCensoredDistribution,
    dist.RightCensoredDistribution,
)
"""Distributions of which a value may be a bound; their draws are never bounds."""


def site_of(message: Message) -> Site:
    """What a message of a traced program says of its site.

    Raises:
        ConfigError: the distribution and the observation have different shapes, or a latent has no support.
    """
    value_shape = tuple(np.shape(message["value"]))
    dims = _dims(message, value_shape)
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
        event_dims=int(fn.event_dim),
        discrete=bool(support.is_discrete),
        enumerable=bool(fn.has_enumerate_support) and not fn.event_shape,
        from_zero=observed or not support.is_discrete or _counts_from_zero(fn),
        internal=bool(infer.get("internal", False)),
        improper=is_improper(fn),
        local=bool(infer.get("local", False)),
        group=infer.get("group", "posterior"),
        effect=str(infer.get("effect", "")),
        aside=str(infer.get("aside", "")),
        normalised=bool(getattr(fn, "normalised", True)),
        distribution="a numpyro.param" if infer.get("param") else _distribution(fn),
        stated="a numpyro.param" if infer.get("param") else _stated(fn),
        support=describe(support),
        param=bool(infer.get("param", False)),
        constraint=support,
        value=message["value"] if observed else None,
        imputed=bool(infer.get("imputed", False)),
        censored=isinstance(innermost(fn.base if isinstance(fn, Padded) else fn), _CENSORING),
        seen=mask_of(fn) if observed else None,
        link=str(infer.get("link", "")),
    )


def _distribution(fn: Any) -> str:
    """Its name; a lognormal one is made of a normal one, but is none."""
    fn = innermost(fn.base if isinstance(fn, Padded) else fn)
    if type(fn).__module__ == truncated.__name__ and hasattr(fn, "base_dist"):
        return f"truncated {_distribution(fn.base_dist)}"
    if type(fn) is dist.TransformedDistribution:
        return f"transformed {_distribution(fn.base_dist)}"
    if type(fn).__module__.startswith("credo.") and hasattr(fn, "base_dist"):  # in other units, or sorted
        return _distribution(fn.base_dist)
    return type(fn).__name__


def _stated(fn: Any) -> str:
    """Its name and its arguments, with the values of those that are numbers."""
    own = innermost(fn.base if isinstance(fn, Padded) else fn)
    arguments = [_argument(name, getattr(own, name, None)) for name in getattr(own, "arg_constraints", {})]
    return f"{_distribution(fn)}({', '.join(arguments)})" if arguments else _distribution(fn)


def _argument(name: str, value: Any) -> str:
    is_known = isinstance(value, int | float | np.ndarray | np.generic) or (
        isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer)
    )
    return f"{name}={float(np.ravel(value)[0]):g}" if is_known and np.size(value) == 1 else name


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


def _dims(message: dict[str, Any], shape: tuple[int, ...]) -> tuple[str, ...]:
    """A name for each axis; an axis has the name of a plate where it has its size, too."""
    ndim, plates = len(shape), message["cond_indep_stack"]
    event_dim = message["fn"].event_dim if message["type"] == "sample" else _event_dim(shape, plates)
    names = [f"{message['name']}_dim_{i}" for i in range(ndim)]
    if own := message.get("infer", {}).get("dims"):
        names[ndim - event_dim :] = own
    for frame in plates:
        axis = ndim + frame.dim - event_dim
        if 0 <= axis < ndim and shape[axis] == frame.size:
            names[axis] = frame.name
    return tuple(names)


def _event_dim(shape: tuple[int, ...], plates: Sequence[Any]) -> int:
    """How many of the last axes of a deterministic site belong to one value: the fewest with which all plates fit."""
    for event_dim in range(len(shape)):
        axes = [(len(shape) + frame.dim - event_dim, frame.size) for frame in plates]
        if all(axis >= 0 and shape[axis] == size for axis, size in axes):
            return event_dim
    return 0
