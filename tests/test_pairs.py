"""Every data x model x inference works, or is refused before anything compiles, naming a key or word."""

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hydra
import jax
import numpy as np
import pandas as pd
import pytest

from console import FEW
from credo.config import paths, schema
from credo.config.messages import refuse
from credo.diagnostics.answer import answer as infer
from credo.errors import ConfigError
from credo.experiment import objective
from credo.experiment.parts import Parts, build
from credo.inference.base import Inference, Listener
from credo.models.problem import Problem

ROOT = Path(__file__).parents[1]
ROWS = 10
TABLE = "data.target=y data.group=group"

DATA = {
    "branches": f"data.rows={ROWS + 4}",
    "breast_cancer": "data.features=['mean radius','mean texture']",
    "checkerboard": f"data.rows={ROWS}",
    "coin_flips": "",
    "correlated_gaussians": f"data.rows={ROWS} data.dim=2",
    "csv": f"data.path=table.csv {TABLE}",
    "diabetes": "data.features=[bmi,bp] data.test_fraction=0.2",
    "digits": f"data.rows={ROWS}",
    "eight_gaussians": f"data.rows={ROWS}",
    "eight_schools": "",
    "four_rings": f"data.rows={ROWS}",
    "inline": "data.values=[0.3,1.1,0.7,0.4,0.9,1.3,0.2,0.8,0.6,1.0]",
    "json": f"data.path=table.json {TABLE}",
    "lopsided": f"data.rows={ROWS + 4}",
    "npz": f"data.path=table.npz {TABLE}",
    "parquet": f"data.path=table.parquet {TABLE}",
    "two_moons": f"data.rows={ROWS}",
    "uci": "data.path=uci",
    "synthetic": f"data.rows={ROWS} data.features=2 data.groups=2 data.sigma=null",
}
MODELS = {
    "bernoulli": "",
    "ebm": "model=ebm energy=quadratic sampler=mala",
    "gaussian": "",
    "hierarchical": "",
    "mdn": "model.hidden=[3] model.components=1 training.epochs=2 training.batch_size=4 training.validation=0.2",
    "normal_inverse_gamma": "",
    "program": "model.function=pairs_program:model",
    "regression": "",
    "uniform": "",
    "one of two locations": "model=gaussian prior@model.prior.loc=bernoulli",
    "spike and slab": "model=regression prior@model.prior.inclusion=bernoulli",
}
ANY = {"ebm", "gaussian", "normal_inverse_gamma", "program", "one of two locations"}
INPUTS = {"mdn", "regression", "spike and slab"}
FIT = {
    "branches": ANY | INPUTS,
    "breast_cancer": ANY | INPUTS | {"bernoulli"},
    "checkerboard": {"ebm"},
    "coin_flips": ANY | {"bernoulli"},
    "correlated_gaussians": {"ebm", "mdn"},
    "diabetes": ANY | INPUTS,
    "digits": {"ebm"},
    "eight_gaussians": {"ebm"},
    "eight_schools": ANY | {"hierarchical"},
    "four_rings": {"ebm"},
    "inline": ANY | {"uniform"},
    "lopsided": ANY | INPUTS,
    "synthetic": set(MODELS) - {"ebm", "mdn"},
    "two_moons": {"ebm"},
    "uci": ANY | INPUTS | {"uniform"},
} | dict.fromkeys(["csv", "json", "npz", "parquet"], ANY | INPUTS | {"hierarchical", "uniform"})
"""Which models each data set fits."""

METHODS = tuple(FEW)
EVERY = set(METHODS) - {"exchange"}
ONLY = {"one of two locations": {"mh"}, "ebm": set(METHODS)}
"""Which methods a model allows, where not all but `exchange`."""

