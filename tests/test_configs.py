"""Every YAML composes, instantiates and says how to call it, and what it says runs; options are typed."""

import dataclasses
import inspect
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from console import FEW, QUIET, credo
from credo.config import paths, schema
from credo.config.messages import refuse
from credo.errors import ConfigError
from credo.experiment.parts import build

ROOT = Path(__file__).parents[1]
CONF, EXPERIMENTS = ROOT / "conf", ROOT / "experiments"
PRESETS = [
    file for group in schema.GROUPS for file in sorted((CONF / group).rglob("*.yaml")) if not paths.is_partial(file)
]
CHECKS = sorted((CONF / "diagnostics" / "check").glob("*.yaml"))
NEEDED = {
    ("data", "csv"): ("data.path=x", "data.target=y"),
    ("data", "parquet"): ("data.path=x", "data.target=y"),
    ("data", "json"): ("data.path=x",),
    ("data", "npz"): ("data.path=x",),
    ("data", "uci"): ("data.path=x",),
    ("data", "inline"): ("data.values=[1,2]",),
    ("model", "program"): ("model.function=json:loads",),
    ("training", "likelihood"): ("model=mdn",),
}
"""What a user must give, by option."""
WITHIN = {"training": ("model=ebm",), "energy": ("model=ebm",), "sampler": ("model=ebm",)}
"""The words without which a group is not there."""
SHARED = {"network": "mdn"}
"""A model that reads the priors of a folder which is named after no model."""


def word(file: Path) -> str:
    """A file's word on the command line: `nuts`, or `hierarchical/mu`."""
    return str(file.relative_to(CONF / group(file)).with_suffix(""))


def group(file: Path) -> str:
    return file.relative_to(CONF).parts[0]


@cache
def compose(*words: str) -> DictConfig:
    schema.register()
    paths.register()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose("config", list(words))


def choose(file: Path) -> tuple[str, ...]:
    """The words that choose a preset: a prior stands where some model reads one whose support is wide enough."""
    if group(file) != "prior":
        needed = NEEDED.get((group(file), word(file)), WITHIN.get(group(file), ()))
        return (f"{group(file)}={word(file)}", *needed)
    if "/" in word(file):
        model, latent = word(file).split("/")
        model = SHARED.get(model, model)
        return (f"model={model}", f"prior@model.prior.{latent}={word(file)}")
    model, latent = ("bernoulli", "p") if word(file) == "beta" else ("gaussian", "loc")
    return (f"model={model}", f"prior@model.prior.{latent}={word(file)}")


def called(file: Path) -> list[str]:
    """The command in a file's first comment, as words; its second line where the first is Hydra's."""
    lines = file.read_text().splitlines()
    line = lines[1] if lines[0].startswith("# @package") else lines[0]
    assert line.startswith("# credo "), file
    return shlex.split(line.removeprefix("# credo "))


@pytest.mark.parametrize("file", PRESETS, ids=lambda file: f"{group(file)}={word(file)}")
def test_every_option_composes_and_instantiates(file: Path) -> None:
    """Every `_target_` is there."""
    config = compose(*choose(file))
    refuse(config)
    build(config)


@pytest.mark.parametrize("file", [*PRESETS, *sorted(EXPERIMENTS.glob("*.yaml"))], ids=lambda file: file.stem)
def test_every_first_line_composes_and_names_its_file(file: Path) -> None:
    words = called(file)
    if shlex.join(words) not in commands():  # the others are composed to be accepted, below
        refuse(compose(*words))
    if file.parent == EXPERIMENTS:
        assert words[0] == f"experiment={file.stem}"
    elif "/" in word(file):  # a model's own prior is shown by changing it
        model, latent = word(file).split("/")
        assert f"model={SHARED.get(model, model)}" in words
        assert any(one.startswith(f"model.prior.{latent}.") for one in words)
    else:
        assert any(one.endswith(f"={word(file)}") and one.startswith(group(file)) for one in words)


@pytest.mark.parametrize("file", CHECKS, ids=lambda file: file.stem)
def test_every_check_says_how_to_call_it(file: Path) -> None:
    words = called(file)
    assert all(re.fullmatch(rf"~?diagnostics\.checks\.{file.stem}(\.\w+=.*)?", one) for one in words)
    refuse(compose(*words))


