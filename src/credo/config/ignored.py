"""What Hydra would take and pass by in silence: keys that it does not have, that it sets itself, or of the other mode.

It is asked after everything is composed and before a folder, a log or a job is made.
"""

import logging
import pkgutil
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from credo.config.messages import needed, no_such_key, require_known
from credo.errors import ConfigError

OF_A_SWEEP = re.compile(
    r"sweep\.(resume|fail_fast|compare|reuse|warm_start|dry_run)$|hydra[./](sweep|sweeper|launcher)\b"
)
"""What one run does not read."""

OF_ONE_RUN = re.compile(r"hydra\.run\b")
"""What a sweep does not read."""

FILLED_IN = re.compile(
    r"hydra\.((runtime|overrides)\b|job\.(num|id|config_name|override_dirname|env_set\.CREDO_)|callbacks\.credo\b)"
)
"""What Hydra and credo overwrite."""

UNREAD = re.compile(r"hydra[./](help|hydra_help|env)\b")
"""What nobody reads: credo has its own help."""

PLUGINS = (
    "hydra_plugins.hydra_credo.",
    "hydra._internal.core_plugins.basic_",
    "hydra_plugins.hydra_joblib_launcher.",
    "hydra_plugins.hydra_submitit_launcher.",
    "hydra_plugins.hydra_optuna_sweeper.",
    "optuna.samplers.",
)
"""Whose sweepers and launchers may run; any other code could stand behind a name."""

FOLDERS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir")

LOGGING = ("version", "formatters", "filters", "handlers", "loggers", "root", "incremental", "disable_existing_loggers")


def refuse(config: DictConfig, typed: Sequence[Override], sweep: bool) -> None:
    """Refuse what would be passed by.

    Args:
        config: as composed, with Hydra's own part.
        typed: the overrides.
        sweep: whether it is a sweep.

    Raises:
        ConfigError: a key is not followed, a value is missing, or a plugin is nobody's that credo knows.
    """
    for key, word, value in leaves(typed):
        _refuse_unread(key, word, sweep)
        if value == "???" or (value == "" and key in FOLDERS):
            raise needed(key)
    for one in typed:
        if one.is_delete() and one.is_hydra_override() and not one.key_or_group.startswith("hydra.job.env_set."):
            raise ConfigError(f"{one.key_or_group}: this key is needed and cannot be deleted")
    require_values(typed)
    require_known(config.hydra, "env")
    for part in ("sweeper", "launcher"):
        _require_plugin(f"hydra.{part}", config.hydra[part])
    for name, callback in config.hydra.callbacks.items():
        _require_callback(f"hydra.callbacks.{name}", callback)


def require_values(typed: Sequence[Override]) -> None:
    """What has several values, one run each, has at least one.

    Raises:
        ConfigError: it has none.
    """
    for one in typed:
        if one.is_discrete_sweep() and not any(True for _ in one.sweep_string_iterator()):
            raise ConfigError(
                f"{one.input_line}: expected at least one value, but it gives none, and a sweep of no runs has no "
                "answer; give one that does"
            )


def leaves(typed: Sequence[Override]) -> Iterator[tuple[str, str, Any]]:
    """The key, the word and the value of all that overrides set, those inside of mappings apart."""
    for one in typed:
        value = None if one.is_sweep_override() else one.value()
        for key, inner in _inside(one.key_or_group, value):
            yield key, str(one.input_line), inner


def _inside(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict) or not value:
        yield key, value
        return
    for name, inner in value.items():
        yield from _inside(f"{key}.{name}", inner)


def _refuse_unread(key: str, word: str, sweep: bool) -> None:
    if FILLED_IN.match(key):
        raise ConfigError(f"{key}: it is filled in for every run, and what is typed has no effect; leave it out")
    if UNREAD.match(key):
        raise ConfigError(f"{key}: credo does not read it, so that it has no effect; leave it out")
    if not sweep and OF_A_SWEEP.match(key):
        raise ConfigError(f"{key}: only a sweep reads it, and this is one run; add -m, as in credo -m {word}")
    if sweep and OF_ONE_RUN.match(key):
        raise ConfigError(
            f"{key}: only a single run reads it, and this is a sweep; set hydra.sweep.dir, and hydra.sweep.subdir for "
            "the folders of its runs"
        )
    if sweep and word == "hydra.mode=RUN":
        raise ConfigError("hydra.mode=RUN: expected one run, but -m asks for a sweep; leave one of them out")


def _require_plugin(key: str, node: Any) -> None:
    """All targets below a sweeper or a launcher are known."""
    group = key.replace(".", "/")
    if not isinstance(node, DictConfig) or not node.get("_target_"):
        raise ConfigError(f"{key}: expected a choice of {group}, but got {node}; leave it out, or choose one")
    for place, target in targets(key, node):
        if not str(target).startswith(PLUGINS):
            raise ConfigError(
                f"{place}: expected one of credo's or of Hydra's (basic, joblib, submitit, ray, optuna), but got "
                f"{target}; choose one by {group}="
            )
    if node.get("n_jobs") == 0:
        raise ConfigError(f"{key}.n_jobs: expected a number of processes, or -1 for one per core, but got 0")


def targets(key: str, node: Any) -> Iterator[tuple[str, Any]]:
    """Every `_target_` in a part of a configuration, with its key."""
    for name, value in node.items_ex(resolve=False) if isinstance(node, DictConfig) and node else ():
        place = f"{key}.{name!s}"
        if name == "_target_":
            yield place, value
        else:
            yield from targets(place, value)


def _require_callback(key: str, node: Any) -> None:
    target = next((str(named) for place, named in targets(key, node) if place == f"{key}._target_"), str(node))
    try:
        made = pkgutil.resolve_name(target)
    except (ImportError, AttributeError, ValueError):
        made = None
    if not isinstance(made, type) or not issubclass(made, Callback):
        raise ConfigError(f"{key}: expected the _target_ of a hydra.experimental.callback.Callback, but got {target}")


def require_logging(hydra: DictConfig) -> None:
    """The logging is one that Python can configure, and nothing in it is passed by.

    Raises:
        ConfigError: it is not.
    """
    for key in ("hydra_logging", "job_logging"):
        node: Any = OmegaConf.to_container(hydra[key], resolve=False)
        if strange := [str(name) for name in node if name not in LOGGING]:
            raise no_such_key(f"hydra.{key}", strange[0], LOGGING)
        if "root" not in node:
            raise needed(f"hydra.{key}.root")
        if node.get("version") != 1:
            raise ConfigError(f"hydra.{key}.version: expected 1, but got {node.get('version')}")
        for place, level in _levels(node):
            if level is not None and str(level) not in logging.getLevelNamesMapping():
                levels = ", ".join(logging.getLevelNamesMapping())
                raise ConfigError(f"hydra.{key}.{place}.level: expected one of {levels}, but got {level}")
    verbose = hydra.verbose
    loggers = verbose if OmegaConf.is_list(verbose) else [verbose]
    if not isinstance(verbose, bool) and not all(isinstance(name, str) for name in loggers):
        raise ConfigError(f"hydra.verbose: expected true, false, or names of Python's loggers, but got {verbose}")


def _levels(node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    parts = {"root": node["root"]}
    for group in ("loggers", "handlers"):
        parts |= {f"{group}.{name}": one for name, one in (node.get(group) or {}).items()}
    yield from ((place, one.get("level")) for place, one in parts.items() if isinstance(one, dict))
