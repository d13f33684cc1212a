"""The types of all configuration keys, as Hydra's structured configurations.

A part's class says what its settings are (`signature`), for a user's own parts as for the built-in ones. Here stand the
keys that belong to no class.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from credo.config import signature

GROUPS = {
    "data": "where the data come from",
    "model": "what is believed of them",
    "prior": "what is believed of a latent before the data, at `prior@model.prior.LATENT`",
    "training": "the objective by which a network or an energy is trained",
    "energy": "the energy of `model=ebm`",
    "sampler": "how states of an energy are drawn",
    "inference": "the method by which the latents are inferred",
    "evidence": "how log p(data) is computed from the draws of Markov chains",
    "device": "where JAX computes, and how precisely",
    "diagnostics": "the checks of which the verdict is made",
    "tracking": "where runs are recorded",
    "report": "the page of a run",
    "export": "the form in which a model that predicts is left in the run's folder",
    "calibrate": "simulation-based calibration, by `credo calibrate` or `+calibrate=N`",
}
"""The groups of the configuration and what each chooses, in the order in which the help shows them."""


@dataclass
class Sweep:
    """How a sweep goes on.

    Attributes:
        resume: an earlier sweep, by its folder or MLflow id, whose unfinished jobs are run.
        fail_fast: begin no further job once one has failed.
        compare: compare the finished jobs with each other.
        skip_finished: do not run what a finished run with the same fingerprint has answered.
        reuse: `importance` answers a job by a finished one's draws, reweighted, where only numbers of priors differ and
            the weights are good enough.
        warm_start: chains begin where those of the nearest finished job are, with its metric and step size, and have a
            shorter warm-up.
        dry_run: list the jobs, and run none (`--dry-run`).
    """

    resume: str | None = MISSING
    fail_fast: bool = MISSING
    compare: bool = MISSING
    skip_finished: bool = MISSING
    reuse: str | None = MISSING
    warm_start: bool = MISSING
    dry_run: bool = MISSING


@dataclass
class Credo:
    """The root of the configuration.

    Attributes:
        name: of the run; `None` for the words of data, model and inference.
        seed: from which all random numbers of a run follow.
        objective: the metric that a search optimises, or a list of several.
        sweep: how a sweep goes on.
    """

    name: str | None = MISSING
    seed: int = MISSING
    objective: Any = MISSING
    sweep: Sweep = field(default_factory=Sweep)
    data: Any = MISSING
    model: Any = MISSING
    inference: Any = MISSING
    training: Any = None
    energy: Any = None
    sampler: Any = None
    evidence: Any = None
    device: Any = MISSING
    diagnostics: Any = MISSING
    tracking: Any = MISSING
    report: Any = MISSING
    export: Any = None
    calibrate: Any = None


@dataclass
class Checkpoint:
    """When the state of an inference is saved.

    Attributes:
        every: seconds; null for never.
    """

    every: float | None = 60.0


@dataclass
class Device:
    """Where JAX computes.

    Attributes:
        platform: `cpu`, `gpu`, or `auto` for a GPU if there is one and it is the faster.
        precision: `float32` or `float64`, or `auto` for float64 on a CPU and float32 elsewhere.
        num_devices: over how many devices chains, particles or replications are spread; a CPU is divided into so many.
            `None` for all there are, which on a CPU is 1; `auto` for the same, but for chains that run one after
            another: they are spread over the cores of a CPU, and have the same draws on any number of them.
        mesh: how many devices share the `chains`, and how many the rows of the `data`.
        compilation_cache: the folder in which compiled programs are kept for later runs; `None` keeps none.
    """

    platform: str = MISSING
    precision: str = MISSING
    num_devices: int | str | None = MISSING
    mesh: Any = MISSING
    compilation_cache: str | None = MISSING


class Gate(StrEnum):
    """What a failed verdict does: `warn` says so; `error` makes the exit code 3, too."""

    warn = "warn"
    error = "error"


@dataclass
class Diagnostics:
    """The checks by name, and what a failed one does.

    Attributes:
        gate: what a failed verdict does: `warn` says so; `error` makes the exit code 3, too.
        rows_max: of more observed rows than this, the log likelihood and the predictions are kept of 2,000 that are
            drawn by the hash of the data, and leave-one-out estimates the rest; null keeps all.
        checks: the checks by name.
    """

    gate: Gate = MISSING
    rows_max: int | None = None
    checks: dict[str, Any] = field(default_factory=dict)


@dataclass
class Nothing:
    """An option without keys."""


SECTIONS: dict[str, type] = {"device": Device, "diagnostics": Diagnostics}
"""The groups whose options name no class."""

BESIDE: dict[str, dict[str, Any]] = {
    "model": {
        "prior_from": (str | None, None),
        "prior_from_failed": (bool, False),
        "reparam": (Any, None),
    },
    "inference": {
        "checkpoint": (Checkpoint, field(default_factory=Checkpoint)),
        "groups": (int, 1),
        "group": (int | None, None),
    },
    "hydra/launcher": {"threads_per_job": (int | None, MISSING)},
}
"""Keys that stand among the settings of a group's parts and are not theirs."""


