"""The keys of `conf/training`."""

from dataclasses import dataclass

from omegaconf import MISSING


@dataclass
class Nothing:
    """The inference method's own optimiser."""


@dataclass
class Descent:
    """What all trainings have."""

    _target_: str = MISSING
    optimiser: str = MISSING
    learning_rate: float = MISSING
    schedule: str = MISSING
    weight_decay: float = MISSING
    clip: float | None = MISSING
    epochs: int = MISSING
    batch_size: int = MISSING
    validation: float = MISSING
    patience: int | None = MISSING
    average: float = MISSING
    members: int = MISSING


@dataclass
class Likelihood(Descent):
    """Minibatches of the likelihood."""

    _target_: str = "credo.inference.training.likelihood.Likelihood"


@dataclass
class Exact(Descent):
    """Minibatches of the likelihood of an energy-based model."""

    _target_: str = "credo.inference.training.likelihood.Exact"


@dataclass
class Contrastive(Descent):
    """What the trainings by samples of the model share."""

    energy_penalty: float = MISSING
    gradient_penalty: float = MISSING


@dataclass
class Cd(Contrastive):
    """Contrastive divergence."""

    _target_: str = "credo.inference.training.cd.Cd"


@dataclass
class Pcd(Contrastive):
    """Persistent contrastive divergence."""

    _target_: str = "credo.inference.training.pcd.Pcd"
    chains: int = MISSING
    restart: float = MISSING


@dataclass
class Langevin(Pcd):
    """Langevin dynamics with a replay buffer."""

    _target_: str = "credo.inference.training.langevin.Langevin"
    steps: int = MISSING
    step_size: float = MISSING
    noise: float = MISSING
    adjusted: bool = MISSING


@dataclass
class ScoreMatching(Descent):
    """The gradient of the log density."""

    _target_: str = "credo.inference.training.score_matching.ScoreMatching"
    form: str = MISSING
    sigma: float = MISSING
    directions: int = MISSING


@dataclass
class Nce(Descent):
    """Noise contrastive estimation."""

    _target_: str = "credo.inference.training.nce.Nce"
    form: str = MISSING
    noise: str = MISSING
    widths: list[float] = MISSING
    samples: int = MISSING
    centers: int = MISSING


@dataclass
class Infonce(Descent):
    """Mutual information by a critic."""

    _target_: str = "credo.inference.training.infonce.Infonce"
    symmetric: bool = MISSING


OPTIONS = {
    "none": Nothing,
    "likelihood": Likelihood,
    "exact": Exact,
    "cd": Cd,
    "pcd": Pcd,
    "langevin": Langevin,
    "score_matching": ScoreMatching,
    "nce": Nce,
    "infonce": Infonce,
}
