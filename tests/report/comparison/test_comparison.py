"""What a comparison says of runs with known answers."""

from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fake_runs import Y, begun, config, drawn, draws, finished, point
from scipy.stats import norm

from credo.diagnostics.loo import loo_metrics
from credo.errors import ConfigError
from credo.report.comparison import leave_one_out, notes, runs, words
from credo.report.comparison.compare import Comparison, compare
from credo.report.comparison.table import frame
from credo.runs.job import Job

FAILED = Job(("x=1",), "FAILED", 1, "the chains have no finite start")


def of(*folders: Path) -> Comparison:
    return compare(runs.find(folders))


def cells(comparison: Comparison, name: str, title: str) -> list[str]:
    """What a person reads in a column, by line; empty where there is no such column."""
    every = {(one.name, column.title): column for one in words.tables(comparison) for column in one.columns}
    return [cell.words for cell in every[name, title].cells] if (name, title) in every else []


def test_the_known_model_wins(tmp_path: Path) -> None:
    """Leave-one-out of a conjugate model is known in closed form."""
    y = np.random.default_rng(0).normal(0.0, 1.0, 200)
    right = finished(tmp_path / "right", config(), draws(y=y))
    wrong = finished(tmp_path / "wrong", config(sigma=3.0), draws(y=y, sigma=3.0))
    found = of(wrong, right)

    def exact(sigma: float) -> np.ndarray:
        variance = 1 / (1 / 100 + (len(y) - 1) / sigma**2)
        return norm.logpdf(y, variance * (y.sum() - y) / sigma**2, np.sqrt(sigma**2 + variance))

    known = exact(3.0) - exact(1.0)
    assert [line.runs[0].folder.name for line in found.lines] == ["right", "wrong"]
    assert found.headline == "model.sigma=1 predicts best"
    # 400 independent draws give a difference of about 120 nats to a few hundredths.
    assert found.loo["elpd_diff"].tolist() == pytest.approx([0, known.sum()], abs=0.1)
    assert found.loo["dse"].tolist() == pytest.approx([0, np.sqrt(len(y)) * known.std()], rel=1e-3)
    assert found.loo["weight"].tolist() == pytest.approx([1, 0], abs=1e-3)


def test_some_observations_stand_for_all(tmp_path: Path) -> None:
    """The difference is that of all observations, within four of the errors that the drawing adds."""
    y = np.random.default_rng(0).normal(0.0, 1.0, 3000)
    rows = np.sort(np.random.default_rng(1).choice(3000, 200, replace=False))
    results = {sigma: draws(y=y, sigma=sigma) for sigma in (1.0, 1.05)}
    whole = of(*(finished(tmp_path / f"all-{s}", config(sigma=s), one) for s, one in results.items()))
    some = of(*(finished(tmp_path / f"some-{s}", config(sigma=s), drawn(one, rows)) for s, one in results.items()))
    first, second = (some.left_out[str(label)] for label in some.loo.index)
    error = leave_one_out.error_of_drawing({"y": (3000, second.drawn["y"][1] - first.drawn["y"][1])})
    assert 0 < error < leave_one_out.error_of_drawing(first.drawn) < 0.5
    assert first.sites == {"y": 3000}
    assert len(first.elpd) == 3000
    assert len(first.pareto_k) == 200
    assert abs(some.loo["elpd_diff"].iloc[1] - whole.loo["elpd_diff"].iloc[1]) < 4 * error
    assert some.loo["dse"].iloc[1] == pytest.approx(whole.loo["dse"].iloc[1], rel=0.01)
    assert any("Of the 3,000 observations of y, 200 that are drawn" in remark for remark in some.notes)


