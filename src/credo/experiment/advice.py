"""What to type next, after a run."""

import math
import re
import shlex
from collections.abc import Mapping

from credo.config import paths
from credo.config.command import typed
from credo.errors import ConfigError
from credo.models.problem import Problem
from credo.secrets import masked

MOST_BY_WALKING = 10
"""A random walk is proposed for so many latent scalars at most."""


def next_commands(choices: Mapping[str, str], overrides: tuple[str, ...], problem: Problem) -> tuple[str, ...]:
    """The same question by other methods, as far as they can do it and have the experiment's keys."""
    keys = set(paths.settings("experiment", choices.get("experiment", "")).get("inference", ()))
    others = ",".join(
        word
        for word in _methods(problem)
        if word != choices["inference"] and keys <= set(paths.settings("inference", word))
    )
    kept = [word for word in masked(overrides) if not re.match(r"[+~]*(inference|hydra)\b", word)]
    sweep = " ".join([f"{typed()} -m", *map(shlex.quote, kept), f"inference={others}"])
    return (*([sweep] if others else []), f"{typed()} --help")


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
