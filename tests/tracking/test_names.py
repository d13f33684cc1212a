import pytest
from mlflow.utils.validation import _validate_metric_name

from credo.tracking.mlflow.names import NAME_LIMIT, PARAM_LIMIT, accepted, parameters

AWKWARD = [
    "posterior/theta[Choate]/mean",
    "theta[Choate, 2]",
    "net/layers[0].weight",
    "theta[St. Paul's/East]",
    "μ",
    "a//b",
    "/absolute",
    "a/../b",
    "../up",
    "..up",
    ".",
    "",
    "[]",
    "a:b=c,d%",
    "line\nbreak",
    "x" * 400,
    "x" * 399 + "y",
]


@pytest.mark.parametrize("name", AWKWARD)
def test_every_name_becomes_one_that_mlflow_accepts(name: str) -> None:
    (short,) = accepted([name]).values()
    _validate_metric_name(short)
    assert 0 < len(short) <= NAME_LIMIT


def test_names_stay_readable() -> None:
    assert accepted(["posterior/theta[Choate]/mean", "L[0,1]", "r_hat_max"]) == {
        "posterior/theta[Choate]/mean": "posterior/theta.Choate/mean",
        "L[0,1]": "L.0.1",
        "r_hat_max": "r_hat_max",
    }


def test_no_two_names_meet() -> None:
    assert len(set(accepted(AWKWARD).values())) == len(AWKWARD)


def test_a_name_that_was_acceptable_is_kept_whatever_the_order() -> None:
    names = accepted(["theta[a]", "theta.a", "theta.a_2"])
    assert names == {"theta[a]": "theta.a_3", "theta.a": "theta.a", "theta.a_2": "theta.a_2"}


def test_parameters_are_flat_and_say_what_was_asked_and_nothing_of_who_listened() -> None:
    config = {
        "model": {"_target_": "x.Y", "prior": {"loc": {"scale": 5.0}}, "layers": [64, 64], "bound": None, "extra": {}},
        "checks": [{"_target_": "x.Z", "limit": 1.01}, {"limit": 400}],
        "word": "",
        "report": {"plots": True},
    }
    assert parameters(config, {"model": "regression", "report": "html"}) == {
        "model": "regression",
        "model.prior.loc.scale": "5.0",
        "model.layers": "[64, 64]",
        "model.bound": "null",
        "model.extra": "{}",
        "checks.0.limit": "1.01",
        "checks.1.limit": "400",
        "word": '""',
    }


def test_what_has_no_effect_is_no_parameter() -> None:
    config = {"model": {"prior": {"df": {"low": 1}, "dff": 3}, "lkj": 1.0, "family": "gaussian"}}
    found = parameters(config, {"prior@model.prior.df": "gamma"}, ("model.prior.df", "model.lkj"))
    assert found == {"model.prior.dff": "3", "model.family": "gaussian"}


def test_a_long_value_is_cut_visibly() -> None:
    value = parameters({"formula": "a" * 10_000}, {})["formula"]
    assert len(value) == PARAM_LIMIT
    assert value.endswith("a…")
