"""A model whose rows are alike, of a finished run, to predict with.

The files are those of `runs.exported`; `model/weights.npz` has at most 1,000 draws of the latents, evenly spaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from credo.errors import ConfigError
from credo.runs.units import Units, numbers, words

if TYPE_CHECKING:
    from credo.models.base import Model

MOST = 1000
"""Draws that are kept."""

_NEW = "; --new-groups gives it an effect of its own, drawn as those of the others"


def thinned(draws: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """At most `MOST` draws of each latent, evenly spaced."""
    count = len(next(iter(draws.values())))
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST)).astype(int))
    return {name: values[chosen] for name, values in draws.items()}


@dataclass(frozen=True)
class RowsModel:
    """A model that says of new rows what its program says of them, all draws together.

    Attributes:
        model: fitted; its `rows_alike`.
        draws: of its latents, by site.
        variables: the columns of each variable that a new row consists of, beside the target.
        target: the name of the target.
        units: of the numbers in its columns.
        new_groups: whether the name of a group may be new, which gets an effect of its own.
    """

    model: "Model"
    draws: Mapping[str, np.ndarray]
    variables: Mapping[str, tuple[str, ...]]
    target: str
    units: Units
    new_groups: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns of names, which are read as they are spelt."""
        return tuple(
            name for variable, names in self.variables.items() if variable in self.model.words for name in names
        )

    @property
    def inputs(self) -> dict[str, str]:
        """The columns that a table must have, and what they hold."""
        if self.model.follows:
            return {self.target: "string"}
        columns = [name for names in self.variables.values() for name in names]
        return dict.fromkeys(columns or [self.target], "double") | dict.fromkeys(self.texts, "string")

    def require_fitting(self) -> None:
        """Raise `ValueError`, or what JAX raises, where the draws are not those of such a model."""
        import jax
        import jax.numpy as jnp

        from credo.models.new_rows import likelihood

        if len({len(values) for values in self.draws.values()}) != 1:
            raise ValueError("its arrays have different numbers of draws")
        one = {name: jnp.asarray(values[0]) for name, values in self.draws.items()}
        codes = {*self.model.words, self.model.follows}
        row = {
            name: np.zeros(1, int) if name in codes else np.ones((1, len(columns)) if _is_matrix(name, columns) else 1)
            for name, columns in self.variables.items()
        }
        arrays: Any = row or {self.model.observes[0]: np.zeros(1)}
        model, _ = self.model.with_new_levels(self.draws, arrays, jax.random.PRNGKey(0))
        jax.eval_shape(lambda: likelihood(model, one, arrays).log_prob(np.zeros(1, int)))

    def __call__(self, table: pd.DataFrame) -> pd.DataFrame:
        """What is said of each row.

        Returns:
            With inputs `TARGET_mean`, `TARGET_sd`, `TARGET_q5`, ..., or `TARGET[STATE]`, the probability of each next
            state. Without any, `TARGET_log_density`, the log of the posterior predictive density of the row's target,
            and of a mixture `component[1]`, ..., the posterior probabilities of the part that the row comes from.

        Raises:
            ConfigError: a column is missing, or a value does not fit it.
        """
        return self.predicted(table) if self.variables else self._densities(table)

    def predicted(self, table: pd.DataFrame | None) -> pd.DataFrame:
        """Mean, standard deviation and quantiles of the target of each row; of one row where there is no table."""
        import jax

        from credo.models.predict import PROBABILITIES
        from credo.models.rows_predicted import predicted

        index = pd.RangeIndex(1) if table is None else table.index
        found = predicted(self.model, self.draws, self._arrays(table), jax.random.PRNGKey(0))
        if found.classes is not None:
            return self._labelled(found.classes, index)
        made = {"mean": self.units.target(found.mean), "sd": found.sd * self.units.width}
        made |= {
            f"q{round(100 * p)}": self.units.target(q) for p, q in zip(PROBABILITIES, found.quantiles.T, strict=True)
        }
        return pd.DataFrame({f"{self.target}_{name}": values for name, values in made.items()}, index=index)

    def samples(self, table: pd.DataFrame | None, count: int) -> pd.DataFrame:
        """Draws of the target of each row: `row`, `sample` and the target; one sample has one draw of all latents."""
        import jax

        from credo.models.comparisons import sampled

        y = sampled(self.model, self.draws, self._arrays(table), count, jax.random.PRNGKey(0))
        values = np.array(self.model.levels)[y] if self.model.levels else self.units.target(y)
        rows = values.shape[1]
        made: dict[str, Any] = {} if table is None else {"row": np.repeat(np.arange(1, rows + 1), count)}
        return pd.DataFrame(made | {"sample": np.tile(np.arange(1, count + 1), rows), self.target: values.T.ravel()})

    def ahead(self, table: pd.DataFrame | None, steps: int, count: int) -> pd.DataFrame:
        """How a sequence goes on from each row: `row`, `step`, the probability of each state; or so many paths.

        Raises:
            ConfigError: the model has no sequences.
        """
        import jax

        from credo.models import ahead

        if not self.model.follows:
            raise ConfigError(
                f"--steps: model={self.model.name} has no steps from row to row; leave it out, or use "
                "model=markov_chain"
            )
        now = self._arrays(table)[self.model.follows]
        places = np.arange(1, len(now) + 1), np.arange(1, steps + 1)
        if not count:
            row, step = (one.ravel() for one in np.meshgrid(*places, indexing="ij"))
            found = ahead.probabilities(self.model, self.draws, now, steps)
            told = self._labelled(found.reshape(len(row), -1), pd.RangeIndex(len(row)))
            return pd.concat([pd.DataFrame({"row": row, "step": step}), told], axis=1)
        paths = ahead.paths(self.model, self.draws, now, steps, count, jax.random.PRNGKey(0))
        row, sample, step = (
            one.ravel() for one in np.meshgrid(places[0], np.arange(1, count + 1), places[1], indexing="ij")
        )
        states = np.array(self.model.levels)[np.swapaxes(paths, 0, 1).ravel()]
        return pd.DataFrame({"row": row, "sample": sample, "step": step, self.target: states})

    def _densities(self, table: pd.DataFrame) -> pd.DataFrame:
        from scipy.special import logsumexp

        from credo.models.rows_density import log_density

        y = self.units.inputs("y", numbers(table, [self.target])[:, 0])
        each = log_density(self.model, self.draws, y)
        whole = logsumexp(each, axis=1)
        made = {f"{self.target}_log_density": whole - np.log(self.units.width)}
        if self.model.part:
            with np.errstate(invalid="ignore"):  # of a row that no part can explain
                shares = np.exp(each - whole[:, None])
            made |= {f"{self.model.part}[{k + 1}]": share for k, share in enumerate(shares.T)}
        return pd.DataFrame(made, index=table.index)

    def _labelled(self, probability: np.ndarray, index: pd.Index) -> pd.DataFrame:
        labels = [f"{self.target}[{level}]" for level in self.model.levels]
        return pd.DataFrame(dict(zip(labels, probability.T, strict=True)), index=index)

    def _arrays(self, table: pd.DataFrame | None) -> dict[str, np.ndarray]:
        """What the program takes of each row; of one without inputs, a place for its target."""
        if not self.variables:
            return {
                self.model.observes[0]: np.ones(1 if table is None else len(table), int if self.model.levels else float)
            }
        assert table is not None  # noqa: S101 - for the type checker: a model with inputs is asked of rows
        if self.model.follows:
            return {self.model.follows: words(table, self.target, self.model.levels)}
        return {name: self._array(name, columns, table) for name, columns in self.variables.items()}

    def _array(self, name: str, columns: tuple[str, ...], table: pd.DataFrame) -> np.ndarray:
        if (levels := self.model.words.get(name)) is not None:
            told = "" if self.model.is_users else _NEW
            return words(table, columns[0], levels, takes_new=self.new_groups, told=told)
        values = self.units.inputs(name, numbers(table, columns))
        if name in self.model.supports and (values < 0).any():
            row = int((values < 0).any(1).argmax())
            raise ConfigError(
                f"column {columns[0]!r} has {table[columns[0]].iloc[row]} in row {row + 1}, but a standard error is at "
                "least 0; correct it (0 asks for the group's own mean)"
            )
        if name in self.model.places:
            _require_known(columns, values, *self.model.places[name])
        return values if _is_matrix(name, columns) else values[:, 0]


def _is_matrix(name: str, columns: tuple[str, ...]) -> bool:
    return name == "x" or len(columns) > 1


def _require_known(columns: tuple[str, ...], values: np.ndarray, low: int, high: int) -> None:
    """Raise `ConfigError` where a number is not whole, or beyond those that a run has seen."""
    wrong = (values != np.round(values)) | (values < low) | (values > high)
    if wrong.any():
        row, place = np.argwhere(wrong)[0]
        raise ConfigError(
            f"column {columns[place]!r} has {values[row, place]:g} in row {row + 1}, but the run has seen whole "
            f"numbers from {low} to {high}, which its program may use as places; if they are amounts, write decimals "
            "in the data of the run, as 2.0, and run it again"
        )
