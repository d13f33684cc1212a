"""A conditional model of a finished run, to predict with: saved beside the run, loaded, and made an MLflow model.

`model/model.yaml` has the model's settings, `model/learned.npz` what it took from the training rows (its
standardisation), `model/weights.npz` the draws of its weights, `model/columns.json` the names of inputs and targets.
"""

import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf

from credo.errors import ConfigError

if TYPE_CHECKING:
    from credo.models.predict import Predictive
    from credo.models.problem import Problem
    from credo.result import Result

_FOLDER = "model"


@dataclass(frozen=True)
class Exported:
    """A predictive with the names of its columns.

    Attributes:
        predictive: of the run's weights.
        features: the inputs' columns, in order.
        contexts: those of the context.
        targets: the targets' names.
    """

    predictive: "Predictive"
    features: tuple[str, ...]
    contexts: tuple[str, ...]
    targets: tuple[str, ...]

    def __call__(self, table: pd.DataFrame) -> pd.DataFrame:
        """Mean, standard deviation and quantiles of each target for each row, in the target's own units.

        Args:
            table: the inputs in columns, in their own units; other columns are not looked at.

        Returns:
            Columns `TARGET_mean`, `TARGET_sd`, `TARGET_q5`, ..., `TARGET_q95`.

        Raises:
            ConfigError: a column is missing, or a value is no finite number.
        """
        from credo.models.predict import PROBABILITIES

        x, context = (self._columns(table, names) for names in (self.features, self.contexts))
        if x is None:
            raise ConfigError("the model has no inputs")
        mean, sd = self.predictive.moments(x, context)
        quantile = self.predictive.quantile(x, np.array(PROBABILITIES), context)
        columns = {}
        for t, name in enumerate(self.targets):
            columns[f"{name}_mean"], columns[f"{name}_sd"] = mean[:, t], sd[:, t]
            columns |= {f"{name}_q{round(100 * p)}": quantile[:, t, i] for i, p in enumerate(PROBABILITIES)}
        return pd.DataFrame(columns, index=table.index)

    def _columns(self, table: pd.DataFrame, names: tuple[str, ...]) -> np.ndarray | None:
        """The columns [row, column], or `None` where there are none."""
        if missing := [name for name in names if name not in table]:
            raise ConfigError(f"the table has no column {missing[0]!r}; the model was trained on {', '.join(names)}")
        if not names:
            return None
        values = table[list(names)].apply(pd.to_numeric, errors="coerce").to_numpy(float)
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            raise ConfigError(f"column {names[column]!r} has no finite number in row {row + 1}; correct or remove it")
        return values


def save(folder: Path, config: DictConfig, problem: "Problem", result: "Result") -> None:
    """Write the model of a run into its folder, if it is a conditional one; no other is written."""
    if not hasattr(problem.model, "exported") or "network" not in result.tree.children:
        return
    place = folder / _FOLDER
    place.mkdir(exist_ok=True)
    weights = {str(name): v.to_numpy() for name, v in result.tree["network"].data_vars.items()}
    draws = {name: values.reshape(-1, *values.shape[2:]) for name, values in weights.items()}
    for name, arrays in (("weights", draws), ("learned", problem.model.exported())):
        np.savez(place / f"{name}.npz", allow_pickle=False, **arrays)
    OmegaConf.save(
        OmegaConf.create({"model": OmegaConf.to_container(config.model, resolve=True)}), place / "model.yaml"
    )
    names = {
        "features": _names(problem, "x", "feature"),
        "contexts": _names(problem, "context", "context_feature"),
        "targets": _names(problem, "y", "target"),
    }
    (place / "columns.json").write_text(json.dumps(names, indent=2) + "\n")


def is_exported(folder: Path) -> bool:
    """Whether a run left a model in its folder."""
    return (folder / _FOLDER / "weights.npz").exists()


def load(folder: Path) -> Exported:
    """The model of a run, from its folder or from the folder `model` alone.

    Raises:
        ConfigError: the folder is no run's, or its model cannot predict.
    """
    from credo.config.build import make_model
    from credo.models.predict import Predictive

    place = folder if (folder / "weights.npz").exists() else folder / _FOLDER
    if not (place / "weights.npz").exists():
        raise ConfigError(f"{folder} has no {_FOLDER}/weights.npz: only runs of model=mdn can predict new rows")
    config = OmegaConf.load(place / "model.yaml")
    assert isinstance(config, DictConfig)  # noqa: S101 -- as `save` wrote it
    weights, learned = (_arrays(place / f"{name}.npz") for name in ("weights", "learned"))
    names = json.loads((place / "columns.json").read_text())
    columns = {key: tuple(names[key]) for key in ("features", "contexts", "targets")}
    return Exported(Predictive(make_model(config).restored(learned), weights), **columns)


def rows(folder: Path, file: Path) -> pd.DataFrame:
    """The rows of a CSV file whose separator and numbers are written as in the run's own, where that is one, too.

    Raises:
        ConfigError: it is no CSV file.
    """
    from credo.data.places import reading

    config = folder / ".hydra" / "config.yaml"
    data: Any = OmegaConf.select(OmegaConf.load(config), "data") if config.exists() else {}
    written: Any = {name: data[key] for name, key in _WRITTEN.items() if data.get(key) is not None}
    written |= {"sep": "\t"} if written.get("sep") == "\\t" else {}
    with reading(file, "CSV"):
        return pd.read_csv(file, skipinitialspace=True, compression=None, **written)


_WRITTEN = {"sep": "separator", "decimal": "decimal", "thousands": "thousands"}
"""What pandas calls the settings of `data=csv`."""


def to_mlflow(folder: Path, place: Path) -> None:
    """Write the run's model as an MLflow model, for `mlflow models serve` or `mlflow.pyfunc.load_model`.

    Raises:
        ConfigError: as `load`; or there is something at `place` already.
    """
    exported = load(folder)
    if place.exists():
        raise ConfigError(f"{place} exists already; name a new folder")
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    with warnings.catch_warnings(action="ignore"):  # MLflow warns of its own types, and misses an example of inputs
        import mlflow.pyfunc
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema

        inputs = Schema([ColSpec("double", name) for name in (*exported.features, *exported.contexts)])
        mlflow.pyfunc.save_model(
            str(place),
            python_model=str(Path(__file__).with_name("served.py")),
            artifacts={"model": str(folder / _FOLDER)},
            signature=ModelSignature(inputs=inputs),
            pip_requirements=["credo"],
        )


def _names(problem: "Problem", variable: str, dim: str) -> list[str]:
    data = problem.data
    if variable not in data:
        return []
    if data[variable].ndim == 1:
        return [variable]
    names = data[dim].to_numpy() if dim in data.coords else [f"{variable}_{i}" for i in range(data.sizes[dim])]
    return [str(name) for name in names]


def _arrays(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)
