"""What an exporter offers (`conf/export`), and how a run's model comes to it."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from credo.errors import ConfigError

if TYPE_CHECKING:
    from credo.runs.exported import Exported
    from credo.runs.formula_model import FormulaModel
    from credo.runs.rows_model import RowsModel


@runtime_checkable
class Exporter(Protocol):
    """Writes a model that can predict in a form that others can use."""

    def write(self, model: "Exported | RowsModel | FormulaModel", source: Path, place: Path) -> str:
        """Write a model.

        Args:
            model: it predicts the rows of a table, by call.
            source: the folder of its files (`exported.FILES`).
            place: of the file or folder to write, where nothing is yet.

        Returns:
            What to type next, or where it is; empty where there is nothing to say.
        """
        ...


def write(exporter: Exporter, folder: Path, place: Path, *, trusted: bool = False) -> str:
    """Export the model of a run; returns what the exporter says.

    Args:
        exporter: the form.
        folder: of the run.
        place: of the file or folder to write.
        trusted: whether what the run names may run, whoever wrote it.

    Raises:
        ConfigError: as `exported.load`; or there is something at `place` already.
    """
    from credo.runs import exported  # takes time to load

    model = exported.load(folder, trusted=trusted)
    if place.exists():
        raise ConfigError(f"{place} exists already; name a new folder")
    return exporter.write(model, exported.place_of(folder), place)
