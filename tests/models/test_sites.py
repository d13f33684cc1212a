"""What is known of each model's sites before anything compiles: their kinds, dims, shapes and supports."""

from typing import Any

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr
from omegaconf import OmegaConf

from credo.config import paths
from credo.energies.quadratic import QuadraticModel
from credo.energies.samplers.mala import Mala
from credo.models import priors
from credo.models.base import Model
from credo.models.bernoulli import Bernoulli
from credo.models.ebm import Ebm
from credo.models.gaussian import Gaussian
from credo.models.gaussian_process import GaussianProcess
from credo.models.hierarchical import Hierarchical
from credo.models.markov_chain import MarkovChain
from credo.models.mdn import Mdn
from credo.models.mixture import Mixture
from credo.models.normal_inverse_gamma import NormalInverseGamma
from credo.models.problem import Problem
from credo.models.program import Program
from credo.models.regression import Regression
from credo.models.sites import Site
from credo.models.time_series import TimeSeries
from credo.models.uniform import Uniform

DATA = xr.Dataset(
    {
        "y": ("school", [1.0, 0.0, 1.0, 1.0, 0.0]),
        "x": (("school", "feature"), np.ones((5, 2))),
        "mu": ((), 3.0, {"role": "truth"}),
    },
    {"school": list("abcde"), "feature": ["age", "sex"]},
)
SIGMA = {"sigma": ("school", np.ones(5))}
GROUP = {"group": ("school", [0, 1, 2, 0, 1]), "group_name": ("group_name", ["p", "q", "r"])}

PRIOR = {
    **{name: dist.Normal(0.0, 1.0) for name in ("loc", "mu", "intercept", "beta")},
    **{name: dist.HalfNormal(1.0) for name in ("sigma", "tau", "df")},
    "sigma2": dist.InverseGamma(2.0, 1.0),
    "p": dist.Beta(1.0, 1.0),
    "theta": dist.Pareto(1.0, 2.0),
}
EBM = {"mu": PRIOR["mu"], "scale": PRIOR["sigma"], "slope": PRIOR["mu"]}
SPIKE = PRIOR | {"inclusion": dist.BernoulliProbs(0.5)}
CHOICE = PRIOR | {"loc": dist.BernoulliProbs(0.5)}
MIXTURE = {"weights": dist.Dirichlet(np.ones(2)), "loc": PRIOR["loc"], "scale": PRIOR["sigma"]}
PROCESS = dict.fromkeys(("amplitude", "lengthscale", "sigma"), PRIOR["sigma"])
SERIES = dict.fromkeys(("sigma", "sigma_level"), PRIOR["sigma"])
ROWS = {"x": (("school", "feature"), np.arange(5.0)[:, None]), "feature": ["time"]}
OBSERVED = {"y": ("observed", {"school": 5})}


def build(model: type[Model], *settings: Any, prior: dict[str, Any] = PRIOR) -> Model:
    """A model with those priors that it reads."""
    read = prior if model is Ebm else model.supports  # the energy says which
    return model({name: prior[name] for name in read if name in prior}, *settings)


def latent(**dims: int) -> tuple[str, dict[str, int]]:
    return ("latent", dims)


def deterministic(**dims: int) -> tuple[str, dict[str, int]]:
    return ("deterministic", dims)


def own(y: jax.Array, n_feature: int, k: int, **_: Any) -> None:
    weights = numpyro.sample("w", dist.Dirichlet(np.ones(k)))
    with numpyro.plate("feature", n_feature):
        numpyro.sample("b", dist.Normal(0.0, 1.0))
    with numpyro.plate("obs", len(y)):
        numpyro.sample("y", dist.Normal(weights[0], 1.0), obs=y)


LINEAR = {"intercept": latent(), "beta": latent(feature=2)}

