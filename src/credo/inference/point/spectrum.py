"""Eigenvalues and vectors of the observed information, and the steps of one standard error."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

_FLAT = 1e-8
"""An eigenvalue of the information scaled to unit diagonal below this is a flat direction."""


class Spectrum(NamedTuple):
    """The information without the coordinates on the boundary.

    - **eigenvalues** - scaled to unit diagonal, ascending.
    - **root** - steps of one standard error along its eigenvectors, in columns; zeros where there is none [dim, dim].
    - **null** - the flat directions, in columns [dim, flat].
    """

    eigenvalues: Float[np.ndarray, "free"]
    root: Float[np.ndarray, "dim dim"]
    null: Float[np.ndarray, "dim flat"]

    @property
    def definite(self) -> bool:
        """Whether no direction is flat."""
        return bool(self.null.shape[1] == 0)

    @property
    def covariance(self) -> Float[np.ndarray, "dim dim"]:
        """The inverse of the information, along what is not flat."""
        return self.root @ self.root.T

    def directions(self) -> Float[np.ndarray, "directions dim"]:
        """Steps of one standard error: of each coordinate's profile, then along each eigenvector [2 dim, dim]."""
        covariance = self.covariance
        deviations = np.sqrt(np.diag(covariance))[:, None]
        profiles = np.divide(covariance, deviations, out=np.zeros_like(covariance), where=deviations > 0)
        return np.concatenate([profiles, self.root.T])


def decompose(information: Float[np.ndarray, "dim dim"], free: Bool[np.ndarray, "dim"]) -> Spectrum:
    """Take the information apart.

    Args:
        information: minus the Hessian of the log density.
        free: the coordinates to look at.
    """
    own = information[np.ix_(free, free)]
    diagonal = np.diag(own)
    deviations = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scaled = own / np.outer(deviations, deviations)
    if np.all(np.isfinite(scaled)):
        eigenvalues, vectors = np.linalg.eigh(scaled)
    else:
        eigenvalues, vectors = np.full(len(scaled), np.nan), np.eye(len(scaled))
    level = eigenvalues > _FLAT
    root, null = np.zeros_like(information), np.zeros((len(free), int((~level).sum())), information.dtype)
    steps = vectors[:, level] / np.sqrt(eigenvalues[level]) / deviations[:, None]
    root[np.ix_(free, np.arange(len(free)) < level.sum())] = steps
    null[free] = vectors[:, ~level] / deviations[:, None]
    return Spectrum(eigenvalues, root, null)
