"""The plots: what they show and leave out, and that no result breaks them."""

import numpy as np
import pytest
import xarray as xr
from fake_results import DRAWS, make
from matplotlib.collections import QuadMesh

from credo.report import plots
from credo.report.drawing.image import png
from credo.report.plots import effects as caterpillar
from credo.report.plots.rank import difference, envelope
from credo.report.plots.residuals import residuals


def tree(**variables) -> dict[str, xr.Dataset]:
    return {
        "posterior": xr.Dataset(
            {name: ((*DRAWS, *(f"{name}_{i}" for i in range(np.ndim(v) - 2))), v) for name, v in variables.items()}
        )
    }


def cases() -> dict[str, dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    normal = random.normal(size=(4, 50))
    broken = normal.copy()
    broken[0, :3] = np.nan, np.inf, -np.inf
    return {
        "not finite": {"a": broken, "b": np.full((4, 50), np.nan), "v": np.full((4, 50, 3), np.nan)},
        "constant": {"a": np.ones((4, 50)), "z": np.zeros((4, 50)), "v": np.zeros((4, 50, 3))},
        "one chain": {"a": normal[:1]},
        "one draw": {"a": normal[:, :1], "v": random.normal(size=(4, 1, 3))},
        "far out": {"a": 1e12 + normal, "b": 1e-12 * normal, "c": 1e300 * normal, "d": random.standard_cauchy((4, 50))},
        "whole": {"a": random.integers(0, 2, (4, 50)), "b": normal > 0, "v": random.integers(0, 999, (4, 50, 40))},
        "matrix": {"m": random.normal(size=(4, 50, 3, 4))},
        "many": {f"v{i}": normal for i in range(60)},
        "long": {"w": random.normal(size=(2, 10, 700))},
        "twenty chains": {"a": random.normal(size=(20, 50))},
        "names": {"$\\frac{": normal, "変数": normal, "a" * 200: random.normal(size=(4, 50, 2))},
        "nothing": {},
        "no element": {"v": np.zeros((4, 50, 0)), "a": normal},
    }


@pytest.mark.parametrize("word", plots.words())
@pytest.mark.parametrize("case", cases())
def test_no_posterior_breaks_a_plot(word, case, evidence):
    with np.errstate(all="ignore"):
        drawing = plots.find(word).draw(evidence(make(tree(**cases()[case]))))
    assert drawing.title
    assert drawing.caption
    if drawing.figure is not None:
        assert png(drawing.figure, 40).startswith(b"\x89PNG")


def effects(**more) -> dict[str, xr.Dataset]:
    """Effects of five groups, of which the model marks `z` as a parametrisation."""
    random = np.random.default_rng(0)
    z = random.normal(np.array([0, 2, -3, 4, 1.0]), 0.3, (4, 50, 5))
    dims = ((*DRAWS, "ward"), z, {"effect": "theta"})
    coords = {"ward": ["A", "B", "C", "D", "E"]}
    return {"posterior": xr.Dataset({"z": dims, "theta": dims[:2], "mu": (DRAWS, z[..., 0])}, coords), **more}


def test_effects_are_drawn_in_order_and_parametrisations_are_not(evidence):
    result = make(effects())
    found = evidence(result)
    marked = [variable for variable in found.variables if variable.name == "theta"]
    (block,) = caterpillar._blocks(marked[0])
    assert block.names == ["D", "B", "E", "A", "C"]
    assert (np.diff(block.quantiles[2]) < 0).all()
    assert [variable.name for variable in found.chosen_variables()[0]] == ["theta", "mu"]
    assert plots.find("effects").applies(result)
    assert not plots.find("effects").applies(make(tree(theta=np.zeros((4, 50, 5)))))


def test_each_effect_of_a_group_has_its_own_caterpillar(evidence):
    draws = np.arange(1.0, 9).reshape(4, 2) + np.zeros((2, 20, 4, 2))
    wards = (*DRAWS, "ward", "of_ward"), draws, {"effect": "effect[ward]", "site": "effect[ward]"}
    coords = {"ward": list("ABCD"), "of_ward": ["Intercept", "age"]}
    found = evidence(make({"posterior": xr.Dataset({"effect[ward]": wards}, coords)}))
    first, second = caterpillar._blocks(found.variables[0])
    assert (first.title, second.title) == ("effect[ward]: Intercept", "effect[ward]: age")
    assert first.names == ["D", "C", "B", "A"]
    np.testing.assert_array_equal(second.quantiles[2], [8, 6, 4, 2])


@pytest.mark.parametrize("case", ["normal", "counts"])
def test_residuals_of_right_predictions_are_standard_normal(case):
    """A mean within 4 and a standard deviation within 5 standard errors: two cases alarm falsely once in 15,000."""
    random = np.random.default_rng(3)
    means = random.uniform(0.5, 4, 1000)
    sample = random.poisson if case == "counts" else random.normal
    z = residuals(sample(means), np.stack([sample(means) for _ in range(500)]))
    assert abs(z.mean()) < 4 / np.sqrt(1000)
    assert abs(z.std() - 1) < 5 / np.sqrt(2000)


def test_the_prior_is_drawn_behind_a_density(evidence):
    at = np.linspace(-3, 3, 256)
    known = xr.Dataset(
        {"at": (("scalar", "point"), at[None]), "prior": (("scalar", "point"), np.exp(-(at**2))[None])},
        {"scalar": ["a"]},
    )
    draws = np.random.default_rng(0).normal(size=(4, 50))
    drawing = plots.find("posterior").draw(evidence(make(tree(a=draws, b=draws) | {"gain": known})))
    assert "the prior's density" in drawing.caption
    assert "the prior's density" not in plots.find("posterior").draw(evidence(make(tree(a=draws)))).caption


def observations() -> dict[str, tuple[np.ndarray, np.ndarray, str]]:
    random = np.random.default_rng(0)
    counts = random.poisson(3, 100)
    return {
        "few": (random.normal(size=5), random.normal(size=(2, 50, 5)), "90 % and 50 % intervals"),
        "many": (random.normal(size=100), random.normal(size=(2, 50, 100)), "of 40 data sets"),
        "one": (np.array(3.0), random.normal(size=(2, 50)), "90 % and 50 % intervals"),
        "matrix": (random.normal(size=(5, 3)), random.normal(size=(2, 50, 5, 3)), "90 % and 50 % intervals"),
        "counts": (counts, random.poisson(3, (2, 50, 100)), "how often each value"),
        "large counts": (random.poisson(999, 100), random.poisson(999, (2, 50, 100)), "the density"),
        "coin": (np.array([0, 1, 1]), random.integers(0, 2, (2, 50, 3)), "how often each value"),
        "only ones": (np.ones(80, int), np.ones((2, 50, 80), int), "how often each value"),
        "single replicate": (random.normal(size=5), random.normal(size=(1, 1, 5)), "one data set"),
        "not finite": (random.normal(size=100), np.full((2, 50, 100), np.nan), "the density"),
    }


@pytest.mark.parametrize("case", observations())
def test_predictive_suits_the_kind_of_observation(case, evidence):
    observed, predicted, reading = observations()[case]
    dims = tuple(f"o{i}" for i in range(observed.ndim))
    groups = tree(a=np.zeros(predicted.shape[:2])) | {
        "observed_data": xr.Dataset({"y": (dims, observed)}),
        "posterior_predictive": xr.Dataset({"y": ((*DRAWS, *dims), predicted)}),
    }
    with np.errstate(all="ignore"):
        drawing = plots.find("predictive").draw(evidence(make(groups)))
    assert reading in drawing.caption
    assert png(drawing.figure, 40)


def test_panels_go_to_scalars_and_then_to_what_mixes_worst(evidence):
    random = np.random.default_rng(0)
    vector = random.normal(size=(4, 200, 5))
    vector[:, :, 3] = np.cumsum(vector[:, :, 3], axis=1)  # a random walk mixes worst
    looked_at = evidence(make(tree(v=vector, b=random.normal(size=(4, 200)))), most=2)
    shown, left_out = looked_at.chosen_scalars()
    assert [scalar.label for scalar in shown] == ["v[3]", "b"]
    assert left_out == ("v[0]", "v[1]", "v[2]", "v[4]")


def test_truth_and_errors_are_matched_by_name(evidence, binary, point):
    (beta,) = evidence(binary).variables
    assert beta.elements == ["age", "sex", "bmi"]
    np.testing.assert_array_equal(beta.truth, [1.0, 1.1, 0.9])
    sigma, coefficients = evidence(point).variables
    assert np.isnan(sigma.error).all()
    np.testing.assert_array_equal(coefficients.error, [0.5, 0.25])


def test_divergences_are_told(evidence, schools):
    assert "3 divergent transitions" in plots.find("trace").draw(evidence(schools)).caption
    assert "3 divergent transitions" in plots.find("pairs").draw(evidence(schools)).caption


def test_rank_differences_are_those_of_the_distribution_functions():
    low, high = np.arange(60.0)[None], 100 + np.arange(60.0)[None]
    shares, lines = difference(np.concatenate([low, high]))
    np.testing.assert_allclose(lines[0], -lines[1])
    assert lines[0].max() == pytest.approx(0.5, abs=0.02)  # all of the low chain lies below half of all draws
    assert shares[0] == 0
    assert shares[-1] == 1


def test_rank_band_holds_95_percent_of_agreeing_chains():
    random = np.random.default_rng(1)
    chains, count, panels = 4, 200, 400
    band = envelope(chains, count)
    inside = 0
    for _ in range(panels):
        shares, lines = difference(random.normal(size=(chains, count)))
        inside += bool((np.abs(lines) <= np.interp(shares, np.linspace(0, 1, len(band)), band) + 1e-12).all())
    # 400 panels: standard error 0.011. Bonferroni over chains errs by less than 0.01 to the safe side, and the quantile
    # of 1,000 simulations by about 0.01.
    assert 0.91 < inside / panels < 0.99


def sampled(picture: tuple[int, int] | None, height: int, width: int, chains: int = 70) -> dict[str, xr.Dataset]:
    """A model whose states are dark in the upper left pixel only, and data that is dark in the lower right one."""
    state = np.eye(height * width)[0]
    rows = np.broadcast_to(state[::-1], (100, height * width))
    samples = xr.Dataset(
        {
            "y": (("chain", "draw", "target"), np.broadcast_to(state, (chains, 3, height * width))),
            "energy": (("chain", "draw"), np.random.default_rng(0).normal(size=(chains, 3))),
        },
        attrs={"sampler": "dmala"} | ({} if picture is None else {"picture": picture}),
    )
    return {"samples": samples, "observed_data": xr.Dataset({"y": (("obs", "target"), rows)})}


@pytest.mark.parametrize(("height", "width"), [(8, 8), (3, 5), (4, 1)])
def test_states_that_are_pictures_are_shown_as_such(height, width, evidence):
    states = tree(a=np.zeros((1, 1))) | sampled((height, width), height, width)
    drawing = plots.find("samples").draw(evidence(make(states)))
    assert drawing.section == "answer"
    assert "64 chains of dmala" in drawing.caption
    meshes = [artist for artist in drawing.figure.artists if isinstance(artist, QuadMesh)]
    assert len(meshes) == 2 * 64
    model, data = (mesh.get_array().reshape(width, height) for mesh in (meshes[0], meshes[64]))
    assert model[0, 0] == data[-1, -1] == 1
    assert model.sum() == data.sum() == 1
    # the rows of a picture go down the page, which is measured from its top, and its columns to the right
    corners = meshes[0].get_coordinates()
    assert corners[0, 0, 1] < corners[0, -1, 1]
    assert corners[0, 0, 0] < corners[-1, 0, 0]
    assert corners[0, -1, 1] - corners[0, 0, 1] == pytest.approx(
        (corners[-1, 0, 0] - corners[0, 0, 0]) * height / width
    )
    assert png(drawing.figure, 40)


def test_states_that_are_none_show_the_energies_of_their_chains(evidence):
    drawing = plots.find("samples").draw(evidence(make(tree(a=np.zeros((1, 1))) | sampled(None, 8, 8))))
    assert drawing.section == "checks"
    assert "energy along chains of dmala" in drawing.caption
    assert not [artist for artist in drawing.figure.artists if isinstance(artist, QuadMesh)]
