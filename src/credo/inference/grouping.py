"""Which draws belong together, so that they are not taken for as many that know nothing of each other."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Grouping:
    """How the draws of chains were made.

    Example:
        >>> Grouping.of(Grouping(walkers=12).attributes).walkers, APART.attributes
        (12, {})

    Attributes:
        walkers: so many neighbouring draws of a chain are those of different walkers, which move by each other.
        chains: so many neighbouring chains began at one point.
    """

    walkers: int = 1
    chains: int = 1

    @property
    def attributes(self) -> dict[str, int]:
        """As the group `posterior` has it among its attributes."""
        return {f"{name}_together": size for name, size in asdict(self).items() if size > 1}

    @classmethod
    def of(cls, attributes: Mapping[Any, Any]) -> "Grouping":
        """The grouping of a group with these attributes."""
        return cls(**{name: int(attributes.get(f"{name}_together", 1)) for name in ("walkers", "chains")})


APART = Grouping()
