"""What distinguishes runs: the words chosen and the values set that differ, under the shortest names that tell."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from credo.inference.kind import Kind
from credo.report.comparison.runs import Run
from credo.runs.job import shortened, shortest
from credo.runs.provenance import LISTENERS, identity

REPEATS = ("seed", "data.fold")
"""In what the runs of one configuration differ."""

NOT_SHOWN = (*LISTENERS, "experiment")
"""Groups that are not shown: what only listens, and an experiment, which shows by what it sets."""


@dataclass(frozen=True)
class Configuration:
    """A line of the comparison: the runs of one configuration, which differ in their seeds or held-out folds.

    Attributes:
        label: what it is called, like no other.
        differs: what distinguishes it, by short names.
        runs: its runs; those that have not finished are a line of their own.
    """

    label: str
    differs: Mapping[str, str]
    runs: tuple[Run, ...]

    @property
    def is_finished(self) -> bool:
        """Whether its runs have answers."""
        return self.runs[0].is_finished

    @property
    def repeats(self) -> bool:
        """Whether it is a seed or a fold alone that distinguishes it."""
        return bool(self.differs) and set(self.differs) <= {"seed", "fold"}

    @property
    def kind(self) -> Kind:
        """What its answers are."""
        return self.runs[0].kind

    @property
    def failed(self) -> tuple[Run, ...]:
        """Its runs whose verdict failed."""
        return tuple(run for run in self.runs if run.is_failed)

    @property
    def seeds(self) -> str:
        """Its seeds, in order."""
        return ", ".join(map(str, sorted({run.seed for run in self.runs})))

    def values(self, metric: str) -> list[float]:
        """A metric of each run that has it."""
        return [run.metrics[metric] for run in self.runs if metric in run.metrics]

    def mean(self, metric: str) -> float | None:
        """A metric's mean over the runs, `None` where they do not have it."""
        return fmean(values) if (values := self.values(metric)) else None

    def sd(self, metric: str) -> float | None:
        """A metric's standard deviation over the runs: `None` of one run, NaN where one is not finite."""
        values = self.values(metric)
        if len(values) < 2:
            return None
        return stdev(values) if all(map(math.isfinite, values)) else math.nan


def distinguish(runs: Sequence[Run]) -> list[Configuration]:
    """Gather the runs of equal configurations; where all are equal, it is the runs themselves that are compared."""
    seeds = len({_identity(run) for run in runs}) == 1
    groups: dict[str, list[Run]] = {}
    for number, run in enumerate(runs):
        groups.setdefault(str(number) if seeds else _identity(run), []).append(run)
    first = [group[0] for group in groups.values()]
    differing = _differing(first, seeds)
    lines = []
    for label, differs, group in zip(_labels(first, differing), differing, groups.values(), strict=True):
        done, others = ([run for run in group if run.is_finished is wanted] for wanted in (True, False))
        lines += [Configuration(label, differs, tuple(done))] if done else []
        mark = f" ({others[0].state.lower()})" if done and others else ""
        lines += [Configuration(label + mark, differs, tuple(others))] if others else []
    return lines


def _identity(run: Run) -> str:
    """Everything that is asked but the seed and the fold that is held out."""
    parts = {key: value for key, value in _flat(identity(run.config)).items() if key not in REPEATS}
    return json.dumps(parts, sort_keys=True, default=str)


def _differing(runs: Sequence[Run], seeds: bool) -> list[dict[str, str]]:
    """By run: the groups whose words differ and the keys whose values do, among runs with the same words above."""
    chosen = [_told(run) for run in runs]
    asked = [_flat(identity(run.config)) for run in runs]
    groups: list[str] = []
    for group in sorted(_keys(chosen), key=lambda group: _place(group).count(".")):  # model before model.prior.loc
        groups += [group] if _varies(group, groups, chosen, chosen) else []
    keys = [key for key in _keys(asked) if (key not in REPEATS or seeds) and _varies(key, groups, chosen, asked)]
    short = shortened(keys) | {key: key.rpartition(".")[2] for key in keys if key in REPEATS}
    names = dict(zip(groups, _short_groups(groups), strict=True)) | short
    return [
        {names[group]: words[group] for group in groups if group in words}
        | {names[key]: _word(values[key]) for key in keys if key in values}
        for words, values in zip(chosen, asked, strict=True)
    ]


def _told(run: Run) -> dict[str, str]:
    """The words chosen, in the order of the defaults, but for those of Hydra and those that say nothing."""
    choices = reversed(list(run.choices.items()))  # Hydra lists the last one first
    return {group: word for group, word in choices if "hydra/" not in group and group not in NOT_SHOWN}


def _place(group: str) -> str:
    """Where in the configuration a group's words stand: `model.prior.loc` of `prior@model.prior.loc`."""
    return group.partition("@")[2] or group


def _varies(
    name: str, groups: Sequence[str], chosen: Sequence[Mapping[str, str]], values: Sequence[Mapping[str, Any]]
) -> bool:
    """Whether a group or key has several values among runs with the same words for the groups that it belongs to."""
    above = [group for group in groups if _place(name).startswith(f"{_place(group)}.")]
    alike: dict[tuple[str | None, ...], set[str]] = {}
    for words, own in zip(chosen, values, strict=True):
        alike.setdefault(tuple(words.get(group) for group in above), set()).add(repr(own.get(name)))
    return any(len(found) > 1 for found in alike.values())


def _flat(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """The values by dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) and value else {f"{above}{key}": value}
    return flat


def _keys(dictionaries: Iterable[Mapping[str, Any]]) -> list[str]:
    """All keys, in the order in which they first come."""
    return list(dict.fromkeys(key for dictionary in dictionaries for key in dictionary))


def _short_groups(groups: Sequence[str]) -> list[str]:
    """`prior@loc` of `prior@model.prior.loc`."""
    short = shortest([_place(group) for group in groups])
    return [
        f"{group.partition('@')[0]}@{end}" if "@" in group else group for group, end in zip(groups, short, strict=True)
    ]


def _word(value: Any) -> str:
    """A value as YAML has it."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _labels(runs: Sequence[Run], differing: Sequence[Mapping[str, str]]) -> list[str]:
    """The runs' own names if these tell them apart, else what distinguishes them, else their folders."""
    names = [str(run.config.get("name") or "") for run in runs]
    settings = [" ".join(f"{key}={value}" for key, value in differs.items()) for differs in differing]
    for labels in (names, settings):
        if all(labels) and len(set(labels)) == len(labels):
            return labels
    folders = ["/".join(run.folder.parts[-2:]) for run in runs]
    return folders if len(set(folders)) == len(folders) else [str(run.folder) for run in runs]


def named(labels: Sequence[str], most: int = 3) -> str:
    """The first labels, which may have commas, and how many more there are: `a and b`, `a; b; c and 2 more`."""
    if len(labels) == 2:
        return " and ".join(labels)
    rest = len(labels) - most
    return "; ".join(labels[:most]) + (f" and {rest} more" if rest > 0 else "")
