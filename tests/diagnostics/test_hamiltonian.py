"""divergences, e_bfmi and tree_depth."""

import arviz_stats
import numpy as np
import pytest

from credo.diagnostics.base import put
from credo.diagnostics.divergences import Divergences
from credo.diagnostics.e_bfmi import EBfmi
from credo.diagnostics.summary import summarise
from credo.diagnostics.tree_depth import TreeDepth

from .conftest import draws_result, good_draws, good_point

CHECKS = [Divergences(0), EBfmi(0.3), TreeDepth(0.05)]
SHAPE = (4, 100)


def ask(check, **groups):
    method = groups.pop("method", "nuts")
    result = draws_result({"x": np.random.default_rng(0).normal(size=SHAPE)}, method=method, **groups)
    return put(check, result, summarise(result))


@pytest.mark.parametrize("check", CHECKS)
def test_a_good_sampler_passes(check):
    result = good_draws()
    assert put(check, result, summarise(result)).status == "passed"


@pytest.mark.parametrize("check", CHECKS)
def test_statistics_that_are_missing_are_not_checked(check):
    assert ask(check).status == "not checked"
    assert ask(check, sample_stats={}).status == "not checked"


@pytest.mark.parametrize("check", CHECKS)
def test_a_random_walk_and_a_point_estimate_are_not_asked(check):
    assert ask(check, method="mh", sample_stats={"acceptance_rate": np.ones(SHAPE)}) is None
    assert put(check, good_point(), summarise(good_point())) is None


@pytest.mark.parametrize("check", CHECKS)
def test_another_sampler_with_such_statistics_is_asked(check):
    result = good_draws()
    stats = {name: v.values for name, v in result.tree["sample_stats"].data_vars.items()}
    small = {name: values[:, :100] for name, values in stats.items()}
    assert ask(check, method="my_sampler", sample_stats=small).status == "passed"


def test_one_divergence_fails():
    diverging = np.zeros(SHAPE, bool)
    diverging[1, 7] = True
    answer = ask(Divergences(0), sample_stats={"diverging": diverging})
    assert (answer.status, answer.value) == ("failed", 1)
    assert ask(Divergences(1), sample_stats={"diverging": diverging}).status == "passed"


def test_trajectories_cut_short_fail():
    reached = np.zeros(SHAPE, bool)
    reached[0, :40] = True
    answer = ask(TreeDepth(0.05), sample_stats={"reached_max_treedepth": reached})
    assert (answer.status, answer.value) == ("failed", 0.1)
    assert ask(TreeDepth(0.1), sample_stats={"reached_max_treedepth": reached}).status == "passed"


def test_hmc_has_no_tree():
    assert ask(TreeDepth(0.05), method="hmc") is None


def test_energies_that_walk_slowly_fail():
    energy = np.random.default_rng(0).normal(size=SHAPE)
    energy[2] = np.cumsum(energy[2])
    answer = ask(EBfmi(0.3), sample_stats={"energy": energy})
    assert answer.status == "failed"
    assert "Chain 2" in answer.advice
    result = draws_result({"x": energy}, sample_stats={"energy": energy})
    assert answer.value == pytest.approx(float(arviz_stats.bfmi(result.tree)["energy"].min()), rel=1e-12)


@pytest.mark.parametrize("energy", [np.ones(SHAPE), np.full(SHAPE, np.nan), np.ones((4, 1))])
def test_energies_that_say_nothing_are_not_checked(energy):
    assert ask(EBfmi(0.3), sample_stats={"energy": energy}).status == "not checked"
