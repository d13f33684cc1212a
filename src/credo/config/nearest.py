"""The nearest known names to a misspelt one, in words."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

LISTED, LONGEST = 12, 60
"""How many names are listed where none is near, and how many characters of each."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Advice for a name that is not among the known ones: `did you mean 'a' or 'b'?`, or what there is."""
    names = list(known)
    if near := _near(name, names):
        return f"did you mean {' or '.join(map(_shown, near))}?"
    if not names:
        return "there is none"
    listed = names if len(names) == LISTED + 1 else names[:LISTED]
    more = f" and {len(names) - len(listed)} more" if len(names) > len(listed) else ""
    return f"expected one of {', '.join(map(_shown, listed))}{more}"


def _near(name: str, names: Sequence[str]) -> list[str]:
    """At most three that are spelt alike, in large or small letters, or else have the name as a word."""
    folded = {one.casefold(): one for one in names}
    found = get_close_matches(name, names, 3) or [folded[one] for one in get_close_matches(name.casefold(), folded, 3)]
    word = re.compile(rf"\b{re.escape(name)}\b", re.IGNORECASE)
    return found or [one for one in names if len(name) > 1 and word.search(one)][:3]


def _shown(name: str) -> str:
    return repr(name if len(name) <= LONGEST else f"{name[:LONGEST]}...")
