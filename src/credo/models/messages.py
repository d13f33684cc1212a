"""How credo reads the messages of a NumPyro program, before any other handler does.

NumPyro's handlers pass by what they do not know: a `param` would stay at its initial value, a plate with a
`subsample_size` would stand for another subset in every trace. Here every type of message is either understood or
refused by name.
"""

import copy
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.flatten_util import ravel_pytree
from numpyro import handlers
from numpyro.distributions import constraints
from numpyro.distributions.distribution import ExpandedDistribution, Independent, MaskedDistribution, Unit
from numpyro.distributions.util import sum_rightmost
from numpyro.primitives import Messenger

from credo.errors import ConfigError

Message = dict[str, Any]

_HARMLESS = frozenset({"deterministic", "prng_key", "inspect", "subsample", "to_funsor", "to_data"})
"""Types that have no density; the last two are how NumPyro enumerates."""

_WRAPPERS = (MaskedDistribution, ExpandedDistribution, Independent)

_BODIES = {"scan_wrapper": (0,), "cond_wrapper": (1, 2)}
"""Where a control flow has the functions that it calls, by the name of NumPyro's own function."""


class Understood(Messenger):
    """Turns a program's messages into what credo infers, and refuses the others.

    A `param` becomes a latent with a flat prior, a tree of parameters one flat vector of them. A `Delta` latent becomes
    a constant. The entries of `NAME_unobserved` that are observed (`sample(..., obs_mask=)`) are padding.

    Args:
        fn: the program.
        params: the names of the params that are latents; `None` for all. Others keep their initial value.
        within: the control flow of whose body this is.
    """

    def __init__(self, fn: Callable[..., Any], params: tuple[str, ...] | None, within: str = "") -> None:
        super().__init__(fn)
        self._params, self._within = params, within
        self._trees: dict[str, Callable[[Any], Any]] = {}
        self._observed: str | None = None

    def process_message(self, msg: Message) -> None:
        """Read a message."""
        kind = msg["type"]
        if kind == "sample":
            self._sample(msg)
        elif kind == "param":
            self._param(msg)
        elif kind == "plate":
            _require_whole(msg)
        elif kind == "control_flow":
            self._control_flow(msg)
        elif kind not in _HARMLESS:
            raise ConfigError(
                f"model.function: {_named(msg)} is a numpyro.{kind} statement, which credo cannot infer; write the "
                "program with sample, param, deterministic, factor, plate, scan and cond"
            )

    def postprocess_message(self, msg: Message) -> None:
        """Hand a tree of parameters back to the program; a key, where nobody has one."""
        if msg["type"] == "sample" and msg["name"] in self._trees and "param" in msg["infer"]:
            msg["value"] = self._trees[msg["name"]](msg["value"])
        elif msg["type"] == "prng_key" and msg["value"] is None:
            msg["value"] = jax.random.PRNGKey(0)

    def _sample(self, msg: Message) -> None:
        before, self._observed = self._observed, None
        if msg["is_observed"]:
            self._observed = msg["name"]
        elif msg["value"] is None and is_constant(msg["fn"]):
            given = {"rng_key": jax.random.PRNGKey(0), "sample_shape": msg["kwargs"]["sample_shape"]}
            msg["value"], msg["is_observed"] = msg["fn"](**given), True
            msg["infer"] = {**msg["infer"], "constant": True}
        elif msg["value"] is None and before == f"{msg['name'].removesuffix('_unobserved')}_observed":
            mask = mask_of(msg["fn"])
            if mask is not None:
                base = _unmasked(msg["fn"])
                msg["fn"] = base if base.support.is_discrete else Padded(base, mask)
                msg["infer"] = {**msg["infer"], "local": True, "imputed": True}

    def _param(self, msg: Message) -> None:
        name = msg["name"]
        if self._within:
            raise ConfigError(
                f"model.function: {name} is a numpyro.param within a {self._within}, where NumPyro does not substitute "
                "it; move it out of the loop"
            )
        if msg["value"] is not None:
            return
        if msg["args"] == (None,):
            msg["stop"] = True  # a module asks whether there are parameters, and declares them if not
            return
        with handlers.block(), handlers.seed(rng_seed=jax.random.PRNGKey(0)):
            initial = msg["fn"](*msg["args"])
        if self._params is not None and name not in self._params:
            msg["value"] = initial
            return
        constraint = msg["kwargs"].get("constraint", constraints.real)
        value = _array(initial)
        if value is None:
            value, self._trees[name] = _flattened(name, initial, constraint)
        msg.update(
            type="sample",
            fn=flat(constraint, jnp.shape(value)),
            args=(),
            kwargs={"rng_key": None, "sample_shape": ()},
            is_observed=False,
            intermediates=[],
            scale=None,
            cond_indep_stack=[],
            infer={"param": True, "initial": value},
        )

    def _control_flow(self, msg: Message) -> None:
        """Read the messages of its body, too: NumPyro hides them from the handlers outside."""
        name = msg["fn"].__name__
        if name not in _BODIES:
            raise ConfigError(f"model.function: {name} is a control flow that credo does not know; use scan or cond")
        word = name.removesuffix("_wrapper")
        msg["args"] = tuple(
            Understood(part, self._params, word) if place in _BODIES[name] else part
            for place, part in enumerate(msg["args"])
        )


