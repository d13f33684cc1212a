"""The order in which jobs that help each other run: the middle first, then the middles of what is left, and so on.

A finished job helps its neighbours on both sides, and how far it reaches is not known before.
"""

from collections.abc import Sequence

from credo.runs import job as jobs

PRIOR = "model.prior."


def middle_first(overrides: Sequence[Sequence[str]]) -> list[int]:
    """The places of jobs in that order, those that differ in more than numbers of priors apart.

    Example:
        >>> middle_first([[f"model.prior.loc.scale={scale}"] for scale in (1, 2, 3, 4, 5, 6, 7)])
        [3, 1, 5, 0, 2, 4, 6]

    Args:
        overrides: of each job.
    """
    alike: dict[tuple[str, ...], list[int]] = {}
    for place, words in enumerate(overrides):
        alike.setdefault(tuple(word for word in words if not _is_number(word)), []).append(place)
    return [
        place for places in alike.values() for place in _halved(sorted(places, key=lambda p: _numbers(overrides[p])))
    ]


def _halved(places: Sequence[int]) -> list[int]:
    found, waiting = [], [list(places)]
    while waiting:
        halves = []
        for some in filter(None, waiting):
            middle = len(some) // 2
            found.append(some[middle])
            halves += [some[:middle], some[middle + 1 :]]
        waiting = halves
    return found


def _numbers(words: Sequence[str]) -> tuple[float, ...]:
    return tuple(float(word.partition("=")[2]) for word in words if _is_number(word))


def _is_number(word: str) -> bool:
    """Whether a word sets a number of a prior."""
    if not jobs.key_of(word).startswith(PRIOR):
        return False
    try:
        float(word.partition("=")[2])
    except ValueError:
        return False
    return True
