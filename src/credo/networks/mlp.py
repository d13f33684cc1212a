"""The multilayer perceptron: linear layers with an activation between them."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float, PRNGKeyArray

from credo.errors import ConfigError
from credo.networks import functional

NORMS = ("none", "layer", "group")

Films = Sequence[tuple[Float[Array, "_"], Float[Array, "_"]]]
"""(gamma, beta) for each layer of a network, each [features]."""


class MLP(eqx.Module):
    """h_l = a(norm(W_l h_{l-1} + b_l)) [+ h_{l-1}], h_0 = x, and the output W h_L + b.

    Linear layers begin uniform within 1/sqrt(inputs), as PyTorch's and Equinox's do.

    Example:
        >>> import jax.numpy as jnp
        >>> network = MLP(inputs=2, outputs=3, widths=[8, 8], key=jax.random.key(0))
        >>> network(jnp.ones(2)).shape, jax.vmap(network)(jnp.ones((5, 2))).shape
        ((3,), (5, 3))

    Attributes:
        layers: The hidden layers.
        norms: What follows each: a layer norm, a group norm (Wu & He 2018) or nothing.
        head: The last layer, without an activation.
        activation: One of `functional.ACTIVATIONS`.
        residual: Each hidden layer that has as many inputs as outputs adds to its input (He et al. 2016).
    """

    layers: tuple[eqx.nn.Linear, ...]
    norms: tuple[eqx.nn.LayerNorm | eqx.nn.GroupNorm | None, ...]
    head: eqx.nn.Linear
    activation: str = eqx.field(static=True)
    residual: bool = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: Sequence[int],
        *,
        activation: str = "mish",
        norm: str = "none",
        groups: int = 1,
        residual: bool = False,
        dtype: DTypeLike = jnp.float32,
        layer: str = "mlp",
        key: PRNGKeyArray,
    ):
        """A network of `inputs` features, hidden layers of `widths` features and `outputs`.

        Args:
            inputs: Features of x.
            outputs: Features of the output.
            widths: Features of each hidden layer; without any, the network is linear.
            activation: One of `functional.ACTIVATIONS`.
            norm: `none`, `layer` or `group`.
            groups: The groups of `group`.
            residual: Whether hidden layers of one width add to their input.
            dtype: Of the weights.
            layer: What an error names.
            key: The weights' seed.

        Raises:
            ConfigError: For unknown words, sizes less than one, and groups that do not divide a width.
        """
        functional.check_word(activation, tuple(functional.ACTIVATIONS), key=f"{layer}.activation")
        functional.check_word(norm, NORMS, key=f"{layer}.norm")
        sizes = (inputs, *widths)
        functional.check_counts(layer=layer, inputs=inputs, outputs=outputs, widths=min(widths, default=1))
        first, *keys = jax.random.split(key, len(sizes))
        self.layers = tuple(
            eqx.nn.Linear(n, m, dtype=dtype, key=k) for n, m, k in zip(sizes[:-1], widths, keys, strict=True)
        )
        self.norms = tuple(_norm(norm, n, groups, dtype, f"{layer}.norms[{i}]") for i, n in enumerate(widths))
        self.head = eqx.nn.Linear(sizes[-1], outputs, dtype=dtype, key=first)
        self.activation, self.residual = activation, residual

    @property
    def sites(self) -> tuple[int, ...]:
        """The features of each layer that FiLM modulates."""
        return tuple(layer.weight.shape[0] for layer in self.layers)

    def __call__(self, x: Float[Array, "..."], films: Films = ()) -> Float[Array, "outputs"]:
        """The output for x [inputs]; `films` act between norm and activation."""
        functional.check_shape(x, (*self.layers, self.head)[0].weight.shape[1:], layer="mlp")
        activation = functional.ACTIVATIONS[self.activation]
        modulations = iter(films)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = layer(x)
            h = h if norm is None else norm(h)
            h = activation(functional.film(h, *film) if (film := next(modulations, None)) else h)
            x = x + h if self.residual and x.shape == h.shape else h
        return self.head(x)


def _norm(
    word: str, width: int, groups: int, dtype: DTypeLike, layer: str
) -> eqx.nn.LayerNorm | eqx.nn.GroupNorm | None:
    if word == "group":
        return functional.group_norm(groups, width, dtype=dtype, layer=layer)
    if word == "layer" and width == 1:
        raise ConfigError(f"{layer}: a layer of one number is normalised to 0; choose a larger width")
    return eqx.nn.LayerNorm(width, dtype=dtype) if word == "layer" else None
