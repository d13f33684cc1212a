"""Networks within NumPyro programs: their weights as latents by name, with priors that mean the same for any width."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import xarray as xr
from jax import Array
from jaxtyping import Float, Shaped
from numpyro.distributions.transforms import AffineTransform

from credo.errors import ConfigError


class Moments(eqx.Module):
    """Means and standard deviations of columns [column]."""

    mean: Float[Array | np.ndarray, "column"]
    sd: Float[Array | np.ndarray, "column"]

    def __call__(self, columns: Float[Array, "*rows column"]) -> Float[Array, "*rows column"]:
        """The columns, standardised."""
        return (columns - self.mean) / self.sd


def moments(train: xr.Dataset, name: str) -> Moments:
    """Those of the columns of `x` or `context`; of images [row, height, width, channel], those of the channels.

    Raises:
        ConfigError: a column is constant.
    """
    columns = train[name].to_numpy().astype(float)
    columns = columns.reshape(-1, columns.shape[-1])
    dim = train[name].dims[-1]
    names = train[dim].to_numpy() if dim in train.coords else range(columns.shape[1])
    key, word = ("data.features", "feature") if name == "x" else ("data.context", "context")
    word = "channel" if train[name].ndim == 4 else word
    require_varied(columns, key, [f"the {word} {str(label)!r}" for label in names])
    return Moments(columns.mean(0), columns.std(0))


def require_varied(columns: Shaped[np.ndarray, "row column"], key: str, names: Sequence[str]) -> None:
    """Raise `ConfigError` if a column is constant."""
    for width, name in zip(np.ptp(columns, axis=0), names, strict=True):
        if width == 0:
            advice = "choose another" if key == "data.target" else "leave it out"
            raise ConfigError(f"{key}: {name} is constant on the {len(columns)} training rows; {advice}")


def named(network: Any) -> dict[str, Any]:
    """The arrays of a network by site: `layers_0_weight`, `trunk_head_bias`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(network)
    return {_site(path): leaf for path, leaf in leaves if hasattr(leaf, "shape")}


def filled(network: Any, latents: Mapping[str, Float[Array, "..."]]) -> Any:
    """A network of this shape whose arrays are computed of the latents by site."""
    arrays = {name: latents[name] + _offset(name) for name in named(network)}
    return jax.tree_util.tree_map_with_path(lambda path, leaf: arrays.get(_site(path), leaf), network)


def latents_of(network: Any) -> dict[str, Float[Array, "..."]]:
    """The latents by site at which a network is this one."""
    return {name: value - _offset(name) for name, value in named(network).items()}


def sample(name: str, shape: tuple[int, ...], prior: Mapping[str, dist.Distribution]) -> Float[Array, "..."]:
    """A weight or bias as a latent of the group `network`.

    A weight's prior is `weight` divided by the square root of the layer's inputs, so that it means the same for any
    width (Neal 1996, chapter 2); biases have `bias` as it stands.
    """
    own = prior["bias" if len(shape) == 1 or name.endswith("bias") else "weight"]  # those of convolutions are [n, 1, 1]
    if len(shape) > 1 and not is_improper(own):
        scale = 1 / math.sqrt(math.prod(shape[1:]))
        own = dist.TransformedDistribution(own, AffineTransform(0.0, scale, domain=own.support))
    value: Array = numpyro.sample(name, own.expand(shape).to_event(len(shape)), infer={"group": "network"})
    return value


def is_improper(distribution: Any) -> bool:
    """Whether a distribution cannot be drawn from."""
    while hasattr(distribution, "base_dist"):
        distribution = distribution.base_dist
    return isinstance(getattr(distribution, "prior", distribution), dist.ImproperUniform)


def in_double(network: Any) -> Any:
    """A network's arrays in JAX's default precision."""
    return jax.tree.map(lambda a: a.astype(float), eqx.filter(network, eqx.is_array))


def cast(latents: Mapping[str, Float[Array, "..."]], dtype: str) -> dict[str, Float[Array, "..."]]:
    """The latents in the precision in which a network is computed."""
    return {name: jnp.asarray(value, dtype) for name, value in latents.items()}


def _site(path: Sequence[Any]) -> str:
    return re.sub(r"\W+", "_", jax.tree_util.keystr(tuple(path))).strip("_")


def _offset(name: str) -> float:
    """What a latent is counted from: a norm's weight from 1, so that its prior is about no change."""
    return 1.0 if re.search(r"norms?(_\d+)?_weight$", name) else 0.0
