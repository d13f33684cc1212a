"""Numbers of a configuration: what a part's class declares, for ours and for a user's own, and what nobody declares."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from omegaconf import OmegaConf

from credo.config import numbers, paths, schema, signature
from credo.errors import ConfigError
from credo.ranges import Between, Count, Endless, Finite, NonNegative, Part, Positive, Range, Share, count


@dataclass
class Own:
    """A user's part."""

    scale: Positive
    shares: list[Share]
    by_name: dict[str, Annotated[float, Range(least=1, above=True)]]
    ends: tuple[Finite, Count]
    steps: Annotated[int, count(1, 20)] | None
    anything: Any
    rest: float
    word: str
    end: Endless = 1.0


def made(scale: Positive, **others: Any) -> tuple[Any, ...]:
    """A user's function."""
    return scale, others


def said(settings: dict[str, Any], target: str = f"{__name__}.Own") -> str:
    with pytest.raises(ConfigError) as refused:
        numbers.require_all("model", {"_target_": target, **settings})
    return str(refused.value)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"scale": 0}, "model.scale: expected a positive number, but got 0"),
        ({"scale": math.inf}, "model.scale: expected a finite positive number, but got inf"),
        ({"scale": math.nan}, "model.scale: expected a positive number, but got nan"),
        ({"scale": "nan"}, "model.scale: expected a positive number, but got 'nan'"),
        ({"scale": True}, "model.scale: expected a positive number, but got true"),
        ({"scale": None}, "model.scale: expected a positive number, but got null"),
        ({"scale": [1.0]}, "model.scale: expected a positive number, but got [1.0]"),
        ({"shares": [0.5, 1.5]}, "model.shares: expected numbers from 0 to 1, but got 1.5"),
        ({"by_name": {"a": 1.0}}, "model.by_name.a: expected a number above 1, but got 1.0"),
        ({"ends": [0.0, 0]}, "model.ends: expected whole numbers of at least 1, but got 0"),
        ({"steps": 21}, "model.steps: expected a whole number from 1 to 20 or null, but got 21"),
        ({"steps": 2.5}, "model.steps: expected a whole number from 1 to 20 or null, but got 2.5"),
        ({"anything": [{"a": [1.0, math.inf]}]}, "model.anything[0].a: expected finite numbers, but got inf"),
        ({"rest": math.nan}, "model.rest: expected a number, but got nan"),
        ({"end": math.nan}, "model.end: expected a number, but got nan"),
        (
            {"anything": {"_target_": "credo.energies.samplers.mala.Mala", "step_size": -1.0}},
            "model.anything.step_size: expected a positive number, but got -1.0",
        ),
    ],
)
def test_a_part_of_the_users_own_declares_and_is_asked(settings: dict[str, Any], sentence: str) -> None:
    assert said(settings) == sentence


@pytest.mark.parametrize(
    "settings",
    [
        {"scale": 1, "shares": [0, 1.0], "by_name": {"a": 2}, "ends": [-3.0, 1], "steps": None},
        {"anything": {"a": [1, None, "b", False]}, "rest": -1e300, "word": "inf", "end": math.inf},
    ],
)
def test_what_is_declared_is_taken(settings: dict[str, Any]) -> None:
    numbers.require_all("model", {"_target_": f"{__name__}.Own", **settings})


def test_a_function_declares_by_its_parameters() -> None:
    assert said({"scale": -1.0}, f"{__name__}.made") == "model.scale: expected a positive number, but got -1.0"
    assert said({"more": math.inf}, f"{__name__}.made") == "model.more: expected a finite number, but got inf"


class Base:
    """Fields with ranges."""

    scale: Positive


class Converting(Base):
    """A user's part that converts what it is given."""

    rows: tuple[Count, ...]

    def __init__(self, scale: float, rows: Any) -> None:
        self.scale, self.rows = scale, tuple(rows)


def test_what_an_init_takes_has_the_range_of_the_field() -> None:
    target = f"{__name__}.Converting"
    assert said({"scale": -1.0}, target) == "model.scale: expected a positive number, but got -1.0"
    assert said({"rows": [1, 0]}, target) == "model.rows: expected whole numbers of at least 1, but got 0"


