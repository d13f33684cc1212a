from dataclasses import dataclass, field

import numpy as np
import pytest
import xarray as xr

from credo.data.dataset import TRUTH, arrays, fingerprint
from credo.data.synthetic import Synthetic
from credo.errors import ConfigError


@dataclass
class Line:
    """y = slope * x + intercept by group, without noise: what a model of `credo.models` offers, without JAX."""

    required: frozenset = frozenset({"y", "x"})
    optional: frozenset = frozenset({"group", "n_group_name"})
    seen: list = field(default_factory=list)

    def arguments(self):
        return self.required, self.optional

    def simulate(self, data: xr.Dataset, seed: int):
        self.seen.append(data)
        rng = np.random.default_rng(seed)
        slope, levels = rng.normal(size=data.sizes.get("feature", 0)), rng.normal(size=data.sizes["group_name"])
        y = data["x"].values @ slope + levels[data["group"].values]
        return {"y": y}, {"net/slope": slope, "levels": levels, "scale": np.asarray(0.5)}


@pytest.fixture(autouse=True)
def _simulated_by_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("credo.models.simulate.simulate", lambda model, data, seed: model.simulate(data, seed))


SETTINGS = {"rows": 10, "features": 2, "groups": 3, "sigma": 1.0}


def test_the_model_gets_a_template_of_what_it_takes():
    model = Line()
    Synthetic(**SETTINGS).load(model, 1)
    (template,) = model.seen
    assert set(template.data_vars) == {"y", "x", "group"}
    np.testing.assert_array_equal(template["y"], np.zeros(10))
    assert template["x"].dims == ("obs", "feature")
    np.testing.assert_array_equal(np.bincount(template["group"]), [4, 3, 3])
    assert list(template["group_name"].values) == ["0", "1", "2"]


def test_the_truth_is_recorded_and_kept_from_the_model():
    dataset = Synthetic(**SETTINGS).load(Line(), 1)
    assert set(arrays(dataset)) == {"y", "x", "group"}
    truth = dataset["truth_net.slope"]
    assert truth.attrs == {"role": TRUTH, "site": "net/slope"}
    assert truth.dims == ("net.slope_dim_0",)
    assert dataset["truth_scale"].shape == ()
    levels = dataset["truth_levels"].values[dataset["group"].values]
    np.testing.assert_allclose(dataset["y"], dataset["x"].values @ truth.values + levels)


def test_it_survives_a_file(tmp_path):
    dataset = Synthetic(**SETTINGS).load(Line(), 1)
    dataset.to_netcdf(tmp_path / "data.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "data.nc", engine="netcdf4") as back:
        assert fingerprint(back) == fingerprint(dataset)
        assert set(arrays(back)) == {"y", "x", "group"}


def test_the_seed_decides():
    one, two, other = (fingerprint(Synthetic(**SETTINGS).load(Line(), seed)) for seed in (1, 1, 2))
    assert one == two != other


def test_null_leaves_out_what_is_optional():
    model = Line(required=frozenset({"y"}), optional=frozenset({"x", "sigma"}))
    model.simulate = lambda data, seed: ({"y": np.ones(10)}, {})
    dataset = Synthetic(10, None, None, 2.0).load(model, 0)
    assert set(dataset.data_vars) == {"y", "sigma"}
    np.testing.assert_array_equal(dataset["sigma"], np.full(10, 2.0))


def test_observed_sites_of_other_names_are_added():
    model = Line(required=frozenset({"x"}), optional=frozenset({"died"}))
    model.simulate = lambda data, seed: ({"died": np.zeros(10, int), "total": np.asarray(0)}, {})
    dataset = Synthetic(**SETTINGS).load(model, 0)
    assert dataset["died"].dims == ("obs",)
    assert dataset["total"].dims == ()


@pytest.mark.parametrize(
    ("required", "settings", "sentence"),
    [
        (
            {"y", "dose"},
            {},
            "data: the model needs the variable 'dose', but the synthetic data has only y, x, group, sigma; g",
        ),
        (
            {"y", "x"},
            {"features": None},
            "data: the model needs the variable 'x', but the synthetic data has only y, group, ",
        ),
        (
            {"y", "sigma"},
            {"sigma": None},
            "data: the model needs the variable 'sigma', but the synthetic data has only y, x, ",
        ),
    ],
)
def test_a_model_that_needs_more(required, settings, sentence):
    with pytest.raises(ConfigError) as error:
        Synthetic(**SETTINGS | settings).load(Line(required=frozenset(required)), 0)
    assert str(error.value).startswith(sentence)
    if settings:
        assert str(error.value).endswith(f"set data.{next(iter(settings))}, which is null")


@pytest.mark.parametrize(
    ("observed", "truth", "sentence"),
    [
        ({}, {}, "data: a synthetic y is observed, but this model takes y as an input"),
        ({"y": np.full(10, np.inf)}, {}, "data: the synthetic 'y' is not finite"),
        ({"y": np.ones(10)}, {"mu": np.asarray(np.nan)}, "data: the synthetic 'mu' is not finite"),
    ],
)
def test_draws_that_are_no_data(observed, truth, sentence):
    model = Line()
    model.simulate = lambda data, seed: (observed, truth)
    with pytest.raises(ConfigError) as error:
        Synthetic(**SETTINGS).load(model, 0)
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"groups": 11}, "data.groups: expected at most data.rows=10, but got 11"),
    ],
)
def test_refuses(settings, sentence):
    with pytest.raises(ConfigError) as error:
        Synthetic(**SETTINGS | settings)
    assert str(error.value).startswith(sentence)
