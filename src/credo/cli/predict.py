"""`credo predict RUN FILE.csv`: what a run's model says of the rows of a table, as CSV on stdout.

`--samples N` draws the target. A model with a formula answers more: `--grid age=20:80:10 sex=f,m` makes the rows,
`--contrast sex=f,m` and `--slope age` say how its expected value changes, on average over the rows, or over those of
each subgroup, as in `--by hospital`; `--survival 10,20` is the probability that a time until an event is longer. A
model without inputs says how likely each row is, of a mixture also from which component it comes; without a file it
predicts one more row. Of a sequence of states `--steps N` says how it goes on.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from credo.cli import saved_run
from credo.cli.questions import TAKERS, Asked, asked
from credo.errors import ConfigError
from credo.experiment import resume
from credo.runs import saved, trust
from credo.runs.code import record

if TYPE_CHECKING:
    import pandas as pd

    from credo.runs.exported import Exported
    from credo.runs.formula_model import FormulaModel
    from credo.runs.rows_model import RowsModel

FLAGS = (*TAKERS, trust.FLAG)
"""What Tab completes after this verb."""


def run(arguments: Sequence[str]) -> int:
    """Predict; returns the exit code.

    Raises:
        ConfigError: the run has no model that can predict, or what is asked does not fit it.
    """
    from credo.runs import exported
    from credo.runs.formula_model import FormulaModel
    from credo.runs.rows_model import RowsModel

    words, trusted = trust.without_flag(arguments)
    question = asked(words)
    folder = resume.folder(question.places[0])
    prepare(folder, trusted=trusted)
    file = question.places[1] if len(question.places) == 2 else None
    path = None if file is None else _existing(file)
    model = exported.load(folder, trusted=trusted, new_groups=question.new_groups)
    has_inputs = not isinstance(model, RowsModel) or bool(model.variables)
    if path is None and has_inputs and not question.makes_rows:
        raise ConfigError("credo predict: the run's model has inputs; give a CSV file with them after the run")
    table = None if path is None else _read(folder, path, model.texts)
    if table is not None and table.empty:
        raise ConfigError(f"credo predict: {file} has no rows; expected one at least")
    if isinstance(model, FormulaModel):
        with _told_of(file):
            made = _of_formula(model, question, table)
    else:
        made = _of_others(model, question, table)
    tell_failed(folder)
    made.to_csv(sys.stdout, index=False)
    return 0


def _existing(file: str) -> Path:
    from credo.data.places import existing

    with _of_no_key():
        return existing(file)


def _read(folder: Path, path: Path, texts: Sequence[str]) -> "pd.DataFrame":
    from credo.runs import exported

    with _of_no_key():
        return exported.rows(folder, path, texts)


@contextmanager
def _of_no_key() -> Iterator[None]:
    """Sentences about a file that no key names."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(str(error).replace("data.path:", "credo predict:", 1)) from error


@contextmanager
def _told_of(file: str | None) -> Iterator[None]:
    """Sentences about rows name the file that has them."""
    try:
        yield
    except ConfigError as error:
        if str(error).startswith("--"):
            raise
        raise ConfigError(f"credo predict: {file}: {error}" if file else f"credo predict: {error}") from error


def _of_others(model: "Exported | RowsModel", question: Asked, table: "pd.DataFrame | None") -> "pd.DataFrame":
    """What a model without a formula says."""
    from credo.runs.rows_model import RowsModel

    if question.of_a_formula:
        raise ConfigError(f"{question.of_a_formula}: the run's model has no model.formula; leave it out")
    if isinstance(model, RowsModel):
        if question.steps:
            return model.ahead(table, question.steps, question.samples)
        if question.samples:
            return model.samples(table, question.samples)
        return model.predicted(None) if table is None else model(table)
    assert table is not None  # noqa: S101 - for the type checker
    if question.steps:
        raise ConfigError("--steps: only a run of model=markov_chain has steps from row to row; leave it out")
    return model.samples(table, question.samples) if question.samples else model(table)


def _of_formula(model: "FormulaModel", question: Asked, table: "pd.DataFrame | None") -> "pd.DataFrame":
    """What a model with a formula says."""
    import pandas as pd

    from credo.runs import counterfactual

    if question.steps:
        raise ConfigError("--steps: only a run of model=markov_chain has steps from row to row; leave it out")
    old: Mapping[str, str] = {}
    if question.grid:
        table, held = counterfactual.rows_of(model, question.grid)
        _tell_held(held)
    elif table is None:
        table = model.table.dropna(subset=[*model.inner])
        sys.stderr.write(f"ROWS the {len(table)} of the run's own table\n")
    else:
        table, old = model.own(table)
    if question.compares:
        model.arrays(table, old)  # is refused by the names that the file has
        parts = [counterfactual.contrast(model, table, name, text, question.by) for name, text in question.contrasts]
        parts += [counterfactual.slope(model, table, name, question.by) for name in question.slopes]
        return pd.concat(parts, ignore_index=True)
    if question.times:
        made = counterfactual.survival(model, table, question.times, old)
    elif question.samples:
        made = counterfactual.samples(model, table, question.samples, old)
    else:
        made = model.predicted(table, old)
    return counterfactual.beside(table, made) if question.grid else made


def _tell_held(held: Mapping[str, Any]) -> None:
    if held:
        words = ", ".join(
            f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}" for name, value in held.items()
        )
        sys.stderr.write(f"HELD {words}\n")


def prepare(folder: Path, *, trusted: bool) -> None:
    """Let a run's model consist of modules of the user's own, and say which of them changed since the run.

    Raises:
        ConfigError: the run has no model that can predict.
    """
    from credo.runs import exported

    exported.place_of(folder)
    saved_run.make_code_importable(folder, trusted=trusted)
    if changed := record.changed(record.of_run(folder), Path.cwd()):
        sys.stderr.write(f"OTHER CODE {', '.join(changed)} changed since the run; the present code is used\n")


def tell_failed(folder: Path) -> None:
    """Say on stderr that the verdict of a run failed, whose model was used nevertheless."""
    from credo.runs import exported

    own = exported.place_of(folder).parent
    if (own / saved.VERDICT).exists() and (verdict := saved.verdict(own)).status == "failed":
        names = ", ".join(sorted(check.name for check in verdict.checks if check.status == "failed"))
        sys.stderr.write(f"FAILED the verdict of the run failed ({names}); do not rely on its predictions yet\n")
