"""Every YAML composes, instantiates and says how to call it, and what it says runs; options are typed."""

import dataclasses
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hydra
import pytest
from omegaconf import OmegaConf

from console import QUIET, credo
from credo.config.messages import refuse
from credo.errors import ConfigError
from credo.experiment.parts import build, make_model
from credo.models.shrinkage import Shrinkage
from registry import CONF, EXPERIMENTS, PRESETS, called, compose, group, needed, small, word, words

CHECKS = sorted((CONF / "diagnostics" / "check").glob("*.yaml"))
FILES = [*PRESETS, *sorted(EXPERIMENTS.glob("*.yaml"))]


@pytest.fixture(scope="module", autouse=True)
def _my_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The functions that first lines take for a user's own."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "my_module.py").write_text("def my_model(y, scale=1.0): ...\n\n\ndensity = my_model\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_first_line_composes_instantiates_and_names_its_file(file: Path) -> None:
    line = called(file)
    if shlex.join(line) not in commands():  # the others are built below
        refuse(compose(*line))
        build(compose(*line))
    if file.parent == EXPERIMENTS:
        assert line[0] == f"experiment={file.stem}"
    elif "/" in word(file):  # a model's own prior is shown by changing it
        model, latent = word(file).split("/")
        assert f"model={model}" in line or model not in words("model")
        assert any(one.startswith(f"model.prior.{latent}.") for one in line)
    else:
        assert any(one.endswith(f"={word(file)}") and one.lstrip("+").startswith(group(file)) for one in line)


@pytest.mark.parametrize("file", CHECKS, ids=lambda file: file.stem)
def test_every_check_says_how_to_call_it(file: Path) -> None:
    line = called(file)
    assert all(re.fullmatch(rf"~?diagnostics\.checks\.{file.stem}(\.\w+=.*)?", one) for one in line)
    refuse(compose(*line))


@pytest.mark.parametrize("file", PRESETS, ids=lambda file: f"{group(file)}={word(file)}")
def test_every_option_that_names_a_class_has_its_types(file: Path) -> None:
    """So that a wrong key or type is refused by the composition, before the class is imported."""
    config, place = compose(*called(file)), group(file)
    if group(file) == "prior":
        places = (one.partition("=")[0].partition("@")[2] for one in called(file) if one.startswith("prior@"))
        place = next(places, "model.prior")
    node = OmegaConf.select(config, place)
    assert place == "model.prior" or not node or dataclasses.is_dataclass(OmegaConf.get_type(node))


@cache
def models() -> dict[str, Any]:
    """The models that read priors, but for `ebm`, whose energy reads them."""
    made = {name: make_model(compose(f"model={name}", *needed("model", name))) for name in words("model")}
    return {name: model for name, model in made.items() if model.supports}


@pytest.mark.parametrize(
    "file", [file for file in PRESETS if group(file) == "prior" and "/" not in word(file)], ids=word
)
def test_a_prior_stands_where_its_values_may_be(file: Path) -> None:
    """It is refused wherever it allows a value, of a few on both sides of 0 and 1, that the latent cannot have."""
    (latent,) = (one.split("=")[0].rpartition(".")[2] for one in called(file) if one.lstrip("+").startswith("prior@"))
    prior = hydra.utils.instantiate(compose(*called(file)).model.prior[latent])
    if isinstance(prior, Shrinkage) or prior.event_shape:  # of many numbers together
        return
    values = [-1.0, 0.0, 1.0, 2.0] if prior.support.is_discrete else [-2.0, -0.5, 0.5, 2.0]
    allowed = [value for value in values if bool(prior.support(value))]
    for model in models().values():
        for name, supports in model.supports.items():
            may_be = any(
                not one.event_dim
                and one.is_discrete == prior.support.is_discrete
                and all(bool(one(value)) for value in allowed)
                for one in supports
            )
            assert _stands(prior, model, name) == may_be, (type(model), name)


def _stands(prior: Any, model: Any, latent: str) -> bool:
    try:
        return bool(dataclasses.replace(model, prior={**model.prior, latent: prior}))
    except ConfigError as error:
        return f"prior.{latent}: {latent} must be" not in str(error)


@cache
def commands() -> dict[str, tuple[str, ...]]:
    """The commands of all first lines that need no file, server or GPU, by their words."""
    absent = ("mine.", "my_module", "data=uci", "mdn_concrete", "http:", "device=gpu")
    found = {shlex.join(called(file)): tuple(called(file)) for file in FILES}
    return {line: typed for line, typed in found.items() if not any(one in line for one in absent)}


@pytest.mark.parametrize("line", commands())
def test_every_first_line_is_accepted(line: str) -> None:
    """All that is checked before the inference: the data fits the model, and the method can do it."""
    config = compose(*commands()[line])
    refuse(config)
    parts = build(config)
    problem, _ = parts.problem(config.seed)
    parts.inference.check(problem)


def run(line: str, folder: Path) -> None:
    """Run a command with few draws and silent, unless it says otherwise."""
    typed = commands()[line]
    chosen = {one.partition("=")[0] for one in typed}
    quiet = [one for one in QUIET if one.partition("=")[0] not in chosen]
    trained = compose(*typed).get("training")  # which reads other settings than a point estimate alone
    short = (
        *(() if trained else small("inference", *typed)),
        *(one for one in small("training", *typed) if ".epochs=" in one),
    )
    said = credo(*typed, *quiet, *short, cwd=folder)
    assert said.code in {0, 3}, said.err
    assert list(folder.glob("outputs/*/*/verdict.json"))


QUICK = ("eight_schools", "ensemble", "map", "mh")
"""The methods and the experiment that run every time; the others in the proofs."""


def lines() -> Iterator[Any]:
    """The first lines of methods and experiments; those of the long ones as proofs."""
    for file in FILES:
        line = shlex.join(called(file))
        if line in commands() and (file.parent == EXPERIMENTS or group(file) == "inference"):
            yield pytest.param(line, marks=() if file.stem in QUICK else pytest.mark.slow)


@pytest.mark.parametrize("line", [*lines()])
def test_every_method_and_experiment_runs(line: str, tmp_path: Path) -> None:
    run(line, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in commands() if not line.startswith(("experiment=", "inference="))])
def test_every_first_line_runs(line: str, tmp_path: Path) -> None:
    run(line, tmp_path)
