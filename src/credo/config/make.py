"""Make the part that a configuration names: the only caller of `instantiate`."""

import copy
import inspect
import re
from collections.abc import Collection, Iterator, Mapping
from pkgutil import resolve_name
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf

from credo.config import loading, numbers, paths
from credo.config.messages import needed, no_such_key
from credo.errors import ConfigError


def make(config: DictConfig, key: str, contract: type, without: Collection[str] = ()) -> Any:
    """Make a part.

    Args:
        config: the composed configuration.
        key: where the part stands.
        contract: what the part must be.
        without: keys beside its settings that are not the part's own.

    Raises:
        ConfigError: the part refuses its settings, or there is none; the sentence names the key as it was typed.
    """
    try:
        return _made(config, key, contract, without)
    except ConfigError as error:
        raise ConfigError(_as_typed(str(error), config, key)) from error


def _as_typed(sentence: str, config: DictConfig, key: str) -> str:
    """The sentence by the keys that were typed: a part may have a place of its own, as in `energy: ${energy}`."""
    node = OmegaConf.select(config, key)
    for name in node if isinstance(node, DictConfig) else ():
        if OmegaConf.is_config(config.get(name)) and config[name] == node[name]:
            sentence = re.sub(rf"\b{re.escape(key)}\.{re.escape(str(name))}\b", str(name), sentence)
    return sentence


def _made(config: DictConfig, key: str, contract: type, without: Collection[str]) -> Any:
    node = OmegaConf.select(config, key)
    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise _no_part(key, node, contract)
    words = cast("dict[str, Any]", OmegaConf.to_container(node, resolve=True, enum_to_str=True))
    numbers.require_all(key, {name: value for name, value in words.items() if name not in without})
    values = cast("dict[str, Any]", OmegaConf.to_container(node, resolve=True))
    own = {name: value for name, value in values.items() if name not in {"_target_", *without}}
    made = _simple(values)
    try:
        part = _instantiated(node, without) if made is None else _called(made, key, own)
    except InstantiationException as error:
        raise _explained(config, error) from error
    if not isinstance(part, contract):
        raise ConfigError(
            f"{key}._target_: expected a {contract.__name__}, but {node._target_} makes a {type(part).__name__}"
        )
    return part


def _simple(values: Mapping[str, Any]) -> Any:
    """What makes a part of credo's that has no other part inside of it; `None` for all others."""
    target = str(values["_target_"])
    if not target.startswith("credo.") or any(name.startswith("_") for name in values if name != "_target_"):
        return None
    found = None if _has_parts([*values.values()]) else _located(loading.importable(target))
    if not str(getattr(found, "__module__", "")).startswith("credo."):
        return None  # what credo's modules import from others is not credo's
    return getattr(found, "assemble", found) if hasattr(found, "whole") else found


