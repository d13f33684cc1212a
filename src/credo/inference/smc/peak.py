"""The highest peak that a climb from the draws finds: what draws of a path missed, a climb may find.

Where a narrow peak has most of the mass, no draw need ever fall into it on the way from the prior: at the temperature
at which the peak begins to weigh, the draws are elsewhere. Its mass is Laplace's approximation.
"""

import math
from collections.abc import Generator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import Float
from scipy.special import gammaincinv

from credo.inference.calls import Call
from credo.inference.smc.path import by_site, densities
from credo.inference.start import climbed
from credo.models.binding import BoundModel

GROUP = "peak"
"""The group of a result that has it."""

MOST = 200
"""Beyond so many latent scalars no curvature is formed, and nothing is known of the peak."""


def peak(
    program: BoundModel, z: Float[Array, "repeat draw dim"], lp: Float[Array, "repeat draw"]
) -> Generator[Call, Any, xr.Dataset]:
    """Climb from the mean and the best draw of each repeat.

    Returns:
        An `xarray.Dataset` with the scalars `height`, the log joint density at the peak; `mass`, the log of its mass by
        Laplace's approximation, NaN where it has no curvature; and `near`, the share of the draws that are as high as
        99 % of those of a normal distribution with this peak.
    """
    dim = z.shape[-1]
    height, mass = (math.nan, math.nan) if dim > MOST else (yield Call(_climb, program, z, lp))
    near = np.mean(np.asarray(lp) >= float(height) - gammaincinv(dim / 2, 0.99))
    found = {"height": height, "mass": mass, "near": near}
    return xr.Dataset({name: float(value) for name, value in found.items()})


@jax.jit
def _climb(
    program: BoundModel, z: Float[Array, "repeat draw dim"], lp: Float[Array, "repeat draw"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The height and the log mass of the highest peak."""
    best = jnp.take_along_axis(z, jnp.argmax(lp, 1)[:, None, None], 1)[:, 0]
    ends = jax.lax.map(partial(_end, program), jnp.concatenate([z.mean(1), best]))
    heights = jax.vmap(lambda end: densities(program, end).at(jnp.ones(())))(ends)
    return _measured(program, ends[jnp.argmax(heights)])


def _end(program: BoundModel, z: Float[Array, "dim"]) -> Float[Array, "dim"]:
    return ravel_pytree(climbed(program, by_site(program, z)))[0]


def _measured(program: BoundModel, z: Float[Array, "dim"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The log joint density, and the log mass of the normal distribution with its height and curvature."""

    def height(z: Float[Array, "dim"]) -> Float[Array, ""]:
        return densities(program, z).at(jnp.ones(()))

    root = jnp.linalg.cholesky(-jax.hessian(height)(z))  # NaN where it is no peak
    return height(z), height(z) + len(z) / 2 * math.log(2 * math.pi) - jnp.sum(jnp.log(jnp.diag(root)))