def test_seeds_of_a_configuration_are_one_line(tmp_path: Path) -> None:
    made = {
        (scale, seed): finished(
            tmp_path / f"{scale}-{seed}", config(scale, seed), draws(scale, seed), numbers={"nll_test": scale + seed}
        )
        for scale in (0.1, 10.0)
        for seed in (0, 1, 2)
    }
    found = of(*made.values())
    assert [(line.label, len(line.runs)) for line in found.lines] == [("loc.scale=0.1", 3), ("loc.scale=10", 3)]
    elpds = [loo_metrics(draws(10.0, seed))["elpd_loo"] for seed in (0, 1, 2)]
    row = frame(found).set_index("label").loc["loc.scale=10"]
    assert (row["elpd_loo"], row["elpd_loo_sd"]) == pytest.approx((fmean(elpds), stdev(elpds)), rel=1e-12)
    assert (row["nll_test"], row["nll_test_sd"], row["seeds"]) == (11.0, 1.0, "0, 1, 2")
    assert cells(found, "scores", "NLL") == ["1 ± 1", "11 ± 1"]
    assert cells(found, "runs", "runs") == ["3", "3"]
    pointwise = [
        np.mean([_elpd(folder) for (s, _), folder in made.items() if s == scale], axis=0) for scale in (0.1, 10.0)
    ]
    assert found.loo["elpd_diff"].iloc[1] == pytest.approx((pointwise[0] - pointwise[1]).sum(), rel=1e-12)


def _elpd(folder: Path) -> np.ndarray:
    found = leave_one_out.of([runs.read(folder)])
    assert found is not None
    return found.elpd


def test_equal_configurations_are_compared_by_their_seeds(tmp_path: Path) -> None:
    found = of(*[finished(tmp_path / str(seed), config(seed=seed), draws(seed=seed)) for seed in (0, 1)])
    assert {line.label for line in found.lines} == {"seed=0", "seed=1"}
    assert any("same configuration" in note for note in found.notes)


def test_different_seeds_are_told(tmp_path: Path) -> None:
    places = [finished(tmp_path / f"{a}{s}", config(a, s), draws(a, s)) for a, s in ((1.0, 0), (1.0, 1), (2.0, 0))]
    assert any(note.startswith("Not all have the same seeds: loc.scale=") for note in of(*places).notes)


def test_a_failed_verdict_is_marked_and_stays(tmp_path: Path) -> None:
    good = finished(tmp_path / "good", config(sigma=5.0), draws(sigma=5.0))
    bad = finished(tmp_path / "bad", config(), draws(), failed=("r_hat", "ess_bulk"))
    found = of(good, bad)
    assert [line.label for line in found.lines] == list(found.loo.index) == ["model.sigma=1", "model.sigma=5"]
    assert cells(found, "runs", "verdict") == ["failed", "passed"]
    assert "model.sigma=1: the verdict failed (ess_bulk, r_hat); do not rely on these numbers yet." in found.notes
    assert found.headline == "model.sigma=5 alone has no failed verdict; model.sigma=1 failed its verdict"


def test_runs_that_failed_are_no_candidates(tmp_path: Path) -> None:
    places = [
        finished(tmp_path / str(sigma), config(sigma=sigma), draws(sigma=sigma), failed=("r_hat",))
        for sigma in (1.0, 1.1)
    ]
    assert of(*places).headline == "No verdict is other than failed, so that no run can be called the best"
    others = [finished(tmp_path / f"good{s}", config(sigma=s), draws(sigma=s)) for s in (1.2, 1.3)]
    headline = of(*places, *others).headline
    assert headline == (
        "No clear winner: all predict about equally well, though elpd_loo is not reliable here; model.sigma=1 and "
        "model.sigma=1.1 failed their verdict"
    )


def test_a_failed_seed_is_counted(tmp_path: Path) -> None:
    places = [finished(tmp_path / f"a{seed}", config(seed=seed), draws(seed=seed)) for seed in (0, 1)]
    places.append(finished(tmp_path / "a2", config(seed=2), draws(seed=2), failed=("r_hat",)))
    places.append(finished(tmp_path / "b", config(1.0), draws(1.0)))
    assert "1 of 3 failed" in cells(of(*places), "runs", "verdict")


def test_point_estimates_have_no_leave_one_out(tmp_path: Path) -> None:
    sampled = finished(tmp_path / "nuts", config(), draws())
    other = finished(tmp_path / "small", config(0.1), draws(0.1))
    mode = finished(tmp_path / "map", config(inference={"starts": 1}), point(), inference="map")
    found = of(mode, sampled, other)
    assert found.lines[-1].label == "inference=map loc.scale=10"
    assert cells(found, "loo", "elpd_loo")[-1] == cells(found, "loo", "elpd_diff")[-1] == "–"
    assert any(
        note.startswith("inference=map loc.scale=10: no elpd_loo, since a point estimate") for note in found.notes
    )
    assert len(found.loo) == 2


