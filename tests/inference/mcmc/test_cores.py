"""The metric, and so the draws, do not depend on how many cores the machine has."""

import jax
import numpy as np
from threadpoolctl import threadpool_limits

from credo.inference.mcmc import metric_fit

DIM, CHAINS, DRAWS = 150, 4, 200


def test_the_metric_has_the_same_bits_by_any_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    factor = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0] * np.logspace(-2, 2, DIM)
    y = rng.normal(size=(CHAINS, DRAWS, DIM))
    z, gradients = y @ factor.T, y @ np.linalg.inv(factor)
    found = []
    for threads in (1, 2, 4):
        with threadpool_limits(threads, user_api="blas"):
            found.append(metric_fit.fit("low_rank", z, gradients))
    first, *others = (jax.tree.leaves(metric) for metric in found)
    assert len(first) == 3  # scales, directions, and how far they are stretched
    for other in others:
        assert all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