CASES: dict[str, tuple[Model, dict[str, Any], dict[str, tuple[str, dict[str, int]]]]] = {
    "bernoulli": (build(Bernoulli), {}, {"p": latent()}),
    "gaussian": (build(Gaussian, 1.0, (0, 1)), {}, {"loc": latent()}),
    "gaussian_sigma": (build(Gaussian, None, (0, 1)), {}, {"loc": latent(), "sigma": latent()}),
    "gaussian_sigma_given": (build(Gaussian, None, (0, 1)), SIGMA, {"loc": latent()}),
    "gaussian_choice": (
        build(Gaussian, 1.0, (0, 1), prior=CHOICE),
        {},
        {"hypothesis": latent(), "loc": deterministic()},
    ),
    "normal_inverse_gamma": (build(NormalInverseGamma, 0.0, 1.0), {}, {"sigma2": latent(), "mu": latent()}),
    "uniform": (build(Uniform), {"y": ("school", np.ones(5))}, {"theta": latent()}),
    "regression": (build(Regression, "gaussian"), {}, LINEAR | {"sigma": latent()}),
    "logistic": (build(Regression, "bernoulli"), {}, LINEAR),
    "poisson": (build(Regression, "poisson"), {}, LINEAR),
    "student_t": (build(Regression, "student_t"), {}, LINEAR | {"sigma": latent(), "df": latent()}),
    "spike": (
        build(Regression, "bernoulli", prior=SPIKE),
        {},
        LINEAR | {"inclusion_0": latent(), "inclusion_1": latent(), "inclusion": deterministic(feature=2)},
    ),
    "hierarchical": (
        build(Hierarchical, False),
        SIGMA,
        {"mu": latent(), "tau": latent(), "z": latent(school=5), "theta": deterministic(school=5)},
    ),
    "hierarchical_centred": (
        build(Hierarchical, True),
        SIGMA,
        {"mu": latent(), "tau": latent(), "theta": latent(school=5)},
    ),
    "hierarchical_groups": (
        build(Hierarchical, True),
        GROUP,
        {"mu": latent(), "tau": latent(), "theta": latent(group_name=3), "sigma": latent()},
    ),
    "mdn": (
        build(
            Mdn,
            "gaussian",
            2,
            "softmax",
            1.0,
            None,
            None,
            (3,),
            "mish",
            "none",
            1,
            False,
            "concat",
            (),
            "network",
            "float32",
            prior={name: dist.Normal(0.0, 1.0) for name in ("weight", "bias")},
        ),
        {"x": (("school", "feature"), np.arange(10.0).reshape(5, 2))},
        {
            "layers_0_weight": latent(layers_0_weight_dim_0=3, layers_0_weight_dim_1=2),
            "layers_0_bias": latent(layers_0_bias_dim_0=3),
            "head_weight": latent(head_weight_dim_0=6, head_weight_dim_1=3),
            "head_bias": latent(head_bias_dim_0=6),
            "predicted_mean": deterministic(probe=5),
            "log_density": deterministic(probe=5),
        },
    ),
    "ebm": (
        build(Ebm, QuadraticModel(), Mala(1, 0.1), "auto", prior=EBM),
        {"x": ("school", np.ones(5))},
        {"mu": latent(target=1), "scale": latent(target=1)},
    ),
    "mixture": (
        build(Mixture, 2, True, prior=MIXTURE),
        {},
        {"weights": latent(component=2), "loc": latent(component=2), "scale": latent(component=2)},
    ),
    "markov_chain": (
        build(MarkovChain, prior={"transition": dist.Dirichlet(np.ones(2))}),
        {"y": ("school", [1, 0, 1, 1, 0]), "before": ("school", [0, 1, 0, 1, 1]), "state": ("state", ["dry", "wet"])},
        {
            "transition": latent(state=2, next_state=2),
            "stationary": deterministic(state=2),
            "steps_to": deterministic(state=2, next_state=2),
        },
    ),
    "gaussian_process": (
        build(GaussianProcess, "rbf", "none", 15, 1.5, False, True, prior=PROCESS),
        ROWS,
        {"amplitude": latent(), "lengthscale": latent(), "sigma": latent()},
    ),
    "time_series": (
        build(TimeSeries, "local", None, 0, 5.0, 100, prior=SERIES),
        ROWS,
        {"sigma": latent(), "sigma_level": latent()},
    ),
    "program": (Program(f"{__name__}:own", {"k": 3}), {}, {"w": latent(w_dim_0=3), "b": latent(feature=2)}),
}


def problem(name: str) -> Problem:
    model, extra, _ = CASES[name]
    data = (DATA.drop_dims("feature") if "feature" in extra else DATA).assign(extra)
    return Problem(model.fitted(data), data)