def test_a_part_is_asked_without_being_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = "from credo.ranges import Count\n\n\nclass Own:\n    rows: Count\n\n\nraise SystemExit\n"
    (tmp_path / "never_run.py").write_text(own)
    monkeypatch.syspath_prepend(tmp_path)
    assert said({"rows": 0}, "never_run.Own") == "model.rows: expected a whole number of at least 1, but got 0"


@pytest.mark.parametrize(
    ("hint", "inside", "outside"),
    [
        (Finite, [-1e308, 0, 5], [math.inf, -math.inf, math.nan, True, "1"]),
        (Positive, [1e-300, 1], [0, -0.0, -1, math.inf, math.nan]),
        (NonNegative, [0, 0.0], [-1e-300, math.inf, math.nan]),
        (Share, [0, 1], [-0.1, 1.1, math.nan]),
        (Part, [0, 0.999], [1, 1.0, -0.1, math.nan]),
        (Between, [0.5], [0, 1, math.nan]),
        (Count, [1, 10**18], [0, 1.0, 2.5, math.nan]),
        (Endless, [math.inf, -math.inf, 0.0], [math.nan]),
    ],
)
def test_what_is_within(hint: Any, inside: list[Any], outside: list[Any]) -> None:
    (declared,) = hint.__metadata__
    assert [value for value in inside if value not in declared] == []
    assert [value for value in outside if value in declared] == []


