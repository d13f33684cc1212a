"""Shapes and types of arrays are checked in the tests, as the annotations say them; mypy checks all other types.

It has to be imported before `credo` is. What users run is not checked, and costs nothing.
"""

import inspect
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import jax
import jaxtyping
import numpy as np
from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, install_import_hook

ROOMS = ("models", "energies", "networks", "information", "inference", "diagnostics", "chain_stats", "pareto")
CONF = BeartypeConf(is_pep484_tower=True)
"""An int may stand where a float is meant."""

_jaxtyped = jaxtyping.jaxtyped


def jaxtyped(*, typechecker: Any) -> Any:
    """What the hook decorates with: functions and classes that speak of no array are left alone, and cost nothing."""

    def decorated(what: Any) -> Any:
        has_arrays = any(map(_has_arrays, inspect.get_annotations(what).values()))
        return _jaxtyped(what, typechecker=typechecker) if has_arrays else what

    return decorated


def check(function: Any) -> Any:
    """The function, whose arrays are checked at every call; how is worked out at the first call, for few are called."""
    checked = cache(lambda: _checked(function))
    return lambda *args, **kwargs: checked()(*args, **kwargs)


def _checked(function: Any) -> Any:
    hints = function.__annotations__
    function.__annotations__ = {name: _taken(hint) if _has_arrays(hint) else Any for name, hint in hints.items()}
    return beartype(function, conf=CONF)


def _has_arrays(hint: Any) -> bool:
    return _is_array(hint) or any(map(_has_arrays, _parts(hint)))


def _is_array(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, AbstractArray | jax.Array | np.ndarray)


def _taken(hint: Any) -> Any:
    """What is taken for this: NumPy's arrays may stand for those of JAX, and its numbers for arrays of no dimension."""
    if hint is jax.Array or hint is np.ndarray:
        return hint | np.ndarray | np.generic
    if _is_array(hint):
        taken = hint.dtype[hint.array_type | np.ndarray, hint.dim_str]
        named = [axis for axis in hint.dim_str.split() if not axis.startswith(("*", "..."))]
        return taken if named else taken | np.generic
    parts = tuple(map(_taken, _parts(hint)))
    if parts == _parts(hint):
        return hint
    return reduce(or_, parts) if get_origin(hint) in (Union, UnionType) else get_origin(hint)[parts]


def _parts(hint: Any) -> tuple[Any, ...]:
    return () if get_origin(hint) in (Literal, Annotated) else get_args(hint)


jaxtyping.jaxtyped = jaxtyped
install_import_hook([f"credo.{room}" for room in ROOMS], "shapes.check")
