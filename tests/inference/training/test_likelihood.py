"""Training by minibatches: known optima, ensembles, the best weights, interruptions, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.diagnostics.scores import scores
from credo.diagnostics.settled import Settled
from credo.diagnostics.summary import summarise
from credo.errors import ConfigError
from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Inference, Listener
from credo.inference.calls import alone
from credo.inference.kind import Kind
from credo.inference.result import Result, Status
from credo.inference.training import continuation, loop
from credo.inference.training.likelihood import Likelihood
from credo.models.mdn import Mdn
from credo.models.mdn_derived import add_predictive
from credo.models.problem import Problem
from credo.models.program import Program
from interruptions import Cut, Memory
from registry import values

pytestmark = pytest.mark.slow  # `make proofs` runs them

CONF = Path(__file__).parents[3] / "conf"
SD = 0.2
"""Of the narrow prior of the line's coefficients."""

Fit = Callable[..., Result]


def settings_of(path: str) -> dict[str, Any]:
    known: dict[str, Any] = values(CONF / path)
    return known


def training(**settings: Any) -> Likelihood:
    return Likelihood(**(settings_of("training/likelihood.yaml") | settings))


def line(x: Any, y: Any) -> None:
    """Coefficients that are known before to be small, and unit noise."""
    b = numpyro.sample("b", dist.Normal(0.0, SD).expand([x.shape[1]]).to_event(1))
    with numpyro.plate("obs", len(y)):
        numpyro.sample("y", dist.Normal(x @ b, 1.0), obs=y)


def marks(y: Any) -> None:
    """A row's negative log likelihood is y, whatever the latent is; the sum over rows tells which rows they are."""
    numpyro.sample("a", dist.Normal(0.0, 1.0))
    with numpyro.plate("obs", len(y)):
        numpyro.sample("y", dist.Delta(y, log_density=-y), obs=y)


def by_row(y: Any) -> None:
    with numpyro.plate("obs", len(y)):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        numpyro.sample("y", dist.Normal(z, 1.0), obs=y)


def program(function: Callable[..., None], **data: Any) -> Problem:
    variables = {name: (("row", "feature")[: np.ndim(values)], values) for name, values in data.items()}
    return Problem(Program(f"{__name__}:{function.__name__}", {}), xr.Dataset(variables))


def straight(rows: int = 64, noise: float = 1.0) -> Problem:
    random = np.random.default_rng(1)
    x = np.column_stack([np.ones(rows), random.normal(size=(rows, 2))])
    return program(line, x=x, y=x @ [1.0, 2.0, -0.5] + noise * random.normal(size=rows))


def marked(rows: int = 16) -> Problem:
    return program(marks, y=2.0 ** np.arange(rows))


MARKED = {"members": 6, "validation": 0.25, "batch_size": 12, "epochs": 30, "patience": 3}


def held_out(result: Result, rows: int = 16, count: int = 4) -> np.ndarray:
    """Which rows [member, row] a member of `marked` had for validation."""
    total = np.rint(result.tree["training"]["validation"][:, 0].to_numpy() * count).astype(int)
    return (total[:, None] >> np.arange(rows) & 1).astype(bool)


def network() -> Problem:
    random = np.random.default_rng(2)
    x = random.normal(size=(40, 1))
    data = xr.Dataset({"y": ("row", np.sin(2 * x[:, 0]) + 0.1 * random.normal(size=40)), "x": (("row", "feature"), x)})
    prior = {name: dist.Normal(0.0, 1.0) for name in ("weight", "bias")}
    return Problem(Mdn(prior, **(settings_of("model/mdn.yaml") | {"hidden": [4], "components": 2})).fitted(data), data)


@pytest.fixture(scope="module")
def fit(method: Callable[..., Inference], quiet: Listener) -> Fit:
    """Check and train: `fit(problem, "map", epochs=3)`."""

    def run(
        problem: Problem,
        word: str = "mle",
        seed: int = 0,
        listener: Listener = quiet,
        checkpointer: Checkpointer = NO_CHECKPOINTER,
        checked: bool = True,
        **settings: Any,
    ) -> Result:
        whole, chosen = replace(problem, training=training(**settings)), method(word)
        if checked:
            chosen.check(whole)
        return chosen.run(whole, jax.random.PRNGKey(seed), listener, checkpointer)

    return run


def same(one: Result, other: Result) -> bool:
    groups = set(one.tree.children)
    return groups == set(other.tree.children) and all(
        one.tree[group].to_dataset().identical(other.tree[group].to_dataset()) for group in groups
    )


