"""The plots of conditional predictions: what they show follows what was predicted, and no group means no figure."""

import numpy as np
import pytest
import xarray as xr
from fake_results import PROBABILITIES, curve, make, predictive, training
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon

from credo.report import plots
from credo.report.drawing.image import png
from credo.report.drawing.sheet import ACCENT, CHAINS, INK, MARK, SOFT
from credo.report.plots.calibration import NOMINAL, band, coverage
from credo.report.plots.learning import span
from credo.report.plots.pit import histogram
from credo.report.plots.weights import largest

GROUP = {
    "learning": "training",
    "conditional": "curve",
    "weights": "curve",
    "pit": "predictive",
    "calibration": "predictive",
    "reliability": "classes",
}


@pytest.fixture
def drawn(evidence):
    """A plot of a result that has these groups only."""

    def look(word, **groups):
        with np.errstate(all="ignore"):
            drawing = plots.find(word).draw(evidence(make({"posterior": xr.Dataset()} | groups)))
        if drawing.figure is not None:
            assert png(drawing.figure, 40).startswith(b"\x89PNG")
        return drawing

    return look


def areas(drawing, color):
    return [a for a in drawing.figure.artists if isinstance(a, Polygon) and a.get_facecolor()[:3] == to_rgb(color)]


def lines(drawing, color, marker="None"):
    found = [a for a in drawing.figure.artists if isinstance(a, Line2D) and a.get_marker() == marker]
    return [a for a in found if (a.get_color() if marker == "None" else a.get_markerfacecolor()) == color]


@pytest.mark.parametrize("word", GROUP)
def test_without_its_group_there_is_no_figure(word, drawn):
    drawing = drawn(word)
    assert drawing.figure is None
    assert drawing.caption.endswith(".")
    assert drawing.section == "checks"


def odd() -> dict[str, dict[str, xr.Dataset]]:
    lost = curve(rows=9)
    lost["density"][:] = lost["quantile"][:] = lost["seen_y"][:] = np.nan
    return {
        "one row": {"predictive": predictive(1)},
        "no row": {"predictive": predictive(0)},
        "not finite": {"predictive": predictive(50) * np.nan, "curve": lost, "training": training() * np.nan},
        "one target is not finite": {"predictive": predictive(50, 2).where(xr.DataArray([True, False], dims="target"))},
        "no observed rows": {"curve": curve().drop_vars(["seen_at", "seen_y"])},
        "one point": {"curve": curve().isel(point=[0])},
        "one epoch": {"training": training(1, 1)},
        "never validated": {"training": training().assign(validation=lambda t: np.nan * t["validation"])},
        "nothing kept": {"training": training().assign(best=("member", [np.nan, 0.0, 999.0]))},
        "names": {"predictive": predictive(50, 2).assign_coords(target=["$\\frac{", "変数" * 60])},
    }


@pytest.mark.parametrize(
    ("case", "word"), [(case, word) for case, groups in odd().items() for word in GROUP if GROUP[word] in groups]
)
def test_nothing_odd_breaks_a_plot(case, word, drawn):
    assert drawn(word, **odd()[case]).caption


# Learning curves


def test_learning_curves_are_those_of_the_members(drawn):
    drawing = drawn("learning", training=training(members=3, epochs=100, every=5))
    assert drawing.section == "checks"
    assert [len(line.get_xdata()) for line in lines(drawing, ACCENT)] == [100, 100, 80]
    assert [len(line.get_xdata()) for line in lines(drawing, MARK)] == [20, 20, 16]


def test_kept_epochs_are_marked_on_the_validation_curves(drawn):
    curves = training(members=2, epochs=50, every=1)
    curves["best"][:] = [7, 30]
    drawing = drawn("learning", training=curves)
    for member, dot in enumerate(lines(drawing, INK, "o")):
        line = lines(drawing, MARK)[member]
        at = int(curves["best"][member]) - 1
        assert dot.get_xdata()[0] == pytest.approx(line.get_xdata()[at])
        assert dot.get_ydata()[0] == pytest.approx(line.get_ydata()[at])


