"""Does what a JSON or YAML file holds have the shape that it should have?"""

import math
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict


def misfit(value: Any, hint: Any, where: str = "") -> str:
    """Where plain containers are not of a type, in words; empty where they are.

    Args:
        value: what a file holds.
        hint: `Any`, a plain type, a union, a literal, a list, a dictionary, or a `TypedDict`, whose further keys are
            free.
        where: the key at which the value stands.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return ""
    if is_typeddict(hint):
        return _of_keys(value, hint, where)
    if origin in (Union, types.UnionType):
        misfits = [misfit(value, one, where) for one in inner]
        return "" if "" in misfits else _sentence(value, hint, where)
    if origin is Literal:
        return (
            "" if isinstance(value, str) and value in inner else _sentence(value, " or ".join(map(repr, inner)), where)
        )
    if origin is list:
        if not isinstance(value, list):
            return _sentence(value, "a list", where)
        return next(filter(None, (misfit(one, inner[0], f"{where}[{i}]") for i, one in enumerate(value))), "")
    if origin is dict:
        if not isinstance(value, dict) or not all(isinstance(key, inner[0]) for key in value):
            return _sentence(value, "keys and values", where)
        return next(filter(None, (misfit(one, inner[1], _below(where, key)) for key, one in value.items())), "")
    return "" if _is_plain(value, hint) else _sentence(value, hint, where)


def _of_keys(value: Any, hint: Any, where: str) -> str:
    if not isinstance(value, Mapping):
        return _sentence(value, "keys and values", where)
    if missing := [key for key in sorted(hint.__required_keys__) if key not in value]:
        return f"{_below(where, missing[0])} is missing"
    hints = get_type_hints(hint)
    return next(filter(None, (misfit(value[key], hints[key], _below(where, key)) for key in hints if key in value)), "")


def _is_plain(value: Any, hint: Any) -> bool:
    if hint is None or hint is types.NoneType:
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and not _is_huge(value)
    return isinstance(value, hint) and not (hint is int and (isinstance(value, bool) or _is_huge(value)))


def _is_huge(value: float) -> bool:
    """Whether a whole number does not fit where numbers are kept."""
    return not math.isnan(value) and not math.isinf(value) and abs(value) >= 2**63 and isinstance(value, int)


def _below(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _sentence(value: Any, hint: Any, where: str) -> str:
    text = repr(value)
    expected = hint if isinstance(hint, str) else _NAMES.get(hint, str(hint).replace("NoneType", "None"))
    got = text if len(text) <= 40 else f"{text[:37]}..."
    return f"{where or 'the file'}: expected {expected}, but got {got}"


_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
