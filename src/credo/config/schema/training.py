"""The keys of `conf/training`."""

from dataclasses import dataclass

from omegaconf import MISSING


@dataclass
class Likelihood:
    """Minibatches of the likelihood."""

    _target_: str = "credo.training.likelihood.Likelihood"
    optimiser: str = MISSING
    learning_rate: float = MISSING
    schedule: str = MISSING
    weight_decay: float = MISSING
    clip: float | None = MISSING
    epochs: int = MISSING
    batch_size: int = MISSING
    validation: float = MISSING
    patience: int | None = MISSING
    members: int = MISSING


OPTIONS = {"likelihood": Likelihood}
