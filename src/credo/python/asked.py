"""What was asked for, run by Hydra in this process: one experiment, or a sweep."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from credo.cli import experiment, flags, hydra_app, job
from credo.config import formula_words, messages
from credo.errors import ConfigError
from credo.runs import folder as run_folder

PARENT = "mlflow.parentRunId"


def parted(call: str, given: Sequence[Any]) -> tuple[DictConfig | None, list[Any]]:
    """The configuration that Hydra composed, if it is among what was given, and the rest, which are words."""
    configs = [one for one in given if isinstance(one, DictConfig)]
    if len(configs) > 1:
        raise ConfigError(f"{call}: expected one configuration, but got {len(configs)}")
    return (configs[0] if configs else None), [one for one in given if not isinstance(one, DictConfig)]


def composed(words: Sequence[str]) -> DictConfig:
    """The configuration of these words, which says of which options it was made."""
    with initialize_config_dir(hydra_app.CONF, version_base="1.3"):
        return compose("config", formula_words.in_place(words), return_hydra_config=True)


def folder_of(words: Sequence[str], config: DictConfig | None = None) -> Path:
    """Run one experiment; returns the folder of its answer.

    Args:
        words: as they are typed.
        config: of which all settings hold, in place of those that the words give.

    Raises:
        CredoError: it has no answer.
    """
    ended: list[Path | Exception] = []

    def task(composed: DictConfig) -> None:
        try:
            for remark in messages.remarks(HydraConfig.get()):
                sys.stderr.write(f"{remark}\n")
            if config is not None:
                _adopt(composed, config)
            _make_child(composed, words)
            folder = run_folder.chosen(HydraConfig.get())
            ended.append(experiment.outcome(composed).answered or folder)
        except Exception as error:  # noqa: BLE001 - Hydra would print before it raises it
            ended.append(error)

    flags.parse(words)
    hydra_app.launched([*_words_of(config), *words], task, multirun=False)
    if isinstance(end := ended[0], Exception):
        raise end
    return end


def sweep(words: Sequence[str], folder: Path) -> None:
    """Run the jobs of a sweep.

    Raises:
        CredoError: the sweep cannot run, or jobs of it failed.
    """
    flags.parse(["-m", *words])
    hydra_app.launched([*words, *hydra_app.placed(words, folder)], job.run, multirun=True)


def _words_of(config: DictConfig | None) -> list[str]:
    """The options that a composed configuration was made of, where it says so (`return_hydra_config=True`)."""
    if config is None:
        return []
    if "hydra" not in config:
        raise ConfigError(
            "credo.run: expected a configuration that says which options it was made of; compose it by "
            "credo.compose, or with return_hydra_config=True"
        )
    choices: Any = OmegaConf.to_container(config.hydra.runtime.choices)
    return [f"{group}={word}" for group, word in choices.items() if word is not None and "hydra/" not in group]


def _adopt(composed: DictConfig, config: DictConfig) -> None:
    """Let a configuration have all settings of another one."""
    with open_dict(composed):
        for key in [key for key in config if key != "hydra"]:
            composed[key] = config[key]


def _make_child(composed: DictConfig, words: Sequence[str]) -> None:
    """Let a run within an active run of MLflow's be its child, unless a tracker was chosen."""
    mlflow = sys.modules.get("mlflow")
    active = None if mlflow is None else mlflow.active_run()
    if mlflow is None or active is None or any(word.startswith("tracking") for word in words):
        return
    composed.tracking.uri = mlflow.get_tracking_uri()
    composed.tracking.experiment = mlflow.get_experiment(active.info.experiment_id).name
    with open_dict(composed.tracking.tags):
        composed.tracking.tags[PARENT] = active.info.run_id