@pytest.mark.parametrize("file", PRESETS, ids=lambda file: f"{group(file)}={word(file)}")
def test_every_option_that_names_a_class_has_its_types(file: Path) -> None:
    """So that a wrong key or type is refused by the composition, before the class is imported."""
    config, place = compose(*choose(file)), group(file)
    if group(file) == "prior":
        place = next(one.partition("=")[0].partition("@")[2] for one in choose(file) if one.startswith("prior@"))
    node = OmegaConf.select(config, place)
    assert not node or dataclasses.is_dataclass(OmegaConf.get_type(node))


REAL, POSITIVE, UNIT, BINARY = 7, 13, 14, 2
"""At how many of the 15 priors that the models read a prior may stand: 7 are real, 6 positive, p is a probability,
inclusion is binary, and the gaussian's loc may be."""

STANDS = (
    dict.fromkeys(["gaussian", "laplace", "student_t", "flat"], REAL)
    | dict.fromkeys(["half_normal", "half_cauchy", "gamma", "inverse_gamma", "exponential", "pareto"], POSITIVE)
    | dict.fromkeys(["beta", "uniform"], UNIT)
    | {"bernoulli": BINARY}
)


def test_where_every_prior_may_stand() -> None:
    latents = [
        (get_object(target), latent)
        for target in (paths.settings("model", word(file))["_target_"] for file in PRESETS if group(file) == "model")
        if not target.endswith(".Ebm")  # whose energy reads them
        for latent in get_object(target).supports
    ]
    found = {}
    for file in (file for file in PRESETS if group(file) == "prior" and "/" not in word(file)):
        prior = hydra.utils.instantiate(compose(*choose(file)).model.prior["p" if word(file) == "beta" else "loc"])
        found[word(file)] = sum(_stands(prior, model, latent) for model, latent in latents)
    assert found == STANDS


SETTINGS = {"family": "gaussian", "hypotheses": (0.0, 1.0), "learned": None, "low": None, "high": None} | {
    key: value
    for key, value in OmegaConf.load(CONF / "model" / "mdn.yaml").items()
    if key not in {"defaults", "family", "_target_"}
}
"""Settings with which models can be made; any other is 1."""


def _stands(prior: Any, model: Any, latent: str) -> bool:
    rest = [name for name in inspect.signature(model).parameters if name != "prior"]
    settings = [SETTINGS.get(name, 1) for name in rest]
    try:
        return bool(model({latent: prior}, *settings))
    except ConfigError as error:
        return f"prior.{latent}: {latent} must be" not in str(error)


def commands() -> dict[str, tuple[str, ...]]:
    """The commands of all first lines that need no file, server or GPU, by their words."""
    absent = ("mine.", "my_module", "data=uci", "mdn_concrete", "http:", "device=gpu")
    files = [*PRESETS, *sorted(EXPERIMENTS.glob("*.yaml"))]
    found = {shlex.join(called(file)): tuple(called(file)) for file in files}
    return {line: words for line, words in found.items() if not any(one in line for one in absent)}


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
    words = commands()[line]
    method = str(compose(*words).inference._target_).rpartition(".")[2].lower()
    chosen = {one.partition("=")[0] for one in words}
    quiet = [one for one in QUIET if one.partition("=")[0] not in chosen]
    short = FEW[method]
    if compose(*words).training:
        short = (*(short if method in {"nuts", "hmc", "mh"} else ()), "training.epochs=3")
    said = credo(*words, *quiet, *short, cwd=folder)
    assert said.code in {0, 3}, said.err
    assert list(folder.glob("outputs/*/*/verdict.json"))


LONG = (
    "experiment=diabetes",
    "experiment=ebm_digits",
    "experiment=ebm_moons",
    "experiment=ebm_regression",
    "experiment=eight_schools_centred",
    "experiment=eight_schools_pooled",
    "experiment=ising",
    "experiment=mdn_bimodal",
    "experiment=rbm",
    "experiment=spike_and_slab",
    "experiment=two_moons",
    "inference=hmc",
)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, marks=[pytest.mark.slow] if line.startswith(LONG) else [])
        for line in commands()
        if line.startswith(("experiment=", "inference="))
    ],
)
def test_every_method_and_experiment_runs(line: str, tmp_path: Path) -> None:
    run(line, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in commands() if not line.startswith(("experiment=", "inference="))])
def test_every_first_line_runs(line: str, tmp_path: Path) -> None:
    run(line, tmp_path)
