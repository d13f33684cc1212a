"""What all tables in files share."""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, override

import pandas as pd
import xarray as xr

from credo.data import columns
from credo.data.base import Source
from credo.data.dataset import ROWS, require_writable
from credo.data.entries import as_table, by_name
from credo.data.places import GIGABYTE, existing, fits, reading
from credo.data.scaling import standardise
from credo.data.splits import Split
from credo.data.table import from_table, keys, require_distinct, roles
from credo.errors import ConfigError
from credo.ranges import Natural, Part, Positive, Several

if TYPE_CHECKING:
    from credo.models.base import Model, Rows


@dataclass(frozen=True)
class TableFile(Source, abc.ABC):
    """A table in a file: `y` [obs] or [obs, target], `x` [obs, feature] and, if named, these.

    They are `context` [obs, context_feature], `group` [obs] and `sigma` [obs].

    Attributes:
        path: the file, relative to the folder where `credo` was started.
        target: the column that becomes `y` [obs], or a list of those that become `y` [obs, target]; `None` gives every
            column to the model under its own name.
        features: the columns that become `x`; `None` takes all other numeric ones.
        context: the columns that become `context`, or `None`; they are no features.
        group: a column with group labels, or `None`.
        sigma: a column with known standard errors, or `None`.
        standardise: whether features and context get mean 0 and standard deviation 1 on the training rows.
        standardise_target: whether every target does, too.
        test_fraction: the share of the rows that is held out.
        split_seed: the seed that chooses them.
        max_gb: how many gigabytes the file's values may take in memory.
        weights: a column with the rows' weights, or `None`.
        columns: where `target` is `None`, the columns that the model gets, or `None` for all; text among those named
            becomes codes 0, 1, ... of its levels, which are the coordinate `COLUMN_level`.
        rename: old name -> new name of columns, which all other settings and formulas use; or `None`.
        dates: column -> unit, one of `columns.UNITS`: dates become so many of them since 1970 began; or `None`.
        split: which rows are held out, `by:COLUMN`, `after:VALUE` or `after:COLUMN:VALUE` (see `splits.Split`).
        fold: the fold that is held out, counted from 0, in place of a share; or `None`.
        folds: how many there are.
        missing: what becomes of a row with a missing cell in a column that is used: `refuse`, or `drop` leaves it out;
            `impute`, of a formula, makes missing numbers latents.
    """

    form: ClassVar[str]
    """What the file's format is called."""

    is_text_file: ClassVar[bool] = False
    """Whether the configuration says how numbers are written in the file."""

    path: str
    target: Any
    features: Sequence[str] | None
    context: Sequence[str] | None
    group: str | None
    sigma: str | None
    standardise: bool
    standardise_target: bool
    test_fraction: Part
    split_seed: Natural
    max_gb: Positive = field(default=2.0, kw_only=True)
    weights: str | None = field(default=None, kw_only=True)
    columns: Sequence[str] | None = field(default=None, kw_only=True)
    rename: Mapping[str, str] | None = field(default=None, kw_only=True)
    dates: Mapping[str, str] | None = field(default=None, kw_only=True)
    missing: str = field(default="refuse", kw_only=True)
    split: str | None = field(default=None, kw_only=True)
    fold: Natural | None = field(default=None, kw_only=True)
    folds: Several = field(default=5, kw_only=True)

    @abc.abstractmethod
    def read(self, path: Path) -> Mapping[str, Any]:
        """The file's columns, or other entries, by name.

        Raises:
            Exception: the file is not of the expected format; see `reading`.
        """

    def names(self, path: Path) -> Sequence[str] | None:
        """The columns' names, as far as the head of the file tells them; `None` where all of it must be read for that.

        Raises:
            Exception: the file is not of the expected format; see `reading`.
        """
        del path
        return None

    def precheck(self) -> None:
        """Look whether the file is there, and in its head for the columns (see `base.Early`)."""
        if self.missing not in columns.MISSING:
            raise ConfigError(f"data.missing: expected one of {', '.join(columns.MISSING)}, but got {self.missing!r}")
        _ = self._held_out.column  # refuses what there is not
        for key, form in (("rename", "{old: new}"), ("dates", "{column: days}")):
            columns.require_words(getattr(self, key), f"data.{key}", form)
        file = existing(self.path)
        self.require_room(file, file.stat().st_size)
        with reading(file, self.form):
            names = self.names(file)
        self._require_roles(ROLES)
        if names is None:
            return
        names = columns.renamed(names, self.rename)
        if self.target is not None:
            given = roles(_targets(self.target), self.context, self.group, self.sigma, self.weights)
            require_distinct(names, given | keys("data.features", self.features))

    def require_room(self, path: Path, size: int) -> None:
        """Refuse what takes more memory than it may; called before it is read.

        Args:
            path: the file.
            size: how many bytes its values take, as it says itself.

        Raises:
            ConfigError: they are too many.
        """
        if not fits(size, self.max_gb):
            raise ConfigError(
                f"data.max_gb={self.max_gb:g}: the values of {path} take {round(size / GIGABYTE, 3):,g} GB; raise "
                "data.max_gb if this machine has so much memory, or use fewer of them"
            )

    @override
    def load(self, model: "Model", seed: int) -> xr.Dataset:
        file = existing(self.path)
        self.require_room(file, file.stat().st_size)
        with reading(file, self.form):
            read = self.read(file)
            require_writable(read, f"data.path: {file} has the name")
            entries = dict(zip(columns.renamed(read, self.rename), read.values(), strict=True))
            return self._arranged(entries, model)

    def _arranged(self, entries: Mapping[str, Any], model: "Model") -> xr.Dataset:
        """The entries by their roles, or by the model's formula."""
        if model is not None and model.rows is not None:
            return self._by_formula(entries, model.rows)
        if self.missing == "impute":
            raise ConfigError(
                "data.missing=impute: it needs a model.formula; write one, with model=regression, or type "
                "data.missing=drop"
            )
        predicts = model is not None and model.predicts
        self._require_roles((*ROLES, *(("weights",) if predicts else FITTING)))
        if self.target is None:
            dataset = self._by_name(entries, model)
            return self._held_out.marked(dataset, _columns_of(dataset)) if predicts else dataset
        least = 1 if model is not None and model.takes_one_row else 2
        dataset = from_table(
            columns.dated(as_table(entries), self.dates),
            target=_targets(self.target),
            features=self.features,
            context=self.context,
            group=self.group,
            sigma=self.sigma,
            weights=self.weights,
            is_text_file=self.is_text_file,
            least=least,
            missing=self.missing,
            states=model is not None and model.of_states,
            classes=model is not None and model.takes_classes,
            split=self._held_out,
        )
        return standardise(dataset, features=self.standardise, target=self.standardise_target)

    def _by_formula(self, entries: Mapping[str, Any], rows: "Rows") -> xr.Dataset:
        """The arrays that a formula asks for."""
        from credo.data.formula.arranged import arranged  # takes time to load

        for key in (*ROLES, "columns"):
            if value := getattr(self, key):
                raise ConfigError(
                    f"data.{key}: {value} is not for a model.formula, which names its columns itself; leave out "
                    f"data.{key}"
                )
        return arranged(
            columns.dated(as_table(entries), self.dates),
            rows,
            target=self.target,
            weights=self.weights,
            is_text_file=self.is_text_file,
            missing=self.missing,
            split=self._held_out,
        )

    @property
    def _held_out(self) -> Split:
        """How rows are held out."""
        return Split(self.test_fraction, self.split_seed, self.split, self.fold, self.folds, self.dates)

    def _by_name(self, entries: Mapping[str, Any], model: "Model") -> xr.Dataset:
        """Every entry, or those of `columns`, under its own name."""
        if model is not None and not model.takes_all and self.columns is None:
            _require_taken(entries, model)
        taken = columns.chosen(entries, self.columns)
        dropped = ""
        if self.dates or self.missing == "drop":
            table, dropped = columns.complete(columns.dated(as_table(taken), self.dates), list(taken), self.missing)
            taken = {str(name): column.reset_index(drop=True) for name, column in table.items()}
        factors = self.columns is not None
        dataset = by_name(taken, is_text_file=self.is_text_file, factors=factors)
        return dataset.assign_attrs(columns.remarks({}, dropped) or {})

    def _require_roles(self, keys: Sequence[str]) -> None:
        """Refuse roles (these keys) without a target, and a choice of columns beside one."""
        if self.target is not None:
            if self.columns is not None:
                raise ConfigError(
                    "data.columns: it chooses what a program takes by name, but data.target is set; use data.features"
                )
            return
        for key in keys:
            value = getattr(self, key)
            if value or (key == "fold" and value is not None):
                raise ConfigError(
                    f"data.{key}: {value} needs a target, but data.target is null, which gives every column to the "
                    f"model under its own name; set data.target, or leave out data.{key}"
                )


