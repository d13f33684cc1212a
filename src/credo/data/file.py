"""What all tables in files share."""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, override

import xarray as xr

from credo.contracts import Source
from credo.data.entries import as_table, by_name
from credo.data.holdout import hold_out
from credo.data.nearest import nearest
from credo.data.scaling import standardise
from credo.data.table import from_table, keys, require_distinct, roles
from credo.errors import ConfigError
from credo.ranges import Natural, Part

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
    """

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

    @abc.abstractmethod
    def read(self, path: Path) -> Mapping[str, Any]:
        """The file's columns, or other entries, by name.

        Raises:
            ConfigError: the file is not of the expected format.
        """

    def names(self, path: Path) -> Sequence[str] | None:
        """The columns' names, as far as the head of the file tells them; `None` where all of it must be read for that.

        Raises:
            ConfigError: the file is not of the expected format.
        """
        del path
        return None

    def precheck(self) -> None:
        """Look whether the file is there, and in its head for the columns (see `contracts.Early`)."""
        names = self.names(existing(self.path))
        if self.target is None:
            self._require_no_roles()
        elif names is not None:
            given = roles(_targets(self.target), self.context, self.group, self.sigma)
            require_distinct(names, given | keys("data.features", self.features))

    @override
    def load(self, model: "Model", seed: int) -> xr.Dataset:
        entries = self.read(existing(self.path))
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


def existing(path: str) -> Path:
    """The file at `path`.

    Raises:
        ConfigError: it does not exist or is a folder; the sentence tells near names.
    """
    file = Path(path).expanduser().absolute()
    if file.is_file():
        return file
    if file.is_dir():
        raise ConfigError(f"data.path: expected a file, but {file} is a folder; add the file's name")
    folder = next(parent for parent in file.parents if parent.is_dir())
    wanted = file.relative_to(folder).parts[0]
    advice = nearest(wanted, sorted(entry.name for entry in folder.iterdir()))
    raise ConfigError(f"data.path: the file {file} does not exist; in {folder}, {advice}")


def unreadable(path: Path, form: str, error: Exception) -> ConfigError:
    """The error for a file that is not of the expected format."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return ConfigError(
        f"data.path: expected a {form} file, but {path} cannot be read as one ({reason}); check its contents"
    )
