"""KL and Wasserstein between the posteriors of two lines."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from credo.information.neighbours import potential
from credo.report.comparison.posteriors import Draws, _kl, _moved


def drawn(seed, loc, scale, shape=(4, 500)):
    return np.random.default_rng(seed).normal(loc, scale, shape)


def test_the_wasserstein_distance_is_that_of_scipy():
    p, q = drawn(0, 0.0, 1.0).ravel(), drawn(1, 0.5, 2.0, (4, 300)).ravel()
    at_p, at_q = potential(p, q)
    assert at_p.mean() - at_q.mean() == pytest.approx(wasserstein_distance(p, q), rel=1e-9)


def test_distances_of_normal_posteriors_are_right_to_their_errors():
    """Within two standard errors in at least 43 of 50 seeds each, as of the information gained."""
    off_kl, off_moved = [], []
    for seed in range(50):
        p, q = drawn(2 * seed, 1.0, 1.0), drawn(2 * seed + 1, 0.0, 1.5)
        (kl, kl_error), (moved, error) = _kl(Draws(p), Draws(q)), _moved(Draws(p + 2.0), Draws(q / 1.5))
        off_kl.append((kl - (np.log(1.5) + 2 / (2 * 1.5**2) - 0.5)) / kl_error)
        off_moved.append((moved - 3.0) / error)
    assert (np.abs(off_kl) < 2).sum() >= 43
    assert (np.abs(off_moved) < 2).sum() >= 43


def test_where_one_posterior_has_no_draws_the_divergence_is_a_lower_bound():
    value, error = _kl(Draws(drawn(0, 10.0, 1.0)), Draws(drawn(1, 0.0, 1.0)))
    assert value > 5
    assert np.isnan(error)
