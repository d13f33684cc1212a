import numpy as np
from scipy.stats import binom

from credo.report.drawing.chance import binomial_interval


def test_the_interval_is_that_of_scipy():
    trials, chance = np.meshgrid([1, 2, 5, 10, 100, 1000, 100_000], np.linspace(0, 1, 41))
    ours, theirs = binomial_interval(0.95, trials, chance), binom.interval(0.95, trials, chance)
    assert np.array_equal(ours, theirs)
