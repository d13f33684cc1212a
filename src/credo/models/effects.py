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
    - **prefix** - of its sites and arrays: `sigma_` of those of the target's own scale.
    """

    name: str
    dim: str
    size: int
    effects: tuple[str, ...]
    prefix: str = ""

    @property
    def one(self) -> bool:
        """Whether there is nothing but an intercept."""
        return self.effects == ("Intercept",)

    def called(self, what: str) -> str:
        """A site or an array of this factor, as `sd[ward]` and `sigma_sd[ward]`."""
        return f"{self.prefix}{what}[{self.name}]"

    @property
    def axis(self) -> str:
        """The name of the axis of its effects."""
        return f"{self.prefix}{self.name}_effect"


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

    Sites: `sd[NAME]`, `effect[NAME]`, with correlations `corr[NAME]`, and `z[NAME]` where not centred, each behind the
    group's prefix. Every class has its own, along their first axis.

    Args:
        group: the axes.
        prior: of the deviations, [effect], or of the only one.
        lkj: the concentration of the prior of the correlations; `None` for none.
        codes: the number of each row's level.
        by: the columns that the effects multiply; `None` for an intercept alone.
        centred: whether the effects themselves are sampled, rather than their standardised values.
        contrasts: how many classes have effects; 0 where there is one linear predictor.
    """
    count = len(group.effects)
    if group.one:
        with _each(contrasts, -1):
            sd = numpyro.sample(group.called("sd"), prior)
        with _each(contrasts, -2), numpyro.plate(group.dim, group.size, dim=-1):
            effect = _one(group, sd[..., None] if contrasts else sd, centred=centred)
        return effect[:, codes].T if contrasts else effect[codes]
    with _each(contrasts, -2), numpyro.plate(group.axis, count, dim=-1):
        sd = numpyro.sample(group.called("sd"), prior)
    effect = _several(group, sd, lkj if count > 1 else None, centred=centred, contrasts=contrasts)
    assert by is not None  # noqa: S101 - for the type checker
    # One effect after another: rows of several take three times as long to gather, and to add up in the gradient.
    if contrasts:
        return sum((effect[:, :, j][:, codes].T * by[:, j, None] for j in range(count)), jnp.zeros(()))
    return sum((effect[:, j][codes] * by[:, j] for j in range(count)), jnp.zeros(()))


def _each(contrasts: int, dim: int) -> AbstractContextManager[Any]:
    """The axis of classes, where there are several linear predictors."""
    return numpyro.plate("contrast", contrasts, dim=dim) if contrasts else nullcontext()


def _infer(group: Grouping) -> dict[str, Any]:
    """What is known of the effects of a factor and of their parametrisation."""
    return {"local": True, "effect": group.called("effect")}


def _one(group: Grouping, sd: Float[Array, "..."], *, centred: bool) -> Any:
    if centred:
        return numpyro.sample(group.called("effect"), dist.Normal(0.0, sd), infer=_infer(group))
    z = numpyro.sample(group.called("z"), dist.Normal(0.0, 1.0), infer=_infer(group))
    return numpyro.deterministic(group.called("effect"), sd * z)


def _several(
    group: Grouping, sd: Float[Array, "*contrast effect"], lkj: float | None, *, centred: bool, contrasts: int
) -> Any:
    """The effects [level, effect], or [contrast, level, effect]."""
    count, effect, corr = len(group.effects), group.called("effect"), group.called("corr")
    root = sd[..., None] * jnp.eye(count)
    if lkj is not None:
        with _each(contrasts, -1):
            cholesky = numpyro.sample(group.called("cholesky"), dist.LKJCholesky(count, lkj), infer={"aside": corr})
        # The second axis is called as a plural, whose labels are those of the first (see `plates.labels`).
        both = numpyro.plate(group.axis, count, dim=-2), numpyro.plate(f"{group.axis}s", count, dim=-1)
        with _each(contrasts, -3), both[0], both[1]:
            found = cholesky @ jnp.swapaxes(cholesky, -1, -2)
            numpyro.deterministic(corr, jnp.where(jnp.eye(count, dtype=bool), 1.0, found))  # 1 without rounding errors
        root = sd[..., None] * cholesky
    axes = numpyro.plate(group.dim, group.size, dim=-2), numpyro.plate(group.axis, count, dim=-1)
    with _each(contrasts, -3), axes[0], axes[1]:
        if centred and lkj is None:
            own = sd[:, None] if contrasts else sd
            return numpyro.sample(effect, dist.Normal(0.0, own), infer=_infer(group))
        if not centred:
            z = numpyro.sample(group.called("z"), dist.Normal(0.0, 1.0), infer=_infer(group))
            return numpyro.deterministic(effect, z @ jnp.swapaxes(root, -1, -2))
    with _each(contrasts, -2), numpyro.plate(group.dim, group.size, dim=-1):
        joint = dist.MultivariateNormal(jnp.zeros(count), scale_tril=root[:, None] if contrasts else root)
        return numpyro.sample(effect, joint, infer={**_infer(group), "dims": (group.axis,)})
