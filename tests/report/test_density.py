"""Densities and ranges of draws."""

import math

import numpy as np
import pytest

from credo.report.drawing.density import density, intervals, limits


def test_density_of_normal_draws():
    draws = np.random.default_rng(0).normal(size=20_000)
    centres, heights = density(draws, *limits(draws))
    truth = np.exp(-0.5 * centres**2) / math.sqrt(2 * math.pi)
    # Of 20,000 draws with Silverman's bandwidth 0.12: standard error at the mode about 0.007, bias 0.003.
    assert np.abs(heights - truth).max() < 0.02
    assert heights.sum() * (centres[1] - centres[0]) == pytest.approx(1, abs=1e-3)


def test_density_does_not_leak_over_a_hard_edge():
    draws = np.random.default_rng(0).exponential(size=20_000)
    centres, heights = density(draws, 0.0, 10.0)
    # An estimate that leaks would be near 0.5 at the edge, where the density is 1; mirroring flattens it a little.
    assert heights[0] > 0.85
    assert heights.sum() * (centres[1] - centres[0]) == pytest.approx(1, abs=0.01)


def test_limits_leave_outliers_out_and_are_never_empty():
    draws = np.concatenate([np.linspace(0, 1, 1001), [1e6]])
    assert limits(draws)[1] < 2
    assert limits(np.full(9, 3.0)) == (1.5, 4.5)
    assert limits(np.array([np.nan, np.inf])) == (0.0, 1.0)


def test_intervals_by_element():
    draws = np.stack([np.arange(101.0), 10 * np.arange(101.0)])
    np.testing.assert_allclose(intervals(draws), [[5, 50], [25, 250], [50, 500], [75, 750], [95, 950]])
