"""The seams of the framework: what a replaceable part must offer, and who calls it.

A part is one Python file and one YAML; its YAML's `_target_` names the class. `app.run` is the only caller of these
methods. Models, inference methods and diagnostics are pure: they get keys and arrays, and touch no files and loggers.
"""

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import jax
    import numpy as np
    import pandas as pd
    import xarray as xr

    from credo.inference.calls import Call, Calls
    from credo.models.base import Model
    from credo.models.problem import Problem
    from credo.result import Result
    from credo.sweep.jobs import Job, Membership


@runtime_checkable
class Source(Protocol):
    """Where the data comes from (`conf/data`)."""

    def load(self, model: "Model", seed: int) -> "xr.Dataset":
        """Return the data with named dims and coords.

        Every variable is an argument of the model by its name: by custom `y` [obs] or [obs, target] is the target, `x`
        [obs, feature] the inputs, `context` [obs, context_feature] what conditions a network, `sigma` [obs] known
        standard errors, `group` [obs] whole numbers that index the coordinate `group_name`. Variables whose attribute
        `role` is `truth` are the parameters that generated the data and are kept from the model. A coordinate `split`
        along the rows, with the values `train` and `test`, holds rows out.

        Raises:
            ConfigError: a file, column or value is missing or impossible; the sentence names the key.
        """
        ...


@runtime_checkable
class Early(Protocol):
    """A source or a tracker that can judge its settings before anything else is loaded."""

    def precheck(self) -> None:
        """Raise `ConfigError` where a file, a column or an address is not there; quick, and from this folder."""
        ...


@runtime_checkable
class Inference(Protocol):
    """How the unknowns are found (`conf/inference`)."""

    def check(self, problem: "Problem") -> None:
        """Raise `ConfigError` if this method cannot do this problem, naming one that can. Compiles nothing."""
        ...

    def run(self, problem: "Problem", key: "jax.Array", listener: "Listener", keeper: "Keeper") -> "Result":
        """Infer the latents of `problem`, from the beginning or from where the keeper has it.

        Raises:
            RunError: the inference could not be done (no finite starting point, say).
        """
        ...


@runtime_checkable
class Training(Protocol):
    """How the networks of a model are trained (`conf/training`); the point estimates and the chains' starts use it."""

    def fitted(self, rows: int, free: Collection[str]) -> "Training":
        """This training with those of its settings that nobody chose (`free`) as so many rows allow."""
        ...

    def check(self, problem: "Problem") -> None:
        """Raise `ConfigError` if the networks of this problem cannot be trained so. Compiles nothing."""
        ...

    def calls(
        self, method: "Any", problem: "Problem", key: "jax.Array", listener: "Listener", keeper: "Keeper"
    ) -> "Calls":
        """Train by a method's density, from the beginning or from where the keeper has it (see `inference.calls`)."""
        ...

    def modes(
        self, problem: "Problem", key: "jax.Array", members: int, listener: "Listener"
    ) -> "Generator[Call, Any, dict[str, jax.Array]]":
        """Trained weights for chains to begin at, [member, ...] by site, unconstrained."""
        ...


