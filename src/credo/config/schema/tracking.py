"""The keys of `conf/tracking`."""

from dataclasses import dataclass

from omegaconf import MISSING


@dataclass
class Mlflow:
    """Runs are recorded in MLflow."""

    _target_: str = "credo.tracking.mlflow.tracker.MlflowTracker"
    uri: str | None = MISSING
    experiment: str = MISSING
    tags: dict[str, str] = MISSING
    artifacts: bool = MISSING
    register: str | None = MISSING
    system_metrics: bool = MISSING


@dataclass
class Nowhere:
    """Runs are recorded nowhere but in their folders."""

    _target_: str = "credo.tracking.none.NoTracker"


OPTIONS = {"mlflow": Mlflow, "none": Nowhere}
