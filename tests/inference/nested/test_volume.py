"""Volumes, weights, error and draws of nested sampling against exact numbers and simulation."""

import numpy as np
import pytest
from scipy.special import logsumexp

from credo.inference.convergence import mixing
from credo.inference.nested import volume


def climbed(rng, live=40, dead=10, batches=60):
    """Perfect nested sampling of L(x) = exp(-50 x) on (0, 1), by its own order: the evidence is (1 - e^-50) / 50."""
    x, found, top = rng.uniform(size=live), [], 1.0
    for _ in range(batches):
        x = np.sort(x)[::-1]
        found.append(-50 * x[:dead])
        top = x[dead - 1]
        x = np.concatenate([x[dead:], rng.uniform(0, top, dead)])
    return np.array(found), -50 * x


def test_all_volumes_are_the_whole_prior():
    assert logsumexp(volume.log_volumes(7, 3, 10)) == pytest.approx(0)
    assert np.exp(volume.log_volumes(1, 2, 4)) == pytest.approx([0.25, 0.25, 0.125, 0.125, 0.125, 0.125])


def test_the_mean_evidence_is_exact_and_its_stated_variance_is_the_spread():
    """Both within four standard errors of 400 runs, which right ones exceed in 1 of 8,000 tests."""
    rng = np.random.default_rng(0)
    runs = [climbed(rng) for _ in range(400)]
    ratio = np.array([np.exp(logsumexp(volume.log_weights(*run))) for run in runs]) * 50
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / 20
    stated = np.mean([volume.variance(*run) for run in runs])
    assert stated == pytest.approx(ratio.var(), rel=4 * np.sqrt(2 / 400) + 0.1)


def test_the_error_of_many_repeats_falls_with_their_root():
    assert volume.combined(np.full(4, -3.0), np.full(4, 0.04)) == pytest.approx(0.1)
    assert volume.combined(np.array([0.0, -1000.0]), np.array([0.04, 9.0])) == pytest.approx(0.2)


def test_points_are_drawn_as_often_as_their_weight_says_and_copies_stand_side_by_side():
    weight = np.array([0.5, 0.25, 0.125, 0.125])
    chosen = volume.resampled(np.log(weight) - 800, 16, np.random.default_rng(1))
    assert np.all(np.abs(np.bincount(chosen, minlength=4) - 16 * weight) < 1)
    assert np.count_nonzero(np.diff(chosen)) == 3


def test_effective_sample_sizes_count_no_copies():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(4, 100))
    draws = np.stack([own[volume.resampled(np.zeros(100), 1000, rng)] for own in points])
    assert mixing(draws[None])["ess_bulk"].item() < 600


def test_founders_count_by_weight():
    assert volume.founders(np.zeros(4), np.array([0, 1, 2, 3])) == pytest.approx(4)
    assert volume.founders(np.log([0.5, 0.5, 1e-300]), np.array([5, 5, 0])) == pytest.approx(1)
