"""Minibatches: some rows of a program, whose likelihood stands for that of all."""

import jax
from jaxtyping import PRNGKeyArray

from credo.errors import ConfigError
from credo.inference.density import Program, ScaledLikelihood
from credo.models.binding import BoundModel
from credo.models.problem import Problem


def require_rows(problem: Problem, batch_size: int) -> None:
    """Raise `ConfigError` if the data cannot be cut into minibatches."""
    rows = problem.data.sizes.get(problem.row_dim, 0)
    if batch_size > rows:
        raise ConfigError(f"inference.batch_size: expected at most the {rows} rows, but got {batch_size}")
    if problem.model.rows_depend:
        raise ConfigError(
            f"inference.batch_size: the rows of model={problem.model.name} depend on each other, so that some say "
            "nothing without the rest; use inference.batch_size=null"
        )
    for site in problem.latents:
        if problem.row_dim in problem.dims(site):
            raise ConfigError(
                f"inference.batch_size: the latent {site.name} has a value per row; use inference.batch_size=null"
            )


def draw(size: int | None, rows: tuple[str, ...], program: BoundModel, key: PRNGKeyArray) -> Program:
    """The program over so many rows, drawn without replacement; over all where there is no size."""
    if size is None:
        return program
    total = program.arrays[rows[0]].shape[0]
    chosen = jax.random.choice(key, total, (size,), replace=False)
    return ScaledLikelihood(program.of_rows(chosen, rows), total / size)
