"""The order in which jobs that help each other run."""

from credo.sweeps.order import middle_first


def test_every_job_runs_once_and_neighbours_of_other_seeds_are_apart() -> None:
    jobs = [[f"seed={seed}", f"model.prior.loc.scale={scale}"] for seed in (0, 1) for scale in (10, 2, 9)]
    assert middle_first(jobs) == [2, 1, 0, 5, 4, 3]


def test_words_that_are_no_numbers_tell_jobs_apart() -> None:
    jobs = [["prior@model.prior.loc=student_t", "model.prior.loc.scale=1"], ["model.prior.loc.scale=x"], []]
    assert sorted(middle_first(jobs)) == [0, 1, 2]
