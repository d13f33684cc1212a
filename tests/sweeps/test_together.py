"""Which jobs are inferred together, and what a job hears of an inference that was done before it ran."""

from types import SimpleNamespace
from typing import Any

import pytest

from credo.errors import RunError
from credo.experiment import inferred
from credo.inference.base import Snapshot
from credo.runs import job as jobs
from credo.sweeps import batched


def ready(scalars: int) -> Any:
    """A method of 2 chains and 100 draws, and a problem of so many scalars."""
    return SimpleNamespace(chains=2, draws=100), SimpleNamespace(sites=[SimpleNamespace(shape=(scalars,))])


@pytest.mark.parametrize(
    ("scalars", "ends"),
    [
        ([10, 10, 10], [3]),
        ([10, 10, 10, 10, 10], [4, 5]),
        ([50, 10, 30, None, 10], [1, 4, 5]),
        ([], [0]),
        ([None], [1]),
    ],
)
def test_draws_of_jobs_together_have_room(scalars: list[int | None], ends: list[int], monkeypatch: Any) -> None:
    monkeypatch.setattr(batched, "MOST_BYTES", 3 * 8 * 2 * 100 * 45)
    jobs = [None if count is None else ready(count) for count in scalars]
    assert list(batched._ends(jobs)) == ends


class Told:
    def __init__(self) -> None:
        self.news: list[Any] = []

    def progress(self, *news: Any) -> None:
        self.news.append(news)

    def done(self, kept: Snapshot) -> None:
        self.news.append(kept)


def test_a_job_is_told_all_and_then_gets_the_result_or_the_error() -> None:
    watch, kept = inferred.Watch(None), Snapshot({}, {})
    watch.progress("sampling", 5, 10, {"acceptance_rate": 0.5})
    watch.done(kept)
    result, job = SimpleNamespace(), Told()
    assert inferred.Inferred(result, watch, 2).replay(job, job) is result  # type: ignore[arg-type]
    assert job.news == [("sampling", 5, 10, {"acceptance_rate": 0.5}), kept]
    failed = Told()
    with pytest.raises(RunError, match="no starting point"):
        inferred.Inferred(RunError("no starting point"), watch, 2).replay(failed, failed)  # type: ignore[arg-type]
    assert failed.news == job.news[:1]


def test_only_the_job_that_runs_has_it() -> None:
    of_the_job = inferred.Inferred(RunError(""), inferred.Watch(None), 2)
    assert inferred.current() is None
    with inferred.using(of_the_job):
        assert inferred.current() is of_the_job
    assert inferred.current() is None


def test_names_of_a_sweep_keep_two_parts_of_a_key() -> None:
    keys = ("model.prior.tau.scale", "seed", "a.loc.scale", "b.loc.scale", "prior@model.prior.mu")
    expected = ("tau.scale", "seed", "a.loc.scale", "b.loc.scale", "prior@model.prior.mu")
    assert jobs.shortened(keys) == dict(zip(keys, expected, strict=True))
    words = ("model.prior.tau.scale=5", "data=eight_schools", "seed=1")
    assert jobs.name(words, keys[:2]) == "tau.scale=5 seed=1"