FULL = {"batch_size": 64, "validation": 0.0, "epochs": 600, "learning_rate": 0.1}


def test_all_rows_at_once_reach_least_squares(fit: Fit) -> None:
    problem = straight()
    result = fit(problem, **FULL)
    x, y = (problem.data[name].to_numpy() for name in ("x", "y"))
    assert np.allclose(result.tree["posterior"]["b"][0, 0], np.linalg.lstsq(x, y, rcond=None)[0], rtol=0, atol=1e-5)
    assert (result.status, result.kind, result.method, result.sampled) == (Status.DONE, Kind.TRAINED, "mle", ("b",))
    assert result.cost.gradients == 600
    curves = result.tree["training"]
    assert np.isnan(curves["validation"]).all()
    assert curves["train"][0, -1] == pytest.approx(-result.tree["log_likelihood"]["y"].mean().item(), rel=1e-6)


@pytest.mark.parametrize("batch_size", [64, 16])
def test_map_has_the_prior_once_and_not_once_per_batch(batch_size: int, fit: Fit) -> None:
    """The mode is that of ridge regression, far from least squares and nearer to zero; batches come near it."""
    problem = straight()
    result = fit(problem, "map", **FULL | {"batch_size": batch_size})
    x, y = (problem.data[name].to_numpy() for name in ("x", "y"))
    ridge = np.linalg.solve(x.T @ x + np.eye(3) / SD**2, x.T @ y)
    free = np.linalg.lstsq(x, y, rcond=None)[0]
    found = result.tree["posterior"]["b"].to_numpy()[0, 0]
    assert np.allclose(found, ridge, rtol=0, atol=1e-5 if batch_size == 64 else 0.02)
    assert np.linalg.norm(found) < np.linalg.norm(free) - 0.3
    assert result.cost.gradients == 600 * 64 // batch_size


@pytest.fixture(scope="module")
def held(fit: Fit) -> np.ndarray:
    """Which rows [member, row] the members of `marked` have for validation."""
    return held_out(fit(marked(), **MARKED))


@pytest.fixture(scope="module")
def patient(fit: Fit) -> Result:
    """Members that jump about their optimum, each until it had no better epoch for a while."""
    settings = {"validation": 0.25, "batch_size": 4, "members": 3, "epochs": 400, "patience": 8}
    return fit(straight(16, noise=3.0), **settings, learning_rate=0.5, schedule="constant")


def test_the_best_weights_are_those_of_the_least_validation_loss(patient: Result, held: np.ndarray) -> None:
    """Recomputed of the rows that the same key holds out of a program that tells which they are."""
    curves, every = patient.tree["training"], -patient.tree["log_likelihood"]["y"].to_numpy()[0]
    least = curves["validation"].min("epoch").to_numpy()
    assert np.allclose([every[member, held[member]].mean() for member in range(3)], least, rtol=1e-6)
    assert not np.allclose([every[member, ~held[member]].mean() for member in range(3)], least, rtol=1e-2)
    assert np.array_equal(curves["best"], 1 + curves["validation"].argmin("epoch"))


