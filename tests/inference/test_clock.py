"""The clock puts all that leads to a program under `compile`, once, and only the work under a phase."""

import time
from typing import Any

import jax
import jax.numpy as jnp

from credo.inference.clock import Clock

LONG = 0.5


def test_tracing_is_compilation_and_counts_once() -> None:
    @jax.jit
    def inner(x: Any) -> Any:
        time.sleep(LONG)
        return x + 1

    @jax.jit
    def outer(x: Any) -> Any:
        return 2 * inner(x)

    x = jnp.ones(())
    begin, clock = time.perf_counter(), Clock()
    outer(x).block_until_ready()
    clock.lap("work")
    waited = time.perf_counter() - begin
    assert clock.programs >= 1
    assert clock.seconds["compile"] >= LONG
    assert clock.seconds["work"] < waited - LONG
    again = Clock()
    outer(x).block_until_ready()
    again.lap("work")
    assert again.seconds["compile"] == 0.0
