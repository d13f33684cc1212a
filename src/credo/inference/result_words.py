"""The structure of a program's result in words of JSON, so that a file of it runs no code."""

import sys
from dataclasses import fields
from typing import Any, NamedTuple

import equinox as eqx


class Leaf(NamedTuple):
    """A leaf of a result, by its number."""

    number: int


_CONTAINERS = {"tuple": tuple, "list": list}


def described(value: Any) -> Any:
    """The structure of a result in words of JSON.

    Raises:
        TypeError: it has a node whose class says more than its fields do.
    """
    if isinstance(value, Leaf):
        return value.number
    if value is None:
        return None
    if type(value) is dict and all(isinstance(name, str) for name in value):
        return {"dict": {name: described(one) for name, one in value.items()}}
    if type(value) in _CONTAINERS.values():
        return {type(value).__name__: list(map(described, value))}
    if _is_tuple(type(value)):
        return {_name(type(value)): list(map(described, value))}
    if isinstance(value, eqx.Module) and not any(one.metadata.get("static") for one in fields(value)):
        return {_name(type(value)): {one.name: described(getattr(value, one.name)) for one in fields(value)}}
    raise TypeError(f"a {type(value).__name__} has no words")


def rebuilt(described: Any) -> Any:
    """The structure, of leaves that do not matter.

    Raises:
        LookupError, TypeError: a class is not there, or is no class of such a node.
    """
    if described is None or isinstance(described, int):
        return described
    [(name, parts)] = described.items()
    if name == "dict":
        return {key: rebuilt(one) for key, one in parts.items()}
    if name in _CONTAINERS:
        return _CONTAINERS[name](map(rebuilt, parts))
    module, _, qualified = name.partition(":")
    kind = vars(sys.modules[module])[qualified]
    if _is_tuple(kind):
        return kind._make(map(rebuilt, parts))
    if not (isinstance(kind, type) and issubclass(kind, eqx.Module)):
        raise TypeError(f"{name} is no class of a node")
    made = object.__new__(kind)
    for key, one in parts.items():
        object.__setattr__(made, key, rebuilt(one))
    return made


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _is_tuple(kind: Any) -> bool:
    """Whether it is a class of named tuples."""
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")
