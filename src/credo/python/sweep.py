"""A sweep from Python: many experiments by one call."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credo.cli import hydra_app
from credo.errors import SweepError
from credo.python import asked, given, shown, words
from credo.python.run import Run
from credo.python.session import session
from credo.runs import files, saved
from credo.runs.walk import beneath

if TYPE_CHECKING:
    import pandas as pd

    from credo.python.comparison import Comparison


def sweep(*typed: str, **settings: Any) -> "Sweep":
    """Run one experiment for each combination of values, as `credo -m KEY=VALUE,VALUE ...` does.

    Args:
        typed: the words of the command line, such as `"model.prior.beta.scale=0.5,1,2"`.
        settings: the same as keys and values; a list has one job for each of its values. `folder` is the sweep's.

    Returns:
        The sweep, also where jobs of it failed; its table says how each ended.

    Raises:
        ConfigError: the sweep cannot run; nothing was run.
    """
    call = "credo.sweep"
    with session():
        each = {name: words.several(call, name, one) for name, one in given.replaced(call, settings).items()}
        wanted = words.typed(call, typed, each, "hydra.sweep.dir")
        place = hydra_app.sweep_folder(wanted)
        try:
            asked.sweep(wanted, place)
        except SweepError:  # the table has it, and the summary said so
            if not (place / TABLE).exists():
                raise
        return Sweep(place)


TABLE = "sweep.csv"


class Sweep:
    """The jobs of a sweep, in the order of their numbers.

    Attributes:
        folder: where its files are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def table(self) -> "pd.DataFrame":
        """One row per job: `state`, `verdict`, what was varied, and the metrics."""
        import pandas as pd

        with files.reading(self.folder / TABLE, saved.ANEW):
            return pd.read_csv(self.folder / TABLE, index_col="job")

    @cached_property
    def runs(self) -> list[Run]:
        """The runs of the jobs."""
        return [Run(place) for place in beneath(self.folder, saved.exists)]

    def compare(self) -> "Comparison":
        """Compare the finished jobs, as `credo compare SWEEP` does.

        Raises:
            ConfigError: there are not two finished runs on the same data.
        """
        from credo.python.comparison import compare

        return compare(self)

    def __repr__(self) -> str:
        return f"<credo.Sweep {self.folder}: {self._counts}>"

    def _repr_html_(self) -> str:
        return shown.table(f"{self._counts} in {self.folder}", self.table)

    @property
    def _counts(self) -> str:
        return ", ".join(f"{count} {state.lower()}" for state, count in self.table["state"].value_counts().items())
