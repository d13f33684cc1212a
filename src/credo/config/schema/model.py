"""The keys of `conf/model`; the priors at `prior.LATENT` are options of `conf/prior`."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING


@dataclass
class Model:
    """What all models have."""

    _target_: str = MISSING
    prior: dict[str, Any] = field(default_factory=dict)


@dataclass
class Bernoulli(Model):
    """Coin flips."""

    _target_: str = "credo.models.bernoulli.Bernoulli"


@dataclass
class Gaussian(Model):
    """A location, and a known or unknown scale."""

    _target_: str = "credo.models.gaussian.Gaussian"
    sigma: float | None = MISSING
    hypotheses: list[float] = MISSING


@dataclass
class NormalInverseGamma(Model):
    """Mean and variance with the conjugate prior."""

    _target_: str = "credo.models.normal_inverse_gamma.NormalInverseGamma"
    mu0: float = MISSING
    kappa0: float = MISSING


@dataclass
class Uniform(Model):
    """The end of an interval."""

    _target_: str = "credo.models.uniform.Uniform"


@dataclass
class Regression(Model):
    """Generalised linear regression."""

    _target_: str = "credo.models.regression.Regression"
    family: str = MISSING


@dataclass
class Hierarchical(Model):
    """Groups with a common distribution."""

    _target_: str = "credo.models.hierarchical.Hierarchical"
    centred: bool = MISSING


@dataclass
class Program:
    """A NumPyro function of the user's own."""

    _target_: str = "credo.models.program.Program"
    function: str = MISSING
    arguments: dict[str, Any] = field(default_factory=dict)
    params: str | None = MISSING


@dataclass
class Mdn(Model):
    """A mixture density network."""

    _target_: str = "credo.models.mdn.Mdn"
    family: str = MISSING
    components: int = MISSING
    mixing: str = MISSING
    floor: float | None = MISSING
    low: int | None = MISSING
    high: int | None = MISSING
    hidden: list[int] = MISSING
    activation: str = MISSING
    norm: str = MISSING
    groups: int = MISSING
    residual: bool = MISSING
    context: str = MISSING
    context_hidden: list[int] = MISSING
    scale: str = MISSING
    dtype: str = MISSING


@dataclass
class Ebm(Model):
    """An energy-based model."""

    _target_: str = "credo.models.ebm.Ebm"
    energy: Any = MISSING
    sampler: Any = MISSING
    normaliser: str = MISSING


OPTIONS = {
    "bernoulli": Bernoulli,
    "ebm": Ebm,
    "gaussian": Gaussian,
    "hierarchical": Hierarchical,
    "mdn": Mdn,
    "normal_inverse_gamma": NormalInverseGamma,
    "program": Program,
    "regression": Regression,
    "uniform": Uniform,
}
