"""The exchange algorithm (Murray, Ghahramani & MacKay 2006): Metropolis-Hastings where the likelihood's Z is unknown.

With every proposal theta' a data set y' is drawn from the model at theta'. In the acceptance ratio
p(theta') f(y; theta') f(y'; theta) / (p(theta) f(y; theta) f(y'; theta')) every Z cancels. It is exact if y' is; where
y' comes from chains that begin at the data, the ratio is off by as much as they have not forgotten it, which the
statistic `inner_drift` shows.
"""

from typing import Annotated, Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from numpyro.primitives import Messenger

from credo.errors import ConfigError
from credo.inference.density import Program, Values, constrain
from credo.inference.mcmc.kernels.mh import Mh, MhState, RandomWalkMetropolis
from credo.inference.mcmc.programs import Stats
from credo.models.binding import BoundModel
from credo.models.energy_distribution import states_at
from credo.models.problem import Problem
from credo.ranges import count


class Unnormalised(Messenger):
    """Leaves log Z out of the densities of observations."""

    def process_message(self, msg: dict[str, Any]) -> None:
        """Replace an observation's distribution."""
        if msg["type"] == "sample" and msg["is_observed"] and hasattr(msg["fn"], "unnormalised"):
            msg["fn"] = msg["fn"].unnormalised()


class ExchangeKernel(RandomWalkMetropolis):
    """As its parent, with the exchange of a data set in each proposal.

    Args:
        model: a NumPyro program without arguments, whose site y is an `EnergyDistribution`.
        transitions: of the inner chains.
        settings: see `RandomWalkMetropolis`.
    """

    def __init__(self, model: Program, transitions: int, *settings: Any) -> None:
        super().__init__(Unnormalised(model), *settings)
        self._full, self._transitions = model, transitions

    def _correction(self, state: MhState, proposed: Values, key: Array) -> tuple[Array, Array]:
        """Log f(y'; theta) - log f(y'; theta') of new data y', and its drift."""
        here, _ = self._states(state.z)
        there, y = self._states(proposed)
        drawn = there.exactly(key)
        drift = jnp.zeros_like(state.log_density)
        if drawn is None:
            first_key, second_key = jax.random.split(key)
            half = max(self._transitions // 2, 1)
            middle = there.moved(y, first_key, half)
            drawn = there.moved(middle, second_key, half)
            before, after = there.energy.batch(middle), there.energy.batch(drawn)
            spread = jnp.sqrt(0.5 * (jnp.var(before) + jnp.var(after)))
            drift = (after.mean() - before.mean()) / jnp.maximum(spread, 1e-12)
        exchanged = there.energy.batch(drawn).sum() - here.energy.batch(drawn).sum()
        return exchanged.astype(state.log_density.dtype), drift.astype(state.log_density.dtype)

    def _states(self, z: Values) -> Any:
        return states_at(self._full, constrain(self._full, z))


class Exchange(Mh):
    """The posterior of an energy-based model, whether or not Z is tractable.

    Attributes:
        transitions: of the inner chains, which begin at the data; where states can be drawn exactly they are.
    """

    transitions: Annotated[int, count(2, 1_000_000)] = eqx.field(static=True)

    method: ClassVar[str] = "exchange"

    def check(self, problem: Problem) -> None:
        """As `Mh`; and the model must be one of energies."""
        if not problem.model.has_energy:
            raise ConfigError(
                "inference=exchange draws data from a model whose Z is unknown, which only model=ebm has; use "
                "inference=mh"
            )
        super().check(problem)

    def require_likelihood(self, problem: Problem) -> None:
        """None is needed."""

    def kernel(self, program: BoundModel) -> ExchangeKernel:
        """Our own kernel."""
        return ExchangeKernel(program, self.transitions, self.scale, self.target_accept, self.adapt)

    def stats(self, state: MhState) -> Stats:
        """As `Mh`, and the drift of the inner draws."""
        return {**super().stats(state), "inner_drift": state.drift}
