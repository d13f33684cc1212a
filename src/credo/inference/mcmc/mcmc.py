"""Markov chain Monte Carlo: settings around a kernel, and a run from the first state to the result.

Two compiled programs do the work (`programs`), in blocks; between blocks the host has all the state (`blocks`).
"""

from typing import ClassVar

import jax
import numpy as np

from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Listener
from credo.inference.calls import Calls, alone
from credo.inference.kind import Kind
from credo.inference.mcmc.blocks import BlockLoop
from credo.inference.mcmc.programs import keys_of
from credo.inference.mcmc.settings import Settings
from credo.inference.result import Result
from credo.inference.resumable import resumable
from credo.models.problem import Problem


class Mcmc(Settings):
    """A Markov chain Monte Carlo method."""

    gives_evidence: ClassVar[bool] = False
    extends: ClassVar[str] = "draws"

    @property
    def in_turn(self) -> bool:
        """Whether the chains of a device run one after another: their draws do not depend on how many there are."""
        return not self.in_step

    def kind(self, problem: Problem) -> Kind:  # noqa: ARG002 - for those that train
        """What its answer is made of."""
        return Kind.CHAINS

    def run(
        self, problem: Problem, key: jax.Array, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Result:
        """Run the chains.

        Raises:
            RunError: no starting point has a finite log density.
        """
        return alone(self.calls(problem, key, listener, checkpointer))

    def calls(
        self, problem: Problem, key: jax.Array, listener: Listener, checkpointer: Checkpointer = NO_CHECKPOINTER
    ) -> Calls:
        """As `run`, by whoever makes the calls."""
        chosen = self.suited(problem)
        loop = BlockLoop(chosen, problem, keys_of(key, self.chains), listener, checkpointer.spill)
        now = yield from resumable(loop, checkpointer)
        return chosen.kernel.derived(problem, now.states, loop.result(now), loop.layout)

    def gains_by_batching(self, problem: Problem) -> bool:
        """On a CPU not those that wait for the longest tree, nor those whose density has products with a table of data.

        How such a product is rounded depends on how many columns it has, and chains that adapt do not forget it.
        """
        if jax.default_backend() != "cpu":
            return self.in_step
        tables = any(np.ndim(array) > 1 for array in problem.bound.arrays.values())
        return self.in_step and self.kernel.chain_method == "vectorized" and not tables
