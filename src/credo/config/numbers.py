"""Are the numbers of a configuration what its settings can be? The one place that asks.

Each part's class says so itself (see `credo.ranges`), a user's own as ours; `SECTIONS` says it of the settings that
belong to no class. Where nothing is declared a number is finite, and a whole one fits 64 bits.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from math import inf, isnan
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from omegaconf import DictConfig, OmegaConf

from credo.config import paths, signature
from credo.errors import ConfigError
from credo.ranges import LARGEST, Natural, Positive, Range, count

SECTIONS: dict[str, Any] = {
    "seed": Natural,
    "device.num_devices": Annotated[int, count(1, 256)] | str | None,
    "inference.checkpoint.every": Positive | None,
}
"""What the settings are that belong to no class."""

_SINGLE, _DOUBLE = (1.1754944e-38, 3.4028235e38), (sys.float_info.min, sys.float_info.max)
"""The least and the largest number that float32 and float64 hold: smaller ones are zero, larger ones infinite."""


def refuse(config: DictConfig) -> None:
    """Refuse numbers that no setting has, and settings of no class; nothing is imported.

    Args:
        config: as composed, interpolations included, so that a setting is named by the key where it stands.

    Raises:
        ConfigError: a number is not finite, too large or too small for its bits, or not what `SECTIONS` says.
    """
    plain = OmegaConf.to_container(config, resolve=False)
    single = OmegaConf.select(config, "device.precision") == "float32"
    for key, number, part in _numbers(plain, "", None):
        _require_computable(key, number, part, "float32" if single else "float64")
    for key, hint in SECTIONS.items():
        value = OmegaConf.select(config, key, default=None)
        if value is not None:
            require(key, value, hint)
    if single and (seed := OmegaConf.select(config, "seed", default=0)) >= 2**32:
        raise ConfigError(f"seed: expected a whole number below 2^32 in float32, but got {seed}")


def _numbers(value: Any, key: str, part: Any) -> Iterator[tuple[str, int | float, Any]]:
    """All numbers, with their keys and the parts (mappings with a `_target_`) whose settings they are."""
    if isinstance(value, Mapping):
        part = (key, value) if "_target_" in value else part
        for name, inner in value.items():
            yield from _numbers(inner, f"{key}.{name}" if key else str(name), part)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _numbers(inner, key, part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield key, value, part


def _require_computable(key: str, number: float, part: Any, precision: str) -> None:
    if isinstance(number, int):
        if abs(number) > LARGEST:
            raise ConfigError(f"{key}: expected a number of at most 64 bits (about 9.2e18), but got {number}")
        return
    if isnan(number):
        raise ConfigError(f"{key}: expected a finite number, but got nan")
    least, most = _SINGLE if precision == "float32" else _DOUBLE
    if number == 0 or least <= abs(number) <= most:
        return
    if abs(number) > _DOUBLE[1]:
        if part is not None and not str(part[1]["_target_"]).startswith("credo."):
            require_all(*part)  # a user's own part may mean infinity, and says so
            return
        raise ConfigError(f"{key}: expected a finite number, but got {number}")
    held = f"0, or a number from {least:.2g} to {most:.2g} as {precision} holds it"
    wider = "; set device.precision=float64" if precision == "float32" else ""
    raise ConfigError(f"{key}: expected {held}, but got {number}{wider}")


def require_all(key: str, part: Mapping[str, Any]) -> None:
    """Refuse numbers of a part that its class does not allow.

    Args:
        key: of the part.
        part: its `_target_` and its settings, which may be parts themselves.

    Raises:
        ConfigError: names the key, what its class declares, and what came.
    """
    found = signature.of(str(part["_target_"]))
    declared = {one.name: one.hint for one in found.parameters} if found else {}
    for name, value in part.items():
        if name != "_target_":
            require(f"{key}.{name}", value, declared.get(str(name), Any))


def require(key: str, value: Any, hint: Any) -> None:
    """Refuse a setting whose numbers are not what its type hint declares (see `require_all`)."""
    if isinstance(value, Mapping) and "_target_" in value:
        require_all(key, value)
    elif not isinstance(value, list) and _is_list(hint) and not (value is None and _takes(hint, type(None))):
        raise ConfigError(f"{key}: expected a list, as in [a,b], but got {_said(value)}")
    elif isinstance(value, Mapping | list) and not _is_single(hint):
        for place, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            of = _element(hint, place)
            if isinstance(value, Mapping):
                require(f"{key}.{place}", inner, of)
            elif isinstance(inner, Mapping | list):
                require(f"{key}[{place}]" if isinstance(inner, Mapping) else key, inner, of)
            elif not _allows(inner, of):
                raise ConfigError(f"{key}: expected {_expected(of, inner, several=True)}, but got {_said(inner)}")
    elif value is not None and (contract := _contract(hint)) is not None:
        raise ConfigError(_no_part(key, value, contract))
    elif not _allows(value, hint):
        raise ConfigError(f"{key}: expected {_expected(hint, value)}, but got {_said(value)}")


def _allows(value: Any, hint: Any) -> bool:
    """Whether a value is what is declared; where nothing is, all finite numbers are, and all that is no number."""
    ranges = list(_ranges(hint))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return any(value in one for one in ranges or [Range()])
    return not ranges or _takes(hint, type(value))


def _contract(hint: Any) -> type[signature.Part] | None:
    """The class of which a part stands there, where a part is all that may."""
    found = [one for one in _options(hint) or (hint,) if one is not type(None)]
    is_part = len(found) == 1 and isinstance(found[0], type) and issubclass(found[0], signature.Part)
    return found[0] if is_part else None


def _no_part(key: str, value: Any, contract: type) -> str:
    group = key.rpartition(".")[2]
    words = sorted({file.stem for folder in paths.folders() for file in folder.glob(f"conf/{group}/*.yaml")})
    choose = f"choose one of its group, as in {group}={words[0]}" if words else "give its _target_ and settings"
    return f"{key}: expected {contract.__name__}, a part with a _target_, but got {_said(value)}; {choose}"


def _is_single(hint: Any) -> bool:
    """Whether one number is declared, and no list or mapping of them."""
    return any(_ranges(hint)) and _element(hint, 0) is Any and _element(hint, "") is Any


def _is_list(hint: Any) -> bool:
    """Whether a list is all that may stand there, or null."""
    if get_origin(hint) is Annotated:
        return _is_list(hint.__origin__)
    if options := [one for one in _options(hint) if one is not type(None)]:
        return all(map(_is_list, options))
    origin = get_origin(hint) or hint
    return isinstance(origin, type) and issubclass(origin, Sequence) and origin is not str


def _expected(hint: Any, value: Any, *, several: bool = False) -> str:
    finite = isinstance(value, float) and abs(value) == inf
    words = [one.words(several=several, finite=finite) for one in _ranges(hint) or [Range()]]
    return " or ".join([*dict.fromkeys(words), *(["null"] if _takes(hint, type(None)) and hint is not Any else [])])


def _said(value: Any) -> str:
    """A value as it is typed."""
    words = "null" if value is None else str(value).lower() if isinstance(value, bool) else None
    return words or (repr(value) if isinstance(value, str) else str(value))


def _ranges(hint: Any) -> list[Range]:
    """What is declared of the value itself."""
    if get_origin(hint) is Annotated:
        return [one for one in hint.__metadata__ if isinstance(one, Range)] + _ranges(hint.__origin__)
    return [found for one in _options(hint) for found in _ranges(one)]


def _options(hint: Any) -> tuple[Any, ...]:
    """The hints of which a union consists."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else ()


def _takes(hint: Any, kind: type) -> bool:
    """Whether a value of this type may stand there."""
    return hint is Any or hint is kind or any(_takes(one, kind) for one in _options(hint))


def _element(hint: Any, place: int | str) -> Any:
    """The hint of an element of a list (by its place) or of a mapping (by its name)."""
    if get_origin(hint) is Annotated:
        return _element(hint.__origin__, place)
    if options := _options(hint):
        return next((of for one in options if (of := _element(one, place)) is not Any), Any)
    origin, of = get_origin(hint), get_args(hint)
    if not isinstance(origin, type) or not of or issubclass(origin, Mapping) != isinstance(place, str):
        return Any
    if isinstance(place, str):
        return of[-1]
    if origin is tuple and Ellipsis not in of:
        return of[place] if place < len(of) else Any
    return of[0]
