"""The YAML files, and laws that hold for every check in them."""

from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
import xarray as xr
from hydra.errors import ConfigCompositionException
from hydra.utils import instantiate

from credo.diagnostics.base import Check, Diagnostic, put
from credo.diagnostics.summary import summarise
from credo.diagnostics.verdict import judge

from .conftest import (
    CONF,
    built,
    composed,
    draws_result,
    good_approximation,
    good_classifier,
    good_climb,
    good_critic,
    good_draws,
    good_energy,
    good_mixture,
    good_nested,
    good_network,
    good_particles,
    good_point,
    good_successor,
    good_tempering,
)

NAMES = list(composed().checks)
STATUSES = {"passed", "failed", "not checked", "note"}


def only(result, *groups):
    """The result with these groups alone."""
    return replace(result, tree=xr.DataTree.from_dict({g: result.tree[g].to_dataset() for g in groups}))


GOOD = {
    "draws": good_draws,
    "successor": good_successor,
    "point": good_point,
    "approximation": good_approximation,
    "climb": good_climb,
    "mixture": good_mixture,
    "particles": good_particles,
    "nested": good_nested,
    "tempering": good_tempering,
    "network": good_network,
    "classifier": good_classifier,
    "energy": good_energy,
    "critic": good_critic,
}
"""Results of all kinds."""
FEW = {
    "one chain": partial(good_draws, chains=1),
    "two draws": partial(good_draws, draws=2),
    "particles once": partial(good_particles, repeats=1),
    "nested once": partial(good_nested, repeats=1),
}
"""Results from which little can be said."""


@cache
def made(kind):
    """A result, which is not to be changed, with its summary."""
    result = (GOOD | FEW)[kind]()
    return result, summarise(result)


@cache
def unknown(kind):
    """The result whose numbers are all NaN, with its summary; what is left are booleans, counts and words."""
    whole, _ = made(kind)
    tree = whole.tree.map_over_datasets(lambda group: group.where(False) if group.data_vars else group)
    result = replace(whole, tree=tree)
    return result, summarise(result)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [*GOOD, *FEW])
def test_every_check_answers_every_kind(checks, name, kind):
    assert isinstance(checks[name], Diagnostic)
    answer = put(checks[name], *made(kind))
    assert answer is None or (isinstance(answer, Check) and answer.name == name and answer.status in STATUSES)


@pytest.mark.parametrize("name", NAMES)
def test_every_check_is_asked_of_some_kind(checks, name):
    assert any(put(checks[name], *made(kind)) for kind in GOOD)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["draws", "point"])
def test_nothing_passes_unseen(checks, name, kind):
    result = only(made(kind)[0])
    answer = put(checks[name], result, summarise(result))
    if name not in {"converged", "observed"}:  # which do not read the tree
        assert answer is None or answer.status == "not checked"


@pytest.mark.parametrize("name", ["divergences", "e_bfmi", "tree_depth"])
@pytest.mark.parametrize("stats", [{}, {"acceptance_rate": np.ones((4, 50))}])
def test_missing_sample_stats_never_pass(checks, name, stats):
    result = draws_result({"x": np.random.default_rng(0).normal(size=(4, 50))}, sample_stats=stats)
    assert put(checks[name], result, summarise(result)).status == "not checked"


@pytest.mark.parametrize("name", NAMES)
def test_a_result_of_nan_never_passes(checks, name):
    for kind in ("draws", "point", "network", "energy", "critic"):
        answer = judge({name: checks[name]}, *unknown(kind))
        if name not in {"converged", "boundary", "observed"}:
            assert answer.status != "passed"


@pytest.mark.parametrize("path", sorted((CONF / "diagnostics").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_option_composes_and_says_how_to_call_it(path):
    assert path.read_text().startswith(f"# credo diagnostics={path.stem}")
    config = composed(option=path.stem)
    assert config.gate in ("warn", "error")
    for node in config.checks.values():
        assert isinstance(instantiate(node), Diagnostic)


def test_strict_is_stricter():
    result = good_draws(draws=200)
    standard, strict = (judge(built(option), result, summarise(result)) for option in ("standard", "strict"))
    assert (standard.status, strict.status) == ("passed", "failed")


def test_no_checks_is_not_checked():
    assert judge(built("none"), good_draws(), summarise(good_draws())).status == "not checked"


def test_a_threshold_can_be_changed():
    check = instantiate(composed("diagnostics.checks.r_hat.threshold=1.05").checks.r_hat)
    assert check.threshold == 1.05


def test_a_check_can_be_added_and_removed():
    config = composed("+diagnostics.checks.mine._target_=my_module.MyCheck", "~diagnostics.checks.loo")
    assert config.checks.mine._target_ == "my_module.MyCheck"
    assert "loo" not in config.checks


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("diagnostics.checks.r_hat.treshold=1", "treshold"),
        ("diagnostics.checks.rhat.threshold=1", "rhat"),
        ("diagnostics.checks.r_hat.threshold=big", "'big'"),
        ("diagnostics.gate=stop", r"expected one of \[warn, error\]"),
    ],
)
def test_what_is_misspelt_is_refused(override, words):
    with pytest.raises(ConfigCompositionException) as error:
        composed(override)
    assert error.match("override")
    with pytest.raises(type(error.value.__cause__), match=words):
        raise error.value.__cause__
