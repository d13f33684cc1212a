"""Every data x model x inference works, or is refused before anything compiles, naming a key or word."""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig

from credo.config.messages import refuse
from credo.data.base import Source
from credo.diagnostics.answer import answer as infer
from credo.errors import ConfigError
from credo.experiment import objective
from credo.experiment.parts import Parts, build, make_inference, make_source
from credo.inference.base import Inference, Listener
from credo.models.problem import Problem
from registry import compose, few, needed, small, untypeable, words

ROWS = 20
DATA, METHODS = words("data"), words("inference")
MODELS = [
    *(f"model={name}" for name in words("model")),
    *(f"model=ebm energy={name} training=none" for name in words("energy")),
    "model=gaussian prior@model.prior.loc=bernoulli",  # one of two locations
    "model=regression prior@model.prior.inclusion=bernoulli",  # spike and slab
]

PROGRAM = """
import numpyro
import numpyro.distributions as dist


def my_model(y, scale=1.0, **inputs):
    mu = numpyro.sample("mu", dist.Normal(0.0, 10.0))
    with numpyro.plate("obs", len(y)):
        numpyro.sample("y", dist.Normal(mu, scale), obs=y)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same small table wherever a first line has one, and a function."""
    here = tmp_path_factory.mktemp("pairs")
    (here / "my_module.py").write_text(PROGRAM)
    random = np.random.default_rng(0)
    y, x = random.uniform(0.1, 1.0, ROWS), random.normal(size=(ROWS, 2))
    table = pd.DataFrame({"y": y, "a": x[:, 0], "b": x[:, 1], "group": np.arange(ROWS) % 2})
    table.to_csv(here / "mine.csv", index=False)
    table.to_parquet(here / "mine.parquet")
    (here / "mine.json").write_text(table.to_json(orient="records"))
    np.savez(here / "mine.npz", **{str(name): column.to_numpy() for name, column in table.items()})
    (here / "uci" / "concrete").mkdir(parents=True)
    np.savetxt(here / "uci" / "concrete" / "data.txt", table[["a", "b", "y"]])
    for name, places in {"features": "0 1", "target": "2", "test_0": "3 7"}.items():
        (here / "uci" / "concrete" / f"index_{name}.txt").write_text(places)
    return here


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """Stand in that folder, and compile quickly rather than well."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
    if request.node.get_closest_marker("slow"):
        jax.clear_caches()  # a process can map only so many programs into its memory


@cache
def source(data: str) -> Source:
    """A data set, small; its tables have a target and groups."""
    typed = (f"data={data}", *needed("data", data))
    if {"path", "group"} <= set(compose(*typed).data):
        typed = (*typed, "data.target=y", "data.group=group")
    config = compose(*typed, *small("data", *typed))
    refuse(config)
    return make_source(config)


@cache
def choice(model: str) -> DictConfig:
    """The configuration of a small model."""
    typed = (*model.split(), *needed("model", model.split()[0].removeprefix("model=")))
    return compose(*typed, *(one for part in ("model", "energy", "training") for one in small(part, *typed)))


@cache
def typed(data: str, model: str, method: str) -> DictConfig:
    """The configuration of all three."""
    word = model.split()[0].removeprefix("model=")
    own = (*needed("data", data), *needed("model", word))
    return compose(f"data={data}", *model.split(), *own, f"inference={method}")


@cache
def parts(data: str, model: str) -> Parts:
    return replace(_parts(model), source=source(data))


@cache
def _parts(model: str) -> Parts:
    refuse(choice(model))
    return build(choice(model))


@cache
def inference(method: str) -> Inference:
    return make_inference(compose(f"inference={method}", *few(method)))


@cache
def _bound(data: str, model: str) -> Problem | ConfigError:
    try:
        return parts(data, model).problem(0, free=set(choice(model).get("training") or {}))[0]
    except ConfigError as error:
        return error


def bound(data: str, model: str) -> Problem:
    """The problem, or a `ConfigError`."""
    if isinstance(found := _bound(data, model), ConfigError):
        raise found
    return found


def fits(data: str, model: str) -> bool:
    return not isinstance(_bound(data, model), ConfigError)


SAME = ("json", "npz", "parquet", "uci")
"""Tables of the same columns as that of `csv`, whose pairs are proofs."""
PAIRS = [(data, model) for data in DATA for model in MODELS]
TRIED = [pytest.param(*pair, marks=pytest.mark.slow if pair[0] in SAME else ()) for pair in PAIRS]


@pytest.mark.parametrize(("data", "model"), TRIED)
def test_a_pair_fits_or_is_refused_in_one_sentence(data: str, model: str) -> None:
    """What fits has all the variables that the model requires."""
    found = _bound(data, model)
    if isinstance(found, ConfigError):  # its notes, that JAX adds, are no part of the sentence
        assert re.fullmatch(r"(data|model|energy|training)\b[^\n]*", str(found))
    else:
        required, _ = found.model.arguments()
        assert required <= {*map(str, found.data.variables), *(f"n_{dim}" for dim in found.data.sizes)}


@pytest.mark.parametrize("name", [name for name in words("model") if name != "program"])  # which is any function
def test_every_model_fits_some_data(name: str) -> None:
    assert any(fits(data, f"model={name}") for data in DATA)


@pytest.mark.parametrize("data", DATA)
def test_every_data_set_fits_some_model(data: str) -> None:
    assert any(fits(data, model) for model in MODELS)


@pytest.mark.parametrize(("data", "model"), TRIED)
def test_a_method_takes_a_pair_or_names_one_that_does(data: str, model: str) -> None:
    if not fits(data, model):
        return
    problem = bound(data, model)
    for method in METHODS:
        if (refused := refusal(problem, method)) is not None:
            found = re.fullmatch(
                rf"(model(=\w+)?: )?inference={method} [^\n]*?[;,] (?:or )?use inference=(\w+)[^\n]*", refused
            )
            assert found, refused
            assert refusal(problem, found[3]) is None, refused


def refusal(problem: Problem, method: str) -> str | None:
    try:
        inference(method).check(problem)
    except ConfigError as refused:
        return str(refused)
    return None


def answer(data: str, model: str, method: str, listener: Listener) -> dict[str, float]:
    """The metrics of a pair."""
    problem, chosen = bound(data, model), inference(method)
    found = infer(problem, chosen, parts(data, model).diagnostics, jax.random.PRNGKey(0), listener)
    assert found.verdict.status in {"passed", "failed", "not checked"}
    config = typed(data, model, method)
    for check in found.verdict.checks:
        assert not untypeable(check.advice, config), (method, check)
    names = [name for name in found.metrics if not name.startswith("posterior/")]
    objective.require_possible(names, replace(parts(data, model), inference=chosen), problem)
    return dict(found.metrics)


@pytest.mark.slow
@pytest.mark.parametrize(("data", "model"), PAIRS)
def test_what_fits_runs(data: str, model: str, quiet: Listener) -> None:
    if not fits(data, model):
        return
    networks = any(site.group == "network" for site in bound(data, model).latents)  # whose weights mean nothing alone
    for method in METHODS:
        if refusal(bound(data, model), method) is None:
            numbers = answer(data, model, method, quiet)
            assert networks or any(name.startswith("posterior/") for name in numbers), method
