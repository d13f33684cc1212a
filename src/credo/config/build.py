"""From the composed configuration to objects: the only caller of `instantiate`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf

from credo.config.mistakes import missing
from credo.contracts import Diagnostic, Inference, Report, Source, Tracker
from credo.errors import ConfigError
from credo.models.base import Model


@dataclass(frozen=True)
class Parts:
    """The objects that a configuration names."""

    source: Source
    model: Model
    inference: Inference
    diagnostics: Mapping[str, Diagnostic]
    gate: str
    tracker: Tracker
    report: Report


def build(config: DictConfig) -> Parts:
    """Make the parts.

    Raises:
        ConfigError: a value is missing, or a part refuses its settings; the sentence names the key.
    """
    missing(config)
    return Parts(
        source=_make(config.data, Source),
        model=_make(config.model, Model),
        inference=_make(config.inference, Inference),
        diagnostics={name: _make(check, Diagnostic) for name, check in config.diagnostics.checks.items()},
        gate=str(getattr(config.diagnostics.gate, "value", config.diagnostics.gate)),
        tracker=_make(config.tracking, Tracker),
        report=_make(config.report, Report),
    )


def _make(node: Any, contract: type) -> Any:
    key = node._get_full_key(None) if isinstance(node, DictConfig | ListConfig) else ""  # noqa: SLF001 - its only name
    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise ConfigError(f"{key}: expected a part with a _target_, but got {OmegaConf.to_container(node)!r}")
    try:
        part = instantiate(node, _convert_="all")
    except InstantiationException as error:
        raise _explained(key, error) from error
    if not isinstance(part, contract):
        raise ConfigError(
            f"{key}._target_: expected a {contract.__name__}, but {node._target_} makes a {type(part).__name__}"
        )
    return part


def _explained(key: str, error: InstantiationException) -> ConfigError:
    """The part's own sentence under the key where it stands."""
    where = key
    cause: BaseException = error
    while cause.__cause__ is not None:
        where = _full_key(cause) or where
        cause = cause.__cause__
    if isinstance(cause, ConfigError):
        sentence = str(cause)
        return ConfigError(sentence if sentence.startswith(where) else f"{where}.{sentence}")
    if isinstance(error.__cause__, Exception) and not isinstance(cause, ImportError | AttributeError):
        return ConfigError(f"{where}: {type(cause).__name__}: {cause}")
    return ConfigError(f"{where}._target_: {str(error).splitlines()[0]}")


def _full_key(error: BaseException) -> str:
    for line in str(error).splitlines():
        if line.startswith("full_key:"):
            return line.removeprefix("full_key:").strip()
    return ""
