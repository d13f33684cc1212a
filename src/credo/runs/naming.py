"""What a run is called that nobody gave a name: its data, target, family or function, and method."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

LONGEST = 20
"""Letters of a target that is part of the name."""


def name(config: Mapping[str, Any], choices: Mapping[str, str]) -> str:
    """A name such as `diabetes student_t nuts`, `wards y regression nuts` or `wards ward_effects nuts`.

    Example:
        >>> name(
        ...     {"data": {"path": "a/wards.csv", "target": "y"}, "model": {"family": "poisson"}},
        ...     {"data": "csv", "model": "regression", "inference": "nuts"},
        ... )
        'wards y poisson nuts'

    Args:
        config: the composed configuration.
        choices: the words chosen per group.
    """
    data, model = config.get("data") or {}, config.get("model") or {}
    words = [*_data(data, model, choices.get("data", "?")), _model(model, choices), choices.get("inference", "?")]
    return " ".join(words)


def target(data: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """What is predicted: left of the formula, or the name of a column; empty where it is several, or has no name."""
    of_column = data.get("target")
    of_formula = str(model.get("formula") or "").partition("~")[0].strip()
    return of_formula or (of_column if isinstance(of_column, str) else "")


def _data(data: Mapping[str, Any], model: Mapping[str, Any], word: str) -> list[str]:
    """The word; of a file its name, and the target."""
    if not isinstance(data.get("path"), str):
        return [word]
    found = target(data, model)
    return [Path(data["path"]).stem, *([found] if found and len(found) <= LONGEST else [])]


def _model(model: Mapping[str, Any], choices: Mapping[str, str]) -> str:
    """The word; of a regression its family, of a program its function, or its module where that says more."""
    word, family = choices.get("model", "?"), model.get("family")
    if isinstance(function := model.get("function"), str):
        module, _, name = function.rpartition(":")
        return module.rpartition(".")[2] if name == "model" and module else name
    return family if isinstance(family, str) and family != "gaussian" else word