PROGRAM = """
import numpyro
import numpyro.distributions as dist


def model(y, **inputs):
    mu = numpyro.sample("mu", dist.Normal(0.0, 10.0))
    with numpyro.plate("obs", len(y)):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same small table in every format, and a function."""
    here = tmp_path_factory.mktemp("pairs")
    (here / "pairs_program.py").write_text(PROGRAM)
    random = np.random.default_rng(0)
    y, x = random.uniform(0.1, 1.0, ROWS), random.normal(size=(ROWS, 2))
    table = pd.DataFrame({"y": y, "a": x[:, 0], "b": x[:, 1], "group": np.arange(ROWS) % 2})
    table.to_csv(here / "table.csv", index=False)
    table.to_parquet(here / "table.parquet")
    (here / "table.json").write_text(table.to_json(orient="records"))
    np.savez(here / "table.npz", **{str(name): column.to_numpy() for name, column in table.items()})
    (here / "uci").mkdir()
    np.savetxt(here / "uci" / "data.txt", table[["a", "b", "y"]])
    for name, places in {"features": "0 1", "target": "2", "test_0": "3 7"}.items():
        (here / "uci" / f"index_{name}.txt").write_text(places)
    return here


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """Stand in that folder, and compile quickly rather than well."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    if request.node.get_closest_marker("slow"):
        jax.clear_caches()  # a process can map only so many programs into its memory


@cache
def parts(data: str, model: str) -> Parts:
    words = [f"data={data}", *_words(DATA[data])]
    words += MODELS[model].split() if "model=" in MODELS[model] else [f"model={model}", *MODELS[model].split()]
    return composed(*words)


@cache
def inference(method: str) -> Inference:
    return composed(f"inference={method}", *FEW[method]).inference


def composed(*words: str) -> Parts:
    schema.register()
    paths.register()
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = hydra.compose("config", list(words))
    refuse(config)
    return build(config)


def _words(text: str) -> list[str]:
    return [text] if "'" in text else text.split()


def bound(data: str, model: str) -> Problem:
    """The problem, or a `ConfigError`."""
    return parts(data, model).problem(0)[0]


PAIRS = [(data, model) for data in DATA for model in MODELS]


@pytest.mark.parametrize(("data", "model"), [(d, m) for d, m in PAIRS if m not in FIT[d]])
def test_what_does_not_fit_is_refused_in_one_sentence(data: str, model: str) -> None:
    with pytest.raises(ConfigError) as refused:
        bound(data, model)
    assert re.fullmatch(r"(data|model)\b[^\n]*", str(refused.value))  # without the notes that JAX adds


def answer(data: str, model: str, method: str, listener: Listener) -> dict[str, float]:
    """The metrics of a pair."""
    problem, chosen = bound(data, model), inference(method)
    found = infer(problem, chosen, parts(data, model).diagnostics, jax.random.PRNGKey(0), listener)
    assert found.verdict.status in {"passed", "failed", "not checked"}
    names = [name for name in found.metrics if not name.startswith("posterior/")]
    objective.require_possible(names, chosen, problem)
    return dict(found.metrics)


def allowed(model: str, method: str) -> bool:
    return method in ONLY.get(model, EVERY)


@pytest.mark.parametrize(("data", "model"), [(d, m) for d, m in PAIRS if m in FIT[d]])
def test_a_method_takes_a_pair_or_names_one_that_does(data: str, model: str) -> None:
    problem = bound(data, model)
    for method in METHODS:
        check = inference(method).check
        if allowed(model, method):
            check(problem)
        else:
            with pytest.raises(ConfigError, match=rf"^inference={method} [^\n]*; use inference=\w+$"):
                check(problem)


def runs() -> list[Any]:
    """All pairs that fit by all methods that take them, as proofs."""
    triples = [(d, m, method) for d, m in PAIRS if m in FIT[d] for method in METHODS if allowed(m, method)]
    return [pytest.param(*one, marks=pytest.mark.slow) for one in triples]


@pytest.mark.parametrize(("data", "model", "method"), runs())
def test_what_fits_runs(data: str, model: str, method: str, quiet: Listener) -> None:
    numbers = answer(data, model, method, quiet)
    networks = any(site.group == "network" for site in bound(data, model).latents)  # whose weights mean nothing alone
    assert networks or any(name.startswith("posterior/") for name in numbers)
