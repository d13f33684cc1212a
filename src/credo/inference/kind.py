"""What an answer is made of, and what a check, a plot, a column of a table or a metric is of."""

import enum
from dataclasses import dataclass
from typing import Protocol


class Kind(enum.StrEnum):
    """What an answer is made of, which decides what can be asked of it and shown of it."""

    CHAINS = "chains"
    """Draws of Markov chains, each of which depends on the one before."""
    INDEPENDENT = "independent"
    """Independent draws of an approximation, each with its log density in both."""
    WEIGHTED = "weighted"
    """Particles of independent repeats, resampled to equal weights."""
    POINT = "point"
    """One value of every latent, with standard errors."""
    TRAINED = "trained"
    """Weights of networks, one draw per member of the ensemble."""


class HasKind(Protocol):
    """What a result says of itself."""

    @property
    def kind(self) -> Kind:
        """What it is made of."""
        ...

    def has(self, name: str) -> bool:
        """Whether it has a group, or a variable in one, as in `curve/density`."""
        ...


@dataclass(frozen=True)
class Of:
    """What a check, a plot, a column of a table or a metric is of; by default of every result.

    Attributes:
        kinds: the kinds of results.
        groups: the groups that a result needs, or a variable of one, as in `curve/density`.
    """

    kinds: tuple[Kind, ...] = tuple(Kind)
    groups: tuple[str, ...] = ()

    def holds(self, result: HasKind) -> bool:
        """Whether a result is of these kinds and has these groups."""
        return result.kind in self.kinds and all(result.has(group) for group in self.groups)


def of(*kinds: Kind, groups: tuple[str, ...] = ()) -> Of:
    """Of results of these kinds, or of all where none is named, that have these groups."""
    return Of(kinds or tuple(Kind), groups)
