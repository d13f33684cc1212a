"""Where a model is fast: one gradient of its log density, measured on the GPU and on the CPU beside it.

A small model keeps a GPU waiting: every step of a chain starts a kernel that has nothing to do. `device=auto` takes the
CPU where its gradient, for all chains that run in step, is the faster one; `device=gpu` says so and stays.
"""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from credo.inference.density import potential
from credo.inference.start import find_continuous
from credo.models.problem import Problem

_TIMES = 5


class Seconds(NamedTuple):
    """What the gradients of all chains take.

    - **gpu** - on the GPU.
    - **cpu** - on the CPU.
    - **chains** - how many there are.
    """

    gpu: float
    cpu: float
    chains: int

    @property
    def is_small(self) -> bool:
        """Whether the CPU is the faster one."""
        return self.cpu < self.gpu

    @property
    def sentence(self) -> str:
        """What was measured."""
        chains = "of one chain" if self.chains == 1 else f"of {self.chains} chains in step"
        return f"the gradient {chains} takes {_short(self.gpu)} on the GPU and {_short(self.cpu)} on the CPU"


def gradients(problem: Problem, chains: int) -> Seconds | None:
    """Measure; `None` where there is no gradient, or no GPU with a CPU beside it."""
    devices = [jax.devices()[0], *_cpus()[:1]]
    if len(devices) < 2 or any(site.discrete for site in problem.latents) or not problem.latents:
        return None
    try:
        gpu, cpu = (_seconds(problem, chains, device) for device in devices)
    except Exception:  # noqa: BLE001 - a model without a gradient is somebody else's refusal
        return None
    return Seconds(gpu, cpu, chains)


def told(seconds: Seconds, platform: str) -> str | None:
    """What a person should know of the measurement; `None` where the GPU is the faster one."""
    if not seconds.is_small:
        return None
    if platform == "auto":
        return f"device=auto takes the CPU: {seconds.sentence}"
    return f"device={platform}: {seconds.sentence}, so that device=cpu is faster for this model"


def recorded(used: Mapping[str, Any], seconds: Seconds, chosen: str) -> dict[str, Any]:
    """The device in the provenance of a run, with what was measured."""
    return {**used, "platform": chosen, "gradient_seconds": {"gpu": seconds.gpu, "cpu": seconds.cpu}}


def _cpus() -> list[jax.Device]:
    try:
        return jax.devices("cpu")
    except RuntimeError:  # JAX_PLATFORMS=cuda, say
        return []


def _seconds(problem: Problem, chains: int, device: jax.Device) -> float:
    """The median of some times, after one that compiles."""
    with jax.default_device(device):
        bound = jax.device_put(problem.bound, device)
        z = jax.jit(partial(find_continuous, how="jitter"))(bound, jax.random.PRNGKey(0))
        many = jax.tree.map(lambda a: jnp.broadcast_to(a, (chains, *a.shape)), z)
        slope = jax.jit(lambda bound, z: jax.vmap(jax.value_and_grad(potential(bound)))(z))
        jax.block_until_ready(slope(bound, many))
        times = []
        for _ in range(_TIMES):
            began = time.perf_counter()
            jax.block_until_ready(slope(bound, many))
            times.append(time.perf_counter() - began)
    return float(np.median(times))


def _short(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms"
