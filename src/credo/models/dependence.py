"""What does not depend on what: by the structure of a computation, without computing it."""

from collections.abc import Callable
from typing import Any

import jax
from jax.interpreters import partial_eval


def independent(function: Callable[..., Any], *args: Any) -> Any:
    """For each output of a function, whether it is the same whatever its first argument is.

    It is asked of the operations: `0 * x` depends on x.

    Args:
        function: of pytrees; it is traced.
        args: its arguments, or their shapes.

    Returns:
        Booleans in the structure of the function's output.
    """
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
    jaxpr = partial_eval.convert_constvars_jaxpr(closed.jaxpr)
    first = slice(len(closed.consts), len(closed.consts) + len(jax.tree.leaves(args[0])))
    answers = []
    for place in range(len(jaxpr.outvars)):
        _, used = partial_eval.dce_jaxpr(jaxpr, [place == other for other in range(len(jaxpr.outvars))])
        answers.append(not any(used[first]))
    return jax.tree.unflatten(jax.tree.structure(shape), answers)


def used(function: Callable[..., Any], values: dict[str, Any]) -> tuple[str, ...]:
    """The names of those values, each an array or a tree, on which a function of them depends."""
    if not values:
        return ()  # a function of nothing need not be traceable
    closed = jax.make_jaxpr(function)(values)
    jaxpr = partial_eval.convert_constvars_jaxpr(closed.jaxpr)
    _, read = partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    is_read = jax.tree.unflatten(jax.tree.structure(values), read[len(closed.consts) :])
    return tuple(name for name in values if any(jax.tree.leaves(is_read[name])))