class WholeCounts(Messenger):
    """Draws from distributions whose counts came as floats, as files often have them: NumPyro draws by whole ones."""

    def process_message(self, msg: Message) -> None:
        """Make the counts whole."""
        if msg["type"] == "sample" and msg["value"] is None:
            msg["fn"] = _counted(msg["fn"])


def _counted(fn: Any) -> Any:
    whole = copy.copy(fn)
    if isinstance(fn, _WRAPPERS):
        whole.base_dist = _counted(fn.base_dist)
        return whole
    if type(fn).arg_constraints.get("total_count") is not constraints.nonnegative_integer:
        return fn
    whole.total_count = jnp.asarray(fn.total_count).astype(int)
    return whole


class Padded(dist.Distribution):
    """A latent of which some entries are observed, so that nothing depends on their latent values.

    These are standard normal in unconstrained space, by themselves: the density of all else is as without them.

    Args:
        base: the distribution of the entries.
        mask: which of them are unobserved, broadcast to the batch shape.
    """

    pytree_data_fields = ("base", "mask")

    def __init__(self, base: Any, mask: Any) -> None:
        self.base, self.mask = base, mask
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    @property
    def support(self) -> Any:
        """That of the base."""
        return self.base.support

    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> Any:
        """As the base, for all entries."""
        return self.base.sample(key, sample_shape)

    def log_prob(self, value: Any) -> Any:
        """The base's density where an entry is unobserved, that of the padding elsewhere."""
        transform = dist.biject_to(self.support)
        z = transform.inv(value)
        normal = sum_rightmost(dist.Normal(0.0, 1.0).log_prob(z), transform.domain.event_dim)
        density = normal - transform.log_abs_det_jacobian(z, value)
        padding = sum_rightmost(density, jnp.ndim(density) - len(self.batch_shape))
        return jnp.where(self.mask, self.base.log_prob(value), padding)

    def without_prior(self) -> "Padded":
        """The padding alone."""
        return Padded(self.base.mask(mask=False), self.mask)

    def without_padding(self) -> Any:
        """The density of the unobserved entries alone."""
        return self.base.mask(self.mask)


def flat(constraint: Any, shape: tuple[int, ...]) -> Any:
    """The improper density 1 on a constraint, as one event."""
    prior = dist.ImproperUniform(constraint, (), shape)
    if len(shape) == constraint.event_dim:
        prior.support = constraint  # NumPyro wraps it, which hides its bounds
    return prior


def is_constant(fn: Any) -> bool:
    """Whether a distribution has one value only."""
    return isinstance(innermost(fn), dist.Delta)


def is_factor(message: Message) -> bool:
    """Whether a message comes from `numpyro.factor`: neither latent nor observed."""
    return message["type"] == "sample" and isinstance(innermost(message["fn"]), Unit)


def innermost(fn: Any) -> Any:
    """A distribution without its masks, expansions and event dims."""
    while isinstance(fn, _WRAPPERS):
        fn = fn.base_dist
    return fn


def mask_of(fn: Any) -> Any:
    """Where a distribution counts, over the first dims of its values; `None` for everywhere."""
    if isinstance(fn, Padded):
        return jnp.broadcast_to(fn.mask, fn.batch_shape)
    inner = mask_of(fn.base_dist) if isinstance(fn, _WRAPPERS) else None
    own = getattr(fn, "_mask", True)
    if own is not True:
        inner = own if inner is None else own & inner
    if inner is None or isinstance(fn, Independent):
        return inner
    return (jnp if isinstance(inner, jax.Array) else np).broadcast_to(inner, fn.batch_shape)


def _unmasked(fn: Any) -> Any:
    """A distribution that counts everywhere."""
    if isinstance(fn, MaskedDistribution):
        return _unmasked(fn.base_dist)
    return _unmasked(fn.base_dist).expand(fn.batch_shape) if isinstance(fn, ExpandedDistribution) else fn


def _require_whole(msg: Message) -> None:
    """A plate must have all its rows."""
    size, subsample_size = msg["args"]
    if subsample_size is not None and subsample_size != size:
        raise ConfigError(
            f"model.function: the plate {msg['name']} takes another random {subsample_size} of its {size} rows in each "
            "evaluation (subsample_size), so that the program has no density; remove subsample_size, and for "
            "minibatches use inference=map inference.optimiser=adam inference.batch_size=N"
        )


def _flattened(name: str, initial: Any, constraint: Any) -> tuple[Any, Callable[[Any], Any]]:
    """A tree of parameters as one vector, and the way back."""
    leaves = jax.tree.leaves(initial)
    floating = all(jnp.issubdtype(jnp.result_type(leaf), jnp.floating) for leaf in leaves)
    if not leaves or not floating or constraint is not constraints.real:
        raise ConfigError(
            f"model.function: the numpyro.param {name} is a tree, which credo takes as one vector of real numbers, but "
            f"it {'has a constraint' if leaves and floating else 'holds other things'}; declare its arrays one by one"
        )
    return ravel_pytree(initial)


def _array(value: Any) -> Any:
    """The value as an array of floats, or `None` for a tree."""
    return jnp.asarray(value, float) if jax.tree_util.all_leaves([value]) else None


def _named(msg: Message) -> str:
    return str(msg["name"]) if "name" in msg else "a statement without a name"
