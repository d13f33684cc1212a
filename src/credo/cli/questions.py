"""What `credo predict` is asked: a run, the rows, and whether it is predictions, draws, contrasts or slopes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from credo.cli.errors import misused
from credo.errors import ConfigError

NEW_GROUPS = "--new-groups"
"""A level of a group that the model has not seen gets an effect of its own, drawn as those of the others."""

MOST_SAMPLES = 100_000

MOST_STEPS = 10_000

USAGE = (
    "credo predict: expected a run and a CSV file, as in credo predict RUN new.csv > out.csv, or a run and --grid, "
    "--contrast or --slope"
)


@dataclass
class Asked:
    """What was typed.

    Attributes:
        places: the run and, mostly, a file.
        new_groups: whether a level of a group may be new.
        grid: column -> values, of rows that are made.
        samples: how many draws of the target each row gets; 0 for none.
        contrasts: columns and their values.
        slopes: columns.
        by: columns whose values make the subgroups that differences are averaged over; none for all rows together.
        steps: how many steps of a sequence are asked for; 0 for none.
        times: as typed, at which a survival curve is asked for; empty for none.
    """

    places: list[str] = field(default_factory=list)
    new_groups: bool = False
    grid: dict[str, str] = field(default_factory=dict)
    samples: int = 0
    contrasts: list[tuple[str, str]] = field(default_factory=list)
    slopes: list[str] = field(default_factory=list)
    by: list[str] = field(default_factory=list)
    steps: int = 0
    times: str = ""

    @property
    def compares(self) -> bool:
        """Whether differences are asked for, rather than predictions."""
        return bool(self.contrasts or self.slopes)

    @property
    def makes_rows(self) -> bool:
        """Whether it brings its rows, or takes those of the run."""
        return bool(self.grid) or self.compares

    @property
    def of_a_formula(self) -> str:
        """The first flag that only a model with a formula answers; empty where there is none."""
        flags = {"--grid": self.grid, "--contrast": self.contrasts, "--slope": self.slopes}
        flags |= {"--by": self.by, "--survival": self.times}
        return next((flag for flag, given in flags.items() if given), "")


def asked(words: Sequence[str]) -> Asked:
    """Understand the arguments.

    Raises:
        ConfigError: they are no question, or two at once.
    """
    found, rest = Asked(), list(words)
    while rest:
        word = rest.pop(0)
        if word in TAKERS:
            TAKERS[word](found, rest)
        elif word.startswith("-"):
            raise misused(USAGE, words)
        else:
            found.places.append(word)
    if not 1 <= len(found.places) <= 2:
        raise misused(USAGE, words)
    if len(found.places) == 2 and found.grid:
        raise ConfigError(f"--grid: it makes the rows, but so does {found.places[1]}; leave out one of them")
    if found.samples and found.compares:
        raise ConfigError("--samples: --contrast and --slope have no draws of the target; leave out one of them")
    if found.by and not found.compares:
        raise ConfigError("--by: it says over which rows differences are averaged; type --contrast or --slope, too")
    if found.times and (found.samples or found.compares):
        raise ConfigError("--survival: it is asked alone; leave out --samples, --contrast and --slope")
    return found


def _new_groups(found: Asked, rest: list[str]) -> None:  # noqa: ARG001 - it takes no word
    found.new_groups = True


def _grid(found: Asked, rest: list[str]) -> None:
    while rest and "=" in rest[0] and not rest[0].startswith("-"):
        name, _, values = rest.pop(0).partition("=")
        if name in found.grid:
            raise ConfigError(f"--grid: the column {name!r} is there twice; give all its values at once")
        found.grid[name] = values
    if not found.grid:
        raise misused("--grid: expected columns and values, as in --grid age=20:80:10 sex=f,m", rest[:1])


def _contrast(found: Asked, rest: list[str]) -> None:
    name, mark, values = (rest.pop(0) if rest else "").partition("=")
    if not name or not mark:
        raise misused("--contrast: expected a column and two values, as in --contrast sex=f,m", [name] if name else [])
    found.contrasts.append((name, values))


def _slope(found: Asked, rest: list[str]) -> None:
    if not rest or rest[0].startswith("-"):
        raise misused("--slope: expected a column of numbers, as in --slope age", rest[:1])
    found.slopes.append(rest.pop(0))


def _by(found: Asked, rest: list[str]) -> None:
    if not rest or rest[0].startswith("-"):
        raise misused("--by: expected one column or several, as in --by hospital or --by hospital,sex", rest[:1])
    found.by += rest.pop(0).split(",")


def _samples(found: Asked, rest: list[str]) -> None:
    if not rest or not rest[0].isdecimal() or not 0 < int(rest[0]) <= MOST_SAMPLES:
        raise misused(f"--samples: expected a whole number from 1 to {MOST_SAMPLES:,}", rest[:1])
    found.samples = int(rest.pop(0))


def _steps(found: Asked, rest: list[str]) -> None:
    if not rest or not rest[0].isdecimal() or not 0 < int(rest[0]) <= MOST_STEPS:
        raise misused(f"--steps: expected a whole number from 1 to {MOST_STEPS:,}", rest[:1])
    found.steps = int(rest.pop(0))


def _survival(found: Asked, rest: list[str]) -> None:
    if not rest or rest[0].startswith("-"):
        raise misused("--survival: expected times, as in --survival 10,20 or --survival 0:30:5", rest[:1])
    found.times = rest.pop(0)


TAKERS = {
    NEW_GROUPS: _new_groups,
    "--grid": _grid,
    "--contrast": _contrast,
    "--slope": _slope,
    "--by": _by,
    "--samples": _samples,
    "--steps": _steps,
    "--survival": _survival,
}
"""What follows each flag."""