def configuration(**changes: Any) -> Any:
    return OmegaConf.create({"seed": 0, "device": {"precision": "auto"}, "energy": {"tail": 1.0}, **changes})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seed": 10**20}, f"seed: expected a number of at most 64 bits (about 9.2e18), but got {10**20}"),
        ({"seed": -1}, "seed: expected a whole number of at least 0, but got -1"),
        ({"name": [math.nan]}, "name: expected a finite number, but got nan"),
        ({"sweep": {"a": {"b": -math.inf}}}, "sweep.a.b: expected a finite number, but got -inf"),
        ({"energy": {"tail": math.inf}, "model": {"energy": "${energy}"}}, "energy.tail: expected a finite number, "),
        ({"model": {"loc": 1e-320}}, "model.loc: expected 0, or a number from 2.2e-308 to 1.8e+308 as float64 holds"),
        ({"device": {"num_devices": 10**6}}, "device.num_devices: expected a whole number from 1 to 256 or null, but"),
        (
            {"device": {"precision": "float32"}, "model": {"loc": 1e300}},
            "model.loc: expected 0, or a number from 1.2e-38 to 3.4e+38 as float32 holds it, but got 1e+300",
        ),
        (
            {"device": {"precision": "float32"}, "seed": 2**32},
            f"seed: expected a whole number below 2^32 in float32, but got {2**32}",
        ),
        (
            {"model": {"_target_": f"{__name__}.Own", "scale": math.inf}},
            "model.scale: expected a finite positive number, but got inf",
        ),
    ],
)
def test_a_configuration_has_finite_numbers(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        numbers.refuse(configuration(**changes))
    assert str(refused.value).startswith(sentence)


def test_a_part_that_says_so_may_have_infinity() -> None:
    numbers.refuse(configuration(model={"_target_": f"{__name__}.Own", "end": math.inf}))


TARGETS = sorted(
    {
        str(OmegaConf.load(file)._target_)
        for group in schema.GROUPS
        if group != "prior"
        for file in (paths.built_in() / "conf" / group).rglob("*.yaml")
        if "_target_" in OmegaConf.load(file)
    }
    | {"credo.inference.mcmc.stop.Stop"}
)
LEFT_TO_CLASS = {"couplings", "fields", "low", "high", "farthest", "pareto_k"}
"""Numbers of any sign, and what else each class judges."""


@pytest.mark.parametrize("target", TARGETS)
def test_every_number_of_ours_has_its_range(target: str) -> None:
    """A setting of a built-in part that is a number says what it may be: a law over all parts."""
    plain = {float, int, float | None, int | None}
    found = signature.of(target)
    assert found is not None
    assert {one.name for one in found.parameters if one.hint in plain} <= LEFT_TO_CLASS


@pytest.mark.parametrize(
    ("target", "settings", "sentence"),
    [
        (
            "training.likelihood.Likelihood",
            {"learning_rate": 0.0},
            "learning_rate: expected a positive number",
        ),
        ("training.likelihood.Likelihood", {"clip": -1.0}, "clip: expected a positive number or null"),
        (
            "inference.training.likelihood.Likelihood",
            {"validation": 1.0},
            "validation: expected a number of at least 0 and below 1",
        ),
        ("inference.training.pcd.Pcd", {"restart": 2.0}, "restart: expected a number from 0 to 1"),
        ("inference.training.langevin.Langevin", {"steps": 10**7}, "steps: expected a whole number from 1 to 1000000"),
        ("inference.training.nce.Nce", {"widths": [1.0, 0.0]}, "widths: expected positive numbers"),
        (
            "inference.training.score_matching.ScoreMatching",
            {"directions": 0},
            "directions: expected a whole number of at least 1",
        ),
        ("kernels.mh.Mh", {"scale": math.inf}, "scale: expected a finite positive number"),
        (
            "kernels.nuts.Nuts",
            {"target_accept": 1.0},
            "target_accept: expected a number between 0 and 1",
        ),
        (
            "kernels.nuts.Nuts",
            {"max_tree_depth": 21},
            "max_tree_depth: expected a whole number from 1 to 20",
        ),
        (
            "kernels.hmc.Hmc",
            {"trajectory_length": math.nan},
            "trajectory_length: expected a positive number",
        ),
        ("inference.point.map.Map", {"tolerance": -1.0}, "tolerance: expected a positive number"),
        (
            "kernels.exchange.Exchange",
            {"transitions": 1},
            "transitions: expected a whole number from 2 to 1000000",
        ),
        ("inference.mcmc.stop.Stop", {"r_hat": 1.0}, "r_hat: expected a number above 1 or null"),
        ("models.gaussian.Gaussian", {"hypotheses": [0, math.inf]}, "hypotheses: expected finite numbers"),
        ("models.gaussian.Gaussian", {"sigma": 0.0}, "sigma: expected a positive number or null"),
        ("models.normal_inverse_gamma.NormalInverseGamma", {"kappa0": -1}, "kappa0: expected a positive number"),
        ("models.mdn.Mdn", {"hidden": [4, 0]}, "hidden: expected whole numbers of at least 1"),
        ("energies.neural.NeuralModel", {"tail": -1.0}, "tail: expected a positive number or null"),
        ("energies.rbm.RbmModel", {"hidden": 0}, "hidden: expected a whole number of at least 1"),
        ("energies.potts.PottsModel", {"kinds": 1}, "kinds: expected a whole number of at least 2"),
        ("energies.samplers.langevin.Langevin", {"noise": -1.0}, "noise: expected a number of at least 0"),
        ("energies.samplers.hmc.Hmc", {"jitter": 1.0}, "jitter: expected a number of at least 0 and below 1"),
        ("data.plane.Plane", {"split_seed": -1}, "split_seed: expected a whole number of at least 0"),
        ("data.synthetic.Synthetic", {"rows": 1}, "rows: expected a whole number of at least 2"),
        ("data.digits.Digits", {"digits": [10]}, "digits: expected whole numbers from 0 to 9"),
        ("report.run.html.HtmlReport", {"dpi": 10**8}, "dpi: expected a whole number from 30 to 1200"),
        ("diagnostics.r_hat.RHat", {"threshold": math.nan}, "threshold: expected a number of at least 1"),
        (
            "diagnostics.prior_sensitivity.PriorSensitivity",
            {"sites": 3},
            "sites: expected a list, as in [a,b], but got 3",
        ),
        ("models.mdn.Mdn", {"hidden": True}, "hidden: expected a list, as in [a,b], but got true"),
        ("diagnostics.ess_bulk.EssBulk", {"threshold": 0.0}, "threshold: expected a positive number"),
    ],
)
def test_ours_say_what_they_take(target: str, settings: dict[str, Any], sentence: str) -> None:
    room = {"kernels": "inference.mcmc.", "training": "inference."}.get(target.partition(".")[0], "")
    assert said(settings, f"credo.{room}{target}").startswith(f"model.{sentence}")
