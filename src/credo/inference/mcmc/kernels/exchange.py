"""The exchange algorithm (Murray, Ghahramani & MacKay 2006): Metropolis-Hastings where the likelihood's Z is unknown.

With every proposal theta' a data set y' is drawn from the model at theta'. In the acceptance ratio
p(theta') f(y; theta') f(y'; theta) / (p(theta) f(y; theta) f(y'; theta')) every Z cancels. It is exact if y' is; where
y' comes from chains that begin at the data, the ratio is off by as much as they have not forgotten it, which the
statistic `inner_drift` shows.
"""

from typing import Annotated, Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray
from numpyro import handlers
from numpyro.primitives import Messenger

from credo.errors import ConfigError
from credo.inference.density import Program, Values, constrain
from credo.inference.mcmc.kernels.mh import Mh, MhInfo, MhState, Target
from credo.models.problem import Problem
from credo.ranges import count


class Unnormalised(Messenger):
    """Leaves log Z out of the densities of observations."""

    def process_message(self, msg: dict[str, Any]) -> None:
        """Replace an observation's distribution."""
        if msg["type"] == "sample" and msg["is_observed"] and hasattr(msg["fn"], "unnormalised"):
            msg["fn"] = msg["fn"].unnormalised()


class ExchangeInfo(NamedTuple):
    """What an iteration reports: as `MhInfo`, and how far its new data had not forgotten the old.

    - **inner_drift** - how far the energies of the inner draws still moved in the second half of their chains, in
      standard deviations; 0 where states are drawn exactly.
    """

    acceptance_rate: Array
    lp: Array
    n_steps: Array
    step_size: Array
    nan_proposals: Array
    inner_drift: Array


class Exchange(Mh):
    """The posterior of an energy-based model, whether or not Z is tractable.

    Attributes:
        transitions: of the inner chains, which begin at the data; where states can be drawn exactly they are.
    """

    transitions: Annotated[int, count(2, 1_000_000)] = eqx.field(static=True)

    info: ClassVar[Any] = ExchangeInfo

    def target(self, program: Program) -> Target:
        """The density without log Z."""
        return super().target(Unnormalised(program))._replace(program=program)

    def correction(
        self, target: Target, state: MhState, proposed: Values, key: PRNGKeyArray
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Log f(y'; theta) - log f(y'; theta') of new data y', and its drift."""
        here, _ = _states(target.program, state.z)
        there, y = _states(target.program, proposed)
        drawn = there.exactly(key)
        drift = jnp.zeros_like(state.log_density)
        if drawn is None:
            first_key, second_key = jax.random.split(key)
            half = max(self.transitions // 2, 1)
            middle = there.moved(y, first_key, half)
            drawn = there.moved(middle, second_key, half)
            before, after = there.energy.batch(middle), there.energy.batch(drawn)
            spread = jnp.sqrt(0.5 * (jnp.var(before) + jnp.var(after)))
            drift = (after.mean() - before.mean()) / jnp.maximum(spread, 1e-12)
        exchanged = there.energy.batch(drawn).sum() - here.energy.batch(drawn).sum()
        return exchanged.astype(state.log_density.dtype), drift.astype(state.log_density.dtype)

    def reported(self, info: MhInfo, drift: Float[Array, ""]) -> ExchangeInfo:
        """The Info of an iteration."""
        return ExchangeInfo(*info, inner_drift=drift)

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


def _states(program: Program, z: Values) -> Any:
    """The distribution of the observations at unconstrained latents, and the observations as states [row, dim]."""
    seeded = handlers.seed(program, jax.random.PRNGKey(0))
    message = handlers.trace(handlers.substitute(seeded, data=constrain(program, z))).get_trace()["y"]
    return message["fn"], message["fn"].states(message["value"])
