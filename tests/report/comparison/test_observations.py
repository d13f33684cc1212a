"""Runs that observe other values are not ranked: the log densities of y and of log y differ by a Jacobian."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from fake_runs import Y, config, draws, finished, point

from credo.errors import ConfigError
from credo.report.comparison.compare import Comparison, compare
from credo.report.comparison.observations import how
from credo.report.comparison.runs import find
from credo.runs import netcdf

POSITIVE = np.exp(Y)
PROGRAM = {"_target_": "credo.models.program.Program", "function": "mine:model"}


def of(*places: Path) -> Comparison:
    return compare(find(places))


def pair(folder: Path, first: dict, second: dict, result=draws, **numbers: tuple[float, float]) -> list[Path]:
    return [
        finished(
            folder / word, config(scale), result(), observed=observed, numbers={k: v[i] for k, v in numbers.items()}
        )
        for i, (word, scale, observed) in enumerate((("one", 10.0, first), ("other", 1.0, second)))
    ]


def test_a_transformed_response_is_refused_with_its_jacobian(tmp_path: Path) -> None:
    places = pair(tmp_path, {"y": POSITIVE}, {"y": np.log(POSITIVE)})
    with pytest.raises(
        ConfigError, match=r"y of loc.scale=10 \(\S+one\) and y of loc.scale=1 \(\S+other\) are each"
    ) as error:
        of(*places)
    assert f"a Jacobian of {abs(np.log(POSITIVE).sum()):.1f} nats in all; elpd_loo" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Y[::-1], "have the same values in another order"),
        (Y[:-1], "have the shapes [10] and [9]"),
        (np.where(Y[2] == Y, np.nan, Y), "leave out other observations"),
        (3 * Y + 2, f"are on another scale, so that their log densities differ by a Jacobian of {10 * np.log(3):.1f} "),
        (np.exp(Y), f"are each other's logarithms, so that their log densities differ by a Jacobian of {Y.sum():.1f} "),
        (Y**2, "differ"),
    ],
)
def test_how_values_differ(other: np.ndarray, words: str) -> None:
    assert how(Y, other).startswith(words)


@pytest.mark.parametrize("y", [Y, 1e-9 * Y, 1e9 + Y, np.zeros(3), np.array([np.nan, 1.0])])
def test_single_precision_observes_the_same(y: np.ndarray) -> None:
    assert how(y, y.astype(np.float32)) == ""


def test_the_same_values_are_compared_whatever_their_precision(tmp_path: Path) -> None:
    found = of(*pair(tmp_path, {"y": Y}, {"y": Y.astype(np.float32)}))
    assert len(found.loo) == 2
    assert not any("observe" in note for note in found.notes)


def test_other_sites_have_no_common_score(tmp_path: Path) -> None:
    places = pair(tmp_path, {"y": Y}, {"z": Y}, point, nll_test=(1.0, 2.0), log_evidence=(-3.0, -4.0))
    found = of(*places)
    assert found.headline == "There is no common score to say which is best"
    assert "No score is compared: loc.scale=10 observes y, and loc.scale=1 observes z." in found.notes
    assert [np.isnan(found.evidence[line.label].log_factor) for line in found.lines] == [True, True]


def test_what_an_earlier_version_observed_is_not_known(tmp_path: Path) -> None:
    places = [
        finished(tmp_path / word, config(model=PROGRAM | {"function": f"mine:{word}"}), draws()) for word in ("a", "b")
    ]
    assert any(
        note.startswith("model.function=mine:a and model.function=mine:b: made by an earlier version")
        for note in of(*places).notes
    )
    of_credo = [finished(tmp_path / f"{scale}", config(scale), draws()) for scale in (1.0, 2.0)]
    assert not any("earlier version" in note for note in of(*of_credo).notes)


def test_equal_numbers_have_equal_hashes() -> None:
    def hashed(values: np.ndarray) -> str:
        tree = xr.DataTree.from_dict({"observed_data": xr.Dataset({"y": ("obs", values)})})
        return netcdf.observations(tree)["y"]["hash"]

    assert hashed(np.array([0, 1])) == hashed(np.array([-0.0, 1.0])) == hashed(np.array([False, True]))
    assert hashed(np.array([0, 1])) != hashed(np.array([1, 0]))
    assert netcdf.observations(xr.DataTree()) == {}
