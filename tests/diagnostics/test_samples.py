"""Samples of a trained energy: exact draws are called so, and an unadjusted sampler never passes."""

import numpy as np
import xarray as xr

from credo.diagnostics.base import put
from credo.diagnostics.samples import Samples
from credo.diagnostics.summary import summarise
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status

from .conftest import dataset

SAMPLES = Samples(1.05)


def ask(apart=0.0, **attrs):
    """Of 16 chains of 50 draws, half of which lie apart."""
    random = np.random.default_rng(0)
    y = random.normal(size=(16, 50, 2)) + apart * (np.arange(16) < 8)[:, None, None]
    drawn = xr.Dataset({"y": (("chain", "draw", "target"), y), "energy": (("chain", "draw"), 0.5 * (y**2).sum(-1))})
    groups = {"posterior": dataset({"e": np.zeros((1, 1))}), "samples": drawn.assign_attrs(attrs)}
    result = Result(xr.DataTree.from_dict(groups), Status.DONE, Cost({}), "mle", Kind.TRAINED, ("e",))
    return put(SAMPLES, result, summarise(result))


def test_chains_of_an_adjusted_sampler_that_agree_pass():
    answer = ask(sampler="mala", exact=0, adjusted=1)
    assert answer.status == "passed"
    assert answer.advice == "16 chains of mala, started at the data and away from it, agree."


def test_exact_draws_are_no_chains():
    answer = ask(sampler="exact draws", exact=1, adjusted=1)
    assert answer.status == "passed"
    assert answer.advice == "800 states were drawn independently, by the exact distribution."


def test_an_unadjusted_sampler_never_passes():
    answer = ask(sampler="langevin", exact=0, adjusted=0)
    assert answer.status == "not checked"
    assert "nothing is rejected" in answer.advice


def test_chains_that_disagree_fail():
    for adjusted in (0, 1):
        assert ask(5.0, sampler="mala", exact=0, adjusted=adjusted).status == "failed"