ROLES = ("features", "context", "group", "sigma", "standardise", "standardise_target")
"""What needs a target."""

FITTING = ("weights", "test_fraction", "split", "fold")
"""What needs a target or a formula."""


def _columns_of(dataset: xr.Dataset) -> pd.DataFrame:
    """The variables that have one value per row."""
    return pd.DataFrame({str(name): v.to_numpy() for name, v in dataset.data_vars.items() if v.dims == (ROWS,)})


def _require_taken(entries: Mapping[str, Any], model: "Model") -> None:
    """Refuse a table without a named target for a model that predicts one."""
    required, _ = model.arguments()
    if "x" in required and "x" not in entries:
        raise ConfigError(
            f"data.target: model={model.name} predicts a column of the table, but none is named; type "
            f"data.target=COLUMN, where COLUMN is one of {', '.join(map(repr, list(entries)[:12]))}"
        )


def _targets(target: Any) -> str | list[str]:
    """The column's name, or those of a list; a number such as 2026 is a name, too."""
    several = isinstance(target, Sequence) and not isinstance(target, str)
    names = target if several else [target]
    if not names or not all(isinstance(name, str | int | float) for name in names):
        raise ConfigError(
            f"data.target: expected a column or a list of columns, but got {target}; write data.target=y or "
            "data.target=[y,z]"
        )
    return list(map(str, names)) if several else str(target)
