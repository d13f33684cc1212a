"""A run's model as an MLflow model (`export=mlflow`)."""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf

from credo.runs import saved, trust
from credo.runs.exported import Exported
from credo.runs.formula_model import FormulaModel
from credo.runs.rows_model import RowsModel


@dataclass(frozen=True)
class Mlflow:
    """For `mlflow models serve` or `mlflow.pyfunc.load_model`.

    An MLflow model that names code of the user's own says in its `MLmodel` that this may run.
    """

    def write(self, model: Exported | RowsModel | FormulaModel, source: Path, place: Path) -> str:
        """Write the folder; returns how to serve it."""
        settings = OmegaConf.to_container(saved.model(source))
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
        with warnings.catch_warnings(action="ignore"):  # MLflow warns of its own types, and misses an example of inputs
            import mlflow.pyfunc
            from mlflow.models import ModelSignature
            from mlflow.types import ColSpec, Schema

            inputs = Schema([ColSpec(kind, name) for name, kind in model.inputs.items()])
            mlflow.pyfunc.save_model(
                str(place),
                python_model=str(Path(__file__).with_name("pyfunc.py")),
                artifacts={"model": str(source)},
                model_config={"trust": trust.names_foreign(settings)},
                signature=ModelSignature(inputs=inputs),
                pip_requirements=["credo"],
            )
        return f"serve it: mlflow models serve -m {place} --host 127.0.0.1 --env-manager local"
