"""Searches by Optuna: what is typed, what is found, taking up, and pruning."""

import contextlib
import csv
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from console import QUIET, credo
from credo.errors import ConfigError
from credo.sweeps import search

optuna = pytest.importorskip("optuna")

COINS = ("data=coin_flips", "model=bernoulli", "inference=map", "inference.starts=2", "inference.steps=20")
SEARCH = ("-m", "hydra/sweeper=optuna", *COINS, *QUIET, "objective=log_density")


def dimension(words: str) -> Any:
    return search.dimension(OverridesParser.create().parse_override(words))


@pytest.mark.parametrize(
    ("words", "distribution"),
    [
        ("a=interval(0.5,2)", optuna.distributions.FloatDistribution(0.5, 2.0)),
        ("a='interval(0,2)'", None),
        ("a=interval(0,2)", optuna.distributions.FloatDistribution(0.0, 2.0)),
        ("a=int(interval(0,2))", optuna.distributions.IntDistribution(0, 2)),
        ("a=tag(log,interval(0.1,10))", optuna.distributions.FloatDistribution(0.1, 10.0, log=True)),
        ("a=tag(int,log,interval(1,64))", optuna.distributions.IntDistribution(1, 64, log=True)),
        ("a=range(1,10,3)", optuna.distributions.IntDistribution(1, 7, step=3)),
        ("a=x,y", optuna.distributions.CategoricalDistribution(["x", "y"])),
        ("a=choice(1,2.5,true)", optuna.distributions.CategoricalDistribution([1, 2.5, True])),
    ],
)
def test_what_is_typed_is_what_is_searched(words: str, distribution: Any) -> None:
    if distribution is None:  # a quoted interval is a string, which a shell's quotes are not
        assert not OverridesParser.create().parse_override(words).is_sweep_override()
        return
    assert dimension(words).distribution == distribution


def test_a_value_is_typed_as_it_was_offered() -> None:
    lists = dimension("net.widths=[8],[16,16]")
    assert [lists.override(value) for value in lists.distribution.choices] == ["net.widths=[8]", "net.widths=[16,16]"]
    assert dimension("+a.b=interval(0.0,1.0)").override(0.123456789) == "+a.b=0.123457"


def test_impossible_bounds_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"a: interval\(2.0,0.5\) cannot be searched"):
        dimension("a=interval(2.0,0.5)")
    with pytest.raises(ConfigError, match="cannot be searched"):
        dimension("a=tag(log,interval(-1.0,1.0))")


def test_the_direction_is_that_of_the_metric() -> None:
    assert search.directions(["elpd_loo", "seconds/total", "nll_test"], None) == ["maximize", "minimize", "minimize"]
    assert search.directions(["mine"], "maximize") == ["maximize"]
    for objectives, asked, said in (
        (["mine"], None, "whether mine is to be small or large"),
        ([], None, "objective: a search needs one"),
        (["a", "b"], "minimize", "minimize or maximize for each of 2 objectives"),
        (["a"], "up", "minimize or maximize for each of 1 objectives"),
    ):
        with pytest.raises(ConfigError, match=said):
            search.directions(objectives, asked)


