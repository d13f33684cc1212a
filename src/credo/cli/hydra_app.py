"""`credo KEY=VALUE ...` and `credo -m KEY=VALUE,VALUE ...`: Hydra composes one experiment, or a sweep of them."""

import gc
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode, TaskFunction
from omegaconf import DictConfig

from credo.cli import experiment, flags, job
from credo.config import formula_words, launch, messages, paths
from credo.sweeps.environment import quoted

CONF = str(paths.built_in() / "conf")


def run(
    arguments: Sequence[str],
    began: float | None = None,
    hear: Callable[[experiment.End], object] = lambda _: None,
) -> int:
    """Let Hydra compose the configuration and run the job, or the jobs of a sweep; returns the exit code.

    Args:
        arguments: as typed.
        began: when the command began.
        hear: is called with how a single experiment ended.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then leaves errors to us instead of printing them
    arguments = flags.with_option(flags.with_dry_run(arguments), "beside")
    typed = flags.parse(arguments)
    codes: list[int] = []

    def task(config: DictConfig) -> float | list[float] | None:
        os.chdir(HydraConfig.get().runtime.cwd)  # where all paths start, whatever hydra.job.chdir says
        if HydraConfig.get().mode is RunMode.MULTIRUN:
            return job.run(config)
        for remark in messages.remarks(HydraConfig.get()):
            sys.stderr.write(f"{remark}\n")
        end = experiment.run_one(config, began=began)
        hear(end)
        codes.append(end.exit_code)
        return None

    if flags.only_shows(typed):
        sys.argv[1:] = flags.overrides_first(arguments, typed.overrides)
        hydra.main(config_path=CONF, config_name="config", version_base="1.3")(task)()
        return 0
    conf = str(Path(typed.config_path or CONF).absolute())
    gc.disable()  # until all is loaded: looking for garbage in it takes a twentieth of a small run
    try:
        launched(typed.overrides, task, typed.multirun, conf, typed.config_name or "config", typed.config_dir)
    finally:
        gc.enable()
    return next((code for code in codes if code), 0)


def launched(
    words: Sequence[str],
    task: TaskFunction,
    multirun: bool,
    conf: str = CONF,
    name: str = "config",
    folder: str | None = None,
) -> None:
    """Let Hydra compose what was typed, and run the task with it (see `launch.run`)."""
    try:
        launch.run(formula_words.in_place(words), task, multirun, conf, name, folder)
    except OSError as error:  # Hydra makes the folders
        if error.filename is None:
            raise
        raise messages.no_folder(error, words) from error
    except RuntimeError as error:
        if (sentence := messages.no_plugin(error, words)) is None:
            raise
        raise sentence from error


def sweep_folder(words: Sequence[str]) -> Path:
    """The folder of the sweep that these words make: the one that they name, or a new one."""
    named = {key: word for key, _, word in (one.partition("=") for one in words)}
    if earlier := named.get("sweep.resume"):
        from credo.experiment import resume  # takes time to load

        return resume.folder(_bare(earlier))
    place = named.get("hydra.sweep.dir") or f"multirun/{datetime.now():%Y-%m-%d/%H-%M-%S-%f}"
    return Path(_bare(place)).absolute()


def placed(words: Sequence[str], folder: Path) -> list[str]:
    """What to add to words that name no folder of their sweep, so that it is this one."""
    has_place = any(word.startswith(("sweep.resume=", "hydra.sweep.dir=")) for word in words)
    return [] if has_place else [f"hydra.sweep.dir={quoted(str(folder))}"]


def _bare(word: str) -> str:
    return word.strip("'\"")
