"""The nearest known names to a misspelt one, in words."""

from collections.abc import Iterable
from difflib import get_close_matches

LISTED = 12
"""How many names are listed where none is near."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Advice for a name that is not among the known ones: `did you mean 'a' or 'b'?`, or what there is."""
    names = list(known)
    if near := get_close_matches(name, names, 3):
        return f"did you mean {' or '.join(map(repr, near))}?"
    if not names:
        return "there is none"
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"expected one of {', '.join(map(repr, names[:LISTED]))}{more}"