def test_without_leave_one_out_the_held_out_rows_decide(tmp_path: Path) -> None:
    places = [
        finished(tmp_path / f"{scale}", config(scale), point(), numbers={"nll_test": scale}) for scale in (2.0, 1.0)
    ]
    assert of(*places).headline == "loc.scale=1 has the best held-out score (NLL 1 per row)"


def of_rows(folder: Path, scale: float, rows: np.ndarray) -> Path:
    """A run whose held-out rows have these log predictive densities."""
    answer = point()
    answer.tree["log_likelihood_test"] = xr.DataTree(xr.Dataset({"y": (("chain", "draw", "obs"), rows[None, None])}))
    return finished(folder, config(scale), answer)


def test_held_out_rows_are_compared_in_pairs(tmp_path: Path) -> None:
    """Rows differ by more than models do: the difference is known better than either score."""
    random = np.random.default_rng(0)
    rows, step = random.normal(size=400), random.normal(0.3, 0.5, 400)
    places = [of_rows(tmp_path / str(n), n, rows - difference) for n, difference in ((1.0, 0.0), (2.0, step))]
    found = of(*places)
    error = step.std(ddof=1) / 20
    assert found.held_out["diff"].tolist() == pytest.approx([0, step.mean()])
    assert found.held_out["se"].tolist() == pytest.approx([0, error])
    best = f"loc.scale=1 has the best held-out score (NLL {-rows.mean():.4g} per row)"
    assert found.headline == f"{best}, by more than two standard errors"
    assert cells(found, "scores", "NLL difference") == ["best", f"{step.mean():.2f} ± {error:.2f}"]
    assert [one.name for one in words.tables(found)][:2] == ["runs", "scores"]
    small = random.normal(size=400)
    places.append(of_rows(tmp_path / "3", 3.0, rows - 0.01 - (small - small.mean())))
    assert of(*places).headline == f"{best}, but loc.scale=3 is within two standard errors of it"


def test_held_out_rows_decide_where_leave_one_out_is_not_reliable(tmp_path: Path) -> None:
    made = {}
    for number, scale in enumerate((1.0, 2.0)):
        answer = draws(scale)
        rows = np.tile(np.linspace(-1, 0, 50) - 0.1 * number, (4, 100, 1))
        answer.tree["log_likelihood_test"] = xr.DataTree(xr.Dataset({"y": (("chain", "draw", "row"), rows)}))
        made[scale] = finished(tmp_path / str(scale), config(scale), answer)
    assert of(*made.values()).headline == "No clear winner: all predict about equally well"
    table = pd.read_csv(made[2.0] / "loo.csv", index_col=0)
    table.assign(pareto_k=0.9).to_csv(made[2.0] / "loo.csv")
    found = of(*made.values())
    assert (
        found.headline == "loc.scale=1 has the best held-out score (NLL 0.5 per row), by more than two standard errors"
    )
    assert [line.label for line in found.lines] == ["loc.scale=1", "loc.scale=2"]


def test_a_mass_is_not_ranked_against_a_density(tmp_path: Path) -> None:
    """The density of whole numbers is the higher one, as it may be made as high as one likes."""
    made = [
        finished(tmp_path / word, config(sigma=sigma), draws(sigma=sigma), numbers={"nll_test": nll}, measure=word)
        for word, sigma, nll in (("density", 1.0, -3.0), ("mass", 3.0, 1.0))
    ]
    found = of(*made)
    assert found.loo.empty
    assert found.headline == "There is no common score to say which is best"
    assert (
        "Neither elpd_loo nor nll_test is compared: that of model.sigma=1 is of a density, and that of model.sigma=3 "
        "of a mass. A density depends on the target's unit, a mass does not. Compare CRPS." in found.notes
    )
    alike = finished(tmp_path / "alike", config(sigma=2.0), draws(sigma=2.0), measure="mass")
    assert not of(made[1], alike).loo.empty


