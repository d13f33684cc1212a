"""The path of L-BFGS towards a mode, and the best of the normal distributions along it.

Zhang, Carpenter, Gelman and Vehtari (2022), "Pathfinder: Parallel quasi-Newton variational inference", JMLR 23(306),
algorithms 1, 3 and 4. At each point the inverse Hessian that L-BFGS has learned is the covariance of a normal
distribution; that with the highest ELBO is kept, which is often far from the mode.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float, Int

from credo.inference.density import Values
from credo.inference.point.derivatives import LogDensity
from credo.inference.point.lbfgs import Lbfgs
from credo.inference.point.optimiser import StartState
from credo.inference.variational.family import Family, log_normal
from credo.models.binding import BoundModel

PAIRS = 10
"""Steps and changes of the gradient that are remembered, as in optax's L-BFGS."""

_CURVED = 1e-12
"""A step along which the log density does not curve downwards by more, relative to the gradient's change, is left."""


class Curved(NamedTuple):
    """What the path has learned of the curvature.

    - **moves** - the last steps, the newest last; zeros where there is none.
    - **falls** - by how much the gradient of the log density fell along each.
    - **diagonal** - of the inverse Hessian from which the pairs start.
    """

    moves: Float[Array, "*start pairs dim"]
    falls: Float[Array, "*start pairs dim"]
    diagonal: Float[Array, "*start dim"]

    def with_pair(self, move: Float[Array, "dim"], fall: Float[Array, "dim"]) -> "Curved":
        """One more pair, and the diagonal that follows from it (Gilbert and Lemaréchal 1989)."""
        a, b = jnp.sum(self.diagonal * fall**2), jnp.dot(fall, move)
        c = jnp.sum(move**2 / self.diagonal)
        inverse = a / (b * self.diagonal) + fall**2 / b - a * move**2 / (b * c * self.diagonal**2)
        return Curved(
            jnp.concatenate([self.moves[1:], move[None]]), jnp.concatenate([self.falls[1:], fall[None]]), 1 / inverse
        )

    def normal(self, z: Float[Array, "dim"], gradient: Float[Array, "dim"]) -> "QuasiNewton":
        """The normal distribution at a point with this gradient of the log density."""
        none = QuasiNewton(z, jnp.sqrt(self.diagonal), self.moves, jnp.zeros_like(self.moves))

        def add(i: Int[Array, ""], normal: QuasiNewton) -> QuasiNewton:
            move, fall = self.moves[i], self.falls[i]
            curvature, across = jnp.dot(move, fall), normal.precision(move)
            turn = jnp.sqrt(1 / (curvature * jnp.dot(move, across))) * across - fall / curvature
            turns = normal.turns.at[i].set(jnp.where(curvature > 0, turn, 0.0))
            return eqx.tree_at(lambda one: one.turns, normal, turns)

        normal: QuasiNewton = lax.fori_loop(0, PAIRS, add, none)
        return eqx.tree_at(lambda one: one.mean, normal, z + normal.covariance(gradient))


