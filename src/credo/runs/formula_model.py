"""A regression with a formula, of a finished run, to predict with: saved beside the run, and loaded.

`model/model.yaml` has the model's settings, `model/table.parquet` the columns that the formula needs, of which the same
design is made again, and `model/draws.npz` at most 1,000 draws of the latents, evenly spaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf

from credo import writing
from credo.config.parsing import written
from credo.data import columns
from credo.data.formula.arranged import COLUMNS, arranged, needed, of_rows
from credo.data.splits import Split
from credo.errors import ConfigError
from credo.models.base import Rows
from credo.runs import files, saved, signature, trust
from credo.runs.rows_model import thinned

if TYPE_CHECKING:
    from credo.models.problem import Problem
    from credo.models.regression import Regression


class _Data(TypedDict):
    """What is done to the columns of a file before a formula reads them."""

    rename: dict[str, str]
    dates: dict[str, str]
    test_fraction: float
    split_seed: int
    missing: str
    split: str | None
    fold: int | None
    folds: int


def save(place: Path, config: DictConfig, problem: "Problem", draws: Mapping[str, np.ndarray]) -> None:
    """Write the model into its folder.

    Args:
        place: the folder.
        config: of the run.
        problem: with the table that its data was made of.
        draws: of its latents, by site.
    """
    place.mkdir(exist_ok=True)
    kept = thinned(draws)
    with writing.replacing(place / "draws.npz") as scratch, scratch.open("wb") as file:
        np.savez(file, allow_pickle=False, **kept)
    with writing.replacing(place / saved.TABLE) as scratch:
        problem.data.attrs[COLUMNS].to_parquet(scratch, index=False)
    plain: Any = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
    of_data = {name: plain["data"].get(name) for name in _Data.__annotations__}
    writing.write(place / "model.yaml", written({"model": plain["model"], "data": of_data}))


@dataclass(frozen=True)
class FormulaModel:
    """A regression that predicts the rows of a table.

    Attributes:
        model: fitted.
        draws: of its latents.
        table: the rows that it was made of.
        data: what is done to a file's columns first.
        new_groups: whether a level of a group that is new gets an effect of its own.
    """

    model: "Regression"
    draws: Mapping[str, np.ndarray]
    table: pd.DataFrame
    data: Mapping[str, Any]
    new_groups: bool = False

    def __call__(self, table: pd.DataFrame) -> pd.DataFrame:
        """Mean, standard deviation and quantiles of the target for each row, or the probability of each class.

        Raises:
            ConfigError: a column or a cell is missing, or a level is one that the model has not seen.
        """
        own, old = self.own(table)
        return self.predicted(own, old)

    def predicted(self, table: pd.DataFrame, old: Mapping[str, str] | None = None) -> pd.DataFrame:
        """The same of rows whose columns are the formula's own; `old` is what a file calls those renamed."""
        import jax

        from credo.models.predict import PROBABILITIES
        from credo.models.rows_predicted import predicted

        name, arrays = self.arrays(table, old)
        found = predicted(self.model, self.draws, arrays, jax.random.PRNGKey(0))
        if found.classes is not None:
            labels = [f"{name}[{level}]" for level in self.classes]
            return pd.DataFrame(dict(zip(labels, found.classes.T, strict=True)), index=table.index)
        made = {f"{name}_mean": found.mean, f"{name}_sd": found.sd}
        made |= {f"{name}_q{round(100 * p)}": found.quantiles[:, i] for i, p in enumerate(PROBABILITIES)}
        return pd.DataFrame(made, index=table.index)

    def own(self, table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
        """A file's columns as the formula has them, renamed and dated, and what the file calls those renamed.

        Raises:
            ConfigError: a cell is no date.
        """
        renamed = self._renamed(table)
        table = table.set_axis(columns.renamed(table.columns, renamed), axis=1)
        table = columns.dated(table, {n: unit for n, unit in self.data["dates"].items() if n in table}, is_new=True)
        return table, {new: name for name, new in renamed.items()}

    def arrays(self, table: pd.DataFrame, old: Mapping[str, str] | None = None) -> tuple[str, dict[str, np.ndarray]]:
        """The target's name, and what the formula makes of rows.

        Raises:
            ConfigError: a column or a cell is missing, or a level is one that the model has not seen.
        """
        return of_rows(self.table, table, self.rows, self._split, new_levels=self.new_groups, old_names=old)

    @property
    def classes(self) -> tuple[str, ...]:
        """The levels of the target, where it has some."""
        return () if self.model.known is None else self.model.known.classes

    @property
    def inner(self) -> tuple[str, ...]:
        """The columns that new rows must have, by the formula's names."""
        return needed(self.rows)

    @property
    def inputs(self) -> dict[str, str]:
        """The columns that a table must have, and what they hold."""
        old = {new: name for name, new in self.data["rename"].items()}
        kinds = {name: self.table[name].dtype.kind for name in needed(self.rows)}
        words = {"b": "boolean", "i": "long", "f": "double"}
        kinds |= dict.fromkeys(kinds.keys() & self.data["dates"], "O")  # numbers in the table, words in a file
        return {old.get(name, name): words.get(kind, "string") for name, kind in kinds.items()}

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns that were text, under their old names and their new ones."""
        texts = [name for name in needed(self.rows) if self.table[name].dtype.kind not in "biuf"]
        return (*texts, *(old for old, new in self.data["rename"].items() if new in texts))

    def _renamed(self, table: pd.DataFrame) -> dict[str, str]:
        """The new names of those columns that are there under their old ones."""
        return {old: new for old, new in self.data["rename"].items() if old in table}

    @property
    def rows(self) -> Rows:
        """What the formula asks of a table."""
        rows = self.model.rows
        assert rows is not None  # noqa: S101 - for the type checker
        return rows

    @property
    def _split(self) -> Split:
        return _split_of(self.data)


def _split_of(data: Mapping[str, Any]) -> Split:
    """How rows were held out."""
    names = ("test_fraction", "split_seed", "split", "fold", "folds", "dates")
    return Split(**{name: data[name] for name in names})


def load(place: Path, *, trusted: bool, new_groups: bool = False) -> FormulaModel:
    """Read the model from its folder.

    Raises:
        ConfigError: a file is damaged, or the model names code and is a stranger's.
    """
    from credo.config import schema
    from credo.config.make import make
    from credo.models.base import Model

    for name in ("model.yaml", "draws.npz", saved.TABLE):
        signature.require_whole(place / name, place.parent, saved.ANEW)
    config = saved.model(place)
    if not trusted and not signature.is_own(place.parent):
        config = trust.require_harmless(config, place / "model.yaml")
    draws = files.arrays(place / "draws.npz", saved.ANEW)
    with files.reading(place / saved.TABLE, saved.ANEW):
        table = pd.read_parquet(place / saved.TABLE)
    model = make(config, "model", Model, without=schema.BESIDE["model"])
    if model.rows is None:
        raise files.DamagedError(place / "model.yaml", "is damaged (its model has no formula)", saved.ANEW)
    plain: Any = OmegaConf.to_container(config)
    data = _Data(
        rename={}, dates={}, test_fraction=0.0, split_seed=0, missing="refuse", split=None, fold=None, folds=5
    ) | {name: value for name, value in (plain.get("data") or {}).items() if value is not None}
    if set(data) != set(_Data.__annotations__):
        raise ConfigError(f"{place / 'model.yaml'}: expected the settings {', '.join(_Data.__annotations__)} of data")
    whole = arranged(table, model.rows, is_text_file=True, missing=str(data["missing"]), split=_split_of(data))
    train = whole if "split" not in whole.coords else whole.isel(obs=(whole["split"] == "train").to_numpy())
    return FormulaModel(model.fitted(train), draws, table, data, new_groups)
