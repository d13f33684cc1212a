"""A user's own NumPyro function as a model."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.errors import ConfigError
from credo.models.problem import Problem
from credo.models.program import Program, load

HERE = __name__


def stan_like(N: int, y: Any, scale: float = 1.0) -> None:
    """As in Stan, the number of rows comes with the data."""
    mu = numpyro.sample("mu", dist.Normal(0.0, scale))
    with numpyro.plate("obs", N):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def takes_anything(**data: Any) -> None:
    numpyro.sample("mu", dist.Normal(0.0, data["scale"]))


def without_latents(y: Any) -> None:
    numpyro.sample("y", dist.Normal(0.0, 1.0), obs=y)


def counted(y: Any, n_obs: int, k: int) -> None:
    with numpyro.plate("component", k):
        numpyro.sample("w", dist.Normal(0.0, 1.0))
    with numpyro.plate("obs", n_obs):
        numpyro.sample("y", dist.Normal(0.0, 1.0), obs=y)


DATA = xr.Dataset({"y": ("obs", [1.0, 2.0, 3.0]), "N": ((), 3)})


def test_a_whole_number_of_the_data_is_structure() -> None:
    problem = Problem(Program(f"{HERE}:stan_like", {}), DATA)
    problem.check()
    assert problem.bound.sizes == (("N", 3),)
    assert [(site.name, site.shape) for site in problem.sites] == [("mu", ()), ("y", (3,))]


def test_sizes_are_structure_and_numbers_are_leaves() -> None:
    model = Program(f"{HERE}:takes_anything", {"k": 2, "flag": True, "scale": 0.5})
    assert model.sizes == (("k", 2), ("flag", True))
    assert jax.tree.leaves(model) == [0.5]
    other = Program(f"{HERE}:takes_anything", {"k": 2, "flag": True, "scale": 0.7})
    assert jax.tree.structure(model) == jax.tree.structure(other)
    larger = Program(f"{HERE}:takes_anything", {"k": 3, "flag": True, "scale": 0.5})
    assert jax.tree.structure(model) != jax.tree.structure(larger)


def test_a_configured_number_reaches_the_function() -> None:
    """A wide prior pulls less: the log density of mu = 0 is that of its scale."""
    from numpyro.infer.util import log_density

    for scale in (0.5, 2.0):
        bound = Problem(Program(f"{HERE}:stan_like", {"scale": scale}), DATA).bound
        found, _ = log_density(bound, (), {}, {"mu": 0.0})
        exact = -np.log(scale) - 2 * np.log(2 * np.pi) - np.sum(DATA["y"].to_numpy() ** 2) / 2
        assert found == pytest.approx(exact, abs=1e-12)


def test_the_size_of_a_dimension_and_of_a_setting() -> None:
    problem = Problem(Program(f"{HERE}:counted", {"k": 4}), DATA[["y"]])
    assert [(site.name, problem.dims(site), site.shape) for site in problem.sites] == [
        ("w", ("component",), (4,)),
        ("y", ("obs",), (3,)),
    ]


def test_keyword_arguments_take_all_data() -> None:
    bound = Problem(Program(f"{HERE}:takes_anything", {"scale": 1.0}), DATA).bound
    assert (bound.arrays.keys(), bound.sizes) == ({"y"}, (("N", 3),))


@pytest.mark.parametrize(
    ("function", "arguments", "sentence"),
    [
        ("stan_like", {}, "function: expected module:function, but got 'stan_like'"),
        (":stan_like", {}, "function: expected module:function, but got ':stan_like'"),
        ("no_such_module:f", {}, r"function: the module 'no_such_module' cannot be imported \(ModuleNotFoundError: "),
        (f"{HERE}:stanlike", {}, r"function: the module .* has no function 'stanlike'; did you mean 'stan_like'"),
        (f"{HERE}:DATA", {}, "function: the module .* has no function 'DATA'"),
        (f"{HERE}:stan_like", {"scal": 1.0}, "arguments.scal: .* no such parameter; did you mean 'scale'"),
        (f"{HERE}:stan_like", {"scale": "wide"}, "arguments.scale: expected a number, but got 'wide'"),
        (f"{HERE}:stan_like", {"scale": None}, "arguments.scale: expected a number, but got None"),
        (f"{HERE}:stan_like", {"scale": [1.0]}, r"arguments.scale: expected a number, but got \[1.0\]"),
    ],
)
def test_what_cannot_be_a_program(function: str, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"^{sentence}") as caught:
        Program(function, arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("x = 1 +", "SyntaxError: invalid syntax"),
        ("raise ValueError('first\\nsecond')", "ValueError: first"),
    ],
)
def test_a_module_that_fails(code: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = tmp_path.name
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=rf"^function: the module '{name}' cannot be imported \({told}") as caught:
        load(f"{name}:f")
    assert "\n" not in str(caught.value)


def test_data_that_the_function_does_not_take() -> None:
    data = DATA.assign(z=("obs", np.ones(3)))
    with pytest.raises(ConfigError, match=r"^model\.function: the data has the variable 'z', which the function does"):
        Problem(Program(f"{HERE}:stan_like", {}), data).check()


def test_data_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"^data: the model 'program' needs the variable 'N', but the data has"):
        Problem(Program(f"{HERE}:stan_like", {}), DATA[["y"]]).check()


def test_nothing_to_infer() -> None:
    with pytest.raises(ConfigError, match=r"^model: expected at least one latent variable, but the model has none"):
        Problem(Program(f"{HERE}:without_latents", {}), DATA[["y"]]).check()
