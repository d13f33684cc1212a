"""What a mixture density network takes from its training rows: where inputs and targets lie, and how far apart."""

import math
from collections.abc import Callable, Mapping, Sequence

import equinox as eqx
import numpy as np
import xarray as xr
from jax import Array
from jaxtyping import Float, Shaped

from credo.errors import ConfigError
from credo.models.mixtures import Component, initial
from credo.networks.bayesian import Moments, moments, require_varied

Image = tuple[int, int, int]
"""Height, width and channels."""


class Learned(eqx.Module):
    """What a model takes from the training rows.

    Attributes:
        inputs: the inputs' moments; of images, the channels'.
        contexts: the context's, or `None`.
        family: the components' family, with the targets' standard deviations and the steps between their values.
        base: raw numbers [raw] of components over the targets' quantiles.
        dims: the numbers of targets, inputs and context.
        image: the shape of inputs that are images, or `None`.
    """

    inputs: Moments
    contexts: Moments | None
    family: Component
    base: Float[Array | np.ndarray, "raw"]
    dims: tuple[int, int, int] = eqx.field(static=True)
    image: Image | None = eqx.field(static=True, default=None)


def learn(train: xr.Dataset, make: Callable[..., Component], mixing: str, components: int) -> Learned:
    """Look at the training rows.

    Args:
        train: with inputs x [row, feature] or [row, height, width, channel], targets, and a context if there is one.
        make: the components' family, of its settings.
        mixing: how weights are made.
        components: how many.

    Raises:
        ConfigError: an input or a target is constant, x has another shape, or classes are no whole numbers from 0.
    """
    x = train["x"]
    if x.ndim not in (2, 4):
        raise ConfigError(
            f"data: expected inputs x [row, feature] or [row, height, width, channel], but x has {x.ndim} dimensions"
        )
    y = train["y"].to_numpy().astype(float).reshape(train.sizes[train["y"].dims[0]], -1)
    names = train["target"].to_numpy() if "target" in train.coords else range(y.shape[1])
    require_varied(
        y, "data.target", ["the target" if train["y"].ndim == 1 else f"the target {str(name)!r}" for name in names]
    )
    inputs, contexts = moments(train, "x"), moments(train, "context") if "context" in train else None
    plain = make()
    levels = {"levels": _classes(train, y)} if plain.classes else {}
    spread, resolution = y.std(0), _resolution(y, plain)
    family = make(resolution=resolution, unit=1.0 if plain.name == "beta" else spread, **levels)
    base = initial(family, mixing, _places(y, components), spread / math.sqrt(components))
    dims = (y.shape[1], math.prod(x.shape[1:]), train["context"].shape[1] if contexts is not None else 0)
    return Learned(inputs, contexts, family, base, dims, _image(x.shape[1:]))


def exported(known: Learned) -> dict[str, Shaped[np.ndarray, "..."]]:
    """What was learned as plain arrays, of which `restored` makes the same."""
    every = {"inputs": known.inputs} | ({} if known.contexts is None else {"contexts": known.contexts})
    found = {f"{name}_{part}": getattr(one, part) for name, one in every.items() for part in ("mean", "sd")}
    found |= {"resolution": known.family.resolution, "unit": known.family.unit}
    found |= {} if known.image is None else {"image": known.image}
    found |= {"levels": known.family.classes} if known.family.classes else {}
    return {name: np.asarray(value) for name, value in (found | {"base": known.base, "dims": known.dims}).items()}


def restored(arrays: Mapping[str, Shaped[np.ndarray, "..."]], make: Callable[..., Component]) -> Learned:
    """What another has `exported`."""
    inputs = Moments(arrays["inputs_mean"], arrays["inputs_sd"])
    contexts = Moments(arrays["contexts_mean"], arrays["contexts_sd"]) if "contexts_mean" in arrays else None
    levels = {"levels": int(arrays["levels"])} if "levels" in arrays else {}
    family = make(resolution=arrays["resolution"], unit=arrays["unit"], **levels)
    targets, features, context = map(int, arrays["dims"])
    image = _image(arrays["image"]) if "image" in arrays else None
    return Learned(inputs, contexts, family, arrays["base"], (targets, features, context), image)


def _image(shape: Sequence[int] | Shaped[np.ndarray, "axis"]) -> Image | None:
    """The shape of an image, where it is one."""
    if len(shape) != 3:
        return None
    height, width, channels = map(int, shape)
    return height, width, channels


def _classes(train: xr.Dataset, y: Float[np.ndarray, "row target"]) -> int:
    """How many there are: the levels that the data names, or as many as the largest number says."""
    if train["y"].ndim > 1:
        raise ConfigError("data.target: model.family=categorical takes one target, but got a list; name one column")
    if (wrong := (y < 0) | (y != np.round(y))).any():
        raise ConfigError(
            f"model.family=categorical: expected a target of classes 0, 1, 2, ..., but got {y[wrong][0]:g}; name "
            "the classes in data.target, or use another family"
        )
    named = train.sizes.get("class", 0) if "class" in train.coords else 0
    return max(named, int(y.max()) + 1)


def _resolution(y: Float[np.ndarray, "row target"], family: Component) -> Float[np.ndarray, "target"]:
    """The least step between two values of each target, at least 1e-5 of its standard deviation; 1 of counts."""
    if family.support.is_discrete or family.name == "beta":
        return np.ones(y.shape[1])
    steps = np.array([np.diff(np.unique(column)).min() for column in y.T])
    return np.maximum(steps, 1e-5 * y.std(0))


def _places(y: Float[np.ndarray, "row target"], components: int) -> Float[np.ndarray, "component target"]:
    """Where the components begin: the means of equal parts of the rows, along their main axis."""
    standard = (y - y.mean(0)) / y.std(0)
    axis = np.linalg.svd(standard, full_matrices=False)[2][0] if y.shape[1] > 1 else np.ones(1)
    parts = np.array_split(y[np.argsort(standard @ axis, kind="stable")], min(components, len(y)))
    means = np.array([part.mean(0) for part in parts])
    return np.resize(means, (components, y.shape[1]))