def test_patience_stops_a_member(patient: Result) -> None:
    curves = patient.tree["training"]
    validation, best = curves["validation"].to_numpy(), curves["best"].to_numpy()
    lengths = np.isfinite(validation).sum(1)
    assert np.array_equal(lengths, best + 8)
    assert len(set(lengths)) > 1  # each by itself
    assert lengths.max() == curves.sizes["epoch"] < 400
    for curve, length in zip(validation, lengths, strict=True):
        assert np.isfinite(curve[:length]).all()
        assert np.isnan(curve[length:]).all()
    assert patient.cost.gradients == lengths.sum() * (12 // 4)
    assert patient.status is Status.DONE


def test_a_loss_that_never_improves_stops_after_the_patience(fit: Fit) -> None:
    curves = fit(marked(), **MARKED).tree["training"]
    assert curves.sizes["epoch"] == 4  # the first is better than none
    assert np.all(curves["best"] == 1)


def test_validation_rows_of_members_are_disjoint(held: np.ndarray, fit: Fit) -> None:
    """Of four members with a quarter each; those of two more are spread."""
    assert np.all(held.sum(1) == 4)
    assert np.all(held[:4].sum(0) == 1)
    assert sorted(held.sum(0)) == [1] * 8 + [2] * 8
    other = fit(marked(), seed=1, **MARKED)
    assert not np.array_equal(held, held_out(other))
    trained = other.tree["training"]["train"][:, 0].to_numpy() * 12  # by all the others
    assert np.allclose(trained, (~held_out(other) * 2.0 ** np.arange(16)).sum(1), rtol=1e-6)


def test_every_epoch_has_its_own_order(fit: Fit, held: np.ndarray) -> None:
    """And leaves out what does not fill a batch: 8 of the 12 rows are seen."""
    result = fit(marked(), validation=0.25, batch_size=8, epochs=6)
    total = np.rint(result.tree["training"]["train"][0].to_numpy() * 8).astype(int)
    seen = (total[:, None] >> np.arange(16) & 1).astype(bool)
    assert np.all(seen.sum(1) == 8)
    assert not np.any(seen[:, held[0]])
    assert len(np.unique(seen, axis=0)) > 3


@pytest.mark.parametrize("schedule", ["constant", "cosine", "warmup_cosine"])
def test_weight_decay_and_schedules(schedule: str, fit: Fit) -> None:
    """Where the likelihood has no slope, AdamW multiplies by 1 - rate * decay in each step.

    Without validation the weights after the last step are kept, and the course has none of its losses.
    """
    settings = {"batch_size": 4, "validation": 0.0, "epochs": 10, "schedule": schedule, "optimiser": "adamw"}
    begun = fit(marked(), **settings).tree["posterior"]["a"].item()
    result = fit(marked(), **settings, weight_decay=0.5, learning_rate=0.2)
    step = np.arange(40)
    fall = 0.5 * (1 + np.cos(np.pi * step / 40))
    rise = np.where(step < 2, (step + 1) / 2, 0.5 * (1 + np.cos(np.pi * (step - 2) / 38)))
    rate = 0.2 * {"constant": np.ones(40), "cosine": fall, "warmup_cosine": rise}[schedule]
    assert result.tree["posterior"]["a"].item() == pytest.approx(begun * np.prod(1 - 0.5 * rate), rel=1e-6)
    assert abs(begun) > 0.01
    assert result.tree["training"]["best"].item() == 10
    assert set(result.history[0]) == {"phase", "done", "total", "nll_train"}


ENSEMBLE = {"members": 2, "epochs": 9, "batch_size": 8, "validation": 0.2, "patience": None}


@pytest.fixture
def doubling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 1, 2, 4 and 2 epochs, whatever the time."""
    monkeypatch.setattr(loop, "SECONDS", 1e9)


@pytest.fixture(scope="module")
def whole(fit: Fit) -> tuple[Result, Cut]:
    listener = Cut()
    return fit(network(), listener=listener, **ENSEMBLE), listener


def test_the_listener_is_told_of_every_epoch(whole: tuple[Result, Cut]) -> None:
    result, listener = whole
    assert [entry[:3] for entry in listener.heard] == [("training", epoch, 9) for epoch in range(1, 10)]
    curves = result.tree["training"].mean("member")
    for name, curve in (("nll_train", "train"), ("nll_validation", "validation")):
        assert np.allclose([entry[3][name] for entry in listener.heard], curves[curve], rtol=1e-6)
    assert [entry["done"] for entry in result.history] == list(range(1, 10))
    assert set(result.history[0]) == {"phase", "done", "total", "nll_train", "nll_validation"}
    assert curves["train"][-1] < curves["train"][0]


def test_members_differ(whole: tuple[Result, Cut]) -> None:
    result, _ = whole
    for value in result.tree["network"].data_vars.values():
        assert value.dims[:2] == ("chain", "draw")
        assert value.shape[:2] == (1, 2)
        assert not np.array_equal(value[0, 0], value[0, 1])
    train = result.tree["training"]["train"]
    assert not np.any(train[0] == train[1])


def test_a_key_gives_the_same_bits(whole: tuple[Result, Cut], fit: Fit, doubling: None) -> None:
    """However many epochs a block has."""
    result, listener = whole
    again = Cut()
    assert same(fit(network(), listener=again, **ENSEMBLE), result)
    assert again.heard == listener.heard
    other = fit(network(), seed=1, **ENSEMBLE)
    assert not np.allclose(other.tree["training"]["train"], result.tree["training"]["train"])


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 8])
def test_training_taken_up_again_has_the_same_bits(
    cut: int, whole: tuple[Result, Cut], fit: Fit, doubling: None
) -> None:
    checkpointer = Memory()
    with pytest.raises(KeyboardInterrupt):
        fit(network(), listener=Cut(cut), checkpointer=checkpointer, **ENSEMBLE)
    assert checkpointer.saved == 1
    end = Memory(checkpointer.kept)
    result = fit(network(), checkpointer=end, **ENSEMBLE)
    assert same(result, whole[0])
    assert end.saved == 1
    assert same(fit(network(), checkpointer=Memory(end.kept), **ENSEMBLE), whole[0])  # after its end, nothing is left


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 8])
def test_training_taken_up_again_tells_of_every_epoch(
    cut: int, whole: tuple[Result, Cut], fit: Fit, doubling: None
) -> None:
    """Also of those of a block that were not told when it was cut off."""
    checkpointer, again = Memory(), Cut()
    with pytest.raises(KeyboardInterrupt):
        fit(network(), listener=Cut(cut), checkpointer=checkpointer, **ENSEMBLE)
    result = fit(network(), listener=again, checkpointer=Memory(checkpointer.kept), **ENSEMBLE)
    assert again.heard == whole[1].heard
    assert result.history == whole[0].history


def test_training_is_kept_when_it_is_due(whole: tuple[Result, Cut], fit: Fit, doubling: None) -> None:
    checkpointer = Memory(due=True)
    assert same(fit(network(), checkpointer=checkpointer, **ENSEMBLE), whole[0])
    assert checkpointer.saved == 5  # blocks of 1, 2, 4 and 2 epochs, and the end


def test_going_on_changes_nothing_but_what_is_told_of_it(
    whole: tuple[Result, Cut], fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten further epochs after nine, at the training's rate of 0.003 only."""
    result, _ = whole
    assert result.tree["training"]["continued"].shape == (2, 1, 10)
    monkeypatch.setattr(continuation, "length", lambda epochs: 1)
    short = fit(network(), **ENSEMBLE)
    assert short.tree["training"]["continued"].shape == (2, 1, 1)
    trees = [one.tree.copy() for one in (result, short)]
    for tree in trees:
        del tree["training"]["continued"]
    assert same(*(replace(one, tree=tree) for one, tree in zip((result, short), trees, strict=True)))


SETTLED = Settled(0.02)
LINE = {"batch_size": 128, "validation": 0.25, "schedule": "cosine"}


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"epochs": 3, "learning_rate": 0.03}, "failed"),
        ({"epochs": 20, "learning_rate": 0.003}, "failed"),
        ({"epochs": 200, "learning_rate": 1e-4}, "failed"),
        ({"epochs": 200, "learning_rate": 1e-6}, "failed"),
        ({"epochs": 200, "learning_rate": 1e-4, "patience": 1}, "failed"),
        ({"epochs": 200, "learning_rate": 0.03}, "passed"),
        ({"epochs": 200, "learning_rate": 0.03, "schedule": "constant"}, "passed"),
        ({"epochs": 200, "learning_rate": 0.03, "schedule": "warmup_cosine"}, "passed"),
        ({"epochs": 200, "learning_rate": 0.03, "average": 0.9}, "passed"),
        ({"epochs": 200, "learning_rate": 0.03, "optimiser": "adamw", "clip": None}, "passed"),
    ],
)
def test_only_a_finished_training_has_settled(settings: dict[str, Any], status: str, fit: Fit) -> None:
    """A regression line whose coefficients are 1, 2 and -0.5, which 20 steps of 0.003 do not reach."""
    result = fit(straight(1024), **LINE | {"patience": None} | settings)
    answer = SETTLED(result, summarise(result))
    assert answer is not None
    assert answer.status == status


