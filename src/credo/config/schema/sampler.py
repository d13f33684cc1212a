"""The keys of `conf/sampler`."""

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING


@dataclass
class Sampler:
    """What all samplers have."""

    _target_: str = MISSING
    steps: int = MISSING


@dataclass
class Stepping(Sampler):
    """What those with a step size have."""

    step_size: float = MISSING


@dataclass
class Auto(Stepping):
    """One that fits the energy."""

    _target_: str = "credo.energies.samplers.auto.Auto"


@dataclass
class Dmala(Stepping):
    """Langevin proposals of discrete units."""

    _target_: str = "credo.energies.samplers.dmala.Dmala"


@dataclass
class Gibbs(Sampler):
    """Blocks of units given the others."""

    _target_: str = "credo.energies.samplers.gibbs.Gibbs"


@dataclass
class Langevin(Stepping):
    """Unadjusted Langevin dynamics."""

    _target_: str = "credo.energies.samplers.langevin.Langevin"
    noise: float = MISSING
    clip: float | None = MISSING


@dataclass
class Mala(Stepping):
    """Metropolis-adjusted Langevin."""

    _target_: str = "credo.energies.samplers.mala.Mala"


@dataclass
class Mh(Stepping):
    """Random walk, or flips."""

    _target_: str = "credo.energies.samplers.mh.Mh"


@dataclass
class Hmc(Stepping):
    """Hamiltonian Monte Carlo."""

    _target_: str = "credo.energies.samplers.hmc.Hmc"
    leapfrogs: int = MISSING
    jitter: float = MISSING


@dataclass
class Nuts(Stepping):
    """The no-U-turn sampler."""

    _target_: str = "credo.energies.samplers.nuts.Nuts"
    max_tree_depth: int = MISSING


@dataclass
class Tempering(Sampler):
    """Replicas at several temperatures."""

    _target_: str = "credo.energies.samplers.tempering.Tempering"
    sampler: Any = MISSING
    ladder: list[float] = MISSING


OPTIONS = {
    "auto": Auto,
    "dmala": Dmala,
    "gibbs": Gibbs,
    "hmc": Hmc,
    "langevin": Langevin,
    "mala": Mala,
    "mh": Mh,
    "nuts": Nuts,
    "tempering": Tempering,
}