def sites(name: str) -> dict[str, Site]:
    return {site.name: site for site in problem(name).sites}


def test_every_model_is_here() -> None:
    targets = {OmegaConf.load(file)._target_ for file in (paths.built_in() / "conf" / "model").glob("*.yaml")}
    assert {f"{type(m).__module__}.{type(m).__name__}" for m, *_ in CASES.values()} == targets


@pytest.mark.parametrize("name", CASES)
def test_kinds_dims_and_shapes(name: str) -> None:
    asked = problem(name)
    asked.check()
    found = {s.name: (s.kind, dict(zip(asked.dims(s), s.shape, strict=True))) for s in asked.sites}
    assert found == CASES[name][2] | OBSERVED


def test_row_dim_is_the_datas_own() -> None:
    assert problem("bernoulli").row_dim == "school"
    assert Problem(build(Bernoulli), xr.Dataset({"y": ("obs", [1, 0])})).row_dim == "obs"


def test_truth_is_kept_from_the_model() -> None:
    assert problem("program").bound.arrays.keys() == {"x", "y"}
    assert problem("bernoulli").bound.arrays.keys() == {"y"}


@pytest.mark.parametrize(
    ("name", "site", "support", "distribution"),
    [
        ("bernoulli", "p", "a number between 0 and 1", "Beta"),
        ("bernoulli", "y", "0 or 1", "BernoulliProbs"),
        ("gaussian", "loc", "a finite number", "Normal"),
        ("gaussian_sigma", "sigma", "a positive number", "HalfNormal"),
        ("gaussian_choice", "hypothesis", "0 or 1", "BernoulliProbs"),
        ("gaussian_choice", "loc", "", ""),
        ("poisson", "y", "a whole number of at least 0", "Poisson"),
        ("program", "w", "a probability vector", "Dirichlet"),
    ],
)
def test_supports_in_words(name: str, site: str, support: str, distribution: str) -> None:
    found = sites(name)[site]
    assert (found.support, found.distribution) == (support, distribution)


def test_flags() -> None:
    spike, choice = sites("spike"), sites("gaussian_choice")
    assert [s.name for s in spike.values() if s.internal] == ["inclusion_0", "inclusion_1"]
    assert [s.name for s in spike.values() if s.discrete and s.kind == "latent"] == ["inclusion_0", "inclusion_1"]
    assert choice["hypothesis"].discrete
    assert choice["hypothesis"].enumerable
    assert not sites("poisson")["y"].enumerable
    assert [s.name for s in sites("hierarchical").values() if s.local] == ["z"]
    assert [s.name for s in sites("hierarchical_centred").values() if s.local] == ["theta"]
    improper = Problem(Bernoulli({"p": priors.flat("unit_interval")}), DATA)
    assert {s.name: s.improper for s in improper.sites} == {"p": True, "y": False}


@pytest.mark.parametrize("name", CASES)
def test_numbers_are_leaves(name: str) -> None:
    """Doubling every number of a bound model gives a tree of the same structure, hence the same compiled program."""
    bound = problem(name).bound
    leaves, structure = jax.tree.flatten(bound)
    doubled = jax.tree.unflatten(structure, [leaf * 2 for leaf in leaves])
    assert jax.tree.structure(doubled) == structure
    assert not any(callable(leaf) or isinstance(leaf, str) for leaf in leaves)


UNREAD = {"ebm": ("x",), "program": ("x",)}
"""An energy without inputs, and a program that takes all data and reads y."""


@pytest.mark.parametrize("name", CASES)
def test_which_data_has_no_part_in_the_answer(name: str) -> None:
    assert problem(name).unread == UNREAD.get(name, ())


def times(y: jax.Array) -> None:
    rate = numpyro.sample("rate", dist.Exponential(1.0))
    numpyro.sample("y", dist.RightCensoredDistribution(dist.Exponential(rate), np.array([0, 1])), obs=y)
    numpyro.sample("z", dist.Exponential(rate), obs=y)


def test_a_value_that_may_be_a_bound_is_known() -> None:
    bound = Problem(Program(f"{__name__}:times", {}), xr.Dataset({"y": ("obs", [1.0, 2.0])}))
    assert {site.name for site in bound.sites if site.censored} == {"y"}
