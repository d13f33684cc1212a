"""Finished and unfinished runs, read from the folders that they left."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from credo.config.paths import near
from credo.diagnostics.base import Check, Verdict
from credo.errors import ConfigError
from credo.inference.kind import Kind
from credo.runs import job as jobs
from credo.runs import saved
from credo.runs.walk import beneath

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

FILES = (saved.METRICS, saved.VERDICT, saved.PROVENANCE, saved.SUMMARY, saved.DRAWS)
"""What a run leaves when it has finished."""


@dataclass(frozen=True)
class Run:
    """A run and its answer, as far as there is one.

    Attributes:
        folder: where its files are.
        config: the composed configuration, as plain containers.
        choices: the words chosen per group.
        state: `FINISHED`, or how else it stands: `FAILED`, `KILLED`, `RUNNING`, `not finished`, or
            `a calibration`, which has no answer.
        reason: why it did not finish, if that is known.
        data_hash: of its data set; empty if it has not finished.
        observed: what each site observed (see `runs.netcdf.observations`); `None` where an earlier version ran it.
        verdict: whether its answer may be believed; `None` if it has not finished.
        metrics: its numbers, by the names under which they are logged.
    """

    folder: Path
    config: Mapping[str, Any]
    choices: Mapping[str, str]
    state: str = "FINISHED"
    reason: str = ""
    data_hash: str = ""
    observed: Mapping[str, Mapping[str, Any]] | None = None
    verdict: Verdict | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        """Whether it has an answer."""
        return self.state == "FINISHED"

    @property
    def is_failed(self) -> bool:
        """Whether its verdict failed."""
        return self.verdict is not None and self.verdict.status == "failed"

    @property
    def seed(self) -> int:
        """Its seed."""
        return int(self.config["seed"])

    @property
    def part(self) -> tuple[int, int | None]:
        """Its seed, and the fold that it held out, which decide on its data set."""
        fold = (self.config.get("data") or {}).get("fold")
        return self.seed, fold if isinstance(fold, int) else None

    @property
    def kind(self) -> Kind:
        """What its answer is, by the numbers that only such an answer has."""
        if "r_hat_max" in self.metrics:
            return Kind.CHAINS
        if "repeats" in self.metrics:
            return Kind.WEIGHTED
        if "draws" in self.metrics:
            return Kind.INDEPENDENT
        return Kind.TRAINED if "epochs" in self.metrics else Kind.POINT

    def check(self, name: str) -> Check | None:
        """The check of this name, if it was put."""
        return next((check for check in (self.verdict.checks if self.verdict else ()) if check.name == name), None)

    def values(self, site: str) -> "np.ndarray | None":
        """What a site observed, NaN where nothing was; `None` where that is not kept."""
        return saved.observed(self.folder, site)

    def summary(self) -> "pd.DataFrame":
        """One row per scalar of the posterior, by its name."""
        return saved.summary(self.folder, saved.BESIDES)


def find(folders: Iterable[Path]) -> list[Run]:
    """The runs in folders of runs and of sweeps, each once and in this order.

    Raises:
        ConfigError: some folders have neither a run nor a sweep; the sentence names all of them.
    """
    found = {folder: _places(folder) for folder in folders}
    if wrong := [folder for folder, places in found.items() if not places]:
        raise ConfigError(
            "credo compare: expected the folders or MLflow ids of runs, or the folder of a sweep, but "
            f"{_without_runs(wrong)}"
        )
    return [read(place) for place in dict.fromkeys(place for places in found.values() for place in places)]


def is_sweep(folder: Path) -> bool:
    """Whether a folder holds runs and is none itself."""
    return folder.is_dir() and not saved.exists(folder) and bool(_below(folder))


def _places(folder: Path) -> list[Path]:
    """The runs in a folder; none where there is neither a run nor a sweep."""
    return [folder.resolve()] if saved.exists(folder) else _below(folder) if folder.is_dir() else []


def _without_runs(folders: Sequence[Path]) -> str:
    """What is wrong with folders that have no runs, in words."""
    absent = [str(near(folder)) for folder in folders if not folder.exists()]
    empty = [str(near(folder)) for folder in folders if folder.exists()]
    parts = []
    if absent:
        parts.append(f"{' and '.join(absent)} {'does' if len(absent) == 1 else 'do'} not exist")
    if empty:
        each = "has no .hydra/config.yaml and holds" if len(empty) == 1 else "have no .hydra/config.yaml and hold"
        parts.append(f"{' and '.join(empty)} {each} no runs")
    return ", and ".join(parts)


def _below(folder: Path) -> list[Path]:
    """The folders of the runs in a sweep, in the order of their numbers."""
    return beneath(folder, saved.exists)


def read(folder: Path, *, follow: bool = True) -> Run:
    """The run in a folder; that of an earlier run with the same answer where a sweep skipped it.

    Args:
        folder: of the run.
        follow: whether to go where a sweep found the answer.

    Raises:
        DamagedError: a file of it is not as the run left it.
    """
    job = jobs.read(folder)
    if follow and job is not None and job.state == "SKIPPED" and saved.exists(Path(job.reason)):
        return read(Path(job.reason), follow=False)
    config = saved.plain(folder)
    choices = saved.choices(folder)
    if (settings := config.get("calibrate")) and not settings.get("beside"):
        return Run(folder, config, choices, "a calibration")
    if not all((folder / file).exists() for file in FILES):
        state = "not finished" if job is None or job.state == "FINISHED" else job.state
        return Run(folder, config, choices, state, "" if job is None else job.reason)
    provenance = saved.provenance(folder, saved.BESIDES)
    saved.require_draws(folder, saved.BESIDES)
    saved.summary(folder, saved.BESIDES)
    return Run(
        folder,
        config,
        choices,
        data_hash=str(provenance["data_hash"]),
        observed=cast("Mapping[str, Mapping[str, Any]] | None", provenance.get("observed")),
        verdict=saved.verdict(folder, saved.BESIDES),
        metrics=saved.metrics(folder, saved.BESIDES),
    )
