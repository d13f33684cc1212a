"""What is done for observations that cannot be left out by reweighting: the draws are moved, or the model is refitted.

First moment matching (see `moment_matching`), then, for at most so many observations, the same inference without them
(Vehtari, Gelman and Gabry 2017, "Practical Bayesian model evaluation", section 4.3). Which observation is left out is a
number of the program, so that all refits are one. A mean of the density over the refit's draws would rest on the few
draws that come near an outlier; so its log is the bridge from the refit to the posterior of all observations, the ratio
of whose densities is that of the observation.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from credo.diagnostics.moment_matching import Draws, Matched, matched
from credo.energies.normaliser import bridge
from credo.errors import RunError
from credo.inference.assemble import chosen
from credo.inference.base import NO_CHECKPOINTER, NO_LISTENER, Inference
from credo.inference.convergence import mixing, scalars_first
from credo.inference.density import Values
from credo.inference.result import Cost, Result
from credo.inference.unconstrained import density_shape, latent_draws, log_joint, log_likelihood, unconstrained
from credo.models.binding import BoundModel
from credo.models.problem import Problem
from credo.models.without import without

MATCHING, REFIT = "moment matching", "refit"
"""How an observation is answered that reweighting does not answer."""

WHO = "diagnostics.checks.loo.refit=true"

AGREEING = 1.05
"""The largest R-hat of a refit whose draws are believed."""

MOST_ERROR = 0.3
"""Nats: the largest standard error of an answer by a refit."""

ROUNDING = 1e-3
"""By how much of itself, or nats, the density without an observation may differ from the difference of densities."""


class Left(NamedTuple):
    """An observation that is left out: a site, and a flat number among the densities of the site."""

    site: str
    place: int


class Answered(NamedTuple):
    """A left-out observation.

    - **elpd** - its log predictive density without it.
    - **pareto_k** - of the weights; 0 where none were needed.
    - **by** - `moment matching` or `refit`.
    """

    elpd: float
    pareto_k: float
    by: str


@dataclass(frozen=True)
class Whole:
    """The posterior of all observations, and the method that drew it.

    Attributes:
        problem: the model with its data.
        method: of the inference.
        result: its draws.
    """

    problem: Problem
    method: Inference
    result: Result

    def observations(self, sites: Sequence[str]) -> Iterator[Left]:
        """All observations of some sites, in the order of their log likelihoods."""
        one = _first(self._draws(self.result))
        for site in sites:
            shape = density_shape(site, self.problem.bound, one)
            every = np.arange(int(np.prod(shape))).reshape(shape)
            mask = chosen(self.problem, "log_likelihood", site, len(shape))
            yield from (Left(site, int(place)) for place in (every if mask is None else every[mask]).ravel())

    def matched(self, left: Sequence[Left], bar: float, r_eff: float) -> dict[Left, Answered]:
        """Those observations for which moment matching gives a Pareto k below the bar."""
        draws, found = self._draws(self.result), {}
        program, one = self.problem.bound, _first(draws)
        z = _flat(np.asarray(unconstrained(program, draws)))
        joint = partial(_numbers, log_joint, program, one)
        for each in left:
            of_one = partial(_numbers, partial(log_likelihood, each.site), program, one, place=each.place)
            answer: Matched = matched(z, joint, of_one, r_eff)
            if answer.pareto_k <= bar and np.isfinite(answer.elpd):
                found[each] = Answered(*answer, MATCHING)
        return found

    def refitted(self, left: Left, key: PRNGKeyArray) -> tuple[Answered, Cost]:
        """An observation by the same inference without it.

        Raises:
            RunError: the inference failed, its chains disagree, or the density cannot do without the observation.
        """
        other = without(self.problem, *left)
        self._require_without(other, left)
        result = self.method.run(other, key, NO_LISTENER, NO_CHECKPOINTER)
        draws = self._draws(result)
        worst = max(_r_hat(values) for values in draws.values())
        if worst > AGREEING:
            raise RunError(f"the chains of the refit without {left.site} {left.place} disagree (R-hat {worst:.2f})")
        of_refit, of_all = self._densities(left, draws), self._densities(left, self._draws(self.result))
        step = max(1, int(np.ceil(bridge.correlation_time(jnp.asarray(of_refit)))))
        elpd, error = map(float, bridge.ratio(jnp.asarray(of_refit[:, ::step].ravel()), jnp.asarray(of_all)))
        if not error <= MOST_ERROR:
            raise RunError(f"the refit without {left.site} {left.place} knows its density to {error:.2g} nats alone")
        return Answered(elpd, 0.0, REFIT), result.cost

    def _densities(
        self, left: Left, draws: dict[str, Float[np.ndarray, "chain draw ..."]]
    ) -> Float[np.ndarray, "chain draw"]:
        """The log densities of an observation at some draws."""
        z = np.asarray(unconstrained(self.problem.bound, draws))
        of_site = partial(log_likelihood, left.site)
        found = _numbers(of_site, self.problem.bound, _first(draws), _flat(z), place=left.place)
        return found.reshape(z.shape[:2])

    def _require_without(self, other: Problem, left: Left) -> None:
        """Raise `RunError` where a program has densities that a mask does not reach, as within a loop."""
        draws = self._draws(self.result)
        z, one = _flat(np.asarray(unconstrained(self.problem.bound, draws)))[:1], _first(draws)
        all_of_them, rest = (_numbers(log_joint, bound, one, z)[0] for bound in (self.problem.bound, other.bound))
        its_own = _numbers(partial(log_likelihood, left.site), self.problem.bound, one, z, place=left.place)[0]
        if not abs(all_of_them - its_own - rest) <= ROUNDING * max(1.0, abs(all_of_them)):
            raise RunError(f"the program has no density without {left.site} {left.place} alone")

    def _draws(self, result: Result) -> dict[str, Float[np.ndarray, "chain draw ..."]]:
        return latent_draws(self.problem, result.tree["posterior"].to_dataset(), WHO)


def refined(
    whole: Whole, rows: pd.DataFrame, bar: float, r_eff: float, most: int, key: PRNGKeyArray
) -> tuple[pd.DataFrame, Cost, str]:
    """Answer the observations whose Pareto k is above a bar.

    Args:
        whole: the posterior.
        rows: one per observation: `site`, `elpd`, `p` and `pareto_k`.
        bar: the largest Pareto k that is good.
        r_eff: effective draws per draw.
        most: refits at most.
        key: of the refits.

    Returns:
        The rows with the column `by`, which says how one was answered; the cost of the refits; why one was not
        answered, if there is such a one.

    Raises:
        RunError: the draws of a latent were not kept.
    """
    every = list(whole.observations(list(dict.fromkeys(rows["site"]))))
    if len(every) != len(rows):
        raise RunError(f"{WHO}: the model has {len(every)} observations, but {len(rows)} log likelihoods")
    high = [int(i) for i in np.flatnonzero(~(rows["pareto_k"] <= bar).to_numpy())]
    answered = whole.matched([every[i] for i in high], bar, r_eff)
    rest = [i for i in high if every[i] not in answered]
    cost, why = Cost({}), f"refit_max={most}" if len(rest) > most else ""
    for i in rest[:most]:
        try:
            answered[every[i]], spent = whole.refitted(every[i], jax.random.fold_in(key, i))
        except RunError as error:
            why = str(error)
        else:
            cost += Cost({"refits": sum(spent.seconds.values())}, spent.gradients, spent.density_evaluations)
    found = rows.assign(by="")
    for i in high:
        if (answer := answered.get(every[i])) is not None:
            p = rows["elpd"].iloc[i] + rows["p"].iloc[i] - answer.elpd
            found.iloc[i, 1:] = [answer.elpd, p, answer.pareto_k, answer.by]
    return found, cost, why


def _first(draws: Values) -> Values:
    """The first draw."""
    return {name: values[0, 0] for name, values in draws.items()}


def _flat(z: Float[np.ndarray, "chain draw dim"]) -> Float[np.ndarray, "point dim"]:
    return z.reshape(-1, z.shape[2])


def _numbers(
    function: Callable[..., Array], program: BoundModel, one: Values, z: Draws, **more: int
) -> Float[np.ndarray, "draw"]:
    """The densities at the draws, which may be of another precision than the program's."""
    return np.asarray(function(program, one, z, **more), float)


def _r_hat(draws: Float[np.ndarray, "chain draw ..."]) -> float:
    """The largest R-hat of a latent; 1 where nothing of it moves."""
    found = mixing(scalars_first(draws), ("r_hat",))["r_hat"]
    return float(np.nanmax(found)) if np.isfinite(found).any() else 1.0
