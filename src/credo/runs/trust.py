"""What a run's folder may make credo do: a folder that the user's own credo did not write is a stranger's.

Such a folder may name credo's own parts, the programs of its built-in experiments, and NumPyro's distributions. It may
not name other code, read the environment, have programs loaded that were compiled elsewhere, choose the folder where
credo works, or choose where its records go. The user may trust it all the same, by `--trust`.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from credo.config import paths, schema
from credo.config.parsing import parsed
from credo.errors import ConfigError
from credo.secrets import tracking_uri

FLAG = "--trust"
DISTRIBUTIONS = "numpyro.distributions."
PROGRAM = "credo.models.program.Program"
CACHE = "device.compilation_cache"
URI = "tracking.uri"
PLAIN = ("tracking", "device")
"""Sections that are judged by their keys, and so by what stands there itself."""
NOT_OWN = f"it stands in a folder that your credo did not write as it is; if you trust whoever did, add {FLAG}"


def without_flag(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The arguments of a command without `--trust`, and whether it was among them."""
    return [word for word in arguments if word != FLAG], FLAG in arguments


def require_harmless(config: DictConfig, file: Path) -> DictConfig:
    """A stranger's configuration, if it stays within what a stranger's may; nothing that it names is imported.

    Args:
        config: as the file has it, with its interpolations.
        file: where it stands.

    Returns:
        The same, with compiled programs kept where they are by default: those of a cache are run as they are.

    Raises:
        ConfigError: it names other code than credo's, or reaches for more than a run needs; the sentence says for what.
    """
    plain: Any = OmegaConf.to_container(config)
    for key, holder, name in _leaves(plain):
        if key != CACHE and (why := _reach(key, holder, name)):
            raise ConfigError(f"{file}: {key}={holder[name]} {why}; {NOT_OWN}")
    if isinstance(plain.get("device"), dict) and plain["device"].get("compilation_cache") is not None:
        plain["device"]["compilation_cache"] = paths.settings("device", "auto")["compilation_cache"]
    return cast("DictConfig", OmegaConf.create(plain))


def require_harmless_words(words: Iterable[str], file: Path) -> None:
    """Refuse words of a job that a stranger's sweep may not say.

    Raises:
        ConfigError: one of them names other code than credo's, or reaches for more than a job needs.
    """
    for override in OverridesParser.create().parse_overrides(list(words)):
        key, value = override.key_or_group, override.value()
        holder = {"_target_": PROGRAM, key.rpartition(".")[2]: value}
        inner = [(key, holder, key.rpartition(".")[2]), *_leaves(value, key)]
        why = next(filter(None, (_reach(*one) for one in inner)), "")
        if why or key.split(".")[0] == "hydra" or any(at == CACHE and held[name] for at, held, name in inner):
            raise ConfigError(
                f"{file}: {override.input_line} {why or 'is more than a job of a sweep needs'}, and your credo did not "
                "write this file as it is; type this word again beside sweep.resume, if you trust it"
            )


def names_foreign(config: Any) -> bool:
    """Whether plain containers name code that is not credo's own."""
    return any(bool(_foreign(holder, name)) for _, holder, name in _leaves(config))


def _reach(key: str, holder: Any, name: Any) -> str:
    """What a stranger's value would do that it may not, as a predicate; empty where it may."""
    value = holder[name]
    if foreign := _foreign(holder, name):
        return foreign
    if key == URI:
        return "" if is_own_store(value) else "says where the records go"
    leads = value.partition("${")[2] if isinstance(value, str) else ""
    if ":" in leads or (leads and key.split(".")[0] in PLAIN):
        return "is an interpolation that may read what the configuration does not hold"
    return ""


def _foreign(holder: Any, name: Any) -> str:
    """What code a value names that would run and is not credo's own, as a predicate."""
    value = holder[name]
    if name == "_target_":
        return "" if is_own(value) else "names code that would run and is not credo's own"
    if name == "function" and isinstance(holder, dict) and holder.get("_target_") == PROGRAM:
        return "" if _is_of_experiments(value) else "names code that would run and is not credo's own"
    return ""


def is_own(target: Any) -> bool:
    """Whether a `_target_` is one of credo's own parts, or one of NumPyro's distributions."""
    if not isinstance(target, str):
        return False
    if target.startswith(DISTRIBUTIONS):
        import numpyro.distributions as dist

        made = getattr(dist, target.removeprefix(DISTRIBUTIONS), None)
        return isinstance(made, type) and issubclass(made, dist.Distribution)
    return target in _parts()


@cache
def _parts() -> frozenset[str]:
    """The targets of all options that credo has."""
    conf = paths.built_in() / "conf"
    files = [file for group in schema.GROUPS for file in (conf / group).rglob("*.yaml")]
    documents = [parsed(file.read_text(encoding="utf-8")) for file in files]
    return frozenset(str(holder[name]) for _, holder, name in _leaves(documents) if name == "_target_")


def _is_of_experiments(function: Any) -> bool:
    """Whether `module:function` is written in one of the built-in experiments' own files."""
    found = re.fullmatch(r"experiments\.(\w+):(\w+)", function) if isinstance(function, str) else None
    file = paths.built_in() / "experiments" / f"{found[1]}.py" if found else None
    if found is None or file is None or not file.is_file():
        return False
    written = ast.parse(file.read_text(encoding="utf-8")).body
    return any(isinstance(one, ast.FunctionDef) and one.name == found[2] for one in written)


def is_own_store(uri: Any) -> bool:
    """Whether records would go where the user's own go, or below the folder where credo is."""
    if uri in (None, paths.settings("tracking", "mlflow").get("uri"), tracking_uri() or None):
        return True
    found = re.fullmatch(r"sqlite:///([^?$\0]+)", uri) if isinstance(uri, str) else None
    return found is not None and Path(found[1]).resolve().is_relative_to(Path.cwd().resolve())


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """All that plain containers hold which is no container: the full key, its holder, and its place there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        full = f"{key}.{name}" if key else str(name)
        if name == "_target_" or not isinstance(inner, dict | list):
            yield full, value, name
        if isinstance(inner, dict | list):
            yield from _leaves(inner, full)