def marks_of_wine(seed: int) -> tuple[xr.Dataset, xr.Dataset]:
    """Whole marks from 3 to 8 of some inputs: rows to train on and rows to predict."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(2000, 2))
    y = np.clip(np.round(5.6 + x @ [0.45, -0.3] + 0.65 * random.normal(size=2000)), 3, 8)
    data = xr.Dataset({"y": ("row", y), "x": (("row", "feature"), x)})
    return data.isel(row=slice(1000)), data.isel(row=slice(1000, None))


@pytest.mark.slow
@pytest.mark.parametrize(("family", "calibrated"), [("gaussian", False), ("discretized_gaussian", True)])
def test_whole_numbers_need_masses(family: str, calibrated: bool, fit: Fit) -> None:
    """A density's floor of one step makes its intervals too wide; a mass needs none.

    Of 1,000 rows 90 % hold between 86.2 and 93.8 % but in one of 10,000 seeds.
    """
    train, test = marks_of_wine(0)
    prior = {name: dist.Normal(0.0, 1.0) for name in ("weight", "bias")}
    settings = settings_of("model/mdn.yaml") | {"hidden": [4], "components": 2, "family": family}
    problem = Problem(Mdn(prior, **settings).fitted(train), train, test)
    assert problem.measure == ("mass" if calibrated else "density")
    result = fit(problem, epochs=20, batch_size=100, learning_rate=0.03)
    found = scores(add_predictive(replace(problem, training=training()), result, jax.random.PRNGKey(1)))
    assert (abs(found["coverage_90_test"] - 0.9) < 0.038) == calibrated
    assert (abs(found["coverage_50_test"] - 0.5) < 0.063) == calibrated
    assert (found["sharpness_test"] < 2.8) == calibrated


def test_a_rate_that_is_far_too_large_leaves_finite_weights(fit: Fit) -> None:
    result = fit(network(), **ENSEMBLE | {"learning_rate": 1e30})
    assert result.status is Status.NOT_FINITE
    assert not result.tree["training"]["finite"].any()
    assert result.tree["training"].sizes["epoch"] == 1
    for group in ("network", "posterior", "log_likelihood"):
        assert all(np.isfinite(value).all() for value in result.tree[group].data_vars.values())


def test_a_density_that_is_infinite_leaves_finite_weights(fit: Fit) -> None:
    problem = straight()
    problem.data["y"][3] = np.inf
    result = fit(problem, checked=False, **FULL)
    assert result.status is Status.NOT_FINITE
    assert np.isfinite(result.tree["posterior"]["b"]).all()


def test_modes_are_those_of_the_posterior_in_as_many_members(quiet: Listener) -> None:
    problem = straight()
    x, y = (problem.data[name].to_numpy() for name in ("x", "y"))
    ridge = np.linalg.solve(x.T @ x + np.eye(3) / SD**2, x.T @ y)
    modes = alone(training(**FULL).modes(problem, jax.random.PRNGKey(0), 2, quiet))
    assert {name: value.shape for name, value in modes.items()} == {"b": (2, 3)}
    assert np.allclose(modes["b"], ridge, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"optimiser": "sgd"}, "optimiser: expected one of adam, adamw, but got 'sgd'"),
        ({"schedule": "step"}, "schedule: expected one of constant, cosine, warmup_cosine, but got 'step'"),
        ({"weight_decay": 0.1}, r"weight_decay: 0\.1 needs training\.optimiser=adamw, or set it to 0"),
    ],
)
def test_impossible_settings_are_named(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"^{sentence}$"):
        training(**settings)


@pytest.mark.parametrize(
    ("make", "settings", "sentence"),
    [
        (
            marked,
            {"batch_size": 13, "validation": 0.25},
            r"training\.batch_size: expected at most the 12 rows that are trained on, but got 13; use a smaller one",
        ),
        (
            marked,
            {"batch_size": 4, "validation": 0.01},
            r"training\.validation: 0\.01 of 16 rows is none; use a larger share, or 0",
        ),
        (
            lambda: program(by_row, y=np.arange(16.0)),
            {"batch_size": 4},
            "training: the latent z has a value per row; networks have none",
        ),
    ],
)
def test_rows_that_do_not_suffice_are_named(
    make: Callable[[], Problem], settings: dict[str, Any], sentence: str, fit: Fit
) -> None:
    with pytest.raises(ConfigError, match=f"^{sentence}$"):
        fit(make(), **settings)


def test_as_many_rows_as_a_batch_suffice(method: Callable[..., Inference]) -> None:
    method("mle").check(replace(marked(), training=training(batch_size=12, validation=0.25)))


@pytest.mark.parametrize(
    ("rows", "free", "batch_size", "validation"),
    [
        (1000, ("batch_size", "validation"), 64, 0.1),  # what suffices stays as it is
        (20, ("batch_size", "validation"), 18, 0.1),
        (20, (), 64, 0.1),
        (3, ("batch_size", "validation"), 3, 0.0),
        (3, ("batch_size",), 3, 0.1),
        (1, ("batch_size", "validation"), 1, 0.0),
    ],
)
def test_what_nobody_chose_follows_the_rows(
    rows: int, free: tuple[str, ...], batch_size: int, validation: float
) -> None:
    fitted = training(batch_size=64, validation=0.1).fitted(rows, free)
    assert (fitted.batch_size, fitted.validation) == (batch_size, validation)
