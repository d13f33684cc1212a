"""What every Markov chain method must keep, whatever its kernel."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from hydra.utils import get_class
from omegaconf import OmegaConf
from scipy import stats

from credo.config import numbers
from credo.errors import ConfigError, RunError
from credo.inference.base import Inference
from credo.inference.kind import Kind
from credo.inference.mcmc.kernel import Kernel
from credo.inference.result import Result, Status
from credo.models.gaussian import Gaussian
from credo.models.problem import Problem
from credo.models.program import Program
from registry import CONF, words

Infer = Callable[..., Result]

KERNELS = {
    word: part
    for word in words("inference")
    if issubclass(part := get_class(OmegaConf.load(CONF / "inference" / f"{word}.yaml")["_target_"]), Kernel)
    and part.require_likelihood is Kernel.require_likelihood  # others are of models whose likelihood is not known
}
Y = np.array([1.2, 0.7, -0.3, 2.1, 1.6, 0.9, 0.1, 1.4])
SHORT = {"chains": 2, "warmup": 30, "draws": 40, "thinning": 1, "block": 100}
KINDS = {
    "diverging": "b", "reached_max_treedepth": "b", "n_steps": "i", "tree_depth": "i", "energy": "f", "lp": "f",
    "acceptance_rate": "f", "step_size": "f",
}  # fmt: skip
"""The kinds of numbers of statistics by ArviZ's names; a kernel reports those that it has, and others of its own."""


def question(loc_scale: float = 2.0, y: np.ndarray = Y) -> Problem:
    prior = {"loc": dist.Normal(0.0, loc_scale), "sigma": dist.HalfNormal(3.0)}
    return Problem(Gaussian(prior, None, (0.0, 1.0)), xr.Dataset({"y": ("obs", y)}))


def too_narrow(y: Any) -> None:
    theta = numpyro.sample("theta", dist.Uniform(0.0, 1.0))
    numpyro.sample("mu", dist.Normal(0.0, 1.0))
    with numpyro.plate("obs", len(y)):
        numpyro.sample("y", dist.Uniform(0.0, theta), obs=y)


QUICK = ("nuts",)
"""The kernels that are held to it every time; the others in the proofs."""