class Listener(Protocol):
    """Who watches an inference between its blocks: the progress display and the tracker."""

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Told after each block.

        Args:
            phase: `warmup`, `sampling`, `optimisation` or `training`.
            done: draws per chain (or optimiser steps, or epochs) of this phase so far.
            total: draws per chain of this phase altogether.
            numbers: what is known by now, e.g. `step_size`, `divergences`, `r_hat_max`, `ess_bulk_min`, `objective`.
        """
        ...


@dataclass(frozen=True)
class Kept:
    """Where an inference is between two blocks: all that is needed to go on to the same bits.

    Attributes:
        arrays: the state, by name.
        numbers: counters and the course so far, as JSON has them.
        blocks: what is finished, block by block in order; a longer run has the same blocks and more.
    """

    arrays: "Mapping[str, np.ndarray]"
    numbers: Mapping[str, Any]
    blocks: "Sequence[Mapping[str, np.ndarray]]" = ()


class Keeper(Protocol):
    """Who keeps the state of an inference, so that it can be taken up again."""

    def load(self) -> Kept | None:
        """What is kept; `None` to begin at the beginning."""
        ...

    def is_due(self) -> bool:
        """Whether it is time to save."""
        ...

    def shelve(self, block: "Mapping[str, np.ndarray]") -> "Mapping[str, np.ndarray]":
        """Put a block of a large run out of memory; its arrays are read when they are asked for."""
        ...

    def save(self, kept: Kept) -> None:
        """Keep this, all or nothing.

        Raises:
            RunError: it could not be kept; what was kept before is as it was.
        """
        ...

    def done(self, kept: Kept) -> None:
        """Told where the inference ended."""
        ...


class NoKeeper:
    """Keeps nothing."""

    def load(self) -> Kept | None:
        """Nothing."""
        return None

    def is_due(self) -> bool:
        """Never."""
        return False

    def shelve(self, block: "Mapping[str, np.ndarray]") -> "Mapping[str, np.ndarray]":
        """The block itself."""
        return block

    def save(self, kept: Kept) -> None:
        """Nothing."""

    def done(self, kept: Kept) -> None:
        """Nothing."""


NO_KEEPER = NoKeeper()

CheckStatus = Literal["passed", "failed", "not checked", "note"]


@dataclass(frozen=True)
class Check:
    """One question to a result, and its answer.

    Attributes:
        name: the check's word, e.g. `r_hat`.
        status: `passed`; `failed`; `not checked` where the question applies but could not be answered, which is never a
            pass; `note` where the question was answered and the answer needs care in reading, but is no fault of the
            inference (prior sensitivity). A question that could not be answered is never a note.
        value: the number judged, `None` where there is none.
        threshold: the bar, `None` where there is none.
        advice: one or two sentences in words: what was seen and, unless it passed, what to do.
        decides: whether the verdict depends on it; not where the answer could have been a note at worst, or where the
            question is about a part of the answer that the model does not provide.
    """

    name: str
    status: CheckStatus
    value: float | None
    threshold: float | None
    advice: str
    decides: bool = True


@runtime_checkable
class Diagnostic(Protocol):
    """One check of a result (`conf/diagnostics`)."""

    def __call__(self, result: "Result", summary: "pd.DataFrame") -> Check | None:
        """Judge a result. Returns `None` where the question does not apply to it (divergences of a point estimate)."""
        ...


@runtime_checkable
class Particular(Protocol):
    """A check that names parts of the model, and looks whether they are there before anything runs."""

    def check(self, problem: "Problem") -> None:
        """Raise `ConfigError`, whose sentence begins with the setting, where a part is not there."""
        ...


@dataclass(frozen=True)
class Story:
    """All that trackers and reports are told of a run, before it starts.

    Attributes:
        name: the run's name, e.g. `eight_schools hierarchical nuts`.
        config: the composed configuration, resolved, as plain containers.
        choices: the words chosen per group, e.g. `{"data": "eight_schools", "model": "hierarchical", ...}`.
        overrides: what was typed, e.g. `("inference.draws=500",)`.
        folder: the run's folder.
        start_folder: the folder in which `credo` was started.
        provenance: seed, versions, git commit, data hash, device (see `provenance.collect`).
        question: `{"model": ..., "latents": [...], "data": ...}`: the model's formula and what is known of its sites.
        data: the data set.
        taken_up: `None` for a new run; otherwise how many times the run was made longer, 0 where it was cut off.
        sweep: what the run knows of the sweep of which it is a job.
    """

    name: str
    config: Mapping[str, Any]
    choices: Mapping[str, str]
    overrides: tuple[str, ...]
    folder: Path
    start_folder: Path
    provenance: Mapping[str, Any]
    question: Mapping[str, Any]
    data: "xr.Dataset"
    taken_up: int | None = None
    sweep: "Membership | None" = None


class SweepRecord(Protocol):
    """Where a sweep is recorded, with its runs under it."""

    @property
    def id(self) -> str:
        """The tracker's name of it."""
        ...

    @property
    def place(self) -> str:
        """Where a person finds it."""
        ...

    def settle(self, name: str, job: "Job", folder: Path) -> None:
        """Record the end of a job that could not do so itself: it was refused, or its process vanished."""
        ...

    def end(
        self,
        status: Literal["FINISHED", "FAILED", "KILLED"],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        note: str,
        files: "Sequence[Path]",
    ) -> None:
        """Record what came of it."""
        ...


@runtime_checkable
class Tracker(Protocol):
    """Where runs are recorded (`conf/tracking`). A tracker only listens; its failure never changes an answer."""

    def start(self, story: Story) -> None:
        """Called once, when the configuration is known to be sound and before the inference starts."""
        ...

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """See `Listener.progress`."""
        ...

    def finish(self, metrics: Mapping[str, float], tags: Mapping[str, str], note: str, files: Path) -> str | None:
        """Record a finished run: its metrics, tags, a description in markdown and all files of its folder.

        Returns:
            Where a person finds the run, or `None`.
        """
        ...

    def fail(self, status: Literal["FAILED", "KILLED"], reason: str, files: Path) -> None:
        """Record a run that did not finish, with the reason and whatever files it left."""
        ...

    def begin_sweep(self, name: str, tags: Mapping[str, str], folder: Path, start_folder: Path) -> SweepRecord | None:
        """Record a sweep, or go on with the one that has this folder; `None` where sweeps are not recorded."""
        ...

    def answered(self, fingerprint: str, start_folder: Path) -> Path | None:
        """The folder of a finished run with this fingerprint, if there is one."""
        ...


@dataclass(frozen=True)
class Verdict:
    """Whether the answer may be believed.

    `passed` only if every check that decides passed; `failed` if any failed; otherwise `not checked`.
    """

    status: Literal["passed", "failed", "not checked"]
    checks: tuple[Check, ...]


@runtime_checkable
class Report(Protocol):
    """What a person reads of a finished run (`conf/report`)."""

    def write(
        self,
        story: Story,
        result: "Result",
        summary: "pd.DataFrame",
        verdict: Verdict,
        metrics: Mapping[str, float],
    ) -> Path | None:
        """Write the plots and the page into `story.folder`.

        Args:
            story: the run.
            result: the answer.
            summary: one row per scalar: `variable, mean, sd, q5, q50, q95, mcse_mean, ess_bulk, ess_tail, r_hat,
                pareto_k`; NaN is what is not known.
            verdict: whether it may be believed.
            metrics: the numbers that the tracker gets.

        Returns:
            The page, or `None` where none is written.
        """
        ...
