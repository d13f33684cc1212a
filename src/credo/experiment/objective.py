"""The numbers that a sweeper optimises: metrics of the run, by their names."""

from collections.abc import Iterator, Mapping
from math import isnan, nan
from typing import TYPE_CHECKING, Any

from credo.config.messages import objectives as names
from credo.config.nearest import nearest
from credo.diagnostics import metrics
from credo.errors import ConfigError

if TYPE_CHECKING:
    from credo.experiment.parts import Parts
    from credo.models.problem import Problem

STATISTICS = ("mean", "sd", "q5", "q50", "q95")
"""What there is of a scalar of the posterior, as in `posterior/mean/tau`."""


def require_possible(asked: Any, parts: "Parts", problem: "Problem") -> None:
    """Refuse an objective that this method cannot have of this model; what a user's own method has is not known before.

    Raises:
        ConfigError: names the metric, and the nearest one that there will be.
    """
    if not hasattr(parts.inference, "kind"):
        return
    known = sorted({*_known(parts, problem)})
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


def _known(parts: "Parts", problem: "Problem") -> Iterator[str]:
    """The metrics that there may be."""
    kind = parts.inference.kind(problem)  # type: ignore[attr-defined] # of those that say it
    yield from (m.name for m in metrics.METRICS.values() if kind in m.kinds and _has(m.needs, parts, problem))
    if problem.training is not None:
        yield from (f"{measure}_validation" for measure in ("nll", problem.training.curve))


def _has(need: metrics.Need | None, parts: "Parts", problem: "Problem") -> bool:
    """Whether a model or method has what a metric needs."""
    method: Any = parts.inference
    match need:
        case "observed":
            return bool(problem.named("observed"))
        case "test":
            return problem.test is not None
        case "classes":
            return problem.test is not None and (problem.model.takes_classes or bool(problem.model.levels))
        case "conditional":
            networks = any(site.group == "network" for site in problem.latents)
            predicts = networks or problem.model.predicts
            return problem.test is not None and predicts and not problem.model.takes_classes
        case "energy":
            return problem.model.has_energy
        case "evidence":
            return parts.evidence is not None or bool(method.gives_evidence)
        case "warmup":
            return hasattr(method, "is_auto")
        case "diverging" | "acceptance_rate":
            return need in method.statistics
    return True


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
