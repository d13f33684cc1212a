"""From the composed configuration to the objects of an experiment."""

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from credo.config import schema
from credo.config.make import make
from credo.data.base import Source
from credo.diagnostics.base import Diagnostic
from credo.experiment import device
from credo.inference.base import Inference
from credo.inference.evidence.base import Evidence
from credo.inference.training.base import Training
from credo.report.base import Report
from credo.runs.export.base import Exporter
from credo.tracking.base import Tracker

if TYPE_CHECKING:
    import xarray as xr

    from credo.models.base import Model
    from credo.models.problem import Problem


@dataclass(frozen=True)
class Parts:
    """The objects that a configuration names."""

    source: Source
    model: "Model"
    training: Training | None
    inference: Inference
    evidence: Evidence | None
    checkpoint_every: float | None
    diagnostics: Mapping[str, Diagnostic]
    gate: str
    tracker: Tracker
    report: Report
    exporter: Exporter | None
    reparam: Any = field(default_factory=dict)
    mesh: tuple[int, int] | None = None
    rows_max: int | None = None

    def problem(self, seed: int, free: Collection[str] = ()) -> "tuple[Problem, xr.Dataset]":
        """The model with its data, known to fit; and the data, held-out rows included.

        Args:
            seed: of the run.
            free: settings of the training that nobody chose; they are brought down to what the rows allow.

        Raises:
            ConfigError: the data cannot be had, or does not fit the model.
        """
        from credo.data.dataset import split
        from credo.models.problem import Problem

        data = self.model.arranged(self.source.load(self.model, seed))
        train, test = split(data)
        given = {"reparam": self.reparam, "mesh": self.mesh, "rows_max": self.rows_max}
        problem = Problem(self.model.fitted(train), train, test, self.training, **given)
        if self.training is not None:
            rows = train.sizes.get(problem.row_dim, 1)
            problem = replace(problem, training=self.training.fitted(rows, free))
        problem.check()
        return problem, data


def build(config: DictConfig) -> Parts:
    """Make the parts of a configuration that `mistakes.refuse` has let pass.

    Raises:
        ConfigError: a part refuses its settings; the sentence names the key.
    """
    return Parts(
        source=make_source(config),
        model=make_model(config),
        training=make(config, "training", Training) if config.get("training") else None,
        inference=make_inference(config),
        evidence=make(config, "evidence", Evidence, without=schema.BESIDE["inference"])
        if config.get("evidence")
        else None,
        checkpoint_every=OmegaConf.select(config, "inference.checkpoint.every"),
        diagnostics={
            name: make(config, f"diagnostics.checks.{name}", Diagnostic) for name in config.diagnostics.checks
        },
        gate=str(getattr(config.diagnostics.gate, "value", config.diagnostics.gate)),
        tracker=make(config, "tracking", Tracker),
        report=make(config, "report", Report),
        exporter=make_exporter(config),
        reparam=_reparam(config),
        mesh=device.mesh_of(config.device.get("mesh")),
        rows_max=config.diagnostics.get("rows_max"),
    )


def _reparam(config: DictConfig) -> Any:
    """What `model.reparam` says, as plain containers."""
    given = config.model.get("reparam")
    return {} if given is None else OmegaConf.to_container(given) if OmegaConf.is_config(given) else given


def make_source(config: DictConfig) -> Source:
    """Make the data source of a configuration alone."""
    source: Source = make(config, "data", Source)
    return source


def make_model(config: DictConfig) -> Any:
    """Make the model of a configuration alone."""
    from credo.models.base import Model  # takes time to load

    return make(config, "model", Model, without=schema.BESIDE["model"])


def make_inference(config: DictConfig) -> Inference:
    """Make the method of a configuration alone."""
    if OmegaConf.select(config, "inference.placement") is not None:
        sys.stderr.write("inference.placement is now called inference.chain_method; the next release refuses it\n")
    method: Inference = make(config, "inference", Inference, without=schema.BESIDE["inference"])
    return method


def make_tracker(config: DictConfig) -> Tracker:
    """Make the tracker of a configuration alone."""
    tracker: Tracker = make(config, "tracking", Tracker)
    return tracker


def make_exporter(config: DictConfig) -> Exporter | None:
    """Make the exporter of a configuration alone, if it has one."""
    return make(config, "export", Exporter) if config.get("export") else None