def test_first_epochs_leave_room_for_the_others():
    values = np.concatenate([[1e6, 1e3], np.linspace(2, 1, 98)])
    low, high = span(values)
    assert low == 1
    assert 2 < high < 5
    assert span(np.linspace(2, 1, 98)) == (1, 2)


# Along an input


def test_shades_and_lines_are_the_density_and_its_quantiles(drawn):
    group = curve()
    drawing = drawn("conditional", curve=group)
    assert drawing.section == "answer"
    (mesh,) = [a for a in drawing.figure.artists if isinstance(a, QuadMesh)]
    density = group["density"].isel(target=0).values
    np.testing.assert_allclose(mesh.get_array(), density / density.max(1, keepdims=True))
    least, median, most = sorted(
        (line.get_ydata() for line in lines(drawing, INK)), key=lambda down: -down[-1]
    )  # points count downwards
    across = np.interp(median, [most[-1], least[-1]], group["quantile"][-1, 0, [4, 0]])
    np.testing.assert_allclose(across, group["quantile"][:, 0, 2], atol=1e-9)
    assert PROBABILITIES[2] == 0.5


def test_each_target_has_a_panel_up_to_four(drawn):
    for targets, panels in {1: 1, 2: 2, 3: 3, 6: 4}.items():
        drawing = drawn("conditional", curve=curve(targets))
        assert sum(isinstance(a, QuadMesh) for a in drawing.figure.artists) == panels
        assert ("the first 4 of 6 targets" in drawing.caption) == (targets > 4)


def test_observed_rows_are_dots_and_those_outside_are_counted(drawn, monkeypatch):
    from credo.report.drawing.sheet import Panel

    notes = []
    monkeypatch.setattr(Panel, "title", lambda self, words, note="", *_: notes.append(note))
    group = curve(rows=50)
    group["seen_at"][:3] = 7.0
    group["seen_y"][3] = np.nan
    drawing = drawn("conditional", curve=group)
    (dots,) = lines(drawing, INK, "o")
    assert len(dots.get_xdata()) == 46
    assert notes == ["4 rows outside"]


def test_caption_says_what_other_inputs_are_held_at(drawn):
    held = "Age is held at its median, 40."
    for word in ("conditional", "weights"):
        assert held in drawn(word, curve=curve(held=held)).caption
    assert "nine in ten" in drawn("conditional", curve=curve()).caption
    assert "nine in ten" not in drawn("conditional", curve=curve(held=held)).caption


def test_weights_are_areas_that_fill_the_panel(drawn):
    group = curve(components=3)
    group["weight"][:] = group["weight"].values @ np.array([[0.6, 0.2, 0.2], [0.1, 0.3, 0.6], [0, 0, 0]])
    drawing = drawn("weights", curve=group)
    assert drawing.section == "answer"
    corners = [area.get_xy()[:, 1] for color in CHAINS[:3] for area in areas(drawing, color)]  # down, top edge first
    bottom, top = corners[0].max(), corners[-1].min()
    heights = np.stack([(bottom - edge[:60]) / (bottom - top) for edge in corners])
    np.testing.assert_allclose(heights, np.cumsum(group["weight"].values.T, axis=0))


def test_one_component_needs_no_plot(drawn):
    assert drawn("weights", curve=curve(components=1)).figure is None


def test_small_weights_are_put_together():
    weight = xr.DataArray(np.full((5, 20), 0.01), dims=("point", "component"))
    weight[:, [3, 12]] = 0.41
    parts = largest(weight)
    assert len(parts) == len(CHAINS)
    assert {"3", "12"} < {name for name, _ in parts}
    name, rest = parts[-1]
    assert name == "13 others"
    np.testing.assert_allclose(rest, 0.13)
    np.testing.assert_allclose(sum(share for _, share in parts), 1)


# Calibration


