"""The keys of `sweep`."""

from dataclasses import dataclass

from omegaconf import MISSING


@dataclass
class Sweep:
    """How a sweep goes on.

    Attributes:
        resume: an earlier sweep, by its folder or MLflow id, whose unfinished jobs are run.
        fail_fast: begin no further job once one has failed.
        compare: compare the finished jobs with each other.
        skip_finished: do not run what a finished run with the same fingerprint has answered.
    """

    resume: str | None = MISSING
    fail_fast: bool = MISSING
    compare: bool = MISSING
    skip_finished: bool = MISSING
