"""Five tasks of the benchmark sbibm as NumPyro programs, for `experiments/benchmarks/sbibm.py`.

Lueckmann, Boelts, Greenberg, Gonçalves and Macke (2021), "Benchmarking simulation-based inference", AISTATS. Where the
benchmark has methods that only simulate, these programs have the likelihood. Each function is named like its task:

    credo model=program model.function=experiments.sbibm:gaussian_linear data=inline 'data.values=[0.5,-0.2,0.1]'
"""

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpyro.distributions import constraints


def gaussian_linear(y: Array) -> None:
    """Means of a normal with known variance; the variances of prior and noise are 0.1."""
    with numpyro.plate("obs", len(y)):
        theta = numpyro.sample("theta", dist.Normal(0, jnp.sqrt(0.1)))
        numpyro.sample("y", dist.Normal(theta, jnp.sqrt(0.1)), obs=y)


def gaussian_linear_uniform(y: Array) -> None:
    """The same with a uniform prior, whose ends cut the posterior off."""
    with numpyro.plate("obs", len(y)):
        theta = numpyro.sample("theta", dist.Uniform(-1, 1))
        numpyro.sample("y", dist.Normal(theta, jnp.sqrt(0.1)), obs=y)


def bernoulli_glm(y: Array, design_matrix: Array) -> None:
    """Spikes of a neuron: an offset, and a filter whose prior makes its second differences small."""
    size = design_matrix.shape[1] - 1
    difference = jnp.eye(size) - jnp.eye(size, k=-1)
    roughness = difference @ difference + jnp.diag(jnp.sqrt(jnp.arange(size) / size))
    precision = jax.scipy.linalg.block_diag(0.5, roughness.T @ roughness)
    theta = numpyro.sample("theta", dist.MultivariateNormal(jnp.zeros(size + 1), precision_matrix=precision))
    with numpyro.plate("obs", len(y)):
        numpyro.sample("y", dist.BernoulliLogits(design_matrix @ theta), obs=y)


def gaussian_mixture(y: Array) -> None:
    """The common mean of a wide and a narrow normal, from one point."""
    with numpyro.plate("parameter", len(y)):
        theta = numpyro.sample("theta", dist.Uniform(-10, 10))
    components = dist.Normal(theta, jnp.array([[1.0], [0.1]])).to_event(1)
    numpyro.sample("y", dist.MixtureSameFamily(dist.CategoricalProbs(jnp.array([0.5, 0.5])), components), obs=y)


class Crescent(dist.Distribution):
    """Half a ring in the plane: loc + r (cos a, sin a) with r ~ N(0.1, 0.01), a ~ U(-pi/2, pi/2).

    Every point of the plane has one such r and a if r takes the sign of the first coordinate; the density is therefore
    N(r) / (pi |r|), finite all around, and grows towards the crescent.
    """

    arg_constraints = {"loc": constraints.real_vector}  # noqa: RUF012 - as NumPyro writes it
    support = constraints.real_vector
    radius = dist.Normal(0.1, 0.01)
    angle = dist.Uniform(-jnp.pi / 2, jnp.pi / 2)

    def __init__(self, loc: Array, *, validate_args: bool | None = None) -> None:
        self.loc = loc
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=validate_args)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw radius and angle."""
        radius_key, angle_key = jax.random.split(key)
        shape = (*sample_shape, *self.batch_shape)
        r, a = self.radius.sample(radius_key, shape), self.angle.sample(angle_key, shape)
        return self.loc + jnp.stack([r * jnp.cos(a), r * jnp.sin(a)], axis=-1)

    def log_prob(self, value: Array) -> Array:
        """The density in polar coordinates."""
        across, along = jnp.moveaxis(value - self.loc, -1, 0)
        distance = jnp.hypot(across, along)
        return self.radius.log_prob(jnp.where(across < 0, -distance, distance)) - jnp.log(jnp.pi * distance)


def two_moons(y: Array) -> None:
    """Two parameters, of which the point (-|theta_1 + theta_2|, theta_2 - theta_1) / sqrt(2) says two crescents."""
    with numpyro.plate("parameter", 2):
        theta = numpyro.sample("theta", dist.Uniform(-1, 1))
    centre = jnp.stack([0.25 - jnp.abs(theta[0] + theta[1]) / jnp.sqrt(2), (theta[1] - theta[0]) / jnp.sqrt(2)])
    numpyro.sample("y", Crescent(centre), obs=y)
