"""From draws in unconstrained space to all that is derived from them, in batches that fit memory."""

from collections.abc import Mapping
from functools import partial

import jax
import numpy as np
import xarray as xr
from jaxtyping import Int, PRNGKeyArray, Shaped

from credo.config.failure import in_words
from credo.inference import pointwise
from credo.inference.assemble import Groups, assemble, selected
from credo.inference.density import Values
from credo.inference.derive import PARTS, Fixed, batch, densities, one
from credo.models.dependence import independent
from credo.models.problem import Problem

_BATCH_SCALARS = 2**23
"""How many scalars one batch of draws may produce."""

_LEAST_BATCH = 64

_LARGE_BATCH_SCALARS, _LEAST_LARGE_BATCH = 2**22, 4
"""The same, where some rows stand for all."""

_LARGE = ("log_likelihood", "posterior_predictive", "log_likelihood_test")
"""What is left out where a batch cannot be had for another reason than the model, such as memory."""


class Evaluation:
    """What is derived from draws, by group and site; one compiled program for draws in any number.

    Args:
        problem: the model and its data.
        key: for the predictive draws and the recovery of discrete latents.
        temperature: 1 recovers a discrete latent by a draw, 0 by its most probable value.
        most: draws that come at once, at most.

    Attributes:
        missing: of `PARTS`, those that could not be derived, each with the reason.
    """

    def __init__(self, problem: Problem, key: PRNGKeyArray, temperature: int = 1, most: int = 1000) -> None:
        self._problem, self._key = problem, key
        self.missing: dict[str, str] = {}
        self._left_out = tuple(part for part in PARTS if part in problem.left_out)
        self._fixed = Fixed(
            temperature,
            tuple(site.name for site in problem.named("deterministic")),
            tuple(site.name for site in problem.latents if site.discrete),
            self._left_out,
        )
        scalars = sum(int(np.prod(site.shape)) for site in problem.sites)
        self._kept = problem.kept_rows
        size, least = (_LARGE_BATCH_SCALARS, _LEAST_LARGE_BATCH) if self._kept else (_BATCH_SCALARS, _LEAST_BATCH)
        self._most = min(most, max(least, size // max(3 * scalars, 1)))

    def __call__(self, draws: Mapping[str, Shaped[np.ndarray, "chains draws ..."]], first: int = 0) -> Groups:
        """Derive the groups that `Result.tree` describes, but for sampler statistics.

        Args:
            draws: latents by site: continuous ones unconstrained; discrete ones may be
                missing, they are then recovered given the others.
            first: the number of the first of the draws in its chain, which decides on the keys.

        Returns:
            Arrays by group and site, in the program's order; those of `pointwise` have one draw of one chain.
        """
        chains, count = next(iter(draws.values())).shape[:2]
        total = chains * count
        flat = {name: values.reshape(total, *values.shape[2:]) for name, values in draws.items()}
        numbers = (np.arange(first, first + count) * chains + np.arange(chains)[:, None]).ravel()
        parts, moments = [], []
        for begin in range(0, total, self._most):
            rows = np.minimum(np.arange(begin, begin + self._most), total - 1)  # the last batch is filled up
            own = {name: values[rows] for name, values in flat.items()}
            part = self._derived(own, numbers[rows], total - begin)
            moments.append(part.pop(pointwise.GROUP, {}))
            parts.append(jax.tree.map(lambda a, n=total - begin: a[:n], part))
        present = {group: tuple(sites) for group, sites in parts[-1].items()}  # of a batch before, there may be more
        parts = [{group: {site: part[group][site] for site in present[group]} for group in present} for part in parts]
        joined = jax.tree.map(lambda *arrays: np.concatenate(arrays) if len(arrays) > 1 else arrays[0], *parts)
        groups: Groups = jax.tree.map(lambda a: a.reshape(chains, count, *a.shape[1:]), joined)
        by_row = {name: pointwise.joined([one[name] for one in moments])[None, None] for name in moments[-1]}
        return selected(self._problem, groups) | ({pointwise.GROUP: by_row} if by_row else {})

    def ahead(self, draws: Mapping[str, jax.ShapeDtypeStruct]) -> None:
        """Let a thread compile the program.

        Args:
            draws: shapes of draws [chain, draw, ...] as they will come, by site.
        """
        own = {name: np.empty((self._most, *one.shape[2:]), one.dtype) for name, one in draws.items()}
        some = (self._kept, self._most) if self._kept else ()
        bound, test = self._problem.bound, self._problem.bound_test
        batch.ahead(self._fixed, bound, test, own, self._key, np.arange(self._most), *some)

    def _derived(self, draws: Values, numbers: Int[np.ndarray, "draw"], count: int) -> dict[str, Values]:
        """What is derived from a batch; what cannot be is left out from now on."""
        bound, test = self._problem.bound, self._problem.bound_test
        while True:
            try:
                some = (self._kept, count) if self._kept else ()
                derived = batch(self._fixed, bound, test, draws, self._key, numbers, *some)
                return jax.tree.map(np.asarray, derived)
            except Exception as error:
                before = self._fixed
                self._leave_out({name: values[0] for name, values in draws.items()}, error)
                if self._fixed == before:
                    raise

    def _leave_out(self, draw: Values, error: Exception) -> None:
        """Leave out what cannot be derived from a draw; where all can, what needs much memory."""
        failures = {part: why for part in PARTS if (why := self._failure(part, draw)) is not None}
        if "discrete_latents" in failures:
            self._leave_discrete_out(draw, failures["discrete_latents"])
            return
        for part, why in (failures or dict.fromkeys(_LARGE, in_words(error))).items():
            if part != "log_likelihood_test" or self._problem.bound_test is not None:
                self.missing[part] = f"{_WORDS[part]} left out: {why}."
        self._fixed = self._fixed._replace(left_out=(*self.missing, *self._left_out))

    def _leave_discrete_out(self, draw: Values, why: str) -> None:
        """Leave out the discrete latents and what depends on them."""
        names = ", ".join(self._fixed.discrete)
        fixed = independent(
            lambda key, draw: densities(self._fixed, self._problem.bound, draw, key), jax.random.PRNGKey(0), draw
        )
        lost = {group for group in ("log_prior", "log_likelihood") if not all(fixed.get(group, {}).values())}
        lost |= {"posterior_predictive"} if self._problem.observations else set()
        lost |= {"log_likelihood_test"} if self._problem.bound_test is not None else set()
        reason = f"{names} cannot be recovered ({why}). What depends on them is left out."
        self.missing |= {part: reason for part in PARTS if part in lost or part == "discrete_latents"}
        known = tuple((group, site) for group in fixed for site in fixed[group] if fixed[group][site])
        self._fixed = self._fixed._replace(left_out=("discrete_latents",), known=known)

    def _failure(self, part: str, draw: Values) -> str | None:
        """What is raised where this part alone is asked for; `None` where it can be had."""
        others = tuple(other for other in PARTS if other not in (part, "discrete_latents"))
        alone = self._fixed._replace(left_out=others)
        try:
            jax.eval_shape(partial(one, alone), self._problem.bound, self._problem.bound_test, draw, self._key)
        except Exception as error:  # noqa: BLE001 - the reason is reported
            unable = part == "discrete_latents" or type(error) is NotImplementedError
            return f"{_UNABLE[part]}: {in_words(error)}" if unable else in_words(error)
        return None


_UNABLE = dict.fromkeys(PARTS, "this is not implemented") | {
    "discrete_latents": "NumPyro does not implement this for such a program, as under scan",
    "posterior_predictive": "a distribution has no method sample",
}
"""The reason given where something is not implemented."""

_WORDS = {
    "log_prior": "The log prior densities are",
    "log_likelihood": "The log likelihoods are",
    "posterior_predictive": "Predictive draws are",
    "log_likelihood_test": "The log likelihoods of the held-out rows are",
}


def evaluate(
    problem: Problem,
    draws: Mapping[str, Shaped[np.ndarray, "chains draws ..."]],
    stats: Mapping[str, Shaped[np.ndarray, "chains draws"]],
    key: PRNGKeyArray,
    temperature: int = 1,
) -> xr.DataTree:
    """Build the tree of groups that `Result.tree` describes from all draws at once.

    Example:
        One chain of two draws, both at p = 1/2 (0 unconstrained).

        >>> import numpyro.distributions as dist
        >>> import xarray as xr
        >>> from credo.models.bernoulli import Bernoulli
        >>> flips = xr.Dataset({"y": ("flip", [1, 1, 0])})
        >>> problem = Problem(Bernoulli({"p": dist.Beta(1.0, 1.0)}), flips)
        >>> tree = evaluate(problem, {"p": np.zeros((1, 2))}, {}, jax.random.PRNGKey(0))
        >>> tree["posterior/p"].values.tolist()
        [[0.5, 0.5]]
        >>> dict(tree["log_likelihood/y"].sizes)
        {'chain': 1, 'draw': 2, 'flip': 3}

    Args:
        problem: the model and its data.
        draws: see `Evaluation`.
        stats: sampler statistics.
        key: see `Evaluation`.
        temperature: see `Evaluation`.
    """
    chains, count = next(iter(draws.values())).shape[:2]
    evaluation = Evaluation(problem, key, temperature, chains * count)
    groups = evaluation(draws)
    return assemble(problem, groups | {"sample_stats": dict(stats)}, evaluation.missing)
