"""The ranks of `simuk`, another library, have the verdict of credo's own, of a right inference and of a wrong one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from numpyro.infer.mcmc import MCMCKernel
from test_fits import Conjugate, problem

from credo.calibration.fits import fits, judge
from credo.calibration.simulator import Simulator
from credo.diagnostics.sbc.verdict import verdict

pytestmark = pytest.mark.slow

REPLICATIONS, DRAWS, FLIPS = 12, 99, 10


class State(NamedTuple):
    """Of a chain."""

    z: Any
    rng_key: Any


def flips(y: Any = None) -> None:
    p = numpyro.sample("p", dist.Beta(2.0, 2.0))
    with numpyro.plate("flip", FLIPS):
        numpyro.sample("y", dist.Bernoulli(p), obs=y)


class Exact(MCMCKernel):
    """Independent draws of the exact posterior, or of one whose prior is Beta(a, 2)."""

    sample_field = "z"

    def __init__(self, a: float) -> None:
        self._a = a

    @property
    def model(self) -> Callable[..., None]:
        return flips

    def init(self, rng_key: Any, *_: Any, **__: Any) -> State:
        return State({"p": jax.numpy.asarray(0.5)}, rng_key)

    def sample(self, state: State, model_args: Any, model_kwargs: Any) -> State:
        key, own = jax.random.split(state.rng_key)
        y = model_kwargs["y"]
        return State({"p": jax.random.beta(own, self._a + y.sum(), 2.0 + (1 - y).sum())}, key)

    def postprocess_fn(self, *_: Any) -> Callable[[Any], Any]:
        return lambda values: values


@pytest.mark.parametrize(("a", "status"), [(2.0, "too few replications"), (8.0, "not calibrated")])
def test_ranks_of_simuk_have_the_verdict_of_ours(a: float, status: str) -> None:
    # The right one alarms with a chance of 1 %, and these seeds do not.
    from simuk import SBC

    asked = {"num_warmup": 0, "num_samples": DRAWS, "progress_bar": False}
    theirs = SBC(Exact(a), num_simulations=REPLICATIONS, sample_kwargs=asked, seed=3, data_dir={"y": np.zeros(FLIPS)})
    theirs.run_simulations()
    counts = np.asarray(theirs.simulations["prior_sbc"]["p"]).reshape(REPLICATIONS, 1)
    spread = np.random.default_rng(0).uniform(size=counts.shape)
    found = verdict(["p"], (counts + spread) / (DRAWS + 1), np.zeros(counts.shape), 0)
    simulator = Simulator(problem())
    rows = pd.concat(fits(simulator, Conjugate(a=a), 0, range(REPLICATIONS), lambda: None))
    ours = judge(rows[rows["scalar"] == "p"])
    assert (found.status, ours.status) == (status, status), (found.sentence, ours.sentence)
    assert np.sign(found.table["bias"][0]) == np.sign(ours.table["bias"][0]) or a == 2.0
