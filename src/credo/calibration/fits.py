"""The fits of all replications, by programs that are compiled once, and the ranks that they give.

Fits of one device are made one after another, those of several devices at the same time.

Chains that step together wait for the longest tree of all: on a CPU, 60 fits of eight schools in step took 17 times the
CPU seconds of 60 fits in turn.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import batched
from typing import Any

import jax
import numpy as np
import pandas as pd
from jax import Array
from jaxtyping import Int, PRNGKeyArray, Shaped

from credo.calibration.simulator import Replication, Simulator
from credo.config.failure import in_words
from credo.diagnostics.sbc.ranks import rank
from credo.diagnostics.sbc.verdict import Calibrated, verdict
from credo.errors import RunError
from credo.inference import pointwise
from credo.inference.base import NO_CHECKPOINTER, NoListener
from credo.inference.calls import Shareable, spread
from credo.inference.convergence import scalars_first
from credo.inference.labels import scalar_labels
from credo.inference.result import Result
from credo.models.problem import Problem

COLUMNS = ("replication", "scalar", "rank", "z", "kept", "reason")
LOG_LIKELIHOOD = "log likelihood"


class _Quiet(NoListener):
    """Hears of the blocks of one fit, and lets a signal stop it."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check

    def progress(self, *_: Any) -> None:
        """Look for signals."""
        self._check()


def fits(
    simulator: Simulator, method: Any, seed: int, numbers: Sequence[int], check: Callable[[], None]
) -> Iterator[pd.DataFrame]:
    """Fit some replications.

    Args:
        simulator: draws the replications.
        method: the inference.
        seed: of the calibration.
        numbers: of the replications; each is the same whichever others are asked for.
        check: called between the blocks of each fit; what it raises ends them.

    Yields:
        Of each replication in turn the rows of `COLUMNS`; one with a `reason` where it has no answer.
    """
    key, quiet = jax.random.PRNGKey(seed), _Quiet(check)
    together = len(_devices()) if isinstance(method, Shareable) else 1
    for some in batched(numbers, together):
        replications, keys = [], []
        for number in some:
            data_key, fit_key = _keys(key, number)
            replications.append(simulator(data_key))
            keys.append(fit_key)
        answers = _answers(method, [one.problem for one in replications], keys, quiet)
        for number, replication, answer in zip(some, replications, answers, strict=True):
            if isinstance(answer, Result):
                yield _rows(number, replication, answer, np.random.default_rng([seed, number]))
            elif isinstance(answer, RunError | FloatingPointError):
                yield _without_answer(number, in_words(answer))
            else:
                raise answer


def _answers(
    method: Any, problems: Sequence[Problem], keys: Sequence[PRNGKeyArray], listener: NoListener
) -> list[Result | Exception]:
    """The fits of a few problems, or what they raised: each on a device of its own, or one by all devices."""
    if isinstance(method, Shareable) and len(_devices()) > 1:
        runs = [method.calls(one, key, listener, NO_CHECKPOINTER) for one, key in zip(problems, keys, strict=True)]
        return spread(runs, _devices())
    try:
        return [method.run(problems[0], keys[0], listener, NO_CHECKPOINTER)]
    except (RunError, FloatingPointError) as error:
        return [error]


def _devices() -> list[jax.Device]:
    """Those that do the work."""
    chosen = jax.config.jax_default_device
    return jax.devices() if chosen is None else [chosen]


@jax.jit
def _keys(key: PRNGKeyArray, number: int | Int[Array, ""]) -> tuple[PRNGKeyArray, PRNGKeyArray]:
    """For the data of a replication, and for its fit."""
    data_key, fit_key = jax.random.split(jax.random.fold_in(key, number))
    return data_key, fit_key


def judge(rows: pd.DataFrame) -> Calibrated:
    """The verdict on the rows of all replications."""
    failed = rows["reason"].notna()
    good = rows[~failed]
    ranks = good.pivot_table(index="replication", columns="scalar", values="rank", sort=False)
    errors = good.pivot_table(index="replication", columns="scalar", values="z", sort=False, dropna=False)
    errors = errors.reindex(index=ranks.index, columns=ranks.columns)
    return verdict([str(name) for name in ranks.columns], ranks.to_numpy(), errors.to_numpy(), int(failed.sum()))


def _rows(number: int, replication: Replication, result: Result, generator: np.random.Generator) -> pd.DataFrame:
    names, truth, draws = _scalars(replication, result)
    ranks = rank(truth, draws, generator, result.grouping)
    if (bad := ~np.isfinite(ranks.u)).any():
        return _without_answer(number, f"Draws of {names[int(np.argmax(bad))]} are not finite.")
    columns = (number, names, ranks.u, ranks.z, ranks.kept, None)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def _without_answer(number: int, reason: str) -> pd.DataFrame:
    return pd.DataFrame([dict(zip(COLUMNS, (number, None, np.nan, np.nan, 0, reason), strict=True))])


def _scalars(
    replication: Replication, result: Result
) -> tuple[list[str], Shaped[np.ndarray, "scalar"], Shaped[np.ndarray, "scalar chain draw"]]:
    """Every scalar of the posterior that is no constant of the model, and the joint log likelihood."""
    posterior, names = result.tree["posterior"].to_dataset(), replication.problem.names
    labels: list[str] = []
    truths, draws = [], []
    for site, values in replication.truth.items():
        name = names.variable(site)
        if name not in posterior or not values.size:
            continue
        array = posterior[name].transpose("chain", "draw", ...)
        labels += scalar_labels(name, [str(dim) for dim in array.dims[2:]], array.coords, array.shape[2:])
        truths.append(np.ravel(values).astype(float))
        draws.append(scalars_first(array.to_numpy()).astype(float))
    if (total := pointwise.total(result.tree)) is not None:
        labels, truths = [*labels, LOG_LIKELIHOOD], [*truths, np.array([replication.log_likelihood])]
        draws.append(total[None])
    return labels, np.concatenate(truths), np.concatenate(draws)
