"""All families by their words, and what they refuse."""

from dataclasses import fields
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float
from numpy.typing import ArrayLike

from credo.errors import ConfigError
from credo.models.mixtures.beta import Beta
from credo.models.mixtures.categorical import Categorical
from credo.models.mixtures.component import Component
from credo.models.mixtures.counts import DiscretizedLogistic, Poisson
from credo.models.mixtures.location_scale import Gaussian, GaussianFull, Laplace, Logistic, StudentT
from credo.models.mixtures.mixture import ConditionalMixture
from credo.models.mixtures.rounded import DiscretizedGaussian

FAMILIES: dict[str, type[Component]] = {
    family.name: family
    for family in (
        Gaussian,
        GaussianFull,
        Logistic,
        Laplace,
        StudentT,
        DiscretizedGaussian,
        DiscretizedLogistic,
        Beta,
        Poisson,
        Categorical,
    )
}


def make_component(word: str, **settings: Any) -> Component:
    """The family of a word, with its settings.

    Raises:
        ConfigError: For a word that is none of `FAMILIES`, and settings that are impossible or that it does not have.
    """
    if word not in FAMILIES:
        raise ConfigError(f"family: expected one of {', '.join(FAMILIES)}, but got {word!r}")
    known = [field.name for field in fields(FAMILIES[word])]
    if unknown := settings.keys() - known:
        raise ConfigError(f"{min(unknown)}: {word} has no such setting; it has {', '.join(known)}")
    return FAMILIES[word](**settings)


def normals(loc: Float[Array, "row"], scale: Float[Array, "row"]) -> ConditionalMixture:
    """A normal distribution of one target in each row, as a mixture of one."""
    parameters = {"loc": loc[:, None, None], "scale": scale[:, None, None]}
    return ConditionalMixture(Gaussian(), jnp.zeros((len(loc), 1)), parameters)


def check_targets(family: Component, y: ArrayLike, *, key: str = "data.target") -> None:
    """Refuse targets [rows, target] outside a family's support; the error names `key` and the first such row."""
    y = np.asarray(y)
    outside = ~np.asarray(family.support(y))
    if outside.any():
        first = tuple(np.argwhere(outside)[0])
        raise ConfigError(f"{key}: {family.name} needs {family.words} in every row, but row {first[0]} has {y[first]}")
