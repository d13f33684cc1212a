"""Which latents a step in unconstrained space concerns, by the names that the results give their scalars."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from credo.inference.labels import scalar_labels
from credo.inference.point.edges import Edges
from credo.models.problem import Problem

HELD = 1e-6
"""A scalar is held by its boundary when the free coordinates move it by so little of what all move it inside."""

_CANCELS = 1e-3
"""What cancels along a flat direction is so small, relatively."""


class Scalars:
    """The scalars of the continuous latents.

    Args:
        problem: the model and its data.
        values: the latents in their own space.
        slopes: their derivatives with respect to the unconstrained coordinates, by site [scalars, dim].
        sizes: how many unconstrained coordinates each site has, in order.
    """

    def __init__(
        self,
        problem: Problem,
        values: Mapping[str, Any],
        slopes: Mapping[str, Float[np.ndarray, "_ dim"]],
        sizes: Mapping[str, int],
    ) -> None:
        self._sites = tuple(sizes)
        self._names = [label for site in sizes for label in _labels(problem, site, np.shape(values[site]))]
        self._slopes = np.concatenate([slopes[site] for site in sizes])
        self._site = np.repeat(np.arange(len(sizes)), [len(slopes[site]) for site in sizes])
        self._coordinate = np.repeat(np.arange(len(sizes)), list(sizes.values()))

    def of_coordinate(self, number: int, slopes: Float[np.ndarray, "scalars dim"] | None = None) -> int:
        """The scalar of its site that an unconstrained coordinate moves most."""
        moved = np.abs((self._slopes if slopes is None else slopes)[:, number])
        return int(np.argmax(np.where(self._site == self._coordinate[number], moved, -1.0)))

    def on_edge(self, edges: Edges, inside: Float[np.ndarray, "scalars dim"]) -> list[int]:
        """The scalars on the boundary.

        A coordinate on its way to infinity holds those that no free coordinate moves; where there is none, as the
        boundary moves with another latent, it is the one that this coordinate moves most inside.

        Args:
            edges: what was found along each coordinate.
            inside: the derivatives away from the boundary.
        """
        chosen: set[int] = set()
        fixed = held(self._slopes, inside, edges.side == 0)
        for number in np.flatnonzero(edges.side).tolist():
            own = fixed & (self._site == self._coordinate[number]) & (inside[:, number] != 0)
            chosen |= set(np.flatnonzero(own).tolist()) or {self.of_coordinate(number, inside)}
        return sorted(chosen)

    def unbounded(self, edges: Edges, inside: Float[np.ndarray, "scalars dim"]) -> tuple[tuple[str, float], ...]:
        """The scalars towards whose end the log density rises without a bound, and that end."""
        numbers = np.flatnonzero(edges.unbounded).tolist()
        scalars = [self.of_coordinate(number, inside) for number in numbers]
        ends = [float(edges.end[number, scalar]) for number, scalar in zip(numbers, scalars, strict=True)]
        return tuple((self._names[scalar], end) for scalar, end in zip(scalars, ends, strict=True))

    def flat(self, null: Float[np.ndarray, "dim flat"]) -> tuple[str, ...]:
        """The names of those that move along a flat direction, beyond what cancels."""
        return self.named(np.flatnonzero(moves(self._slopes, null)))

    def along(
        self, directions: Float[np.ndarray, "directions dim"], covariance: Float[np.ndarray, "dim dim"]
    ) -> tuple[tuple[str, bool], ...]:
        """For each direction the name of the scalar that it concerns most, and whether that grows along it.

        Args:
            directions: of one standard error: of each coordinate's profile, then of the eigenvectors [2 dim, dim].
            covariance: of the unconstrained coordinates.
        """
        dim = len(covariance)
        chosen = [self.of_coordinate(number) for number in range(dim)]
        chosen += [int(np.argmax(share(self._slopes, step, covariance))) for step in directions[dim:]]
        grows = [bool(self._slopes[scalar] @ step > 0) for scalar, step in zip(chosen, directions, strict=True)]
        return tuple(zip(self.named(chosen), grows, strict=True))

    def without(
        self, errors: Mapping[str, Float[np.ndarray, "..."]], scalars: list[int]
    ) -> dict[str, Float[np.ndarray, "..."]]:
        """Standard errors by site, NaN for some scalars by number."""
        left = dict(errors)
        for number, site in enumerate(self._sites):
            mine = np.isin(np.flatnonzero(self._site == number), scalars)
            left[site] = np.where(mine.reshape(errors[site].shape), np.nan, errors[site])
        return left

    def named(self, scalars: Any) -> tuple[str, ...]:
        """The names of some scalars, by number."""
        return tuple(self._names[scalar] for scalar in scalars)


def held(
    slopes: Float[np.ndarray, "scalars dim"], inside: Float[np.ndarray, "scalars dim"], free: Bool[np.ndarray, "dim"]
) -> Bool[np.ndarray, "scalars"]:
    """Which scalars (rows) the free coordinates do not move, though they are moved away from the boundary."""
    return np.abs(slopes[:, free]).max(1, initial=0.0) <= HELD * np.abs(inside).max(1, initial=0.0)


def moves(slopes: Float[np.ndarray, "scalars dim"], null: Float[np.ndarray, "dim flat"]) -> Bool[np.ndarray, "scalars"]:
    """Which scalars (rows) move along a flat direction, beyond what cancels."""
    if not null.size:
        return np.zeros(len(slopes), bool)
    along = np.abs(slopes @ null)
    return np.asarray(np.any(along > _CANCELS * np.max(np.abs(slopes) @ np.abs(null)), axis=1))


def share(
    slopes: Float[np.ndarray, "scalars dim"], step: Float[np.ndarray, "dim"], covariance: Float[np.ndarray, "dim dim"]
) -> Float[np.ndarray, "scalars"]:
    """How much of each scalar's variance is along a step of one standard error: the squared correlation."""
    variance = np.einsum("si,ij,sj->s", slopes, covariance, slopes)
    return np.divide((slopes @ step) ** 2, variance, out=np.zeros(len(slopes)), where=variance > 0)


def _labels(problem: Problem, name: str, shape: tuple[int, ...]) -> list[str]:
    """The names of a site's scalars."""
    dims = problem.dims(next(site for site in problem.latents if site.name == name)) if shape else ()
    return scalar_labels(name, dims, problem.data.coords, shape)
