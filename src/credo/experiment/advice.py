"""What to type next, after a run."""

import json
import math
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from credo.config import paths, schema
from credo.config.command import composing, typed
from credo.diagnostics.base import Verdict
from credo.errors import ConfigError
from credo.models.problem import Problem
from credo.runs import changes
from credo.runs.changes import Change
from credo.runs.job import key_of
from credo.secrets import masked

MOST_BY_WALKING = 10
"""A random walk is proposed for so many latent scalars at most."""


def next_commands(choices: Mapping[str, str], overrides: tuple[str, ...], problem: Problem) -> tuple[str, ...]:
    """The same question by other methods, as far as they can do it and have the experiment's keys."""
    keys = _of_experiment(choices, "inference")
    others = ",".join(
        word
        for word in _methods(problem)
        if word != choices["inference"] and keys <= set(paths.settings("inference", word))
    )
    kept = _kept(overrides, ("inference", "hydra"))
    several = ["-m"] if "," in others else []
    command = " ".join([composing(), *several, *map(shlex.quote, kept), f"inference={others}"])
    return (*([command] if others else []), f"{typed()} --help")


def mended(
    verdict: Verdict, config: Mapping[str, Any], choices: Mapping[str, str], overrides: tuple[str, ...]
) -> tuple[str, ...]:
    """What was typed with what the checks advise that kept the verdict from passing, where that can be typed.

    Args:
        verdict: of the run.
        config: of the run, as plain containers.
        choices: the words chosen per group.
        overrides: what was typed.
    """
    asked = [check for check in verdict.checks if check.status == verdict.status != "passed"]
    found = _most(change for check in asked for change in changes.first(check, config, choices))
    groups = [key for key in found if key in schema.GROUPS]
    if any(not _of_experiment(choices, group) <= set(paths.settings(group, found[group].value)) for group in groups):
        return ()
    for group in groups:  # another word has settings of its own
        found = {key: one for key, one in found.items() if not key.startswith(f"{group}.") or not _has(config, key)}
    kept = [word for word in _kept(overrides, ("hydra", *groups)) if key_of(word) not in found]
    words = [*kept, *(f"{key}={_spelt(one.value)}" for key, one in found.items())]
    return (" ".join([composing(), *map(shlex.quote, words)]),) if found else ()


def _most(asked: Iterable[Change]) -> dict[str, Change]:
    """The changes by key; of several for one number that which goes farthest."""
    found: dict[str, Change] = {}
    for one in asked:
        before = found.setdefault(one.key, one)
        if _far(one) > _far(before):
            found[one.key] = one
    return found


def _far(change: Change) -> float:
    numbers = [one for one in (change.now, change.value) if isinstance(one, int | float)]
    return abs(numbers[1] - numbers[0]) if len(numbers) == 2 else 0.0


def _has(config: Mapping[str, Any], key: str) -> bool:
    place: Any = config
    for name in key.split("."):
        if not isinstance(place, Mapping) or name not in place:
            return False
        place = place[name]
    return True


def _spelt(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _of_experiment(choices: Mapping[str, str], group: str) -> set[str]:
    """The keys of a group that the experiment's own file sets."""
    return set(paths.settings("experiment", choices.get("experiment", "")).get(group, ()))


def _kept(overrides: tuple[str, ...], groups: Iterable[str]) -> list[str]:
    """What was typed but for the words and settings of some groups."""
    return [word for word in masked(overrides) if not re.match(rf"[+~]*(?:{'|'.join(groups)})\b", word)]


def _methods(problem: Problem) -> list[str]:
    if not all(site.normalised for site in problem.named("observed")):
        return ["map", "mle"] if problem.training else ["exchange"]
    try:
        problem.require_enumerable("nuts")
    except ConfigError:
        return ["mh"]
    if any(site.param for site in problem.latents) and not problem.model.flat_params:
        return ["map", "mle"]
    walks = sum(math.prod(site.shape) for site in problem.latents) <= MOST_BY_WALKING
    return ["map", "nuts", *(["mh"] if walks else [])]
