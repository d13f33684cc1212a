"""What the advice of a check asks to change, for programs: the keys that it names, and the values that these would get.

An advice names a setting as it is typed: with its value (`device.precision=float64`, `inference=nuts`), or alone
(`inference.draws`) where the value follows from the present one.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from credo.config import paths, schema
from credo.diagnostics.base import Check


@dataclass(frozen=True)
class Change:
    """A setting that an advice names.

    Attributes:
        key: as it is typed, such as `inference.draws`, or a group.
        now: its value, or the group's word.
        value: the one to try; `None` where the advice leaves it to a person.
    """

    key: str
    now: Any
    value: Any


FACTORS: Mapping[str, float] = {
    "inference.batches": 2,
    "inference.chains": 2,
    "inference.draws": 2,
    "inference.learning_rate": 0.5,
    "inference.moves": 2,
    "inference.particles": 2,
    "inference.remaining": 0.1,
    "inference.repeats": 2,
    "inference.rungs": 2,
    "inference.starts": 2,
    "inference.steps": 2,
    "inference.thinning": 2,
    "inference.tolerance": 0.1,
    "inference.transitions": 2,
    "inference.warmup": 2,
    "model.floor": 2,
    "sampler.steps": 2,
    "training.batch_size": 2,
    "training.epochs": 2,
    "training.learning_rate": 0.5,
    "training.patience": 2,
}
"""By what to multiply the settings that an advice names without a value."""

MOST_TIMES = 10
"""So many times more draws are proposed at most: chains that would need more than that have another fault."""

RULES: Mapping[str, Callable[[Any], Any]] = {
    "inference.max_tree_depth": lambda depth: min(depth + 2, 20),
    "inference.target_accept": lambda share: round(1 - (1 - share) / 5, 6),
    "training.members": lambda members: max(2 * members, 5),
}
"""What to try in place of others."""

IN_PLACE_OF_AUTO: Mapping[str, Any] = {"inference.target_accept": 0.99, "inference.warmup": 1000}
"""What to try where the method was to choose by itself, and has chosen too little."""

LEFT = (
    "diagnostics.checks",
    "inference.keep",
    "inference.trajectory_length",
    "model.components",
    "model.family",
)
"""Those for which a person has to choose a value."""

NAMED = re.compile(rf"(?<![\w.@])(?:{'|'.join(schema.GROUPS)})(?:(?:\.\w+)+(?:=[\w.-]*\w)?|=[\w-]*\w)(?![\w(])")
"""A setting as it is typed."""


OF_A_RUNG = re.compile(r"^inference\.(?:rungs\.\w+|small_steps)\.")
"""How the settings of a method begin that is a rung of `inference=auto`."""


def changes(check: Check, config: Mapping[str, Any], choices: Mapping[str, str]) -> list[Change]:
    """The settings that the advice of a check names, as far as a run has them and they would be others.

    Example:
        >>> few = Check("ess_bulk", "failed", 100.0, 400.0, "Raise inference.draws, or use inference=nuts.")
        >>> changes(few, {"inference": {"draws": 500}}, {"inference": "mh"})
        [Change(key='inference.draws', now=500, value=2000), Change(key='inference', now='mh', value='nuts')]

    Args:
        check: and its answer.
        config: of the run.
        choices: the words chosen per group.
    """
    if check.status == "passed":
        return []
    short = _short(check)
    named = [word.partition("=") for word in NAMED.findall(check.advice)]
    chosen = {key: word for key, _, word in named if key in schema.GROUPS}
    found = [_change(key, word, config, choices, short) or _beside(key, word, chosen) for key, _, word in named]
    return list({one.key: one for one in reversed(found) if one is not None}.values())[::-1]


def first(check: Check, config: Mapping[str, Any], choices: Mapping[str, str]) -> list[Change]:
    """The changes of the first way that each sentence of an advice offers, as far as they have a value to try.

    Example:
        >>> few = Check("ess_bulk", "failed", 100.0, 400.0, "Raise inference.draws, or use inference=nuts.")
        >>> first(few, {"inference": {"draws": 500}}, {"inference": "mh"})
        [Change(key='inference.draws', now=500, value=2000)]
    """
    found: list[Change] = []
    for sentence in re.split(r"[.:;] ", check.advice):
        ways = [dataclasses.replace(check, advice=way) for way in re.split(r"\bor\b", sentence)]
        having = [[one for one in changes(way, config, choices) if one.value is not None] for way in ways]
        found += next(filter(None, having), [])
    return found


def _short(check: Check) -> float:
    """How many times too few draws there are, where a check counts them."""
    if not check.value or not check.threshold:
        return 1.0
    if check.name in ("ess_bulk", "ess_tail"):
        return check.threshold / check.value
    return (check.value / check.threshold) ** 2 if check.name == "mcse" else 1.0


def _beside(key: str, word: str, chosen: Mapping[str, str]) -> Change | None:
    """The value of a setting that the run does not have, but a word of its group that the advice names beside it."""
    group, _, name = key.partition(".")
    preset = paths.settings(group, chosen[group]) if group in chosen else {}
    return Change(key, preset[name], _typed(word)) if word and name in preset else None


def _change(key: str, word: str, config: Mapping[str, Any], choices: Mapping[str, str], short: float) -> Change | None:
    if key in schema.GROUPS:
        now = choices.get(key)
        return None if now in (None, word) else Change(key, now, word)
    place: Any = config
    for name in key.split("."):
        if not isinstance(place, Mapping) or name not in place:
            return None
        place = place[name]
    value = _typed(word) if word else _tried(OF_A_RUNG.sub("inference.", key), place, short)
    return None if value == place and value is not None else Change(key, place, value)


def _tried(key: str, now: Any, short: float) -> Any:
    """The value to try in place of a number, or where the method chooses; `None` where there is none."""
    if now == "auto" or (now is None and key in IN_PLACE_OF_AUTO):
        return IN_PLACE_OF_AUTO.get(key)
    if not isinstance(now, int | float) or isinstance(now, bool) or not math.isfinite(now):
        return None
    if key in RULES:
        return RULES[key](now)
    if key not in FACTORS:
        return None
    factor = min(max(FACTORS[key], short), MOST_TIMES) if key == "inference.draws" else FACTORS[key]
    return math.ceil(now * factor) if isinstance(now, int) else now * factor


def _typed(word: str) -> Any:
    """The value that a word means in YAML."""
    known = {"true": True, "false": False, "null": None}
    if word in known:
        return known[word]
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word
