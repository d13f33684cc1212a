"""The ELBO of each start by its steps: where its line lies and ends, and where what was kept stands on it."""

import numpy as np
import pytest
import xarray as xr
from fake_results import DRAWS, make
from matplotlib.lines import Line2D

from credo.inference.kind import Kind
from credo.report import plots
from credo.report.drawing.image import png
from credo.report.drawing.sheet import ACCENT, MARK
from credo.report.plots.elbo import OF

STEPS = np.array([100, 200, 300, 400, 500])
COURSE = np.array([[-90.0, -12.0, -10.5, -10.0, np.nan], [-80.0, -14.0, -13.0, -13.0, -13.0]])
"""The first start ends before the second, and higher."""


@pytest.fixture
def draw(evidence):
    def drawn(course, kept):
        approximations = xr.Dataset(
            {"course": (("start", "step"), course), "kept": ("start", kept)}, coords={"step": STEPS}
        )
        groups = {"posterior": xr.Dataset({"a": (DRAWS, np.zeros((1, 4)))}), "approximations": approximations}
        return plots.find("elbo").draw(evidence(make(groups, "vi", Kind.INDEPENDENT)))

    return drawn


def lines(drawing, color):
    return [a for a in drawing.figure.artists if isinstance(a, Line2D) and a.get_color() == color and a.get_alpha()]


def dots(drawing):
    (found,) = (a for a in drawing.figure.artists if isinstance(a, Line2D) and a.get_markerfacecolor() == MARK)
    return found


def test_every_start_has_a_line_that_ends_where_the_start_does(draw):
    drawing = draw(COURSE, [400.0, 500.0])
    first, second = lines(drawing, ACCENT)
    assert [len(line.get_xdata()) for line in (first, second)] == [4, 5]
    assert first.get_xdata()[-1] == second.get_xdata()[-2]
    assert png(drawing.figure, 40)


def test_heights_are_nats_below_the_best_elbo_of_all(draw):
    first, second = (line.get_ydata() for line in lines(draw(COURSE, [400.0, 500.0]), ACCENT))
    per_nat = (first[2] - first[3]) / 0.5  # a sheet is measured from its top
    assert per_nat > 0
    assert second[4] - first[3] == pytest.approx(3 * per_nat)


def test_the_first_way_up_does_not_flatten_what_comes_after(draw):
    first, second = (line.get_ydata() for line in lines(draw(COURSE, [400.0, 500.0]), ACCENT))
    assert first[0] == second[0]  # both at the panel's lower edge
    assert first[0] - first[3] < 110


def test_the_dots_stand_on_the_lines_at_the_steps_that_were_kept(draw):
    drawing = draw(COURSE, [300.0, 500.0])
    marks, (first, second) = dots(drawing), lines(drawing, ACCENT)
    np.testing.assert_allclose(marks.get_xdata(), [first.get_xdata()[2], second.get_xdata()[4]])
    np.testing.assert_allclose(marks.get_ydata(), [first.get_ydata()[2], second.get_ydata()[4]])


def test_a_start_of_which_nothing_is_kept_has_no_dot(draw):
    assert len(dots(draw(COURSE, [400.0, np.nan])).get_xdata()) == 1


def test_an_elbo_that_was_never_finite_is_said_to_be_so(draw):
    drawing = draw(np.full((2, 5), -np.inf), [np.nan, np.nan])
    assert drawing.figure is None
    assert drawing.caption == "The ELBO was finite at no step."


def test_it_is_drawn_of_results_with_approximations_alone(draw):
    groups = {"posterior": xr.Dataset({"a": (DRAWS, np.zeros((1, 4)))})}
    assert not OF.holds(make(groups, "nuts"))
