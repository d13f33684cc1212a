"""Effects that differ between groups: normal, with their own deviations and, if asked, correlations.

Lewandowski, D., Kurowicka, D. and Joe, H. (2009). Generating random correlation matrices based on vines and extended
onion method. Journal of Multivariate Analysis.
"""

from contextlib import AbstractContextManager, nullcontext
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
    contrasts: int = 0,
) -> Float[Array, "obs *contrast"]:
    """What the effects of one factor add to the linear predictor of each row, or to those of each class.

    Sites: `sd[NAME]`, `effect[NAME]`, with correlations `corr[NAME]`, and `z[NAME]` where not centred. Every class has
    its own, along their first axis.

    Args:
        group: the axes.
        prior: of the deviations, [effect], or of the only one.
        lkj: the concentration of the prior of the correlations; `None` for none.
        codes: the number of each row's level.
        by: the columns that the effects multiply; `None` for an intercept alone.
        centred: whether the effects themselves are sampled, rather than their standardised values.
        contrasts: how many classes have effects; 0 where there is one linear predictor.
    """
    name, count = group.name, len(group.effects)
    if group.one:
        with _each(contrasts, -1):
            sd = numpyro.sample(f"sd[{name}]", prior)
        with _each(contrasts, -2), numpyro.plate(group.dim, group.size, dim=-1):
            effect = _one(name, sd[..., None] if contrasts else sd, centred=centred)
        return effect[:, codes].T if contrasts else effect[codes]
    with _each(contrasts, -2), numpyro.plate(f"{name}_effect", count, dim=-1):
        sd = numpyro.sample(f"sd[{name}]", prior)
    effect = _several(group, sd, lkj if count > 1 else None, centred=centred, contrasts=contrasts)
    assert by is not None  # noqa: S101 - for the type checker
    # One effect after another: rows of several take three times as long to gather, and to add up in the gradient.
    if contrasts:
        return sum((effect[:, :, j][:, codes].T * by[:, j, None] for j in range(count)), jnp.zeros(()))
    return sum((effect[:, j][codes] * by[:, j] for j in range(count)), jnp.zeros(()))


def _each(contrasts: int, dim: int) -> AbstractContextManager[Any]:
    """The axis of classes, where there are several linear predictors."""
    return numpyro.plate("contrast", contrasts, dim=dim) if contrasts else nullcontext()


def _infer(name: str) -> dict[str, Any]:
    """What is known of the effects of a factor and of their parametrisation."""
    return {"local": True, "effect": f"effect[{name}]"}


def _one(name: str, sd: Float[Array, "..."], *, centred: bool) -> Any:
    if centred:
        return numpyro.sample(f"effect[{name}]", dist.Normal(0.0, sd), infer=_infer(name))
    z = numpyro.sample(f"z[{name}]", dist.Normal(0.0, 1.0), infer=_infer(name))
    return numpyro.deterministic(f"effect[{name}]", sd * z)


def _several(
    group: Grouping, sd: Float[Array, "*contrast effect"], lkj: float | None, *, centred: bool, contrasts: int
) -> Any:
    """The effects [level, effect], or [contrast, level, effect]."""
    name, count = group.name, len(group.effects)
    root = sd[..., None] * jnp.eye(count)
    if lkj is not None:
        with _each(contrasts, -1):
            cholesky = numpyro.sample(
                f"cholesky[{name}]", dist.LKJCholesky(count, lkj), infer={"aside": f"corr[{name}]"}
            )
            numpyro.deterministic(f"corr[{name}]", cholesky @ jnp.swapaxes(cholesky, -1, -2))
        root = sd[..., None] * cholesky
    axes = numpyro.plate(group.dim, group.size, dim=-2), numpyro.plate(f"{name}_effect", count, dim=-1)
    with _each(contrasts, -3), axes[0], axes[1]:
        if centred and lkj is None:
            own = sd[:, None] if contrasts else sd
            return numpyro.sample(f"effect[{name}]", dist.Normal(0.0, own), infer=_infer(name))
        if not centred:
            z = numpyro.sample(f"z[{name}]", dist.Normal(0.0, 1.0), infer=_infer(name))
            return numpyro.deterministic(f"effect[{name}]", z @ jnp.swapaxes(root, -1, -2))
    with _each(contrasts, -2), numpyro.plate(group.dim, group.size, dim=-1):
        joint = dist.MultivariateNormal(jnp.zeros(count), scale_tril=root[:, None] if contrasts else root)
        return numpyro.sample(f"effect[{name}]", joint, infer=_infer(name))
