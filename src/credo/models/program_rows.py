"""A user's program as a model of rows that it has not seen, where its rows are alike.

They are where no latent has a value for each row, and each row has a log likelihood that the other rows do not change.
The first is known of the program's shapes; the second is tried on some rows of the data, at some draws of the latents.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from credo.config.failure import in_words
from credo.errors import ConfigError
from credo.models.base import Model
from credo.models.binding import BoundModel, bind
from credo.models.new_rows import Draws, likelihood
from credo.models.problem import Problem
from credo.models.sites import Site, trace

MOST_ROWS, MOST_DRAWS = 64, 3
"""Of the data and of the latents: on so many it is tried whether rows depend on each other."""


def refusal(why: str) -> ConfigError:
    """Of a program that cannot predict new rows."""
    return ConfigError(
        f"the program of the run cannot predict new rows, since {why}; use a model that can, such as model=regression "
        "with a formula"
    )


class ProgramRows(Model):
    """A program of which one site observes one variable, a value for each row.

    Attributes:
        program: the user's.
        observed: the variable that is the target, and the site that observes it.
        sizes: whole numbers that the program takes.
        counted: the name under which it takes the number of rows; empty where it does not.
        names: of the variables that hold numbers of names: these.
        ranges: of the others that hold whole numbers: the least and the largest that it has seen.
        seen: some rows of the data, by variable.
        constants: the arrays that have no rows.
    """

    rows_alike: ClassVar[bool] = True

    program: Model
    observed: tuple[str, str] = eqx.field(static=True)
    sizes: tuple[tuple[str, int], ...] = eqx.field(static=True)
    counted: str = eqx.field(static=True)
    names: tuple[tuple[str, tuple[str, ...]], ...] = eqx.field(static=True)
    ranges: tuple[tuple[str, tuple[int, int]], ...] = eqx.field(static=True)
    seen: dict[str, Shaped[np.ndarray, "row ..."]]
    constants: dict[str, Shaped[np.ndarray, "..."]]

    def __init__(self, program: Model, arrays: Mapping[str, Shaped[np.ndarray, "..."]]) -> None:
        """A program with what such a model has `exported`."""
        about = json.loads(str(arrays["about"]))
        self.prior, self.program = {}, program
        self.observed, self.counted = (about["variable"], about["site"]), about["counted"]
        self.sizes = tuple(about["sizes"].items())
        self.names = tuple((name, tuple(words)) for name, words in about["names"].items())
        self.ranges = tuple((name, (low, high)) for name, (low, high) in about["ranges"].items())
        self.seen, self.constants = _beginning(arrays, "row "), _beginning(arrays, "constant ")

    def exported(self) -> dict[str, Shaped[np.ndarray, "..."]]:
        """All but the program, as plain arrays."""
        variable, site = self.observed
        about: dict[str, Any] = {"variable": variable, "site": site, "counted": self.counted}
        about |= {"sizes": dict(self.sizes), "names": dict(self.names), "ranges": dict(self.ranges)}
        arrays = {f"row {name}": values for name, values in self.seen.items()}
        arrays |= {f"constant {name}": values for name, values in self.constants.items()}
        return {"about": np.array(json.dumps(about)), **arrays}

    @property
    def is_users(self) -> bool:
        """The program is."""
        return True

    @property
    def observes(self) -> tuple[str, str]:
        """The variable and the site of the program."""
        return self.observed

    @property
    def levels(self) -> tuple[str, ...]:
        """The names of the target's values, where it holds numbers of them."""
        return dict(self.names).get(self.observed[0], ())

    @property
    def words(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the inputs' values."""
        return {name: words for name, words in self.names if name != self.observed[0]}

    @property
    def places(self) -> Mapping[str, tuple[int, int]]:
        """Whole numbers may be places in an array: beyond those that it has seen there may be none."""
        return dict(self.ranges)

    def with_new_levels(
        self, draws: Draws, arrays: Mapping[str, Shaped[np.ndarray, "row ..."]], key: PRNGKeyArray
    ) -> tuple["Model", dict[str, Any]]:
        """Refuse what is new, of which only a program's writer knows what it means."""
        if any((arrays[name] >= len(words)).any() for name, words in self.words.items()):
            raise ConfigError("--new-groups: a program has no effects of groups that it has not seen; leave it out")
        return super().with_new_levels(draws, arrays, key)

    def __call__(self, /, **rows: Any) -> None:
        """Run the program over rows, each variable with the type and the shape that it had in the data."""
        count = len(rows[self.observed[0]])
        given = {name: self._as_seen(name, values, count) for name, values in rows.items()}
        self.program(**given, **self.constants, **dict(self.sizes), **({self.counted: count} if self.counted else {}))

    def _as_seen(self, name: str, values: Any, count: int) -> Any:
        known = jnp.asarray(self.seen[name])
        return jnp.asarray(values).reshape(count, *known.shape[1:]).astype(known.dtype)

    def require_alike(self, draws: Draws) -> None:
        """Raise `ConfigError` where a row depends on others, or its distribution has no mean or no draws."""
        count = len(next(iter(draws.values())))
        chosen = np.unique(np.linspace(0, count - 1, MOST_DRAWS).astype(int))
        some = {name: jnp.asarray(values[chosen]) for name, values in draws.items()}
        total = len(self.seen[self.observed[0]])
        order = np.random.default_rng(0).permutation(total)
        try:
            whole = self._log_likelihood(some, np.arange(total), told=True)
            for rows in (order[: total // 2], order[total // 2 :][::-1]):
                alone = self._log_likelihood(some, rows, told=False)
                error = np.sqrt(np.finfo(whole.dtype).eps)
                if not np.allclose(alone, whole[:, rows], rtol=error, atol=error, equal_nan=True):
                    raise refusal(
                        f"its rows depend on each other: some have another density of {self.observed[1]!r} "
                        "where the other rows are left out"
                    )
        except ConfigError:
            raise
        except Exception as error:
            raise refusal(f"it cannot predict a part of the run's own rows ({in_words(error)})") from error

    @eqx.filter_jit
    def _log_likelihood(
        self, draws: dict[str, Any], rows: Int[Array | np.ndarray, "row"], *, told: bool
    ) -> Float[Array, "draw row"]:
        """Of some rows, where the program may look at the target or not."""
        arrays = {name: jnp.asarray(values)[rows] for name, values in self.seen.items()}
        y = arrays[self.observed[0]]
        given = arrays if told else {name: values for name, values in arrays.items() if name != self.observed[0]}

        def one(latents: dict[str, Any]) -> Float[Array, "row"]:
            of_rows = likelihood(self, latents, given or {self.observed[0]: jnp.ones(len(rows))})
            jax.eval_shape(lambda: (of_rows.mean, of_rows.variance, of_rows.sample(jax.random.PRNGKey(0))))
            return jnp.broadcast_to(of_rows.log_prob(y), y.shape)

        return jax.vmap(one)(draws)


def _beginning(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}


def program_rows(program: Model, problem: Problem) -> ProgramRows:
    """The program of a problem as a model of new rows.

    Raises:
        ConfigError: it observes another number of sites than one, or not a variable of the data, row by row; or a
            latent has a value for each row.
    """
    site, bound = _observed(problem), bind(program, problem.data)
    counted = f"n_{problem.row_dim}"
    _require_no_latent_by_row(problem, bound, counted)
    target = _variable(problem, bound, site)
    names = {name: words for name in problem.by_row if (words := _names(problem, name))}
    if target not in names and site.distribution.startswith("Categorical"):
        names[target] = [str(i) for i in range(int(site.constraint.upper_bound) + 1)]
    inputs = {name: bound.arrays[name] for name in problem.by_row if name != target and name not in names}
    about = {
        "variable": target,
        "site": site.name,
        "counted": counted if counted in dict(bound.sizes) else "",
        "sizes": {name: size for name, size in bound.sizes if name != counted},
        "names": names,
        "ranges": {name: [int(a.min()), int(a.max())] for name, a in inputs.items() if a.dtype.kind in "iu"},
    }
    total = problem.data.sizes[problem.row_dim]
    rows = np.unique(np.linspace(0, total - 1, min(total, MOST_ROWS)).astype(int))
    seen = {f"row {name}": bound.arrays[name][rows] for name in problem.by_row}
    constants = {f"constant {name}": a for name, a in bound.arrays.items() if name not in problem.by_row}
    return ProgramRows(program, {"about": np.array(json.dumps(about)), **seen, **constants})


def _variable(problem: Problem, bound: BoundModel, site: Site) -> str:
    """The variable that a site observes as it is, row by row."""
    value = problem.observations[site.name].value
    same = [name for name in problem.by_row if np.array_equal(bound.arrays[name], value)]
    same = [site.name] if site.name in same else same
    if len(same) != 1:
        raise refusal(f"it is not clear which column {site.name!r} observes")
    if "weights" in problem.by_row:
        raise refusal("its argument 'weights' has the name of the weights of rows, which new rows have not")
    return same[0]


def _observed(problem: Problem) -> Site:
    """The one site that is observed, if it has a value for each row and nothing else counts."""
    told = [*problem.named("observed"), *problem.named("factor")]
    if len(told) != 1:
        raise refusal(f"it observes {len(told)} sites ({', '.join(site.name for site in told)}), and new rows have one")
    site = told[0]
    one = problem.observations.get(site.name)
    rows = problem.data.sizes.get(problem.row_dim, 0)
    if one is None or site.event_dims or site.shape != (rows,) or one.seen is not None or rows < 2:
        raise refusal(f"what its site {site.name!r} observes is not one value for each of several rows")
    return site


def _require_no_latent_by_row(problem: Problem, bound: BoundModel, counted: str) -> None:
    """Raise `ConfigError` where a latent has another shape over fewer rows."""
    count = problem.data.sizes[problem.row_dim] // 2
    sizes = tuple((name, count if name == counted else size) for name, size in bound.sizes)
    fewer = replace(bound.of_rows(np.arange(count), problem.by_row), sizes=sizes)
    try:
        shapes = {site.name: site.shape for site in trace(fewer)}
    except ConfigError as error:
        raise refusal("it cannot be run over a part of the rows") from error
    for site in trace(bound):
        if site.kind == "latent" and shapes.get(site.name) != site.shape:
            raise refusal(f"its latent {site.name!r} has a value for each row, which a new row has not")


def _names(problem: Problem, variable: str) -> list[str]:
    """The names of which a variable holds the numbers; none where it holds other numbers."""
    coordinate = "group_name" if variable == "group" else f"{variable}_level"
    return [str(one) for one in problem.data.coords[coordinate].to_numpy()] if coordinate in problem.data.coords else []
