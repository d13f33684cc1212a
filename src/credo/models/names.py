"""What sites and dims are called in the results: as in the program, as far as files and tables allow it.

A group of the results has variables (the sites) and dims beside each other, all of different names without slashes;
every group of draws has the dims `chain` and `draw`. A site that cannot keep its name keeps it as the attribute `site`.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from credo.errors import ConfigError

RESERVED = ("chain", "draw", "block")
"""Dims of the results."""

LONGEST = 240
"""Bytes of a name; netCDF takes 255, with what credo adds to a name."""

_STORABLE = re.compile(r"[0-9A-Za-z_\x80-\ud7ff\ue000-\U0010ffff][^\ud800-\udfff]*")
"""What netCDF takes, once slashes and control characters are replaced; halves of characters cannot be written."""

SITE = "site"
"""The attribute of a variable whose site is called otherwise."""

INDICATOR = "indicator"
"""The attribute of a discrete variable with a value per observation, such as the component that a row comes from."""

LINK = "link"
"""The attribute of an observed variable whose mean is a linear predictor behind this link."""

EFFECT = "effect"
"""The attribute of a variable of effects that share a prior, and of their parametrisation: the site of the effects."""

ASIDE = "aside"
"""The attribute of a variable that says nothing beside another one that is computed from it: the site of that one."""


class Names:
    """The names in the results: `left/mu` is `left.mu`, a site `draw` is `draw_`, a plate like a site gets a `_`.

    Args:
        sites: in the program's order.
        dims: the names of their axes.
    """

    def __init__(self, sites: Iterable[str], dims: Iterable[str]) -> None:
        taken = set(RESERVED)
        self._variables = _settled(sites, taken)
        self._dims = _settled(dims, taken)

    def variable(self, site: str) -> str:
        """What a site is called in the results."""
        return self._variables.get(site, site)

    def dim(self, dim: str) -> str:
        """What an axis is called in the results."""
        return self._dims.get(dim, dim)

    def attributes(self, site: str) -> Mapping[str, str]:
        """What a variable says of its site."""
        return {} if self.variable(site) == site else {SITE: site}


def require_storable(name: str, what: str) -> None:
    """Raise `ConfigError` where neither a file nor a table can have a name, slashes and control characters apart.

    Args:
        name: of a site or a dim.
        what: how the sentence calls it, with its key.
    """
    plain = _plain(name)
    if not _STORABLE.fullmatch(plain) or len(plain.encode()) > LONGEST:
        shown = repr(name) if len(name) <= 60 else f"{name[:40]!r}... of {len(name)} characters"
        raise ConfigError(
            f"{what} has the name {shown}, which netCDF refuses; expected a name that begins with a letter, a digit or "
            f"_ and has at most {LONGEST} bytes, as theta_1; rename it"
        )


def _settled(names: Iterable[str], taken: set[str]) -> dict[str, str]:
    """Give each name one that is not taken yet; one that can stay as it is has the first choice."""
    found: dict[str, str] = {}
    for name in sorted(dict.fromkeys(names), key=lambda name: _plain(name) != name):
        free = _plain(name)
        while free in taken:
            free += "_"
        taken.add(free)
        found[name] = free
    return found


def _plain(name: str) -> str:
    """Without what netCDF and xarray refuse."""
    return unicodedata.normalize("NFC", re.sub(r"[/\x00-\x1f\x7f]", ".", name)).rstrip()
