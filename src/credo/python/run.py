"""One experiment from Python, and its answer: `run` and `load`."""

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from credo.cli import saved_run
from credo.diagnostics.base import Verdict
from credo.errors import ConfigError
from credo.experiment import resume
from credo.experiment.parts import make_tracker
from credo.python import asked, given, shown, words
from credo.python.session import session
from credo.runs import plain, saved
from credo.runs.record import Resumed

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


def run(*typed: str | DictConfig, **settings: Any) -> "Run":
    """Run one experiment, as `credo KEY=VALUE ...` does.

    Args:
        typed: the words of the command line, such as `"experiment=eight_schools"` and `"inference.draws=500"`; or one
            configuration that `compose` made, or Hydra itself with `return_hydra_config=True`.
        settings: the same as keys and values, such as `seed=1`. `model` may be a NumPyro function, `data` a pandas
            table or a dict of arrays (which are written to `credo_given/`). `chains`, `warmup` and `draws` are those
            of the inference, and `folder` is where the run leaves its files.

    Returns:
        The run with its answer, also where its verdict failed.

    Raises:
        ConfigError: the configuration cannot work; nothing was run or recorded.
        RunError: the inference failed; the run is recorded as FAILED.

    For example, `credo.run(data="coin_flips", model="bernoulli", inference="map").verdict.status` is "passed".
    """
    with session():
        config, strings = asked.parted("credo.run", typed)
        wanted = words.typed("credo.run", strings, given.replaced("credo.run", settings), "hydra.run.dir")
        return Run(asked.folder_of(wanted, config))


def compose(*typed: str, **settings: Any) -> DictConfig:
    """The configuration of an experiment that is not run yet, to be changed and given to `run`.

    Args:
        typed: the words of the command line.
        settings: the same as keys and values (see `run`).

    Raises:
        ConfigError: there is no such key, or a value does not fit.
    """
    with session():
        wanted = words.typed("credo.compose", typed, given.replaced("credo.compose", settings), "hydra.run.dir")
        return asked.composed(wanted)


def load(place: str | Path, *, trust: bool = False) -> "Run":
    """A run that is in a folder already.

    Args:
        place: the folder, or the run's id in MLflow.
        trust: whether code that it names may run, although this user's credo did not write the folder.

    Raises:
        ConfigError: there is no run.
    """
    with session():
        folder = resume.folder(str(place))
        saved.composed(folder)
        return Run(folder, trust=trust)


class Run:
    """A run and its answer, read from its folder when it is asked for.

    Attributes:
        folder: where its files are.
        trust: whether code that a stranger's run names may run.
    """

    def __init__(self, folder: Path, *, trust: bool = False) -> None:
        self.folder = folder
        self.trust = trust

    @cached_property
    def config(self) -> DictConfig:
        """The composed configuration."""
        return saved.configuration(self.folder)

    @cached_property
    def verdict(self) -> Verdict:
        """Whether the answer may be believed: `status`, and `checks` with their values, thresholds and advice."""
        return saved.verdict(self._finished)

    @cached_property
    def metrics(self) -> dict[str, float]:
        """The numbers of the answer, by the names under which they are logged."""
        return saved.metrics(self._finished)

    @cached_property
    def summary(self) -> "pd.DataFrame":
        """One row per scalar of the posterior, by its name."""
        return saved.summary(self._finished)

    @cached_property
    def posterior(self) -> "xr.DataTree":
        """The draws and all that belongs to them, in ArviZ's schema: `run.posterior["posterior"]["mu"]`."""
        import xarray as xr

        saved.require_draws(self._finished)
        return xr.load_datatree(self.folder / saved.DRAWS, engine="netcdf4")

    @property
    def report(self) -> Path | None:
        """The page of the run; `None` where none was made."""
        page = self.folder / "report.html"
        return page if page.exists() else None

    @cached_property
    def mlflow_id(self) -> str | None:
        """The id of the run in MLflow; `None` where it is not recorded there."""
        with session():
            kept = resume.read(self.folder, trusted=self.trust, recorded_anew=True)
            return make_tracker(kept.config).identity(self.folder, kept.start_folder)

    def predict(self, table: Any, *, new_groups: bool = False) -> "pd.DataFrame":
        """What the model says of new rows: mean, sd and quantiles of each target, as `credo predict` does.

        Args:
            table: a pandas table with the inputs' columns, or the path of a CSV file.
            new_groups: whether a level that a group did not have gets an effect of its own.

        Raises:
            ConfigError: the run has no model that can predict, or the table does not fit it.
        """
        from credo.cli import predict
        from credo.runs import exported

        with session():
            predict.prepare(self.folder, trusted=self.trust)
            model = exported.load(self.folder, trusted=self.trust, new_groups=new_groups)
            is_table = hasattr(table, "columns")
            made = model(table if is_table else exported.rows(self.folder, Path(table), model.texts))
            predict.tell_failed(self.folder)
            return made

    def extend(self, **more: int) -> "Run":
        """Make this finished run longer, as `credo extend` does: `draws=1000`, or `repeats`, `steps`, `replications`.

        Raises:
            ConfigError: the run is not finished, or has nothing of the kind.
        """
        if len(more) != 1:
            raise ConfigError(f"Run.extend: expected one number, as in extend(draws=1000), but got {len(more)}")
        (setting, count), name = next(iter(more.items())), str(self.folder)
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise ConfigError(f"Run.extend: {setting}: expected a whole number above 0, but got {count!r}")
        with session(), resume.held(self.folder):
            longer = resume.extended(self.folder, name, setting, count, trusted=self.trust)
            saved_run.run(longer, Resumed(from_checkpoint=not longer.is_calibration))
        return self._read_anew()

    def resume(self) -> "Run":
        """Go on with a run that was interrupted, as `credo resume` does.

        Raises:
            ConfigError: it has no checkpoint, or is finished.
        """
        with session(), resume.held(self.folder):
            again = resume.interrupted(self.folder, str(self.folder), trusted=self.trust)
            saved_run.run(again, Resumed(from_checkpoint=not again.is_calibration))
        return self._read_anew()

    def _read_anew(self) -> "Run":
        """This run, whose files are others now."""
        for name in ("config", "verdict", "metrics", "summary", "posterior"):
            self.__dict__.pop(name, None)
        return self

    def to_json(self) -> str:
        """The verdict, its checks with their numbers and advice, and the metrics; `null` stands for NaN."""
        return json.dumps(plain.answer(self._finished), indent=2)

    def __repr__(self) -> str:
        return f"<credo.Run {self.folder}: {self._status}>"

    def _repr_html_(self) -> str:
        if not self.is_finished:
            return f"<p>{shown.escaped(repr(self))}</p>"
        return shown.run(self.verdict, self.summary, self.folder)

    @property
    def is_finished(self) -> bool:
        """Whether the run has its answer."""
        return (self.folder / saved.VERDICT).exists() and (self.folder / saved.METRICS).exists()

    @property
    def _status(self) -> str:
        return self.verdict.status if self.is_finished else "not finished"

    @property
    def _finished(self) -> Path:
        if not self.is_finished:
            raise ConfigError(f"{self.folder} is not finished and has no answer; go on with it by resume()")
        return self.folder
