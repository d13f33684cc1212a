"""What all tables in files share."""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, override

import xarray as xr

from credo.data.base import Source
from credo.data.dataset import require_writable
from credo.data.entries import as_table, by_name
from credo.data.holdout import hold_out
from credo.data.places import GIGABYTE, existing, fits, reading
from credo.data.scaling import standardise
from credo.data.table import from_table, keys, require_distinct, roles
from credo.errors import ConfigError
from credo.ranges import Natural, Part, Positive

if TYPE_CHECKING:
    from credo.models.base import Model


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
        file = existing(self.path)
        self.require_room(file, file.stat().st_size)
        with reading(file, self.form):
            names = self.names(file)
        if self.target is None:
            self._require_no_roles()
        elif names is not None:
            given = roles(_targets(self.target), self.context, self.group, self.sigma)
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
            entries = self.read(file)
            require_writable(entries, f"data.path: {file} has the name")
            return self._arranged(entries, model)

    def _arranged(self, entries: Mapping[str, Any], model: "Model") -> xr.Dataset:
        """The entries by their roles."""
        if self.target is None:
            self._require_no_roles()
            return by_name(entries, is_text_file=self.is_text_file)
        least = 1 if model is not None and model.takes_one_row else 2
        dataset = from_table(
            as_table(entries),
            target=_targets(self.target),
            features=self.features,
            context=self.context,
            group=self.group,
            sigma=self.sigma,
            is_text_file=self.is_text_file,
            least=least,
        )
        dataset = hold_out(dataset, self.test_fraction, self.split_seed, least)
        return standardise(dataset, features=self.standardise, target=self.standardise_target)

    def _require_no_roles(self) -> None:
        for key in ("features", "context", "group", "sigma", "standardise", "standardise_target", "test_fraction"):
            if value := getattr(self, key):
                raise ConfigError(
                    f"data.{key}: {value} needs a target, but data.target is null, which gives every column to the "
                    f"model under its own name; set data.target, or leave out data.{key}"
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
