"""The nearest known names to a misspelt one, in words."""

from collections.abc import Iterable
from difflib import get_close_matches

LISTED, LONGEST = 12, 60
"""How many names are listed where none is near, and how many characters of each."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Advice for a name that is not among the known ones: `did you mean 'a' or 'b'?`, or what there is."""
    names = list(known)
    if near := get_close_matches(name, names, 3):
        return f"did you mean {' or '.join(map(_shown, near))}?"
    if not names:
        return "there is none"
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"expected one of {', '.join(map(_shown, names[:LISTED]))}{more}"


def _shown(name: str) -> str:
    return repr(name if len(name) <= LONGEST else f"{name[:LONGEST]}...")
