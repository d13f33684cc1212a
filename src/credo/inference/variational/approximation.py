"""From draws of an approximation to an answer: corrected by their importance ratios, and evaluated."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import numpy as np
import xarray as xr
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray

from credo.config.naming import Named
from credo.inference.assemble import assemble
from credo.inference.clock import Clock
from credo.inference.density import Program, Values, potential
from credo.inference.evaluate import Evaluation
from credo.inference.evidence import table as evidence
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status
from credo.inference.variational import importance
from credo.models.problem import Problem
from credo.ranges import Count

BATCH = 1000
"""Draws that are made at once."""


class Approximation(Named, eqx.Module):
    """A method whose answer is independent draws of an approximation, each with its log density in both.

    Attributes:
        draws: how many.
    """

    gives_evidence: ClassVar[bool] = True

    draws: Count  # no part of the structure: programs draw a batch

    def kind(self, problem: Problem) -> Kind:  # noqa: ARG002 - as the others
        """What its answer is made of."""
        return Kind.INDEPENDENT

    def log_density(self, program: Program, z: Values) -> Float[Array, ""]:
        """The log joint density in unconstrained space, with all constants of its distributions."""
        return -potential(program)(z)


class Proposals(NamedTuple):
    """Draws of an approximation.

    - **z** - latents by site, unconstrained [draw, ...].
    - **log_p** - the log joint density in unconstrained space.
    - **log_q** - the log density of the approximation there; NaN where it has none.
    """

    z: Values
    log_p: Float[np.ndarray, "draw"]
    log_q: Float[np.ndarray, "draw"]


def corrected(problem: Problem, proposals: Proposals, way: str, keys: tuple[PRNGKeyArray, PRNGKeyArray]) -> xr.DataTree:
    """All that is derived from the draws, resampled by their weights where that helps, as a tree.

    Args:
        problem: the model and its data.
        proposals: draws of the approximation.
        way: the method's word, by which it has the log evidence.
        keys: for the resampling, and for what is derived.
    """
    resample_key, evaluation_key = keys
    weights = importance.weigh(proposals.log_p - proposals.log_q)
    weighed = importance.table(weights, proposals.log_p, proposals.log_q)
    tree = _evaluated(problem, proposals.z, weighed, _chosen(weighed, resample_key), evaluation_key)
    tree[importance.GROUP] = xr.DataTree(weighed)
    if weights.usable and not problem.improper:
        evidence.merged(tree, {way: (weights.log_mean, weights.error)})
    return tree


def independent(
    method: Approximation,
    problem: Problem,
    tree: xr.DataTree,
    clock: Clock,
    counts: tuple[int, int],
    history: tuple[Mapping[str, Any], ...],
    status: Status = Status.DONE,
) -> Result:
    """The answer; `counts` are the evaluations of gradients and of densities."""
    gradients, densities = counts
    return Result(
        tree=tree,
        status=status,
        cost=Cost(clock.seconds, gradients, densities, clock.programs),
        method=method.name,
        kind=Kind.INDEPENDENT,
        sampled=problem.judged,
        observed=problem.informative,
        unread=problem.unread,
        improper=problem.improper,
        statistics=("log_p", "log_q"),
        history=history,
    )


def _chosen(weighed: xr.Dataset, key: PRNGKeyArray) -> Int[np.ndarray, "draw"]:
    """The numbers of the draws that are kept: resampled by their weights where that helps, else all in order."""
    if not weighed.attrs["resampled"]:
        return np.arange(weighed.sizes["proposal"])
    weights = np.exp(weighed["log_weight"].to_numpy())
    return importance.resample(weights, float(jax.random.uniform(key)))[0]


def _evaluated(
    problem: Problem, z: Values, weighed: xr.Dataset, chosen: Int[np.ndarray, "draw"], key: PRNGKeyArray
) -> xr.DataTree:
    """All that is derived from the draws that are kept, as a tree."""
    evaluation = Evaluation(problem, key)
    groups = evaluation({name: values[chosen][None] for name, values in z.items()})
    statistics = {name: weighed[name].to_numpy()[chosen][None] for name in ("log_p", "log_q")}
    tree = assemble(problem, groups | {"sample_stats": statistics}, evaluation.missing)
    if problem.improper:
        names = ", ".join(problem.improper)
        reason = f"There is no log evidence: the prior of {names} is improper, and has no normalising constant."
        tree.attrs["missing"] = json.dumps({**json.loads(tree.attrs.get("missing", "{}")), "log_evidence": reason})
    return tree
