"""The keys of `conf/diagnostics`. Values are in the YAML."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from omegaconf import MISSING


class Gate(StrEnum):
    """What a failed verdict does: `warn` says so; `error` makes the exit code 3, too."""

    warn = "warn"
    error = "error"


@dataclass
class NoThreshold:
    """A check without settings."""

    _target_: str = MISSING


@dataclass
class Threshold:
    """A check with a bar."""

    _target_: str = MISSING
    threshold: float = MISSING


@dataclass
class Count:
    """A check that counts."""

    _target_: str = MISSING
    threshold: int = MISSING


@dataclass
class GradientNorm:
    """Is the log density level at the estimate?"""

    _target_: str = "credo.diagnostics.gradient_norm.GradientNorm"
    threshold: float = MISSING
    decrement: float = MISSING


@dataclass
class StandardErrors:
    """Has the log density fallen by about 1/2 one standard error away?"""

    _target_: str = "credo.diagnostics.standard_errors.StandardErrors"
    least: float = MISSING
    greatest: float = MISSING


@dataclass
class StartsAgree:
    """Did several starts find the same mode?"""

    _target_: str = "credo.diagnostics.starts_agree.StartsAgree"
    threshold: int = MISSING
    tolerance: float = MISSING
    distance: float = MISSING


@dataclass
class PriorSensitivity:
    """How much does the answer depend on the prior?"""

    _target_: str = "credo.diagnostics.prior_sensitivity.PriorSensitivity"
    threshold: float = MISSING
    sites: list[str] | None = MISSING


@dataclass
class Fit:
    """Are the states of a trained energy like its data?"""

    _target_: str = "credo.diagnostics.fit.Fit"
    threshold: float = MISSING
    level: float = MISSING


def built_in() -> dict[str, Any]:
    """The built-in checks, each typed, in a mapping that takes further ones."""
    return {
        "finite": NoThreshold("credo.diagnostics.finite.Finite"),
        "observed": NoThreshold("credo.diagnostics.observed.Observed"),
        "chains": Count("credo.diagnostics.chains.Chains"),
        "stuck": Threshold("credo.diagnostics.stuck.Stuck"),
        "r_hat": Threshold("credo.diagnostics.r_hat.RHat"),
        "ess_bulk": Threshold("credo.diagnostics.ess_bulk.EssBulk"),
        "ess_tail": Threshold("credo.diagnostics.ess_tail.EssTail"),
        "mcse": Threshold("credo.diagnostics.mcse.Mcse"),
        "moments": NoThreshold("credo.diagnostics.moments.Moments"),
        "divergences": Count("credo.diagnostics.divergences.Divergences"),
        "e_bfmi": Threshold("credo.diagnostics.e_bfmi.EBfmi"),
        "tree_depth": Threshold("credo.diagnostics.tree_depth.TreeDepth"),
        "converged": NoThreshold("credo.diagnostics.converged.Converged"),
        "gradient_norm": GradientNorm(),
        "hessian": Threshold("credo.diagnostics.hessian.Hessian"),
        "boundary": NoThreshold("credo.diagnostics.boundary.Boundary"),
        "standard_errors": StandardErrors(),
        "starts_agree": StartsAgree(),
        "settled": Threshold("credo.diagnostics.settled.Settled"),
        "calibration": Threshold("credo.diagnostics.calibration.Calibration"),
        "components": Threshold("credo.diagnostics.components.Components"),
        "distinct": Count("credo.diagnostics.distinct.Distinct"),
        "normaliser": Threshold("credo.diagnostics.normaliser.Normaliser"),
        "samples": Threshold("credo.diagnostics.samples.Samples"),
        "fit": Fit(),
        "ceiling": Threshold("credo.diagnostics.ceiling.Ceiling"),
        "inner": Threshold("credo.diagnostics.inner.Inner"),
        "posterior_predictive": Threshold("credo.diagnostics.posterior_predictive.PosteriorPredictive"),
        "loo": Threshold("credo.diagnostics.loo.Loo"),
        "prior_sensitivity": PriorSensitivity(),
    }


@dataclass
class Standard:
    """All checks, with the bars that the literature recommends."""

    gate: Gate = MISSING
    checks: dict[str, Any] = field(default_factory=built_in)


@dataclass
class Nothing:
    """No checks."""

    gate: Gate = MISSING
    checks: dict[str, Any] = field(default_factory=dict)


OPTIONS = {"standard": Standard, "none": Nothing}
