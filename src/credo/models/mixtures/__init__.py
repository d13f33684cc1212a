"""Conditional mixtures p(y | x) = sum_k w_k(x) f(y; theta_k(x)), made of the raw numbers that a network gives.

A family f says how raw numbers become its parameters and what its density, CDF, draws and moments are. A mixture's raw
numbers [n_raw] are those of the weights, then those of each component; `mixture` cuts and binds them.
"""

from credo.models.mixtures.component import Component
from credo.models.mixtures.components import FAMILIES, check_targets, make_component, normals
from credo.models.mixtures.crps import crps
from credo.models.mixtures.mixture import (
    WEIGHTS,
    ConditionalMixture,
    Univariate,
    initial,
    log_weights,
    mixture,
    raw_scales,
    raw_size,
)

__all__ = [
    "FAMILIES",
    "WEIGHTS",
    "Component",
    "ConditionalMixture",
    "Univariate",
    "check_targets",
    "crps",
    "initial",
    "log_weights",
    "make_component",
    "mixture",
    "normals",
    "raw_scales",
    "raw_size",
]
