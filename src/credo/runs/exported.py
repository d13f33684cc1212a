"""A conditional model of a finished run, to predict with: saved beside the run, and loaded.

`model/model.yaml` has the model's settings, `model/learned.npz` what it took from the training rows (its
standardisation), `model/weights.npz` the draws of its weights, `model/columns.json` the names of inputs and targets.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf

from credo import writing
from credo.config.parsing import written
from credo.config.paths import near
from credo.errors import ConfigError
from credo.runs import files, saved, signature, trust
from credo.runs.rows_model import RowsModel, thinned
from credo.runs.units import Units, numbers

if TYPE_CHECKING:
    from credo.inference.result import Result
    from credo.models.base import Model
    from credo.models.predict import Predictive
    from credo.models.problem import Problem
    from credo.runs.formula_model import FormulaModel

FILES = ("weights.npz", "model.yaml", "learned.npz", "columns.json")
"""What a run leaves in `model/`."""


@dataclass(frozen=True)
class Exported:
    """A predictive with the names of its columns.

    Attributes:
        predictive: of the run's weights.
        features: the inputs' columns, in order.
        contexts: those of the context.
        targets: the targets' names.
        classes: the names of a classifier's classes.
        units: of the numbers in its columns.
    """

    predictive: "Predictive"
    features: tuple[str, ...]
    contexts: tuple[str, ...]
    targets: tuple[str, ...]
    classes: tuple[str, ...] = ()
    units: Units = field(default_factory=Units)
    texts: ClassVar[tuple[str, ...]] = ()

    @property
    def inputs(self) -> dict[str, str]:
        """The columns that a table must have, and what they hold."""
        return dict.fromkeys((*self.features, *self.contexts), "double")

    def __call__(self, table: pd.DataFrame) -> pd.DataFrame:
        """Mean, standard deviation and quantiles of each target for each row, in its own units; or probabilities.

        Args:
            table: the inputs in columns, in their own units; other columns are not looked at.

        Returns:
            Columns `TARGET_mean`, `TARGET_sd`, `TARGET_q5`, ..., `TARGET_q95`; of a classifier `TARGET[CLASS]`, the
            probability of each class.

        Raises:
            ConfigError: a column is missing, or a value is no finite number.
        """
        from credo.models.classes_derived import probabilities
        from credo.models.predict import PROBABILITIES

        x, context = self._rows(table)
        if self.classes:
            found = probabilities(self.predictive, x, context)
            labels = [f"{self.targets[0]}[{name}]" for name in self.classes]
            return pd.DataFrame(dict(zip(labels, found.T, strict=True)), index=table.index)
        mean, sd = self.predictive.moments(x, context)
        quantile = self.predictive.quantile(x, np.array(PROBABILITIES), context)
        mean, sd = self.units.target(mean), sd * self.units.width
        quantile = np.moveaxis(self.units.target(np.moveaxis(quantile, 1, 2)), 2, 1)
        columns = {}
        for t, name in enumerate(self.targets):
            columns[f"{name}_mean"], columns[f"{name}_sd"] = mean[:, t], sd[:, t]
            columns |= {f"{name}_q{round(100 * p)}": quantile[:, t, i] for i, p in enumerate(PROBABILITIES)}
        return pd.DataFrame(columns, index=table.index)

    def samples(self, table: pd.DataFrame, count: int) -> pd.DataFrame:
        """Draws of the targets of each row: `row`, `sample` and the targets; one sample has one draw of the weights.

        Raises:
            ConfigError: as by a call; or the rows depend on each other.
        """
        import jax

        model: Any = self.predictive.model
        if model.rows_depend:
            raise ConfigError(
                f"--samples: the rows of model={model.name} depend on each other, and the run says of each alone what "
                "it is; leave it out"
            )
        x, context = self._rows(table)
        y = self.predictive.joint_sample(jax.random.PRNGKey(0), x, count, context)
        values: Any = np.swapaxes(y, 0, 1).reshape(-1, len(self.targets))
        rows = {
            "row": np.repeat(np.arange(1, len(table) + 1), count),
            "sample": np.tile(np.arange(1, count + 1), len(table)),
        }
        if self.classes:
            return pd.DataFrame(rows | {self.targets[0]: np.array(self.classes)[values[:, 0].astype(int)]})
        return pd.DataFrame(rows | dict(zip(self.targets, self.units.target(values).T, strict=True)))

    def _rows(self, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray | None]:
        """The inputs and the context."""
        if not self.features:
            raise ConfigError("the model has no inputs")
        x = self.units.inputs("x", numbers(table, self.features))
        context = self.units.inputs("context", numbers(table, self.contexts)) if self.contexts else None
        self.predictive.model.require_rows(x)
        return x, context


def save(folder: Path, config: DictConfig, problem: "Problem", result: "Result") -> None:
    """Write the model of a run into its folder, if it says something of new rows; no other is written."""
    try:
        model = problem.model.of_rows(problem)
    except ConfigError as error:
        (folder / saved.MODEL).mkdir(exist_ok=True)
        writing.write(folder / saved.MODEL / "columns.json", json.dumps({"refused": str(error)}, indent=2) + "\n")
        return
    if model is None:
        return
    from credo.models.mdn_derived import draws_of  # takes time to load

    if not (draws := draws_of(problem, result)):
        return
    place = folder / saved.MODEL
    if model.rows is not None:
        from credo.runs import formula_model  # takes time to load

        formula_model.save(place, config, problem, draws)
        return
    draws = draws if model.predicts else thinned(draws)
    place.mkdir(exist_ok=True)
    for name, arrays in (("weights", draws), ("learned", model.exported())):
        with writing.replacing(place / f"{name}.npz") as scratch, scratch.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    plain = OmegaConf.to_container(config.model, resolve=True, enum_to_str=True)
    writing.write(place / "model.yaml", written({"model": plain}))
    writing.write(place / "columns.json", json.dumps(_columns(model, problem, result), indent=2) + "\n")


def _columns(model: "Model", problem: "Problem", result: "Result") -> dict[str, Any]:
    """The names of inputs and targets, and the scales of those that were standardised."""
    names: dict[str, Any] = {
        "features": _names(problem, "x", "feature"),
        "contexts": _names(problem, "context", "context_feature"),
        "targets": _names(problem, model.observes[0], "target"),
    }
    if not model.predicts:
        inputs = [name for name in problem.by_row if name not in (model.observes[0], "weights")]
        names["inputs"] = {name: _names(problem, name, "feature") for name in inputs}
    if "scaler" in problem.data.attrs:
        names["scaler"] = json.loads(problem.data.attrs["scaler"])
    return names | _classes(result)


def is_exported(folder: Path) -> bool:
    """Whether a run left a model in its folder."""
    return any((folder / saved.MODEL / name).exists() for name in ("weights.npz", saved.TABLE))


def load(folder: Path, *, trusted: bool = False, new_groups: bool = False) -> "Exported | RowsModel | FormulaModel":
    """The model of a run, from its folder or from the folder `model` alone.

    Args:
        folder: of either.
        trusted: whether what it names may run, whoever wrote it.
        new_groups: whether a level that a group did not have gets an effect of its own.

    Raises:
        ConfigError: the folder is no run's, its model cannot predict, or it names code and is a stranger's.
    """
    from credo.config import schema
    from credo.config.make import make
    from credo.models.base import Model

    place = place_of(folder)
    if (place / saved.TABLE).exists():
        from credo.runs import formula_model  # takes time to load

        return formula_model.load(place, trusted=trusted, new_groups=new_groups)
    saved.require_not_refused(place)
    config = saved.model(place)
    if not trusted and not signature.is_own(place.parent):
        config = trust.require_harmless(config, place / "model.yaml")
    weights, learned, columns = saved.network(place)
    if new_groups and "group" not in columns.get("inputs", {}):
        raise ConfigError("--new-groups: the rows of the run's model name no groups; leave it out")
    model = make(config, "model", Model, without=schema.BESIDE["model"])
    with files.reading(place / "learned.npz", saved.ANEW):
        model = model.restored(learned)
    if not model.predicts and not model.rows_alike:
        raise files.DamagedError(place / "model.yaml", "is damaged (its model cannot predict)", saved.ANEW)
    with files.reading(place / "weights.npz", saved.ANEW):
        units = Units(columns.get("scaler", {}))
        if model.predicts:
            return _network(model, weights, columns, units)
        variables = {name: tuple(names) for name, names in columns["inputs"].items()}
        found = RowsModel(model, weights, variables, columns["targets"][0], units, new_groups)
        found.require_fitting()
    model.require_alike(weights)
    return found


def _network(model: Any, weights: Mapping[str, np.ndarray], columns: Mapping[str, Any], units: Units) -> Exported:
    """A conditional model with its columns."""
    from credo.models.predict import Predictive

    features, contexts, targets = (tuple(columns[key]) for key in saved.COLUMNS)
    exported = Exported(
        Predictive(model, weights), features, contexts, targets, tuple(columns.get("classes", ())), units
    )
    _require_fitting(exported)
    return exported


def _require_fitting(exported: Exported) -> None:
    """Raise `ValueError`, or what JAX raises, where weights, what was learned and columns are not of one model."""
    import jax

    draws, model = exported.predictive.draws, exported.predictive.model
    if len({len(values) for values in draws.values()}) != 1:
        raise ValueError("its arrays have different numbers of draws")
    one = {name: values[0] for name, values in draws.items()}
    x, context = (np.zeros((1, len(names))) if names else None for names in (exported.features, exported.contexts))
    means = jax.eval_shape(lambda: model.conditional(one, x, context).mean)  # type: ignore[arg-type]
    if means.shape[-1] != len(exported.targets):
        raise ValueError(f"{means.shape[-1]} targets, but {len(exported.targets)} columns")


def place_of(folder: Path) -> Path:
    """The folder of the model.

    Raises:
        ConfigError: there is none.
    """
    if not folder.is_dir():
        raise ConfigError(f"there is no run {folder}; give the folder of a run, or its MLflow id")
    place = folder if any((folder / name).exists() for name in FILES) else folder / saved.MODEL
    if not any((place / name).exists() for name in FILES):
        if saved.exists(folder) and not (folder / saved.VERDICT).exists():
            raise ConfigError(f"{folder} is not finished and has no answer; credo resume {near(folder)} continues it")
        raise ConfigError(
            f"{folder} has no {saved.MODEL}/weights.npz, so that it cannot predict new rows: runs of "
            "model=ebm leave none; use a model that predicts, such as model=regression with a formula"
        )
    return place


def rows(folder: Path, file: Path, texts: Sequence[str] = ()) -> pd.DataFrame:
    """The rows of a file of parquet, or of a CSV file that is written as the run's own, where that is one, too.

    Args:
        folder: of the run.
        file: with the rows.
        texts: the columns whose values are read as they are spelt, whatever they look like.

    Raises:
        ConfigError: it is neither.
    """
    from credo.data.entries import plain
    from credo.data.places import reading

    with file.open("rb") as opened:
        is_parquet = opened.read(len(_PARQUET)) == _PARQUET
    if is_parquet:
        with reading(file, "parquet"):
            return pd.read_parquet(file).apply(plain)
    data = saved.data(folder) if saved.exists(folder) else {}
    written: Any = {name: data[key] for name, key in _WRITTEN.items() if data.get(key) is not None}
    written |= {"sep": "\t"} if written.get("sep") == "\\t" else {}
    with reading(file, "CSV"):
        names = pd.read_csv(file, skipinitialspace=True, compression=None, header=None, nrows=1, dtype=str, **written)
        twice = names.T[0].dropna().loc[lambda row: row.duplicated()]  # pandas would rename the second
        if not twice.empty:
            raise ConfigError(f"data.path: there are two columns {twice.iloc[0]!r} in {file}; rename one")
        return pd.read_csv(file, skipinitialspace=True, compression=None, dtype=dict.fromkeys(texts, str), **written)


_PARQUET = b"PAR1"
"""How such a file begins."""

_WRITTEN = {"sep": "separator", "decimal": "decimal", "thousands": "thousands"}
"""What pandas calls the settings of `data=csv`."""


def _classes(result: "Result") -> dict[str, list[str]]:
    """The names of a classifier's classes, of which others have none."""
    known = "classes" in result.tree.children
    return {"classes": list(map(str, result.tree["classes"]["class"].to_numpy()))} if known else {}


def _names(problem: "Problem", variable: str, dim: str) -> list[str]:
    data = problem.data
    if variable not in data:
        return []
    if data[variable].ndim == 1:
        return [str(data[variable].attrs.get("column", variable))]
    if data[variable].ndim > 2:
        return [f"{variable}_{'_'.join(map(str, place))}" for place in np.ndindex(data[variable].shape[1:])]
    columns = data[variable].dims[1]  # arrays of a file have dims of their own
    named = columns == dim and dim in data.coords
    names = data[dim].to_numpy() if named else [f"{variable}_{i}" for i in range(data.sizes[columns])]
    return [str(name) for name in names]
