"""Names and values in the form that MLflow takes.

A name may hold letters, digits and `_ - . / space`, reads like a clean relative path, and has at most 250 characters
(`mlflow.utils.validation`). Colons, which MLflow refuses on Windows, are not used.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from credo.runs.provenance import LISTENERS
from credo.secrets import masked

NAME_LIMIT = 250
PARAM_LIMIT = 6_000
TAG_LIMIT = 8_000

PLUMBING = ("_target_", "_partial_", "_convert_", "_recursive_")
"""Keys of a configuration that say how a part is built, not what it is."""


def accepted(names: Iterable[str]) -> dict[str, str]:
    """Map each name to a readable one that MLflow accepts, no two to the same.

    Brackets become dots, so that `posterior/theta[Choate, 2]/mean` is `posterior/theta.Choate.2/mean`; any other
    character that MLflow refuses becomes `_`. Where two names would meet, one that was acceptable as it came is kept,
    and the other gets a number at its end.
    """
    taken: dict[str, str] = {}
    for name in sorted(names, key=lambda name: _readable(name) != name):
        short, candidate, number = _readable(name), _readable(name), 1
        while taken.setdefault(candidate, name) != name:
            number += 1
            candidate = f"{short[: NAME_LIMIT - 6]}_{number}"
    return {name: candidate for candidate, name in taken.items()}


def parameters(config: Mapping[str, Any], choices: Mapping[str, str], unread: Collection[str] = ()) -> dict[str, str]:
    """Flatten a configuration into MLflow's params: `{"model": "hierarchical", "model.prior.loc.scale": "5.0", ...}`.

    Values are spelt as on the command line, and cut to what MLflow accepts. The groups that only listen to a run are
    left out, so that runs which asked the same question have equal params, and so is what has no effect.

    Args:
        config: of the run, as plain containers.
        choices: the words chosen per group.
        unread: keys that have no effect, with all below them.
    """
    words = {
        group.split("@")[-1]: word
        for group, word in choices.items()
        if group.split("/")[0] not in (*LISTENERS, "hydra")
    }
    rest = {group: part for group, part in config.items() if group not in LISTENERS}
    every = words | dict(_leaves(rest, ""))
    beneath = tuple(f"{key}." for key in unread)
    flat = {name: value for name, value in every.items() if not f"{name}.".startswith(beneath)}
    short = accepted(flat)
    return {short[name]: cut(_spelling(value), PARAM_LIMIT) for name, value in flat.items()}


def cut(text: str, limit: int) -> str:
    """Return `text`, or its beginning and an ellipsis where it has more than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _readable(name: str) -> str:
    name = re.sub(r"\[([^\]]*)\]", _dotted, name)
    name = re.sub(r"[^\w/.\- ]", "_", name)
    parts = [part for part in name.split("/") if part.strip(". ")]
    return "/".join(parts).lstrip(".")[:NAME_LIMIT] or "_"


def _dotted(index: re.Match[str]) -> str:
    """`[Choate, 2]` -> `.Choate.2`; a slash in a label would open a new section of charts."""
    return "." + ".".join(label.strip() for label in index[1].replace("/", "_").split(","))


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, part in value.items():
            if key not in PLUMBING:
                yield from _leaves(part, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(part, Mapping) for part in value):
        for number, part in enumerate(value):
            yield from _leaves(part, f"{name}.{number}")
    else:
        yield name, value


def _spelling(value: Any) -> str:
    value = masked(value)
    return value if isinstance(value, str) and value else json.dumps(value, default=str)
