"""The numbers that a sweeper optimises: metrics of the run, by their names."""

from collections.abc import Iterator, Mapping
from math import isnan, nan
from typing import TYPE_CHECKING, Any

from credo.config.nearest import nearest
from credo.errors import ConfigError
from credo.inference.base import Inference

if TYPE_CHECKING:
    from credo.models.problem import Problem

STATISTICS = ("mean", "sd", "q5", "q50", "q95")
"""What there is of a scalar of the posterior, as in `posterior/mean/tau`."""

_COST = ("gradients", "density_evaluations", "programs", "seconds/compile", "seconds/total")
_DRAWS = ("r_hat_max", "ess_bulk_min", "ess_tail_min", "ess_per_second", "draws")
_LEFT_OUT = ("elpd_loo", "elpd_loo_se", "p_loo", "pareto_k_max")
_MODE = ("log_density", "gradient_norm", "starts_converged")
_SCORES = ("crps_test", "rmse_test", "coverage_50_test", "coverage_90_test", "sharpness_test")
_LOG_Z = ("log_z", "log_z_low", "log_z_high")
_INFORMATION = ("mutual_information", "mutual_information_error", "mutual_information_bound")


def names(asked: Any) -> tuple[str, ...]:
    """The names in `objective`: one, a list of them, or none.

    Raises:
        ConfigError: it is no name and no list of names.
    """
    if asked is None:
        return ()
    found = tuple(asked) if isinstance(asked, list | tuple) else (asked,)
    if not found or not all(isinstance(name, str) for name in found):
        raise ConfigError(
            "objective: expected the name of a metric, a list of names, or null, as in objective=elpd_loo, but got "
            f"{asked}"
        )
    return found


def require_possible(asked: Any, method: Inference, problem: "Problem") -> None:
    """Refuse an objective that this method cannot have of this model; what a user's own method has is not known before.

    Raises:
        ConfigError: names the metric, and the nearest one that there will be.
    """
    from credo.inference.mcmc.mcmc import Mcmc  # takes time to load
    from credo.inference.point.optimise import PointEstimate

    if not isinstance(method, Mcmc | PointEstimate):
        return
    known = sorted({*_known(method, problem)})
    for name in names(asked):
        if name in known or _is_of_posterior(name, problem):
            continue
        raise ConfigError(
            f"objective: this run will have no metric {name!r}; {nearest(name, [*known, 'posterior/...'])}"
        )


def values(asked: Any, numbers: Mapping[str, float | None]) -> tuple[float, ...] | None:
    """The numbers that `objective` names, NaN where the run turned out to have none; `None` where none is asked."""
    unknown_ones = unknown(asked, numbers)
    return tuple(nan if name in unknown_ones else float(numbers[name] or 0.0) for name in names(asked)) or None


def unknown(asked: Any, numbers: Mapping[str, float | None]) -> tuple[str, ...]:
    """Of the names in `objective`, those that the run turned out to have no number of."""
    return tuple(name for name in names(asked) if (value := numbers.get(name)) is None or isnan(value))


def _known(method: Inference, problem: "Problem") -> Iterator[str]:
    """The metrics that there may be (see `credo.diagnostics.metrics`)."""
    from credo.inference.mcmc.mcmc import Mcmc  # takes time to load
    from credo.inference.point.optimise import PointEstimate

    yield from _COST
    networks, training = any(site.group == "network" for site in problem.latents), problem.training
    of_energies = hasattr(problem.model, "energy")
    if isinstance(method, Mcmc):
        yield from (*_DRAWS, *(f"seconds/{phase}" for phase in ("warmup", "sampling", "looks", "evaluation")))
        reported = {"diverging": "divergences", "acceptance_rate": "acceptance_rate"}
        yield from (metric for statistic, metric in reported.items() if statistic in method.kernel.info._fields)
        yield from _LEFT_OUT if problem.named("observed") else ()
    elif isinstance(method, PointEstimate) and training is None:
        yield from (*_MODE, "seconds/optimisation", "seconds/evaluation")
    else:
        yield from ("epochs", *(f"seconds/{phase}" for phase in ("training", "continuation", "evaluation")))
        yield from (f"{measure}_validation" for measure in ("nll", getattr(training, "curve", "nll")))
    if problem.test is not None:
        yield from ("nll_test", *(_SCORES if networks or hasattr(problem.model, "conditional") else ()))
    if of_energies:
        yield from (*_LOG_Z, "nll_test_low", "nll_test_high", *_INFORMATION, "mutual_information_truth")


def _is_of_posterior(name: str, problem: "Problem") -> bool:
    """Whether it is a statistic of a variable of the posterior; those of networks at some rows are not known yet."""
    kind, _, rest = name.partition("/")
    statistic, _, scalar = rest.partition("/")
    if kind != "posterior" or statistic not in STATISTICS:
        return False
    shown = [s for s in problem.sites if s.kind in ("latent", "deterministic") and not s.internal]
    if any(site.group == "network" for site in shown):
        return True
    return scalar.partition("[")[0] in [problem.names.variable(site.name) for site in shown]
