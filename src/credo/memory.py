"""Is there memory for what a configuration asks? An estimate, before anything is made."""

import os

from credo.errors import ConfigError


def total() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def require(setting: str, numbers: float) -> None:
    """Refuse what cannot fit.

    Args:
        setting: what asks for it, as it is typed: `model.components=100000`.
        numbers: how many there are at once, at least, of 8 bytes each.

    Raises:
        ConfigError: they are more than this machine's memory holds.
    """
    if 8 * numbers > total():
        raise ConfigError(
            f"{setting}: this takes about {8 * numbers / 2**30:,.0f} GiB of memory, but this machine has "
            f"{total() / 2**30:.0f} GiB; lower it"
        )