def register() -> None:
    """Make the root known to Hydra."""
    ConfigStore.instance().store(group="schema", name="credo", node=Credo)


def types(group: str, config: Mapping[str, Any], keys: Collection[str]) -> type | None:
    """The types of an option, as a dataclass; `None` where nothing is known of them.

    Args:
        group: of the option.
        config: what its file says.
        keys: those that the file or its bases give.
    """
    if "_target_" in config:
        decimals = frozenset(key for key, value in config.items() if isinstance(value, float))
        found = signature.of(str(config["_target_"]))
        return None if found is None else _made(group, str(config["_target_"]), found, frozenset(keys), decimals)
    return SECTIONS.get(group) if keys or group not in GROUPS else Nothing


@cache
def _made(
    group: str, target: str, found: signature.Signature, keys: frozenset[str], decimals: frozenset[str]
) -> type | None:
    """The types of what a class takes, but for what it gives a default and the option leaves out."""
    if found.is_open:
        return None
    settings = {name: hint for name, hint, required in found.parameters if required or name in keys}
    fields = {name: (_type(hint, is_decimal=name in decimals), MISSING) for name, hint in settings.items()}
    beside = BESIDE.get(group, {})
    every = {"_target_": (str, target)} | fields | beside
    return make_dataclass(target.rpartition(".")[2], [(name, *one) for name, one in every.items()])


SINGLE = (int, float, str, bool)


def _type(hint: Any, *, is_decimal: bool = False) -> Any:
    """What OmegaConf makes of a type hint: numbers, words, flags, and lists and mappings of them; else `Any`.

    Where the hint is unknown, and the file gives a number with a point, it is a number.
    """
    if signature.Unknown in (hint, *get_args(hint)):  # such as an array or a number
        return float if is_decimal else Any
    if get_origin(hint) is Annotated:
        return _type(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return _of_union(get_args(hint))
    if hint in SINGLE:
        return hint
    origin = get_origin(hint)
    if origin is not None and isinstance(origin, type) and get_args(hint):
        return _of_container(origin, get_args(hint))
    return Any


def _of_union(options: tuple[Any, ...]) -> Any:
    others = {_type(one) for one in options if one is not type(None) and one is not None}
    (of,) = others if len(others) == 1 else (Any,)
    optional = any(one is None or one is type(None) for one in options)
    if optional and get_origin(of) is dict:
        return Any  # OmegaConf puts no mapping where there was none
    return Union[of, None] if optional and of is not Any else of  # noqa: UP007 - of a value


def _of_container(origin: type, of: tuple[Any, ...]) -> Any:
    if issubclass(origin, Mapping):
        inner = _type(of[-1])
        return dict[str, inner if inner in SINGLE else Any]  # type: ignore[misc]
    if not issubclass(origin, Sequence):
        return Any
    inners = {_type(one) for one in of if one is not Ellipsis}
    inner = inners.pop() if len(inners) == 1 else Any
    return list[inner if inner in SINGLE or inner == list[int] else Any]  # type: ignore[misc]