def test_different_data_is_refused_by_names(tmp_path: Path) -> None:
    one = finished(tmp_path / "one", config(), draws())
    other = finished(tmp_path / "other", config(1.0), draws(1.0), data_hash="different")
    with pytest.raises(ConfigError, match=r"same data.*loc.scale=10.*one.*loc.scale=1.*other") as error:
        of(one, other)
    assert error.value.exit_code == 2


def test_a_file_that_changed_is_different_data(tmp_path: Path) -> None:
    """The configuration is the same, and so is the seed."""
    one = finished(tmp_path / "one", config(), draws())
    other = finished(tmp_path / "other", config(), draws(), data_hash="edited")
    with pytest.raises(ConfigError, match=r"same data.*one.*other"):
        of(one, other)


def test_seeds_do_not_excuse_different_data(tmp_path: Path) -> None:
    one = finished(tmp_path / "one", config(1.0), draws())
    other = finished(tmp_path / "other", config(2.0, seed=1), draws(), data_hash="different")
    with pytest.raises(ConfigError, match=r"same data.*one.*other"):
        of(one, other)


def test_seeds_may_draw_or_split_the_data(tmp_path: Path) -> None:
    """Held-out scores are then averaged over splits; observations that differ are not compared one by one."""
    found = of(
        *[
            finished(tmp_path / f"{scale}-{seed}", config(scale, seed), draws(scale, seed), data_hash=f"split {seed}")
            for scale in (1.0, 2.0)
            for seed in (0, 1)
        ]
    )
    assert found.loo.empty
    assert cells(found, "loo", "elpd_diff") == []
    assert any(note.startswith("Seeds draw or split the data anew") for note in found.notes)


def test_folds_of_a_configuration_are_one_line(tmp_path: Path) -> None:
    """Their held-out scores are averaged; those of one configuration are compared by themselves."""
    made = {
        (scale, fold): finished(
            tmp_path / f"{scale}-{fold}",
            config(scale) | {"data": {"path": "y.csv", "fold": fold}},
            draws(scale),
            data_hash=f"fold {fold}",
            numbers={"nll_test": scale + fold},
        )
        for scale in (1.0, 2.0)
        for fold in (0, 1)
    }
    found = of(*made.values())
    assert {(line.label, line.mean("nll_test")) for line in found.lines} == {("loc.scale=1", 1.5), ("loc.scale=2", 2.5)}
    alone = of(made[1.0, 0], made[1.0, 1])
    assert {line.label for line in alone.lines} == {"fold=0", "fold=1"}
    with pytest.raises(ConfigError, match=r"expected runs on the same data"):
        of(made[1.0, 0], made[2.0, 1])


@pytest.mark.parametrize("changed", [{"site": "z"}, {"y": Y[:-1]}], ids=["name", "rows"])
def test_different_observations_are_not_compared(tmp_path: Path, changed: dict) -> None:
    one = finished(tmp_path / "one", config(), draws())
    other = finished(tmp_path / "other", config(1.0), draws(1.0, **changed))
    found = of(one, other)
    assert found.loo.empty
    assert any(
        note.startswith("No score is compared: loc.scale=10 observes y [10], and loc.scale=1") for note in found.notes
    )


def test_a_bayes_factor_needs_evidence(tmp_path: Path) -> None:
    one = finished(tmp_path / "one", config(), draws(), numbers={"log_evidence": -41.0})
    other = finished(tmp_path / "other", config(0.05), draws(0.05), numbers={"log_evidence": -44.5})
    energy = finished(tmp_path / "energy", config(1.0), draws(1.0), numbers={"log_z": 3.0})
    found = of(one, other)
    assert cells(found, "evidence", "log evidence") == ["-41.00", "-44.50"]
    assert cells(found, "evidence", "log Bayes factor") == ["0.00", "-3.50"]
    assert cells(of(one, energy), "evidence", "log Z") != []
    assert (
        cells(of(energy, finished(tmp_path / "plain", config(3.0), draws(3.0))), "evidence", "log Bayes factor") == []
    )


