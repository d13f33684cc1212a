"""The keys of `conf/inference`."""

from dataclasses import dataclass

from omegaconf import MISSING


@dataclass
class Chains:
    """What all Markov chain methods have."""

    _target_: str = MISSING
    chains: int = MISSING
    warmup: int = MISSING
    draws: int = MISSING
    thinning: int = MISSING
    block: int = MISSING
    placement: str = MISSING


@dataclass
class Nuts(Chains):
    """The no-U-turn sampler."""

    _target_: str = "credo.inference.nuts.Nuts"
    target_accept: float = MISSING
    step_size: float = MISSING
    max_tree_depth: int = MISSING
    metric: str = MISSING


@dataclass
class Mh(Chains):
    """Random-walk Metropolis-Hastings."""

    _target_: str = "credo.inference.mh.Mh"
    scale: float = MISSING
    target_accept: float = MISSING
    adapt: bool = MISSING


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


@dataclass
class Mle(PointEstimate):
    """Maximum likelihood."""

    _target_: str = "credo.inference.mle.Mle"


@dataclass
class Map(PointEstimate):
    """Maximum a posteriori."""

    _target_: str = "credo.inference.map.Map"
    space: str = MISSING


OPTIONS = {"map": Map, "mh": Mh, "mle": Mle, "nuts": Nuts}