def rows(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "sweep.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_the_greatest_density_is_found(tmp_path: Path) -> None:
    """Seven heads of ten under Beta(a, 2): the density at its mode grows with a, up to where the prior contradicts."""
    said = credo(
        *SEARCH,
        "model.prior.p.concentration1=interval(0.5,8.0)",
        "hydra.sweeper.n_trials=12",
        "hydra.sweep.dir=s",
        cwd=tmp_path,
    )
    assert said.code == 0, said.err
    found = [(float(row["objective"]), float(row["model.prior.p.concentration1"])) for row in rows(tmp_path / "s")]
    assert len(found) == 12
    assert f"the greatest log_density: {max(found)[0]:.4g}" in said.out
    assert abs(max(found)[1] - best_concentration()) < 1.0
    assert {row["state"] for row in rows(tmp_path / "s")} == {"FINISHED"}
    assert "importance of the keys" not in said.out
    assert "The search" in (tmp_path / "s" / "report.html").read_text()


def best_concentration() -> float:
    """Where the log density at the mode is greatest, on a grid."""
    import numpy as np
    from scipy.stats import beta, binom

    data = json.loads(json.dumps([1, 1, 1, 0, 1, 0, 1, 1, 0, 1]))
    heads, total = sum(data), len(data)
    a = np.linspace(0.5, 8.0, 301)
    b = 1.0
    mode = (a + heads - 1) / (a + b + total - 2)
    return float(a[np.argmax(beta.logpdf(mode, a, b) + binom.logpmf(heads, total, mode))])


@pytest.mark.slow
def test_several_objectives_have_several_best(tmp_path: Path) -> None:
    said = credo(
        *SEARCH[:-1],
        "objective=[log_density,gradient_norm]",
        "hydra.sweeper.direction=[maximize,minimize]",
        "model.prior.p.concentration1=interval(0.5,8.0)",
        "hydra.sweeper.n_trials=3",
        "hydra.sweep.dir=s",
        cwd=tmp_path,
    )
    assert said.code == 0, said.err
    assert all(row["objective"] and row["objective_2"] for row in rows(tmp_path / "s"))
    assert "the greatest log_density and the least gradient_norm" in said.out


def test_failures_are_told_and_the_search_goes_on(tmp_path: Path) -> None:
    said = credo(
        *SEARCH, "model.prior.p.concentration1=-1,1", "hydra.sweeper.n_trials=6", "hydra.sweep.dir=s", cwd=tmp_path
    )
    states = [row["state"] for row in rows(tmp_path / "s")]
    assert said.code == states.count("FAILED") > 0
    assert "FINISHED" in states
    assert len(states) == 6


def test_a_search_is_taken_up_where_it_was_stopped(tmp_path: Path) -> None:
    """The study is in the folder; a trial that was under way becomes the same job again."""
    words = (*SEARCH, "model.prior.p.concentration1=interval(0.5,8.0)", "hydra.sweep.dir=s")
    assert credo(*words, "hydra.sweeper.n_trials=3", cwd=tmp_path).code == 0
    sweep = tmp_path / "s"
    before = (sweep / "1" / "job.json").read_text()
    with contextlib.closing(sqlite3.connect(sweep / "optuna.db")) as store:
        store.execute("UPDATE trials SET state = 'RUNNING' WHERE number = 2")
        store.execute("DELETE FROM trial_values WHERE trial_id = 3")
        store.commit()
    job = json.loads((sweep / "2" / "job.json").read_text())
    (sweep / "2" / "job.json").write_text(json.dumps(job | {"state": "RUNNING", "objective": None, "ended": None}))
    said = credo(*words[:-1], "hydra.sweeper.n_trials=5", f"sweep.resume={sweep}", cwd=tmp_path)
    assert said.code == 0, said.err
    assert [row["state"] for row in rows(sweep)] == ["FINISHED"] * 5
    assert (sweep / "1" / "job.json").read_text() == before
    with contextlib.closing(sqlite3.connect(sweep / "optuna.db")) as store:
        assert store.execute("SELECT state, count(*) FROM trials GROUP BY state").fetchall() == [("COMPLETE", 5)]


@pytest.mark.slow
def test_hopeless_jobs_are_pruned(tmp_path: Path) -> None:
    """Networks that learn too slowly beside networks that learn: the validation loss tells after a few epochs."""
    said = credo(
        "-m", "hydra/sweeper=optuna", "data=diabetes", "model=mdn", "inference=mle", "data.test_fraction=0.2", *QUIET,
        "training.epochs=20", "training.learning_rate=tag(log,interval(1e-6,1e-2))", "objective=nll_test",
        "hydra.sweeper.pruner=median", "hydra.sweeper.prune_by=nll_validation", "hydra.sweeper.n_trials=10",
        "hydra.sweeper.sampler=random", "hydra.sweep.dir=s", cwd=tmp_path,
    )  # fmt: skip
    found = rows(tmp_path / "s")
    assert said.code == 0, said.err
    pruned = [row for row in found if row["state"] == "PRUNED"]
    finished = [row for row in found if row["state"] == "FINISHED"]
    assert pruned
    assert all(re.match(r"pruned at \d+ of 20: nll_validation was", row["reason"]) for row in pruned)
    rates = [float(row["training.learning_rate"]) for row in found]
    best = min(finished, key=lambda row: float(row["objective"]))
    assert float(best["training.learning_rate"]) > sorted(rates)[len(rates) // 2]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("seed=1",), "hydra/sweeper=optuna: expected something to search"),
        (("seed=1,2", "hydra.sweeper.n_trials=0"), "hydra.sweeper.n_trials: expected at least 1, but got 0"),
        (("seed=1,2", "hydra.sweeper.sampler=best"), "hydra.sweeper.sampler: expected one of tpe, random"),
        (("seed=1,2", "hydra.sweeper.pruner=median"), "hydra.sweeper.pruner: expected prune_by with it"),
        (("seed=1,2", "hydra.sweeper.storage=no:where"), "hydra.sweeper.storage=no:where: cannot be opened"),
        (
            ("seed=1,2", "objective=mine", "hydra.sweep.dir=s"),
            "hydra.sweeper.direction: whether mine is to be small or large",
        ),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    said = credo(*SEARCH, *words, cwd=tmp_path)
    assert said.code == 2, said.err
    assert sentence in said.err
    assert not list(tmp_path.rglob("job.json"))