def test_pit_of_right_predictions_stays_within_the_band_and_of_narrow_ones_leaves_it(drawn):
    right, narrow, wide = (drawn("pit", predictive=predictive(1000, width=width)) for width in (1.0, 0.6, 1.8))
    # 20 bars outside with a probability of 5 % at most: more than 4 in less than 0.3 % of the seeds.
    assert len(areas(right, MARK)) <= 4
    assert len(areas(right, SOFT)) + len(areas(right, MARK)) == 20
    assert len(areas(narrow, MARK)) >= 8
    assert len(areas(wide, MARK)) >= 8
    heights, (low, high) = histogram(predictive(1000, width=0.6)["pit"].values)
    assert min(heights[0], heights[-1]) > high
    assert heights[10] < low


def test_band_of_the_histogram_holds_95_percent_of_uniform_bars():
    random = np.random.default_rng(0)
    inside = [
        (heights >= band[0]) & (heights <= band[1])
        for heights, band in (histogram(random.uniform(size=400)) for _ in range(200))
    ]
    # Counts are whole numbers, so the band holds a little more.
    assert 0.945 < np.mean(inside) < 0.98


def test_histogram_counts_rows():
    heights, _ = histogram(np.repeat([0.1, 0.6], [60, 20]))
    np.testing.assert_allclose(heights, [0, 0, 0, 0, 0, 0, 0, 0] + np.eye(8)[0] * 6 + np.eye(8)[4] * 2)


def test_coverage_is_that_of_the_central_intervals():
    pit = np.array([0.02, 0.3, 0.5, 0.94])
    np.testing.assert_allclose(coverage(pit, np.array([0, 0.4, 0.87, 0.9, 1])), [0.25, 0.5, 0.5, 0.75, 1])
    for rows in (30, 1000):
        low, high = band(rows)
        assert (low <= NOMINAL).all()
        assert (high >= NOMINAL).all()
        assert (low[0], high[-1]) == (0, 1)


def test_coverage_of_right_predictions_stays_within_the_band_and_of_narrow_ones_falls_below():
    low, high = band(1000)
    right, narrow, wide = (
        coverage(predictive(1000, width=width)["pit"].values.ravel(), NOMINAL) for width in (1.0, 0.6, 1.8)
    )
    assert np.mean((right >= low) & (right <= high)) > 0.9
    assert (narrow < low)[5:95].all()
    assert (wide > high)[5:95].all()


@pytest.mark.parametrize("word", ["pit", "calibration"])
def test_captions_say_of_which_rows(word, drawn):
    assert "the 1,000 test rows" in drawn(word, predictive=predictive(1000)).caption
    assert "the 90 training rows" in drawn(word, predictive=predictive(90, kind="train")).caption


@pytest.mark.parametrize("targets", [1, 3, 6])
def test_each_target_has_its_coverage_up_to_four(targets, drawn):
    drawing = drawn("calibration", predictive=predictive(100, targets))
    assert len(lines(drawing, ACCENT)) == len(lines(drawing, MARK, "o")) == min(targets, 4)


def classes(power: float = 1.0, rows: int = 2000) -> xr.Dataset:
    """Two classes that come as often as it says; a power of their odds does not."""
    random = np.random.default_rng(0)
    one = random.uniform(size=rows)
    y = (random.uniform(size=rows) < one).astype(int)
    odds = (one / (1 - one)) ** power
    p = np.stack([1 / (1 + odds), odds / (1 + odds)], 1)
    return xr.Dataset({"y": ("row", y), "probability": (("row", "class"), p)}, attrs={"rows": "test"})


def test_right_probabilities_lie_on_the_diagonal(drawn):
    """Of eight bins each is outside its 95 % with a probability of one in twenty: here one may be."""
    drawing = drawn("reliability", classes=classes())
    assert "2,000 test rows" in drawing.caption
    inside = lines(drawing, ACCENT, "o")
    assert sum(len(np.atleast_1d(one.get_xdata())) for one in inside) >= 7


def test_too_sure_probabilities_are_red(drawn):
    drawing = drawn("reliability", classes=classes(power=3.0))
    assert sum(len(np.atleast_1d(one.get_xdata())) for one in lines(drawing, MARK, "o")) >= 6


def test_probabilities_that_are_not_finite_have_no_figure(drawn):
    found = classes()
    assert drawn("reliability", classes=found.assign(probability=found["probability"] * np.nan)).figure is None
