"""What a kernel of Markov chains offers: its settings, `init` and `step`; and what it may offer besides.

A kernel's file has one order: State, Info, the public class with its settings, `init`, `step`, hooks. A State is all
that a chain carries on, its PRNG key included; an Info is what one step reports and nobody carries on. Both are
`NamedTuple`s. An Info's fields are scalars by ArviZ's names for `sample_stats`, and a kernel reports those that it has:

- `acceptance_rate` of the step's proposals, `lp` the log density, `diverging`, `step_size`, `energy`, `tree_depth`;
- `n_steps`: evaluations of the log density (of its gradient, where `uses_gradients`); without it a step counts as one.

Over the steps of one draw flags are joined, whole numbers added, and other numbers are those of the last step.
"""

import abc
import dataclasses
from pkgutil import resolve_name
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, PRNGKeyArray, Shaped

from credo.config.naming import Named
from credo.inference.mcmc.layout import Layout
from credo.inference.result import Result
from credo.inference.start import Start
from credo.models.binding import BoundModel
from credo.models.problem import Problem


class Kernel(Named, eqx.Module):
    """One step of a Markov chain. Numbers of its settings are leaves, so that another step size never recompiles."""

    info: ClassVar[Any]
    """The type of what a step reports."""
    chain_method: ClassVar[str] = "sequential"
    """How the chains of one CPU run by default."""
    uses_gradients: ClassVar[bool] = True
    moves_discrete: ClassVar[bool] = False
    """Whether it moves discrete latents; else they are summed out."""
    learns_across: ClassVar[bool] = False
    """Whether chains learn from each other at every step of the warm-up, for which they run in step."""
    takes_over: ClassVar[bool] = False
    """Whether chains that begin where others are, with their metric and step size, need a part of the warm-up only."""
    settles: ClassVar[bool] = False
    """Whether the warm-up is over when step size and metric have settled, so that `warmup=auto` can tell."""
    whole: ClassVar[str] = "credo.inference.mcmc.mcmc.Mcmc"
    """The method that this is a part of: a configuration has the settings of both side by side."""

    @classmethod
    def assemble(cls, **settings: Any) -> Any:
        """The method (`whole`) with this kernel, from the settings of both."""
        own = {one.name: settings.pop(one.name) for one in dataclasses.fields(cls) if one.name in settings}
        return resolve_name(cls.whole)(**settings, kernel=cls(**own))

    @abc.abstractmethod
    def init(self, program: BoundModel, start: Start, key: PRNGKeyArray, warmup: int) -> Any:
        """The State of a chain that begins at a point.

        Args:
            program: the model with its data; see `density.potential`.
            start: the point; its log density is finite, unless 100 tries did not suffice.
            key: the chain's own.
            warmup: steps of the warm-up.
        """

    @abc.abstractmethod
    def step(self, program: BoundModel, state: Any, warmup: int) -> tuple[Any, Any]:
        """The next State, and the Info of the step."""

    def latents(self, state: Any) -> dict[str, Any]:
        """A state's latents by site: continuous ones unconstrained, discrete ones as they are."""
        z: dict[str, Any] = state.z
        return z

    def log_density(self, state: Any) -> Float[Array, ""]:
        """The log density at a state, in unconstrained space."""
        log_density: jax.Array = state.log_density
        return log_density

    def is_finite(self, state: Any) -> Bool[Array, ""]:
        """Whether a chain can go on from a state."""
        return jnp.isfinite(self.log_density(state))

    def check(self, problem: Problem) -> None:
        """Raise `ConfigError` if this kernel cannot do this problem. Compiles nothing."""
        self.require_likelihood(problem)

    def require_likelihood(self, problem: Problem) -> None:
        """Raise `ConfigError` if this kernel needs a likelihood that cannot be computed."""
        problem.require_normalised(f"inference={self.name}")

    def round(self, problem: Problem, thinning: int) -> int:  # noqa: ARG002 - of those that move several walkers in turn
        """So many neighbouring draws of a chain belong together, one of each of its walkers."""
        return 1

    def together(self, chains: int) -> int:  # noqa: ARG002 - of those whose chains are many and short
        """So many neighbouring chains begin at one point."""
        return 1

    def suited(self, problem: Problem) -> Self:  # noqa: ARG002 - of those that leave something open
        """This kernel with what it chooses by the problem."""
        return self

    @property
    def targets(self) -> tuple[float, ...]:
        """The acceptance rates to which a step size adapts, one after another; none where nothing like that adapts."""
        return ()

    def aimed(self, target: float) -> Self:  # noqa: ARG002 - of those that have several
        """This kernel with one of its `targets`."""
        return self

    def gathered(self, states: Any, layout: Layout) -> Any:  # noqa: ARG002 - of those that adapt
        """The first states with what the beginnings of all chains tell together, where there is a warm-up."""
        return states

    def windows(self, warmup: int) -> tuple[int, ...]:  # noqa: ARG002 - of those that adapt
        """The draws of the warm-up after which `adapt_metric` is called."""
        return ()

    def gradients(self, state: Any) -> Any:  # noqa: ARG002 - of those that adapt
        """What `adapt_metric` needs of a state besides its latents: gradients of the potential [dim], flat."""
        return None

    def adapt_metric(
        self,
        states: Any,
        z: Float[np.ndarray, "chains draws dim"],  # noqa: ARG002
        gradients: Shaped[np.ndarray, "chains draws ..."],  # noqa: ARG002
        layout: Layout,  # noqa: ARG002
    ) -> Any:
        """The states with what all chains together have learned, at the end of a window of the warm-up.

        Args:
            states: of all chains.
            z: continuous latents of recent draws, flat and unconstrained.
            gradients: what `gradients` returned for them.
            layout: how the chains run.
        """
        return states

    def suits(
        self,
        states: Any,  # noqa: ARG002
        z: Float[np.ndarray, "chains draws dim"],  # noqa: ARG002
        gradients: Shaped[np.ndarray, "chains draws ..."],  # noqa: ARG002
    ) -> float:
        """How badly the metric of states suits draws (see `metric_fit.divergence`), where it `settles`."""
        return 0.0

    def warmed(self, states: Any, step_size: float, steps: int, layout: Layout) -> Any:  # noqa: ARG002
        """The states as after so many steps of the warm-up that need not be made, where `takes_over`.

        Args:
            states: of all chains, which begin where others of a like problem are, and have their metric.
            step_size: with which those ended; 0 where it is not known.
            steps: of the warm-up.
            layout: how the chains run.
        """
        return states

    def settled(self, states: Any, layout: Layout) -> Any:  # noqa: ARG002
        """The states as after the whole warm-up, of which the rest need not be made."""
        return states

    def ahead(self, states: Any, layout: Layout) -> None:
        """Let threads compile what the warm-up calls between its blocks.

        Args:
            states: the shapes of the states of all chains.
            layout: how they run.
        """

    def derived(self, problem: Problem, states: Any, result: Result, layout: Layout) -> Result:  # noqa: ARG002
        """The result with what only the kernel can add to it, from the last states of all chains."""
        return result
