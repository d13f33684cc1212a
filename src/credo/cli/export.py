"""`credo export RUN FOLDER`: a run's model in a form that others can use, as an MLflow model or as `export=` says."""

import sys
from collections.abc import Sequence
from pathlib import Path

import hydra

from credo.cli.errors import misused
from credo.cli.predict import prepare, tell_failed
from credo.config import loading, messages, paths
from credo.errors import ConfigError
from credo.experiment import parts, resume
from credo.runs import trust
from credo.runs.export import base as exports
from credo.runs.export.base import Exporter

DEFAULT = "export=mlflow"
FLAGS = (trust.FLAG,)
"""What Tab completes after this verb."""


def run(arguments: Sequence[str]) -> int:
    """Export; returns the exit code.

    Raises:
        ConfigError: the run has no model that can predict, the folder exists, or there is no such exporter.
    """
    typed, trusted = trust.without_flag(arguments)
    overrides = [word for word in typed if word.startswith(("export=", "export.", "+export.", "~export."))]
    words = [word for word in typed if word not in overrides]
    if len(words) != 2 or any(word.startswith("-") for word in words):
        raise misused("credo export: expected a run and a new folder, as in credo export RUN my_model", arguments)
    folder = resume.folder(words[0])
    exporter = _exporter(overrides)
    prepare(folder, trusted=trusted)
    advice = exports.write(exporter, folder, Path(words[1]), trusted=trusted)
    tell_failed(folder)
    if advice:
        sys.stdout.write(f"{advice}\n")
    return 0


def _exporter(overrides: Sequence[str]) -> Exporter:
    """The exporter that was typed, with its settings."""
    loading.make_importable(Path.cwd(), paths.built_in())
    chosen = any(word.startswith("export=") for word in overrides)
    with hydra.initialize_config_dir(str(paths.built_in() / "conf"), version_base="1.3"):
        config = hydra.compose("config", [*([] if chosen else [DEFAULT]), *overrides])
    messages.refuse(config)
    if (exporter := parts.make_exporter(config)) is None:
        raise ConfigError(f"export=none: expected an exporter, as in {DEFAULT}; credo --help shows all")
    return exporter
