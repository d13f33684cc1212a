"""The keys of `conf/inference`."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING


@dataclass
class Checkpoint:
    """When the state goes to disk."""

    every: float | None = 60.0


@dataclass
class Stop:
    """When chains stop before all draws are made."""

    _target_: str = "credo.inference.mcmc.stop.Stop"
    ess_bulk: float | None = None
    ess_tail: float | None = None
    r_hat: float | None = None
    mcse: float | None = None
    least: int = 100
    minutes: float | None = None
    variables: list[str] | None = None


@dataclass
class Chains:
    """What all Markov chain methods have."""

    _target_: str = MISSING
    chains: int = MISSING
    warmup: int = MISSING
    draws: int = MISSING
    thinning: int = MISSING
    block: int = MISSING
    chain_method: str = MISSING
    placement: str | None = None
    start: str = MISSING
    start_values: dict[str, Any] = field(default_factory=dict)
    stop: Stop = field(default_factory=Stop)
    keep: list[str] | None = None
    moments: bool = False
    checkpoint: Checkpoint = field(default_factory=Checkpoint)


@dataclass
class Hamiltonian(Chains):
    """What the samplers of HMC's kind have."""

    target_accept: float = MISSING
    step_size: float = MISSING
    metric: str = MISSING


@dataclass
class Hmc(Hamiltonian):
    """Hamiltonian Monte Carlo with trajectories of one length."""

    _target_: str = "credo.inference.mcmc.kernels.hmc.Hmc"
    trajectory_length: float = MISSING


@dataclass
class Nuts(Hamiltonian):
    """The no-U-turn sampler."""

    _target_: str = "credo.inference.mcmc.kernels.nuts.Nuts"
    max_tree_depth: int = MISSING


@dataclass
class Mh(Chains):
    """Random-walk Metropolis-Hastings."""

    _target_: str = "credo.inference.mcmc.kernels.mh.Mh"
    scale: float = MISSING
    target_accept: float = MISSING
    adapt: bool = MISSING


@dataclass
class Exchange(Mh):
    """The exchange algorithm."""

    _target_: str = "credo.inference.mcmc.kernels.exchange.Exchange"
    transitions: int = MISSING


@dataclass
class PointEstimate:
    """What all point estimates have."""

    _target_: str = MISSING
    optimiser: str = MISSING
    starts: int = MISSING
    steps: int = MISSING
    tolerance: float = MISSING
    learning_rate: float = MISSING
    batch_size: int | None = MISSING
    checkpoint: Checkpoint = field(default_factory=Checkpoint)


@dataclass
class Mle(PointEstimate):
    """Maximum likelihood."""

    _target_: str = "credo.inference.point.mle.Mle"


@dataclass
class Map(PointEstimate):
    """Maximum a posteriori."""

    _target_: str = "credo.inference.point.map.Map"
    space: str = MISSING


OPTIONS = {"exchange": Exchange, "hmc": Hmc, "map": Map, "mh": Mh, "mle": Mle, "nuts": Nuts}