class QuasiNewton(Family):
    """A normal distribution whose covariance is the inverse Hessian of L-BFGS, by a root of it.

    Where a pair (s, y) updates the inverse Hessian H = R R' to (I - s y'/s'y) H (I - y s'/s'y) + s s'/s'y, it updates
    the root to (I + s t') R with t = H^-1 s / sqrt(s'y s'H^-1 s) - y/s'y (Brodlie, Gourlay and Greenstadt 1973,
    "Rank-one and rank-two corrections to positive definite matrices expressed in product form", IMA Journal of Applied
    Mathematics 11(1)). No matrix is formed or decomposed.

    Attributes:
        mean: of it.
        scale: of the diagonal root from which the pairs start.
        moves: s of each pair; zeros where there is none.
        turns: t of each pair.
    """

    mean: Float[Array, "*start dim"]
    scale: Float[Array, "*start dim"]
    moves: Float[Array, "*start pairs dim"]
    turns: Float[Array, "*start pairs dim"]

    def draw(self, noise: Float[Array, "dim"]) -> tuple[Float[Array, "dim"], Float[Array, ""]]:
        """A draw, and its log density."""
        return self.mean + self._root(noise), log_normal(noise) - self._log_det()

    def log_density(self, z: Float[Array, "dim"]) -> Float[Array, ""]:
        """The log density."""
        return log_normal(self.noise(z)) - self._log_det()

    def noise(self, z: Float[Array, "dim"]) -> Float[Array, "dim"]:
        """That from which a draw is made."""
        return self._solve(z - self.mean)

    def covariance(self, x: Float[Array, "dim"]) -> Float[Array, "dim"]:
        """Its product with a vector."""
        turned = _through(self.turns, self.moves, x, 1.0, reverse=True)
        return self._root(self.scale * turned)

    def precision(self, x: Float[Array, "dim"]) -> Float[Array, "dim"]:
        """The product of the inverse of the covariance with a vector."""
        return _through(self.turns, self.moves, self._solve(x) / self.scale, -1 / self._stretch())

    def _root(self, noise: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return _through(self.moves, self.turns, self.scale * noise, 1.0)

    def _solve(self, x: Float[Array, "dim"]) -> Float[Array, "dim"]:
        return _through(self.moves, self.turns, x, -1 / self._stretch(), reverse=True) / self.scale

    def _stretch(self) -> Float[Array, "pairs"]:
        return 1 + jnp.sum(self.moves * self.turns, axis=1)

    def _log_det(self) -> Float[Array, ""]:
        return jnp.sum(jnp.log(self.scale)) + jnp.sum(jnp.log(self._stretch()))


def _through(
    left: Float[Array, "pairs dim"],
    right: Float[Array, "pairs dim"],
    x: Float[Array, "dim"],
    factor: float | Float[Array, "pairs"],
    *,
    reverse: bool = False,
) -> Float[Array, "dim"]:
    """One after the other, x + factor left (right . x)."""

    def one(x: Array, pair: tuple[Array, Array, Array]) -> tuple[Array, None]:
        along, across, by = pair
        return x + by * along * jnp.dot(across, x), None

    factors = jnp.broadcast_to(jnp.asarray(factor, x.dtype), len(left))
    return jnp.asarray(lax.scan(one, x, (left, right, factors), reverse=reverse)[0])


class PathState(NamedTuple):
    """What is carried along a path.

    - **lbfgs** - optax's state.
    - **curved** - what was learned of the curvature.
    - **best** - the normal distribution with the highest ELBO so far.
    - **elbo** - its ELBO in nats; minus infinity before the first.
    - **course** - the ELBO after each step, NaN where there is none.
    """

    lbfgs: Any
    curved: Curved
    best: QuasiNewton
    elbo: Float[Array, "*start"]
    course: Float[Array, "*start steps"]


class Path(Lbfgs):
    """L-BFGS that looks at a normal distribution at every step.

    Attributes:
        steps: at most.
        elbo_draws: from which an ELBO is estimated.
    """

    steps: int = eqx.field(static=True)
    elbo_draws: int = eqx.field(static=True)

    def init(self, z: Values) -> PathState:
        """Nothing is known of the curvature."""
        flat = ravel_pytree(z)[0]
        none = jnp.zeros((PAIRS, flat.size), flat.dtype)
        curved = Curved(none, none, jnp.ones_like(flat))
        lowest, course = jnp.array(-jnp.inf, flat.dtype), jnp.full(self.steps, jnp.nan, flat.dtype)
        return PathState(super().init(z), curved, curved.normal(flat, jnp.zeros_like(flat)), lowest, course)

    def step(self, density: LogDensity, rows: tuple[str, ...], program: BoundModel, state: StartState) -> StartState:
        """One step, and a look where it led."""
        path: PathState = state.optimiser
        new = super().step(density, rows, program, state._replace(optimiser=path.lbfgs))
        move = ravel_pytree(new.z)[0] - ravel_pytree(state.z)[0]
        fall = ravel_pytree(state.gradient)[0] - ravel_pytree(new.gradient)[0]
        is_curved = new.finite & (jnp.dot(move, fall) > _CURVED * jnp.sum(fall**2))
        curved = _where(is_curved, path.curved.with_pair(move, fall), path.curved)
        normal = curved.normal(ravel_pytree(new.z)[0], ravel_pytree(new.gradient)[0])
        key = jax.random.fold_in(state.rng_key, state.steps)
        elbo = jnp.where(is_curved, self._elbo(density, program, state.z, normal, key), -jnp.inf)
        looked = PathState(
            lbfgs=new.optimiser,
            curved=curved,
            best=_where(elbo > path.elbo, normal, path.best),
            elbo=jnp.maximum(elbo, path.elbo),
            course=path.course.at[state.steps].set(elbo),
        )
        return new._replace(optimiser=looked)

    def _elbo(self, density: LogDensity, program: BoundModel, z: Values, normal: QuasiNewton, key: Array) -> Array:
        """The mean of log p - log q over draws of the normal distribution; minus infinity where it is no number."""
        flat, unravel = ravel_pytree(z)

        def ratio(noise: Array) -> Array:
            drawn, log_q = normal.draw(noise)
            return density.log_density(program, unravel(drawn)) - log_q

        mean = jnp.mean(jax.vmap(ratio)(jax.random.normal(key, (self.elbo_draws, flat.size), flat.dtype)))
        return jnp.where(jnp.isfinite(mean), mean, -jnp.inf)


def _where[T](holds: Bool[Array, ""], yes: T, no: T) -> T:
    chosen: T = jax.tree.map(lambda a, b: jnp.where(holds, a, b), yes, no)
    return chosen
