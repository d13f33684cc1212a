"""Runs that are in a folder already, run as they were configured: what `resume`, `extend` and `reproduce` share."""

import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from credo.cli import runner
from credo.config import loading, paths
from credo.experiment.resume import Run
from credo.runs import signature
from credo.runs.record import Fresh, Resumed

if TYPE_CHECKING:
    from credo.experiment.earlier import Outcome


def run(
    run: Run,
    start: Fresh | Resumed,
    code: Path | None = None,
    expected: Mapping[str, Any] | None = None,
    hydra: DictConfig | None = None,
) -> "Outcome":
    """Run a saved run from the folder where it was started.

    Args:
        run: as it was configured.
        start: whether it goes on in its folder.
        code: the folder whose modules may be imported; `None` for that of the run.
        expected: the record of the code that has to run.
        hydra: Hydra's own part of the configuration, where the run's folder is new.
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    with contextlib.chdir(run.start_folder):
        loading.make_importable(code or run.folder_of_code, paths.built_in())
        from credo.experiment.request import Request

        request = Request(
            run.config,
            run.choices,
            run.overrides,
            run.folder,
            run.start_folder,
            start,
            expected=expected,
            hydra=hydra,
            is_own=run.is_own,
        )
        return runner.of(run.config)(request)


def make_code_importable(*runs: Path, trusted: bool) -> None:
    """Let the parts of runs be modules in the current folder, where the user's own credo wrote all of the runs."""
    is_own = trusted or all(map(signature.is_own, runs))
    loading.make_importable(Path.cwd() if is_own else paths.built_in(), paths.built_in())