@pytest.fixture(
    scope="module", params=[pytest.param(one, marks=() if one in QUICK else pytest.mark.slow) for one in KERNELS]
)
def word(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def warmup(word: str, method: Callable[..., Inference]) -> Callable[[int], list[int]]:
    """The draws of the warm-up after which blocks of a length end: no block goes beyond a window of the kernel."""
    kernel: Kernel = method(word).kernel  # type: ignore[attr-defined]
    ends = [*kernel.windows(SHORT["warmup"]), SHORT["warmup"]]

    def of(block: int) -> list[int]:
        done = [0]
        while done[-1] < ends[-1]:
            done.append(min(done[-1] + block, next(end for end in ends if end > done[-1])))
        return done[1:]

    return of


@pytest.fixture(scope="module")
def short(word: str, infer: Infer) -> Result:
    return infer(question(), word, **SHORT)


def draws(result: Result) -> xr.Dataset:
    """Draws and statistics together."""
    return xr.merge([result.tree["posterior"].to_dataset(), result.tree["sample_stats"].to_dataset()])


def test_the_same_key_gives_the_same_draws(word: str, short: Result, infer: Infer) -> None:
    again, other = infer(question(), word, **SHORT), infer(question(), word, seed=1, **SHORT)
    xr.testing.assert_identical(draws(again), draws(short))
    xr.testing.assert_identical(again.tree["posterior_predictive"].to_dataset(), predictive(short))
    assert np.all(other.tree["posterior"]["loc"] != short.tree["posterior"]["loc"])


def predictive(result: Result) -> xr.Dataset:
    return result.tree["posterior_predictive"].to_dataset()


@pytest.mark.parametrize("block", [pytest.param(10, marks=pytest.mark.slow), 37])
def test_blocks_change_no_bit(word: str, short: Result, block: int, infer: Infer) -> None:
    parted = infer(question(), word, **SHORT | {"block": block})
    xr.testing.assert_identical(draws(parted), draws(short))
    xr.testing.assert_identical(predictive(parted), predictive(short))


def test_statistics_have_names_shapes_and_kinds(word: str, short: Result) -> None:
    found = short.tree["sample_stats"]
    kinds = {str(name): v.dtype.kind for name, v in found.data_vars.items()}
    assert kinds.keys() == set(KERNELS[word].info._fields)
    assert {"n_steps", "lp", "acceptance_rate", "step_size"} <= kinds.keys()
    assert all(KINDS.get(name, kind) == kind for name, kind in kinds.items())
    assert all(v.dims == ("chain", "draw") and v.shape == (2, 40) for v in found.data_vars.values())
    assert np.all((found["acceptance_rate"] >= 0) & (found["acceptance_rate"] <= 1))
    assert np.all(found["n_steps"] >= 1)
    assert np.all(found["step_size"] == found["step_size"].isel(draw=0))  # adaptation has ended


def test_log_density_is_that_of_the_draws(short: Result) -> None:
    """In unconstrained space: prior, likelihood, and the Jacobian of sigma = exp(z), which is sigma."""
    loc, sigma = (short.tree["posterior"][name] for name in ("loc", "sigma"))
    prior = stats.norm(0, 2).logpdf(loc) + stats.halfnorm(scale=3).logpdf(sigma)
    likelihood = stats.norm(loc.to_numpy()[..., None], sigma.to_numpy()[..., None]).logpdf(Y).sum(-1)
    assert np.allclose(short.tree["sample_stats"]["lp"], prior + likelihood + np.log(sigma), atol=1e-9)


def test_chains_differ_and_move(word: str, short: Result, infer: Infer) -> None:
    """Those of a random walk move once their step size has settled, for which a short warm-up is too short."""
    warm = short if word in QUICK else infer(question(), word, **SHORT | {"warmup": 200})
    loc = warm.tree["posterior"]["loc"].to_numpy()
    assert np.all(loc[0] != loc[1])
    assert all(len(np.unique(chain)) > 4 for chain in loc)


def test_result_describes_itself(word: str, short: Result, warmup: Callable[[int], list[int]]) -> None:
    assert (short.method, short.kind, short.status, short.sampled) == (word, Kind.CHAINS, Status.DONE, ("loc", "sigma"))
    steps = int(short.tree["sample_stats"]["n_steps"].sum())
    assert short.cost.density_evaluations > steps  # the warm-up counts, too
    assert short.cost.gradients == (short.cost.density_evaluations if KERNELS[word].uses_gradients else 0)
    assert [*short.cost.seconds] == ["compile", "warmup", "looks", "sampling", "evaluation"]
    course = [(entry["phase"], entry["done"]) for entry in short.history]
    assert course == [
        *(("warmup", done) for done in warmup(100)),
        ("sampling", 40),
    ]


@pytest.mark.slow
def test_thinning_keeps_every_third_draw_of_a_single_chain_without_warmup(word: str, infer: Infer) -> None:
    settings = SHORT | {"chains": 1, "warmup": 0}
    every = infer(question(), word, **settings | {"draws": 30})
    third = infer(question(), word, **settings | {"draws": 10, "thinning": 3})
    for name in ("loc", "sigma"):
        assert np.array_equal(third.tree["posterior"][name], every.tree["posterior"][name][:, 2::3])
    of_every, of_third = every.tree["sample_stats"], third.tree["sample_stats"]
    assert np.array_equal(of_third["lp"], of_every["lp"][:, 2::3])
    assert np.array_equal(of_third["n_steps"], of_every["n_steps"].to_numpy().reshape(1, 10, 3).sum(-1))
    assert every.cost.density_evaluations == third.cost.density_evaluations


@pytest.mark.slow
@pytest.mark.parametrize("chain_method", ["sequential", "vectorized"])
def test_chain_methods_have_one_law(
    word: str, chain_method: str, infer: Infer, z_score: Callable[..., np.ndarray]
) -> None:
    """One mean each, within four Monte Carlo standard errors of the exact one by quadrature over sigma."""
    settings = {"chains": 2, "warmup": 300, "draws": 500, "block": 500}
    if KERNELS[word].learns_across and chain_method == "sequential":
        with pytest.raises(ConfigError, match=r"^inference\.chain_method: .* but got sequential; leave it out"):
            infer(question(), word, chain_method=chain_method, **settings)
        return
    posterior = infer(question(), word, chain_method=chain_method, **settings).tree["posterior"]
    assert np.abs(z_score(posterior["loc"], mean_of_loc())) < 4


def mean_of_loc() -> float:
    """E[loc | y]: given sigma, loc and y are jointly normal."""
    sigma = np.exp(np.linspace(np.log(0.1), np.log(30), 2001))[:, None]
    cov = sigma[..., None] ** 2 * np.eye(8) + 4.0
    evidence = np.array([stats.multivariate_normal(np.zeros(8), one).pdf(Y) for one in cov])
    weights = evidence * stats.halfnorm(scale=3).pdf(sigma[:, 0]) * sigma[:, 0]
    means = (Y.sum() / sigma[:, 0] ** 2) / (8 / sigma[:, 0] ** 2 + 0.25)
    return float(weights @ means / weights.sum())


class Recorded:
    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int, dict[str, float]]] = []

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        self.calls.append((phase, done, total, dict(numbers)))


