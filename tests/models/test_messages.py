"""What credo makes of every kind of statement in a user's program, before anything compiles."""

from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from credo.errors import ConfigError
from credo.inference.density import constrain, log_joint, potential, require_density
from credo.models.names import Names
from credo.models.problem import Problem
from credo.models.program import Program

Y = np.array([1.0, 2.0, 2.5, 4.0])
SEEN = np.array([1, 1, 0, 1])


def problem(name: str, params: str | None = None, **more: Any) -> Problem:
    data = xr.Dataset({"y": ("obs", Y), **more})
    return Problem(Program(f"programs:{name}", {}, params), data)


def kinds(name: str, **more: Any) -> dict[str, str]:
    asked = problem(name, **more)
    asked.check()
    return {site.name: site.kind for site in asked.sites}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("with_mutable", "state is a numpyro.mutable statement, which credo cannot infer"),
        ("with_mutable_in_scan", "state is a numpyro.mutable statement"),
        ("with_what_is_to_come", "delphi is a numpyro.oracle statement, which credo cannot infer"),
        ("with_subsample", "the plate rows takes another random 2 of its 4 rows in each evaluation .subsample_size."),
        ("with_param_in_scan", "s is a numpyro.param within a scan"),
    ],
)
def test_what_is_refused_by_name(name: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=rf"^model\.function: {sentence}") as caught:
        problem(name).check()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("with_loose_choice", r"choice has 4 values beside each other outside of a plate.*or use inference=mh"),
        ("with_clash", r"inference=nuts sums v out,.*TypeError: dot_general.*programs\.py, line.*or use inference=mh"),
    ],
)
def test_what_cannot_be_summed_out(name: str, sentence: str) -> None:
    asked = problem(name)
    asked.check()
    with pytest.raises(ConfigError, match=rf"^model\.function: {sentence}"):
        require_density(asked, "nuts")


def test_a_die_is_not_summed_out_from_zero() -> None:
    """NumPyro would sum over 0 to 5."""
    with pytest.raises(ConfigError, match=r"over 0, 1, 2, \.\.\., but die \(DiscreteUniform\) has other values"):
        problem("with_die").require_enumerable("nuts")


def test_a_param_is_a_flat_latent() -> None:
    asked = problem("with_param")
    assert kinds("with_param") == {"mu": "latent", "sigma": "latent", "y": "observed"}
    sigma = next(site for site in asked.sites if site.name == "sigma")
    assert (sigma.param, sigma.improper, sigma.support) == (True, True, "a positive number")
    exact = stats.norm(0, 10).logpdf(0.5) + stats.norm(0.5, 2.0).logpdf(Y).sum()
    assert log_joint(asked.bound, {"mu": 0.5, "sigma": 2.0}) == pytest.approx(exact, rel=1e-12)
    with pytest.raises(
        ConfigError, match=r"^model\.function: sigma is a numpyro\.param, which has no prior, but infer"
    ):
        asked.require_priors("nuts")
    problem("with_param", "flat").require_priors("nuts")


def test_params_must_be_flat_or_null() -> None:
    with pytest.raises(ConfigError, match=r"^params: expected flat or null, but got 'fixed'"):
        problem("with_param", "fixed")


def test_a_param_that_nothing_depends_on_is_no_unknown() -> None:
    assert kinds("with_unread_param") == {"mu": "latent", "y": "observed"}
    found = kinds("with_random_module")
    assert found == {"net/weight": "latent", "net/bias": "latent", "y": "observed"}


def test_a_module_is_one_vector() -> None:
    """In the order of its arrays: the weight and the bias."""
    asked = problem("with_module")
    assert kinds("with_module") == {"net$params": "latent", "y": "observed"}
    means = 0.5 * np.arange(4) - 1.0
    found = -potential(asked.bound)({"net$params": np.array([0.5, -1.0])})
    assert found == pytest.approx(stats.norm(means, 1.0).logpdf(Y).sum(), rel=1e-6)


def test_control_flow_is_known() -> None:
    assert kinds("with_scan") == {"mu": "latent", "state": "latent", "y": "observed"}
    assert kinds("with_cond") == {"mu": "latent", "z": "latent", "y": "observed"}


def test_a_delta_is_a_constant() -> None:
    assert kinds("with_constant") == {"mu": "latent", "fixed": "deterministic", "y": "observed"}
    exact = stats.norm(0, 10).logpdf(0.5) + stats.norm(0.5, 2.0).logpdf(Y).sum()
    assert log_joint(problem("with_constant").bound, {"mu": 0.5}) == pytest.approx(exact, rel=1e-12)


def test_padding_has_a_density_of_its_own() -> None:
    """In obs_mask, that of the entries that are observed is standard normal, and that of all else what it was."""
    asked = problem("with_obs_mask", seen=("obs", SEEN))
    assert {name: mask.tolist() for name, mask in asked.unknown.items()} == {
        "y_unobserved": [False, False, True, False]
    }
    values = np.array([0.3, -0.2, 1.0, 0.9])
    found = log_joint(asked.bound, {"mu": 2.0, "y_unobserved": values})
    exact = stats.norm(0, 10).logpdf(2.0) + stats.norm(2.0, 1.0).logpdf([*Y[[0, 1, 3]], values[2]]).sum()
    assert found == pytest.approx(exact + stats.norm(0, 1).logpdf(values[[0, 1, 3]]).sum(), rel=1e-12)


def test_observations_are_the_sites_own() -> None:
    logs = problem("with_log").observations["y"]
    assert np.allclose(logs.value, np.log(Y), rtol=1e-12)
    masked = problem("with_mask", seen=("obs", SEEN)).observations["y"]
    assert masked.value.tolist() == Y.tolist()
    assert np.isnan(masked.with_gaps).tolist() == [False, False, True, False]
    assert problem("with_residual").observations == {}, "it depends on a latent"


def test_a_masked_value_need_not_be_possible() -> None:
    asked = problem("with_mask", seen=("obs", SEEN))
    asked.check()


def test_a_variable_called_self_reaches_the_function() -> None:
    asked = problem("with_self", self=((), 1.5))
    exact = stats.norm(0, 10).logpdf(0.5) + stats.norm(0.5, 1.5).logpdf(Y).sum()
    assert log_joint(asked.bound, {"mu": 0.5}) == pytest.approx(exact, rel=1e-12)


def test_names_in_the_results() -> None:
    names = Names(["draw", "left/mu", "left.mu", "school", "theta"], ["school", "chain", "left/rows"])
    assert [*map(names.variable, ["draw", "left/mu", "left.mu", "school", "theta"])] == [
        "draw_",
        "left.mu_",
        "left.mu",
        "school",
        "theta",
    ]
    assert [*map(names.dim, ["school", "chain", "left/rows", "draw"])] == ["school_", "chain_", "left.rows", "draw"]
    assert names.attributes("draw") == {"site": "draw"}
    assert names.attributes("theta") == {}


def test_a_param_begins_near_its_initial_value() -> None:
    """Within 2 in unconstrained space: log 1 = 0 for sigma."""
    from credo.inference.start import find_continuous

    asked = problem("with_module")
    z = find_continuous(asked.bound, jax.random.PRNGKey(0))
    from programs import LINEAR

    initial = np.concatenate([np.ravel(LINEAR.weight), np.ravel(LINEAR.bias)])
    assert np.all(np.abs(np.asarray(z["net$params"]) - initial) < 2)
    assert constrain(asked.bound, z)["net$params"].shape == (2,)
