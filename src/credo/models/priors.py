"""Priors that NumPyro's own classes do not say as well; any other is the `_target_` of a file in `conf/prior`.

Such as `uniform`, which refuses an empty interval, and `pareto` an `alpha` that is not positive, by the key that was
typed, where NumPyro names another; `flat` is made of a word. Any prior stands at any latent:
`prior@model.prior.loc=uniform model.prior.loc.low=-2 model.prior.loc.high=2`.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from numpyro.distributions import constraints
from numpyro.primitives import Messenger

from credo.errors import ConfigError
from credo.networks.bayesian import is_improper
from credo.ranges import Between, Finite, Positive

_SUPPORTS = {
    "real": constraints.real,
    "positive": constraints.positive,
    "unit_interval": constraints.unit_interval,
}

# NumPyro lists the numbers of a distribution in a set's order, which differs between processes: programs that take them
# as arguments would then be missed in the compilation cache.
_fields = dist.Distribution.gather_pytree_data_fields.__func__
dist.Distribution.gather_pytree_data_fields = classmethod(lambda cls: tuple(sorted(_fields(cls))))


def uniform(low: float, high: float) -> dist.Distribution:
    """U(low, high).

    Example:
        >>> float(uniform(low=0.0, high=3.0).mean)
        1.5
    """
    if not low < high:
        raise ConfigError(f"high: expected a number above low = {low}, but got {high}")
    return dist.Uniform(low, high)


def pareto(scale: float, alpha: Positive) -> dist.Distribution:
    """Pareto on (scale, inf) with density proportional to x^-(alpha + 1).

    Example:
        >>> float(pareto(scale=1.0, alpha=3.0).mean)
        1.5
    """
    return dist.Pareto(scale=scale, alpha=alpha)


def beta_proportion(mean: Between, concentration: Positive) -> dist.Distribution:
    """Beta(mean * concentration, (1 - mean) * concentration).

    Example:
        >>> float(beta_proportion(mean=0.5, concentration=2.0).log_prob(0.3))
        0.0
    """
    return dist.BetaProportion(mean, concentration)


def log_uniform(low: Positive, high: Positive) -> dist.Distribution:
    """A number between `low` and `high` whose logarithm is uniform.

    Example:
        >>> round(float(log_uniform(low=0.01, high=100.0).log_prob(1.0)), 4)
        -2.2203
    """
    if not low < high:
        raise ConfigError(f"high: expected a number above low = {low}, but got {high}")
    return dist.LogUniform(low, high)


def power_law(alpha: Finite, low: Positive, high: Positive | None) -> dist.Distribution:
    """Density proportional to x^alpha from `low` to `high`; without `high`, alpha is below -1.

    Example:
        >>> round(float(power_law(alpha=-2.0, low=1.0, high=None).log_prob(2.0)), 4)
        -1.3863
    """
    if high is None and not alpha < -1:
        raise ConfigError(f"alpha: expected a number below -1, as there is no high, but got {alpha}")
    if high is not None and not low < high:
        raise ConfigError(f"high: expected a number above low = {low}, but got {high}")
    return dist.LowerTruncatedPowerLaw(alpha, low) if high is None else dist.DoublyTruncatedPowerLaw(alpha, low, high)


def relaxed_bernoulli(temperature: Positive, probs: Between) -> dist.Distribution:
    """The concrete distribution on (0, 1), which is Bernoulli(probs) at temperature 0.

    Maddison, C. J., Mnih, A. and Teh, Y. W. (2017). The concrete distribution. ICLR, equation 26.

    Example:
        >>> round(float(relaxed_bernoulli(temperature=1.0, probs=0.5).log_prob(0.3)), 4)
        0.0
    """
    return dist.RelaxedBernoulli(temperature, probs=probs)


def dirichlet(concentration: Positive | Sequence[Positive]) -> dist.Distribution:
    """Dirichlet on probability vectors; one number stands for all shares alike.

    Example:
        >>> float(dirichlet(concentration=[1.0, 1.0, 1.0]).log_prob(jnp.array([0.2, 0.3, 0.5])).round(4))
        0.6931
    """
    return dist.Dirichlet(jnp.atleast_1d(jnp.asarray(concentration, float)))


def concentrations(key: str, prior: Any, size: int) -> Any:
    """A prior on probability vectors of this size; a Dirichlet of one number is spread over all shares.

    Args:
        key: where the prior stands.
        prior: on probability vectors.
        size: how many shares there are.

    Raises:
        ConfigError: it is one on vectors of another size.
    """
    given = prior.event_shape[0]
    if given == 1 and isinstance(prior, dist.Dirichlet):
        return dist.Dirichlet(jnp.broadcast_to(prior.concentration, (size,)))
    if given != size:
        raise ConfigError(
            f"{key}.concentration: expected one number, or {size} as there are {size} shares, but got {given}"
        )
    return prior


def multivariate_normal(
    loc: Finite | Sequence[Finite], covariance: Positive | Sequence[Sequence[Finite]]
) -> dist.Distribution:
    """A normal distribution of a vector; one number stands for all of its entries alike, and no correlations.

    Example:
        >>> joint = multivariate_normal(loc=0.0, covariance=[[1.0, 0.5], [0.5, 1.0]])
        >>> f"{joint.log_prob(jnp.zeros(2)):.4f}"
        '-1.6940'
    """
    matrix = np.atleast_2d(np.asarray(covariance, float))
    is_symmetric = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] and np.allclose(matrix, matrix.T)
    if not is_symmetric or np.linalg.eigvalsh(matrix)[0] <= 0:
        raise ConfigError(
            "covariance: expected a positive number, or the rows of a symmetric, positive definite matrix, but got "
            f"{matrix.tolist()}"
        )
    where = np.atleast_1d(np.asarray(loc, float))
    if where.size != len(matrix) and 1 not in (where.size, len(matrix)):
        raise ConfigError(
            f"loc: expected one number, or {len(matrix)} as the covariance has rows, but got {where.size}"
        )
    size = max(where.size, len(matrix))
    matrix = matrix * np.eye(size) if len(matrix) == 1 else matrix
    return dist.MultivariateNormal(jnp.broadcast_to(jnp.asarray(where), (size,)), jnp.asarray(matrix))


def vector(key: str, prior: Any, size: int) -> Any:
    """A prior on vectors of this size; a normal one of one number is spread over all entries.

    Args:
        key: where the prior stands.
        prior: on vectors.
        size: how many numbers there are.

    Raises:
        ConfigError: it is one on vectors of another size.
    """
    given = prior.event_shape[0]
    if given == 1 and isinstance(prior, dist.MultivariateNormal):
        return dist.MultivariateNormal(
            jnp.broadcast_to(prior.loc, (size,)), scale_tril=prior.scale_tril[0, 0] * jnp.eye(size)
        )
    if given != size:
        raise ConfigError(
            f"{key}: expected one number, or {size} as there are so many coefficients, but the prior is of {given}; "
            "give loc a number or a list, and covariance a number or rows, of this size"
        )
    return prior


def lkj(concentration: Positive) -> dist.Distribution:
    """Correlation matrices with density proportional to det(R)^(concentration - 1); of 1 it is uniform.

    The matrix has as many rows as what it is a prior of. Lewandowski, D., Kurowicka, D. and Joe, H. (2009). Generating
    random correlation matrices based on vines and extended onion method. Journal of Multivariate Analysis 100.

    Example:
        >>> round(float(lkj(concentration=1.0).log_prob(jnp.eye(2))), 4)
        -0.6931
    """
    return dist.LKJ(2, concentration)


def flat(support: str) -> dist.Distribution:
    """The improper prior whose density is 1 on `support`: `real`, `positive` or `unit_interval`.

    Example:
        >>> float(flat("positive").log_prob(3.0))
        0.0
    """
    if support not in _SUPPORTS:
        raise ConfigError(f"support: expected one of {', '.join(_SUPPORTS)}, but got {support!r}")
    prior = dist.ImproperUniform(_SUPPORTS[support], (), ())
    prior.support = _SUPPORTS[support]  # NumPyro wraps it, which hides its bounds
    return prior


def is_discrete(prior: Any) -> bool:
    """Whether a latent with this prior takes countably many values.

    Example:
        >>> is_discrete(dist.BernoulliProbs(probs=0.5)), is_discrete(uniform(low=0.0, high=1.0))
        (True, False)
    """
    return bool(prior.support.is_discrete)


class Placeholders(Messenger):
    """Gives latents with improper priors some value of their support, so that a program can be traced."""

    def process_message(self, msg: dict[str, Any]) -> None:
        """Fill in what cannot be drawn."""
        if msg["type"] == "sample" and msg["value"] is None and is_improper(msg["fn"]):
            transform = dist.biject_to(msg["fn"].support)
            msg["value"] = msg["infer"].get("initial")
            if msg["value"] is None:
                msg["value"] = transform(jnp.zeros(transform.inverse_shape(msg["fn"].shape())))
