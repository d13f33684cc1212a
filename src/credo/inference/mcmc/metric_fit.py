"""The metric that suits the draws of a warm-up, found by one thread of the host.

`metric=auto` takes scales per coordinate alone where they suit draws that were held out as well, and the covariance in
place of the geometric mean in the directions in which they differ by more than noise (see `shape`).
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
from jaxtyping import Float
from threadpoolctl import ThreadpoolController

from credo.inference.mcmc import shape as shapes
from credo.inference.mcmc.metric import Diagonal, Metric, kind
from credo.inference.mcmc.shape import Shape

_LEVEL = 1e-3
"""Fisher divergence per latent below which a diagonal metric needs no improvement; a standard normal has 0."""

Draws = Callable[[np.ndarray], np.ndarray]
"""Which of the draws [chains, draws, ...] are taken."""

Centred = tuple[Float[np.ndarray, "_ dim"], Float[np.ndarray, "_ dim"]]
"""Draws and gradients [draws, dim], each chain taken from its own mean."""

Fold = dict[Draws, Centred | None]
"""Half of the draws, by which of them are taken; `None` where these tell nothing."""


def divergence(
    metric: Metric, z: Float[np.ndarray, "chains draws dim"], g: Float[np.ndarray, "chains draws dim"]
) -> float:
    """The Fisher divergence per latent of the later draws, each chain taken from its own mean; 0 of a perfect metric.

    Infinite where the draws tell nothing.
    """
    draws = shapes.centred(_later(z), _later(g))
    if draws is None:
        return math.inf
    try:
        with _one_thread():
            y, slope = metric.on_host(*draws)
            found = float(np.mean((y - slope) ** 2))
    except np.linalg.LinAlgError:
        return math.inf
    return found if math.isfinite(found) else math.inf


def fit(name: str, z: Float[np.ndarray, "chains draws dim"], g: Float[np.ndarray, "chains draws dim"]) -> Metric | None:
    """The metric for draws and gradients, each chain taken from its own mean.

    One thread computes it: matrices of some hundred columns gain nothing from more, which wait for each other, and the
    last bits of the metric, and so the draws, would follow from the number of cores.

    Returns:
        `None` where they tell nothing: gradients that are not finite, no movement, or numbers so far apart that no
        matrix of them can be decomposed.
    """
    which = kind(name, z.shape[-1])
    try:
        with _one_thread():
            shape = _best(which, z, g) if name == "auto" else _learned(which, shapes.centred(z, g))
            metric = None if shape is None else which.of(shape)
    except np.linalg.LinAlgError:
        return None
    return metric if metric is not None and metric.is_sound() else None


def _best(
    which: type[Metric], z: Float[np.ndarray, "chains draws dim"], g: Float[np.ndarray, "chains draws dim"]
) -> Shape | None:
    """What suits recent draws best: a scale per coordinate, or all that the kind can be.

    The latter is learned from all draws, or from the later ones alone where the chains have only just arrived.
    """
    options: tuple[tuple[type[Metric], Draws], ...] = ((Diagonal, _all), (which, _all), (which, _later))
    folds = _folds(z, g)
    losses = [_held_out(kind, learn_from, folds, z.shape) for kind, learn_from in options]
    chosen, learn_from = options[losses.index(min(losses))]
    return _learned(chosen, shapes.centred(learn_from(z), learn_from(g)), shapes.noticeable(learn_from(z)))


def _folds(z: Float[np.ndarray, "chains draws dim"], g: Float[np.ndarray, "chains draws dim"]) -> list[Fold]:
    """Every second chain, and the others; of one chain, every second draw. Each centred, by which draws are taken."""
    halves = [(a[::2], a[1::2]) if len(a) > 1 else (a[:, ::2], a[:, 1::2]) for a in (z, g)]
    return [
        {taken: shapes.centred(taken(own_z), taken(own_g)) for taken in (_all, _later)}
        for own_z, own_g in zip(*halves, strict=True)
    ]


def _held_out(which: type[Metric], learn_from: Draws, folds: list[Fold], sizes: tuple[int, ...]) -> float:
    """The Fisher divergence of the later draws of one fold, learned from the other, and vice versa.

    Directions cost a part for each latent in as many as there are draws.

    Args:
        which: what is learned.
        learn_from: which draws it is learned from.
        folds: both halves.
        sizes: chains, draws and latents of both.
    """
    chains, draws, dim = sizes
    loss = 0.0
    for ours, theirs in (folds, folds[::-1]):
        shape, held_out = _learned_or_none(which, ours[learn_from]), theirs[_later]
        loss += math.inf if shape is None or held_out is None else shape.divergence(*held_out)
    if which is not Diagonal:
        loss = loss * (1 + dim / (chains * draws)) + _LEVEL * dim
    return loss if math.isfinite(loss) else math.inf


def _learned_or_none(which: type[Metric], draws: Centred | None) -> Shape | None:
    try:
        return _learned(which, draws)
    except np.linalg.LinAlgError:
        return None


def _learned(which: type[Metric], draws: Centred | None, edge: float = math.inf) -> Shape | None:
    return None if draws is None else which.learned(*draws, edge)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Numbers that are not finite warn of nothing, and NumPy has one thread."""
    with np.errstate(all="ignore"), _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """Those whose threads can be limited, NumPy's among them; to look for them takes three milliseconds."""
    return ThreadpoolController()


def _all(draws: Float[np.ndarray, "chains draws dim"]) -> Float[np.ndarray, "chains draws dim"]:
    return draws


def _later(draws: Float[np.ndarray, "chains draws dim"]) -> Float[np.ndarray, "chains later dim"]:
    """The later half of draws [chains, draws, ...]."""
    return draws[:, draws.shape[1] // 2 :]
