"""The keys of `conf/energy`."""

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING


@dataclass
class Energy:
    """What all families of energies have."""

    _target_: str = MISSING


@dataclass
class Polynomial(Energy):
    """One dimension."""

    _target_: str = "credo.energies.polynomial.PolynomialModel"
    powers: list[int] = MISSING


@dataclass
class Quadratic(Energy):
    """The Gaussian."""

    _target_: str = "credo.energies.quadratic.QuadraticModel"


@dataclass
class Ising(Energy):
    """Spins on a graph."""

    _target_: str = "credo.energies.ising.IsingModel"
    shape: list[int] = MISSING
    periodic: bool = MISSING
    couplings: float | None = MISSING
    fields: float | None = MISSING
    inverse_temperature: float | None = MISSING
    edges: list[list[int]] | None = MISSING


@dataclass
class Potts(Energy):
    """Sites of several kinds on a lattice."""

    _target_: str = "credo.energies.potts.PottsModel"
    kinds: int = MISSING
    shape: list[int] = MISSING
    periodic: bool = MISSING
    couplings: float | None = MISSING
    inverse_temperature: float | None = MISSING


@dataclass
class Rbm(Energy):
    """A restricted Boltzmann machine."""

    _target_: str = "credo.energies.rbm.RbmModel"
    visible: str = MISSING
    hidden: int = MISSING
    size: int | None = MISSING


@dataclass
class Neural(Energy):
    """A network."""

    _target_: str = "credo.energies.neural.NeuralModel"
    hidden: list[int] = MISSING
    activation: str = MISSING
    residual: bool = MISSING
    spectral: bool = MISSING
    tail: float | None = MISSING
    bounds: list[Any] | None = MISSING  # pairs; OmegaConf takes no whole numbers in list[list[float]]
    dtype: str = MISSING


@dataclass
class Conditional(Neural):
    """A network of y given x."""

    _target_: str = "credo.energies.neural.ConditionalModel"
    conditioning: str = MISSING
    context_hidden: list[int] = MISSING


@dataclass
class Critic(Energy):
    """Scores of pairs."""

    _target_: str = "credo.energies.critic.CriticModel"
    kind: str = MISSING
    hidden: list[int] = MISSING
    embedding: int = MISSING
    similarity: str = MISSING
    temperature: float | None = MISSING
    activation: str = MISSING
    dtype: str = MISSING


@dataclass
class Image(Energy):
    """Convolutions of images."""

    _target_: str = "credo.energies.image.ImageModel"
    shape: list[int] = MISSING
    pixels: str = MISSING
    channels: list[int] = MISSING
    kernel: int = MISSING
    norm_groups: int = MISSING
    pool: int = MISSING
    activation: str = MISSING
    hidden: int = MISSING
    tail: float | None = MISSING
    bounds: list[float] | None = MISSING
    dtype: str = MISSING


OPTIONS = {
    "conditional": Conditional,
    "critic": Critic,
    "image": Image,
    "ising": Ising,
    "neural": Neural,
    "polynomial": Polynomial,
    "potts": Potts,
    "quadratic": Quadratic,
    "rbm": Rbm,
}