def _has_parts(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (isinstance(value, dict) and "_target_" in value) or any(map(_has_parts, inner))


def _called(made: Any, key: str, values: Mapping[str, Any]) -> Any:
    """A part, as `instantiate` makes it, without copies of its configuration.

    Raises:
        InstantiationException: as of `instantiate`.
    """
    try:
        return made(**values)
    except Exception as error:
        raise InstantiationException(f"Error in call to target\nfull_key: {key}") from error


def _instantiated(node: DictConfig, without: Collection[str]) -> Any:
    """A part with all parts inside of it."""
    node = copy.deepcopy(node)  # which keeps its parents, whose names stand in errors
    OmegaConf.set_struct(node, False)
    _prepare(node, without)
    return instantiate(node, _convert_="all")


def _located(target: str) -> Any:
    """What a `_target_` names; `None` where it cannot be imported, which `instantiate` then says."""
    try:
        return resolve_name(target)
    except Exception:  # noqa: BLE001 - whatever the module raises
        return None


def _prepare(node: Any, without: Collection[str]) -> None:
    """Call the parts by the names under which Python imports them, and take away what stands beside their settings."""
    if isinstance(node, DictConfig) and "_target_" in node:
        OmegaConf.set_struct(node, False)
        for name in without:
            node.pop(name, None)
        target = loading.importable(str(node["_target_"]))
        is_part = hasattr(_located(target), "whole")  # of another, whose settings stand beside its own
        node["_target_"] = f"{target}.assemble" if is_part else target
    for key in node if isinstance(node, DictConfig) else range(len(node)) if isinstance(node, ListConfig) else ():
        if OmegaConf.is_config(node[key]):
            _prepare(node[key], without)


def _no_part(key: str, node: Any, contract: type) -> ConfigError:
    """The sentence for a configuration that names no class, perhaps from a file of another project."""
    needed = f"a _target_ that names its class, a {contract.__module__}.{contract.__name__}"
    word = HydraConfig.get().runtime.choices.get(key) if HydraConfig.initialized() else None
    if word is not None and (file := paths.of_word(key, str(word))) is not None:
        return ConfigError(f"{key}={word}: expected {needed}, but {file} has none; choose another word, or add one")
    got = "null" if node is None else node
    leave = f"; '~{key}' leaves it out" if key.startswith("diagnostics.checks.") else ""
    return ConfigError(f"{key}: expected {needed}, but got {got}{leave}")


def _explained(config: DictConfig, error: InstantiationException) -> ConfigError:
    """The part's own sentence under the key where it stands, or one about its call."""
    causes = list(_causes(error))
    key = [
        line.removeprefix("full_key:").strip() for e in causes for line in str(e).splitlines() if "full_key:" in line
    ][-1]
    cause = next((e for e in causes if isinstance(e, ConfigError)), causes[-1])
    if isinstance(cause, ConfigError):
        return ConfigError(_placed(str(cause), key, OmegaConf.select(config, key)))
    target = OmegaConf.select(config, f"{key}._target_")
    if str(error).startswith("Error locating"):
        return ConfigError(
            f"{key}._target_: {target} cannot be imported ({cause}); is its file in the folder where credo was "
            f"started?{loading.hidden(cause)}"
        )
    from credo.config.supports import refused  # takes time to load

    if (invalid := refused(cause)) is not None:
        name, expected = invalid
        value = OmegaConf.select(config, f"{key}.{name}", default=None)
        if value is None:
            return ConfigError(f"{key}: {target} makes a distribution whose {name} is not {expected}")
        return ConfigError(f"{key}.{name}: expected {expected}, but got {value}")
    if unknown := re.search(r"unexpected keyword argument '(\w+)'", str(cause)):
        return no_such_key(key, unknown[1], settings(target))
    if missing := re.search(r"missing \d+ required \D*?'(\w+)'", str(cause)):
        return needed(f"{key}.{missing[1]}")
    if "blocklisted" in str(cause):
        return ConfigError(f"{key}._target_: {target} can run any code, and is never called; name a class of your own")
    message = " ".join(str(cause).split())
    return ConfigError(f"{key}: {target} raised {type(cause).__name__}: {message}")


def settings(target: str) -> list[str]:
    """The names of what a part is made from; of a kernel those of the chains around it, too."""
    made = get_object(loading.importable(target))
    own = [*inspect.signature(made).parameters]
    around = settings(made.whole) if hasattr(made, "whole") else []
    return [*(name for name in around if name != "kernel"), *own]


def _placed(sentence: str, key: str, part: Any) -> str:
    """A part's own sentence with a key that can be typed.

    It begins with the part's key, with the end of that, with one of its settings, or with what the part is made of.
    """
    end = key.rpartition(".")[2]
    if re.match(rf"{re.escape(key)}\b", sentence):
        return sentence
    if re.match(rf"{end}[.:=\[]", sentence):
        return f"{key}{sentence.removeprefix(end)}"
    begin = re.match(r"\w+(?=[.:=\[])", sentence)
    return f"{key}: {sentence}" if begin and OmegaConf.is_dict(part) and begin[0] not in part else f"{key}.{sentence}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
