"""The keys of `conf/prior`."""

from dataclasses import dataclass

from omegaconf import MISSING


@dataclass
class LocScale:
    """A location and a scale."""

    _target_: str = MISSING
    loc: float = MISSING
    scale: float = MISSING


@dataclass
class Scale:
    """A scale."""

    _target_: str = MISSING
    scale: float = MISSING


@dataclass
class Shape:
    """A shape (concentration) and a rate."""

    _target_: str = MISSING
    concentration: float = MISSING
    rate: float = MISSING


@dataclass
class Gaussian(LocScale):
    """N(loc, scale)."""

    _target_: str = "credo.models.priors.gaussian"


@dataclass
class Laplace(LocScale):
    """Laplace(loc, scale)."""

    _target_: str = "credo.models.priors.laplace"


@dataclass
class StudentT(LocScale):
    """Student's t."""

    _target_: str = "credo.models.priors.student_t"
    df: float = MISSING


@dataclass
class HalfNormal(Scale):
    """|N(0, scale)|."""

    _target_: str = "credo.models.priors.half_normal"


@dataclass
class HalfCauchy(Scale):
    """|Cauchy(0, scale)|."""

    _target_: str = "credo.models.priors.half_cauchy"


@dataclass
class Gamma(Shape):
    """Gamma(shape, rate)."""

    _target_: str = "credo.models.priors.gamma"


@dataclass
class InverseGamma(Shape):
    """Inverse gamma."""

    _target_: str = "credo.models.priors.inverse_gamma"


@dataclass
class Exponential:
    """Exponential(rate)."""

    _target_: str = "credo.models.priors.exponential"
    rate: float = MISSING


@dataclass
class Uniform:
    """U(low, high)."""

    _target_: str = "credo.models.priors.uniform"
    low: float = MISSING
    high: float = MISSING


@dataclass
class Bernoulli:
    """1 with probability probs."""

    _target_: str = "credo.models.priors.bernoulli"
    probs: float = MISSING


@dataclass
class Beta:
    """Beta(concentration1, concentration0)."""

    _target_: str = "credo.models.priors.beta"
    concentration1: float = MISSING
    concentration0: float = MISSING


@dataclass
class Pareto:
    """Pareto(scale, alpha)."""

    _target_: str = "credo.models.priors.pareto"
    scale: float = MISSING
    alpha: float = MISSING


@dataclass
class Flat:
    """Density one on the support."""

    _target_: str = "credo.models.priors.flat"
    support: str = MISSING


OPTIONS = {
    "bernoulli": Bernoulli,
    "beta": Beta,
    "exponential": Exponential,
    "flat": Flat,
    "gamma": Gamma,
    "gaussian": Gaussian,
    "half_cauchy": HalfCauchy,
    "half_normal": HalfNormal,
    "inverse_gamma": InverseGamma,
    "laplace": Laplace,
    "pareto": Pareto,
    "student_t": StudentT,
    "uniform": Uniform,
}