def test_the_listener_hears_of_every_block(
    word: str, method: Callable[..., Inference], warmup: Callable[[int], list[int]]
) -> None:
    listener = Recorded()
    chosen = method(word, **SHORT | {"block": 10})
    result = chosen.run(question(), jax.random.PRNGKey(0), listener)
    assert [call[:3] for call in listener.calls] == [
        *(("warmup", done, 30) for done in warmup(10)),
        *(("sampling", done, 40) for done in (10, 20, 30, 40)),
    ]
    numbers = listener.calls[-1][3]
    assert {"acceptance_rate", "step_size", "r_hat_max", "ess_bulk_min"} <= numbers.keys()
    assert [{"phase": phase, "done": done, **n} for phase, done, _, n in listener.calls] == [*result.history]


def settle(method: Callable[..., Inference], word: str, setting: str, value: Any) -> None:
    """What a configuration with this setting goes through: the method is made, and its numbers are asked."""
    kind = type(method(word, **{setting: value}).kernel)  # type: ignore[attr-defined]
    numbers.require_all("inference", {"_target_": f"{kind.__module__}.{kind.__name__}", setting: value})


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("chains", 0), ("draws", 0), ("warmup", -1), ("thinning", 0), ("block", 0), ("chain_method", "parallel"),
        ("target_accept", 1.0),
    ],
)  # fmt: skip
def test_impossible_settings_are_named(word: str, setting: str, value: Any, method: Callable[..., Inference]) -> None:
    with pytest.raises(ConfigError, match=rf"{setting}: expected .* got '?{value}"):
        settle(method, word, setting, value)


@pytest.mark.slow
def test_no_finite_start_is_one_sentence(word: str, infer: Infer) -> None:
    """A prior on (0, 1) cannot explain an observation of 2 under U(0, theta)."""
    problem = Problem(Program(f"{__name__}:too_narrow", {}), xr.Dataset({"y": ("obs", [0.5, 2.0])}))
    with pytest.raises(
        RunError,
        match=r"^no starting point .* y \(log density -inf\); y is to blame: check that the priors allow the data",
    ):
        infer(problem, word, **SHORT)
