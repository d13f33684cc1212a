"""What is kept of the draws of Markov chains, block by block, and how precise they are by now."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray, Shaped

from credo.inference.assemble import assemble
from credo.inference.convergence import running
from credo.inference.evaluate import Evaluation
from credo.inference.lazy import Joined
from credo.inference.mcmc.chain_state import Block
from credo.inference.mcmc.settings import Settings
from credo.models.problem import Problem

MOST_BYTES = 2**28
"""Draws that need more memory than this are put out of it block by block, and read from there."""


class Group(Mapping[str, np.ndarray]):
    """One group of a block, by site, or some sites of it; its arrays are read when they are asked for."""

    def __init__(self, block: Block, group: str, only: Sequence[str] | None = None) -> None:
        sites = [name.split("/", 1)[1] for name in block if name.startswith(f"{group}/")]
        self._block, self._group = block, group
        self._sites = [site for site in sites if only is None or site in only]

    def __getitem__(self, site: str) -> Shaped[np.ndarray, "chains draws ..."]:
        return self._block[f"{self._group}/{site}"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sites)

    def __len__(self) -> int:
        return len(self._sites)


class Draws:
    """Turns draws into blocks, and blocks into a tree.

    Args:
        settings: of the chains.
        problem: the model and its data.
        key: for what is derived from the draws.
        most: draws of all chains that come at once, at most.
        spill: puts a block out of memory; called where all draws would need too much of it.
    """

    def __init__(
        self, settings: Settings, problem: Problem, key: PRNGKeyArray, most: int, spill: Callable[[Block], Block]
    ) -> None:
        self._settings, self._problem, self._spill = settings, problem, spill
        self._grouping = settings.grouping(problem)
        self._evaluate = Evaluation(problem, key, most=most)

    def ahead(self, latents: Mapping[str, jax.ShapeDtypeStruct]) -> None:
        """Let a thread compile what `block` calls, for latents of such shapes."""
        self._evaluate.ahead(latents)

    def block(
        self,
        latents: Mapping[str, Shaped[np.ndarray, "chains draws ..."]],
        info: Mapping[str, Shaped[np.ndarray, "chains draws"]],
        first: int,
    ) -> Block:
        """What is derived from draws, and what the kernel reported of them.

        Args:
            latents: by site, as `Kernel.latents` has them.
            info: by name.
            first: the number of the first of the draws.
        """
        groups: dict[str, Mapping[str, Any]] = {**self._evaluate(latents, first), "sample_stats": _statistics(info)}
        if (keep := self._settings.keep) is not None:
            posterior = groups["posterior"]
            groups["posterior"] = {name: values for name, values in posterior.items() if name in keep}
            rest = {name: values for name, values in posterior.items() if name not in keep}
            groups |= _moments(rest) if self._settings.moments else {}
        block = {f"{group}/{site}": values for group, sites in groups.items() for site, values in sites.items()}
        count = next(iter(latents.values())).shape[1]
        if sum(values.nbytes for values in block.values()) / count * self._settings.draws > MOST_BYTES:
            return self._spill(block)
        return block

    def precision(self, blocks: Sequence[Block]) -> dict[str, float]:
        """How precise the chains are by now: `r_hat_max`, `ess_bulk_min`, and what the rule of `stop` needs."""
        stop = self._settings.stop
        if stop is None:
            return running([Group(block, "posterior") for block in blocks], grouping=self._grouping)
        judged = [Group(block, "posterior", stop.variables) for block in blocks]
        return running(judged, None, dict.fromkeys(("r_hat", "ess_bulk", *stop.targets)), self._grouping)

    def tree(self, blocks: Sequence[Block], start: Mapping[str, Shaped[np.ndarray, "chain ..."]]) -> xr.DataTree:
        """All blocks as one tree; and where the chains began, by latent, unconstrained."""
        groups: dict[str, dict[str, Any]] = {}
        for name in blocks[0]:
            if not all(name in block for block in blocks):
                continue  # it could not be derived any more
            group, site = name.split("/", 1)
            joined = Joined(blocks, name)
            groups.setdefault(group, {})[site] = joined if joined.nbytes > MOST_BYTES else joined.whole()
        if "start" not in self._problem.left_out:
            groups["start"] = self._beginnings(start)
        tree = assemble(self._problem, groups, self._evaluate.missing)
        tree["posterior"].attrs |= self._grouping.attributes
        return tree

    def _beginnings(
        self, start: Mapping[str, Shaped[np.ndarray, "chain ..."]]
    ) -> dict[str, Shaped[np.ndarray, "chain ..."]]:
        """Where the chains began, of what the verdict is about, in the latents' own space."""
        points = self._evaluate({name: values[:, None] for name, values in start.items()})["posterior"]
        judged, called = self._problem.judged, self._problem.names.variable
        return {name: values[:, 0] for name, values in points.items() if called(name) in judged}


def _moments(
    draws: Mapping[str, Shaped[np.ndarray, "chains draws ..."]],
) -> dict[str, dict[str, Shaped[np.ndarray, "chains 1 ..."]]]:
    """Means and variances of a block."""
    chains, count = next(iter(draws.values())).shape[:2] if draws else (0, 0)
    return {
        "posterior_count": {"draws": np.full((chains, 1), count)},
        "posterior_mean": {name: values.mean(axis=1, keepdims=True) for name, values in draws.items()},
        "posterior_variance": {name: values.var(axis=1, keepdims=True) for name, values in draws.items()},
    }


def _statistics(
    info: Mapping[str, Shaped[np.ndarray, "chains draws"]],
) -> dict[str, Shaped[np.ndarray, "chains draws"]]:
    return {name: values.astype(int) if name == "tree_depth" else values for name, values in sorted(info.items())}
