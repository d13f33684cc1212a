"""What MLflow runs to serve a run's model: its code is this file, its state the files of the run. No pickle."""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext


class Served(PythonModel):
    """Means, standard deviations and quantiles of the predictive, as `export.Exported` gives them."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the model."""
        from credo.runs import exported

        trusted = bool((context.model_config or {}).get("trust"))
        self.exported = exported.load(Path(context.artifacts["model"]), trusted=trusted)

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - as MLflow calls it
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Predict the rows of a table."""
        return self.exported(model_input)


set_model(Served())
