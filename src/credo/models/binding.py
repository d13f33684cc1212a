"""A model bound to its data: a program without arguments."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import Int, Shaped
from numpyro import handlers

from credo.errors import ConfigError
from credo.models.base import Model
from credo.models.dependence import used
from credo.models.earlier import FromEarlier, Mixture
from credo.models.messages import Message, Understood
from credo.models.priors import Placeholders
from credo.models.reparam import Reparametrised
from credo.models.sites import traced


class BoundModel(eqx.Module):
    """A NumPyro program without arguments: a pytree of the model's numbers and the data's arrays.

    Attributes:
        model: the model.
        arrays: the data that it takes, by name.
        sizes: whole numbers that it takes; they are structure.
        params: the names of those `numpyro.param`s that are latents; `None` for all.
        earlier: an earlier posterior in place of the priors.
        reparam: reparametrisers by site; they are structure.
        centred: the numbers of those that have one.
    """

    model: Model
    arrays: dict[str, Any]
    sizes: tuple[tuple[str, int], ...] = eqx.field(static=True)
    params: tuple[str, ...] | None = eqx.field(static=True, default=None)
    earlier: Mixture | None = None
    reparam: tuple[tuple[str, str], ...] = eqx.field(static=True, default=())
    centred: dict[str, float] = eqx.field(default_factory=dict)

    def __call__(self) -> None:
        """Run the program."""
        own = Reparametrised(self._run, dict(self.reparam), self.centred) if self.reparam else self._run
        run = Understood(own, self.params)
        (run if self.earlier is None else FromEarlier(run, self.earlier))()

    def _run(self) -> None:
        # By its class: a bound method of an equinox module would take a variable called `self` for its own.
        type(self.model).__call__(self.model, **self.arrays, **dict(self.sizes))

    def spread(self, names: tuple[str, ...], mesh: tuple[int, int]) -> "BoundModel":
        """The program whose arrays of these names have their rows over devices; XLA divides the work and adds up.

        Args:
            names: of the arrays that have a value per row.
            mesh: how many devices share the chains, and how many the rows of each.
        """
        devices = device_mesh(mesh)
        placed = {
            name: jax.device_put(array, NamedSharding(devices, PartitionSpec("data" if name in names else None)))
            for name, array in self.arrays.items()
        }
        return replace(self, arrays=placed)

    def of_rows(self, rows: Int[Array | np.ndarray, "row"], names: tuple[str, ...]) -> "BoundModel":
        """The program over some rows, by number, of the arrays that have a value per row."""
        arrays = {name: array[rows] if name in names else array for name, array in self.arrays.items()}
        return replace(self, arrays=arrays)

    def holding(self, variables: Mapping[str, xr.DataArray]) -> "BoundModel":
        """The program over other values of some of its arrays, of the same shapes."""
        return replace(self, arrays=self.arrays | {name: _array(values) for name, values in variables.items()})

    def at(self, latents: Mapping[str, Any]) -> dict[str, Message]:
        """The messages of all sites by name, where the latents have these values in their own space."""
        return messages_at(self, latents)


def device_mesh(mesh: tuple[int, int]) -> jax.sharding.Mesh:
    """So many devices for chains, times so many for the rows of each."""
    return jax.make_mesh(mesh, ("chains", "data"), (AxisType.Auto,) * 2, devices=jax.devices()[: mesh[0] * mesh[1]])


def messages_at(program: Callable[[], Any], latents: Mapping[str, Any]) -> dict[str, Message]:
    """The messages of a program's sites by name, where the latents have these values in their own space."""
    seeded = handlers.seed(program, jax.random.PRNGKey(0))
    messages: dict[str, Message] = handlers.trace(handlers.substitute(seeded, data=latents)).get_trace()
    return messages


def bind(model: Model, data: xr.Dataset) -> BoundModel:
    """Choose from the data what the model takes.

    Raises:
        ConfigError: the model requires a variable that the data has not.
    """
    required, optional = model.arguments()
    given: Mapping[str, Any] = {str(name): v for name, v in data.data_vars.items() if is_given(v)}
    sizes = {f"n_{dim}": int(size) for dim, size in data.sizes.items()}
    taken = {n: v for n, v in given.items() if n in required | optional or "*" in optional}
    counts = {n: v for n, v in sizes.items() if n in required | optional and n not in given}
    if missing := sorted(required - set(taken) - set(counts)):
        raise ConfigError(
            f"data: the model {model.name!r} needs the variable {missing[0]!r}, but the data has only "
            f"{', '.join(given) or 'nothing'}; choose other data, or another model"
        )
    if "target" in data.dims and not model.several_targets:
        names = ", ".join(map(str, data["target"].to_numpy()))
        raise ConfigError(
            f"data.target: model={model.name} takes one target, but got a list ({names}); name one column"
        )
    if model.takes_all and (unknown := sorted(set(given) - set(taken))):
        raise ConfigError(
            f"model.function: the data has the variable {unknown[0]!r}, which the function does not take; "
            "give it a parameter of this name, or **kwargs"
        )
    if "context" in given and "context" not in taken:
        raise ConfigError(f"data.context: model={model.name} takes no context; set data.context=null, or use model=mdn")
    if "weights" in given and "weights" not in taken:
        raise ConfigError(
            f"data.weights: model={model.name} takes no weights; set data.weights=null, or use model=regression"
        )
    whole = {n: int(v.item()) for n, v in taken.items() if v.ndim == 0 and v.dtype.kind in "iu"}
    arrays = {n: _array(v) for n, v in taken.items() if n not in whole}
    for name, values in arrays.items():
        _require_in_range(name, values)
    program = BoundModel(model, arrays, tuple(sorted({**whole, **counts}.items())))
    return replace(program, params=_latent_params(program))


def _latent_params(program: BoundModel) -> tuple[str, ...]:
    """The `numpyro.param`s on which the density depends; others, as `random_eqx_module` leaves, are no unknowns."""
    initial: dict[str, Any] = {}
    traced(program, lambda messages: initial.update(_initial(messages)))

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


def is_given(variable: xr.DataArray) -> bool:
    """Whether a variable of the data is no truth of synthetic data."""
    return variable.attrs.get("role") != "truth"


def _array(variable: xr.DataArray) -> Shaped[np.ndarray, "..."]:
    values = variable.to_numpy()
    if values.dtype.kind == "b":
        return values.astype(int)
    return values.astype(float) if values.dtype.kind == "f" else values


def _require_in_range(name: str, values: Shaped[np.ndarray, "..."]) -> None:
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
