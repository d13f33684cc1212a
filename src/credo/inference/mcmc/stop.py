"""When chains are long enough: a rule that is asked between blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from credo.errors import ConfigError
from credo.ranges import Count, Positive, Range

TARGETS = ("ess_bulk", "ess_tail", "r_hat", "mcse")


@dataclass(frozen=True)
class Stop:
    """Stop before all draws are made, when every target that is given is met by every scalar that is judged.

    To look again and again and to stop at the first good look favours lucky stretches: on eight schools and the NES
    regression the coverage of intervals after stopping is in `experiments/benchmarks/stopping.md`.

    Attributes:
        ess_bulk: at least this bulk effective sample size.
        ess_tail: at least this tail effective sample size.
        r_hat: at most this R-hat.
        mcse: at most this Monte Carlo standard error of the mean, in posterior standard deviations.
        least: draws per chain before which the chains do not stop.
        minutes: stop after so many minutes of sampling, whatever the targets.
        variables: the variables that are judged; `None` for all.
    """

    ess_bulk: Positive | None = None
    ess_tail: Positive | None = None
    r_hat: Annotated[float, Range(least=1, above=True)] | None = None
    mcse: Positive | None = None
    least: Count = 100
    minutes: Positive | None = None
    variables: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Names of variables, hashable."""
        if self.variables is not None:
            object.__setattr__(self, "variables", tuple(self.variables))

    @property
    def targets(self) -> dict[str, float]:
        """The targets that are given."""
        return {name: value for name in TARGETS if (value := getattr(self, name)) is not None}

    def require_known(self, names: Sequence[str]) -> None:
        """Raise `ConfigError` unless the variables are among `names`."""
        for name in self.variables or ():
            if name not in names:
                raise ConfigError(f"stop.variables: expected names among {', '.join(names)}, but got {name!r}")

    def reached(self, numbers: Mapping[str, float], draws: int, seconds: float) -> str | None:
        """Why to stop now, in a few words; `None` to go on.

        Example:
            >>> Stop(ess_bulk=400).reached({"ess_bulk_min": 350.0}, draws=1000, seconds=2.0) is None
            True

        Args:
            numbers: `ess_bulk_min`, `ess_tail_min`, `r_hat_max`, `mcse_max` of what is judged, where they are known.
            draws: per chain, so far.
            seconds: of sampling, so far.
        """
        if self.minutes is not None and seconds >= 60 * self.minutes:
            return f"{self.minutes:g} minutes of sampling were over"
        if draws < self.least or not self.targets:
            return None
        values = {
            "ess_bulk": numbers.get("ess_bulk_min", 0.0),
            "ess_tail": numbers.get("ess_tail_min", 0.0),
            "r_hat": numbers.get("r_hat_max", float("inf")),
            "mcse": numbers.get("mcse_max", float("inf")),
        }
        larger = ("ess_bulk", "ess_tail")
        met = (values[n] >= bar if n in larger else values[n] <= bar for n, bar in self.targets.items())
        if not all(met):
            return None
        targets = (f"{name} {values[name]:.4g}" for name in self.targets)
        return f"the chains were precise enough ({', '.join(targets)})"
