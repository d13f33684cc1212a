"""What is derived from draws where names, masks or a missing `sample` stand in the way."""

from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr

from credo.diagnostics.summary import labels
from credo.diagnostics.verdict import judge
from credo.inference import evaluate as module
from credo.inference.evaluate import evaluate
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status
from credo.models.problem import Problem
from credo.models.program import Program
from credo.runs import netcdf

Y = np.array([1.0, 2.0, 2.5, 4.0])
SEEN = np.array([1, 1, 0, 1])
MU = np.linspace(0.0, 1.0, 6).reshape(2, 3)


def derived(name: str, draws: dict[str, Any], **more: Any) -> xr.DataTree:
    data = xr.Dataset({"y": ("obs", more.pop("y", Y)), **more}, {"obs": [10, 20, 30, 40]})
    return evaluate(Problem(Program(f"programs:{name}", {}), data), draws, {}, jax.random.PRNGKey(0))


def result(tree: xr.DataTree) -> Result:
    return Result(tree, Status.DONE, Cost({}), "nuts", Kind.CHAINS, ("mu",))


def test_masked_rows_are_no_observations() -> None:
    tree = derived("with_mask", {"mu": MU}, seen=("obs", SEEN))
    assert tree["log_likelihood"]["y"].shape == (2, 3, 3)
    assert labels(tree["log_likelihood"]["y"]) == ["y[10]", "y[20]", "y[40]"]
    assert np.isnan(tree["observed_data"]["y"]).values.tolist() == [False, False, True, False]
    assert tree["posterior_predictive"]["y"].shape == (2, 3, 4)


def test_a_computed_observation_is_stored_beside_the_data() -> None:
    tree = derived("with_log", {"mu": MU})
    assert np.allclose(tree["observed_data"]["y"], np.log(Y), rtol=1e-12)
    assert tree["constant_data"]["y"].values.tolist() == Y.tolist()
    assert derived("with_constant", {"mu": MU})["observed_data"]["y"].values.tolist() == Y.tolist()


def test_only_the_missing_entries_are_unknowns() -> None:
    draws = {"mu": MU, "y_unobserved": np.zeros((2, 3, 4)) + MU[..., None]}
    tree = derived("with_obs_mask", draws, seen=("obs", SEEN))
    assert labels(tree["posterior"]["y_unobserved"]) == ["y_unobserved[2]"]
    assert tree["posterior"]["y"].values[0, 1].tolist() == [1.0, 2.0, MU[0, 1], 4.0]
    assert tree["log_likelihood"]["y_observed"].shape == (2, 3, 3)


def test_names_survive_the_file(tmp_path: Any) -> None:
    tree = derived("with_names", {"draw": MU, "b": np.zeros((2, 3, 2)), "left/mu": MU})
    netcdf.write(tree, tmp_path / "posterior.nc")
    with xr.open_datatree(tmp_path / "posterior.nc", engine="netcdf4") as read:
        posterior = read["posterior"].to_dataset()
        assert {name: v.dims[2:] for name, v in posterior.data_vars.items()} == {
            "draw_": (),
            "b": ("chain_",),
            "left.mu": (),
        }
        names = [label for variable in posterior.data_vars.values() for label in labels(variable)]
        assert names == ["draw", "b[0]", "b[1]", "left/mu"]
        assert read["observed_data"]["obs"].dims == ("rows",)
        assert read["posterior_predictive"]["obs"].dims == ("chain", "draw", "rows")


def test_what_cannot_be_drawn_is_left_out_and_told() -> None:
    tree = derived("with_tent", {"mu": MU})
    assert "posterior_predictive" not in tree.children
    assert tree["log_likelihood"]["y"].shape == (2, 3, 4)
    found = result(tree)
    assert found.missing.keys() == {"posterior_predictive"}
    assert found.missing["posterior_predictive"].startswith(
        "Predictive draws are left out: a distribution has no method sample"
    )
    verdict = judge({"one": lambda *_: None}, found, None)  # type: ignore[arg-type]
    assert [(check.name, check.status, check.decides) for check in verdict.checks] == [
        ("posterior_predictive", "not checked", False)
    ]


def test_states_under_scan_are_left_out_with_what_depends_on_them() -> None:
    draws = {"stay": MU, "mu": np.zeros((2, 3, 2))}
    tree = derived("with_hidden_states", draws)
    assert set(tree["posterior"].data_vars) == {"stay", "mu", "leave"}
    assert np.allclose(tree["posterior"]["leave"], 1 - tree["posterior"]["stay"])
    assert set(tree["log_prior"].data_vars) == {"stay", "mu"}
    missing = result(tree).missing
    assert missing["discrete_latents"].startswith("state cannot be recovered (NumPyro does not implement this")
    assert set(missing) == {"discrete_latents", "log_likelihood", "log_prior", "posterior_predictive"}
    verdict = judge({}, result(tree), None)  # type: ignore[arg-type]
    assert [check.name for check in verdict.checks] == ["discrete_latents"]


def test_what_does_not_fit_into_memory_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(shape: Any, *args: Any) -> Any:
        if not shape.left_out:
            raise MemoryError("cannot allocate")
        return jax.vmap(lambda *one: module.one(shape, *args[:2], *one), (0, None))(args[2], args[3])

    monkeypatch.setattr(module, "batch", full)
    tree = derived("with_constant", {"mu": MU})
    assert set(tree.children) >= {"posterior", "log_prior"}
    assert "log_likelihood" not in tree.children
    told = result(tree).missing["log_likelihood"]
    assert told.startswith("The log likelihoods are left out: MemoryError: cannot allocate")


def test_counts_that_came_as_floats_can_be_drawn() -> None:
    tree = derived("with_counts", {"p": MU}, y=np.array([3.0, 1.0, 2.0, 0.0]), people=("obs", np.full(4, 1e7)))
    assert result(tree).missing == {}
    assert np.all(tree["posterior_predictive"]["y"] >= 0)