def test_bayes_factors_and_probabilities_carry_the_errors(tmp_path: Path) -> None:
    numbers = [{"log_evidence": value, "log_evidence_error": 0.1} for value in (-41.0, -42.0)]
    one = finished(tmp_path / "one", config(), draws(), numbers=numbers[0])
    other = finished(tmp_path / "other", config(0.05), draws(0.05), numbers=numbers[1])
    found = of(one, other)
    share = 1 / (1 + np.exp(-1))
    error = share * (1 - share) * np.hypot(0.1, 0.1)
    assert cells(found, "evidence", "log evidence") == ["-41.00 ± 0.10", "-42.00 ± 0.10"]
    assert cells(found, "evidence", "log Bayes factor") == ["0.00", "-1.00 ± 0.14"]
    assert cells(found, "evidence", "probability") == ["0.73 ± 0.03", "0.27 ± 0.03"]
    assert frame(found)["probability"].tolist() == pytest.approx([share, 1 - share])
    assert frame(found)["probability_error"].tolist() == pytest.approx([error, error])


def test_two_methods_of_one_model_have_no_probabilities(tmp_path: Path) -> None:
    numbers = {"log_evidence": -41.0, "log_evidence_error": 0.1}
    places = [
        finished(tmp_path / word, config(inference={"_target_": word}), draws(), numbers=numbers, inference=word)
        for word in ("nuts", "mh")
    ]
    found = of(*places)
    assert cells(found, "evidence", "log Bayes factor") != []
    assert cells(found, "evidence", "probability") == []


def test_prior_sensitivity_is_that_of_the_verdict(tmp_path: Path) -> None:
    found = of(finished(tmp_path / "a", config(), draws()), finished(tmp_path / "b", config(1.0), draws(1.0)))
    assert cells(found, "runs", "prior sensitivity") == ["0.12", "0.12"]
    assert frame(found)["prior_sensitivity"].tolist() == [0.125, 0.125]


def test_a_key_called_like_a_metric_keeps_its_column(tmp_path: Path) -> None:
    places = [finished(tmp_path / f"{i}", config(gradients=i), draws()) for i in (1, 2)]
    found = frame(of(*places))
    assert (sorted(found["config.gradients"]), found["gradients"].tolist()) == (["1", "2"], [500.0, 500.0])


def test_unfinished_runs_are_named_with_their_reason(tmp_path: Path) -> None:
    places = [finished(tmp_path / str(i), config(float(i)), draws(float(i))) for i in (1, 2)]
    places.append(begun(tmp_path / "3", config(3.0), FAILED))
    places.append(begun(tmp_path / "4", config(2.0, seed=1), Job((), "KILLED", 130, "interrupted")))
    places.append(begun(tmp_path / "5", config(5.0)))
    found = of(*places)
    assert [line.label for line in found.lines[2:]] == ["loc.scale=2 (killed)", "loc.scale=3", "loc.scale=5"]
    assert cells(found, "runs", "verdict")[2:] == ["killed", "failed", "not finished"]
    assert "loc.scale=3: no answer (failed): the chains have no finite start." in found.notes
    assert "loc.scale=5: no answer (not finished)." in found.notes
    assert frame(found)["reason"].tolist()[2:4] == ["interrupted", "the chains have no finite start"]


def test_two_finished_runs_are_needed(tmp_path: Path) -> None:
    one = finished(tmp_path / "one", config(), draws())
    other = begun(tmp_path / "other", config(1.0), FAILED)
    with pytest.raises(ConfigError, match=r"at least two finished runs, but got 1; .*other is failed"):
        of(one, other)
    with pytest.raises(ConfigError, match="at least two finished runs, but got 1"):
        of(one, one)


def test_many_configurations_may_win_by_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [finished(tmp_path / str(i), config(float(i)), draws(float(i))) for i in (1, 2, 3)]
    monkeypatch.setattr(notes, "MANY", 3)
    assert not any("by chance" in note for note in of(*places).notes)
    monkeypatch.setattr(notes, "MANY", 2)
    assert any("Of 3 configurations" in note and "by chance" in note for note in of(*places).notes)
    assert of(*places).headline == "No clear winner: all predict about equally well"
