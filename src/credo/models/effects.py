"""Effects that differ between groups: normal, with their own deviations and, if asked, correlations.

Lewandowski, D., Kurowicka, D. and Joe, H. (2009). Generating random correlation matrices based on vines and extended
onion method. Journal of Multivariate Analysis.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from jaxtyping import Float, Int, Shaped


class Grouping(NamedTuple):
    """The axes of the effects of one factor.

    - **name** - of the factor.
    - **dim** - the name of the axis of its levels.
    - **size** - how many levels there are.
    - **effects** - what the effects are called.
    """

    name: str
    dim: str
    size: int
    effects: tuple[str, ...]

    @property
    def one(self) -> bool:
        """Whether there is nothing but an intercept."""
        return self.effects == ("Intercept",)


def added(
    group: Grouping,
    prior: Any,
    lkj: float | None,
    codes: Int[Array, "obs"],
    by: Shaped[Array, "obs effect"] | None,
    *,
    centred: bool,
) -> Float[Array, "obs"]:
    """What the effects of one factor add to the linear predictor of each row.

    Sites: `sd[NAME]`, `effect[NAME]`, with correlations `corr[NAME]`, and `z[NAME]` where not centred.

    Args:
        group: the axes.
        prior: of the deviations, [effect], or of the only one.
        lkj: the concentration of the prior of the correlations; `None` for none.
        codes: the number of each row's level.
        by: the columns that the effects multiply; `None` for an intercept alone.
        centred: whether the effects themselves are sampled, rather than their standardised values.
    """
    name, count = group.name, len(group.effects)
    if group.one:
        sd = numpyro.sample(f"sd[{name}]", prior)
        with numpyro.plate(group.dim, group.size):
            return _one(name, sd, centred=centred)[codes]
    with numpyro.plate(f"{name}_effect", count):
        sd = numpyro.sample(f"sd[{name}]", prior)
    effect = _several(group, sd, lkj if count > 1 else None, centred=centred)
    return jnp.sum(effect[codes] * by, -1)


def _one(name: str, sd: Float[Array, ""], *, centred: bool) -> Any:
    if centred:
        return numpyro.sample(f"effect[{name}]", dist.Normal(0.0, sd), infer={"local": True})
    z = numpyro.sample(f"z[{name}]", dist.Normal(0.0, 1.0), infer={"local": True})
    return numpyro.deterministic(f"effect[{name}]", sd * z)


def _several(group: Grouping, sd: Float[Array, "effect"], lkj: float | None, *, centred: bool) -> Any:
    """The effects [level, effect]."""
    name, count = group.name, len(group.effects)
    root = jnp.diag(sd)
    if lkj is not None:
        cholesky = numpyro.sample(f"cholesky[{name}]", dist.LKJCholesky(count, lkj))
        numpyro.deterministic(f"corr[{name}]", cholesky @ cholesky.T)
        root = sd[:, None] * cholesky
    with numpyro.plate(group.dim, group.size, dim=-2), numpyro.plate(f"{name}_effect", count, dim=-1):
        if centred and lkj is None:
            return numpyro.sample(f"effect[{name}]", dist.Normal(0.0, sd), infer={"local": True})
        if not centred:
            z = numpyro.sample(f"z[{name}]", dist.Normal(0.0, 1.0), infer={"local": True})
            return numpyro.deterministic(f"effect[{name}]", z @ root.T)
    with numpyro.plate(group.dim, group.size):
        joint = dist.MultivariateNormal(jnp.zeros(count), scale_tril=root)
        return numpyro.sample(f"effect[{name}]", joint, infer={"local": True})
