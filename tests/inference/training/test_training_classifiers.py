"""Classifiers are trained to the bit, tempered by their validation rows, and less sure elsewhere if they are many."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.errors import ConfigError
from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Inference, Listener
from credo.inference.calls import alone
from credo.inference.result import Result
from credo.inference.training import loop
from credo.inference.training.epoch import validation_rows
from credo.inference.training.likelihood import Likelihood
from credo.models.classes_derived import probabilities
from credo.models.mdn import Mdn
from credo.models.mdn_derived import add_predictive
from credo.models.predict import Predictive
from credo.models.problem import Problem
from interruptions import Cut, Memory
from registry import values

CONF = Path(__file__).parents[3] / "conf"
KEY = jax.random.PRNGKey(0)

Fit = Callable[..., Result]


def training(**settings: Any) -> Likelihood:
    known: dict[str, Any] = values(CONF / "training" / "likelihood.yaml")
    return Likelihood(**(known | settings))


def model(**settings: Any) -> Mdn:
    known: dict[str, Any] = values(CONF / "model" / "mdn.yaml")
    prior = {name: dist.Normal(0.0, 2.0) for name in ("weight", "bias")}
    return Mdn(prior, **(known | {"family": "categorical"} | settings))


def images(rows: int = 40) -> xr.Dataset:
    """Bright above or below."""
    random = np.random.default_rng(0)
    y = np.arange(rows) % 2
    x = random.normal(size=(rows, 4, 4, 1))
    x[:, :2] += 1.5 * y[:, None, None, None]
    return xr.Dataset({"y": ("row", y), "x": (("row", "height", "width", "channel"), x)})


def overlapping(rows: int = 120) -> xr.Dataset:
    """Two classes, of which a network of many weights is soon too sure."""
    random = np.random.default_rng(3)
    y = np.arange(rows) % 2
    x = random.normal(size=(rows, 2)) + 0.7 * y[:, None]
    return xr.Dataset({"y": ("row", y), "x": (("row", "feature"), x)})


@pytest.fixture(scope="module")
def fit(method: Callable[..., Inference], quiet: Listener) -> Fit:
    """Check and train by maximum likelihood."""

    def run(
        problem: Problem,
        listener: Listener = quiet,
        checkpointer: Checkpointer = NO_CHECKPOINTER,
        word: str = "mle",
        **settings: Any,
    ) -> Result:
        whole, chosen = replace(problem, training=training(**settings)), method(word)
        chosen.check(whole)
        return chosen.run(whole, KEY, listener, checkpointer)

    return run


CONV = {"members": 2, "epochs": 4, "batch_size": 16, "validation": 0.2, "temperature": True, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def of_images() -> Problem:
    rows = images()
    return Problem(model(encoder="conv", channels=[2]).fitted(rows), rows)


@pytest.fixture(scope="module")
def whole(of_images: Problem, fit: Fit) -> Result:
    """Weights that are hardly trained, at the temperature of the least loss of validation rows."""
    return fit(of_images, **CONV)


def test_convolutions_taken_up_again_have_the_same_bits(
    whole: Result, of_images: Problem, fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one epoch, with the temperature at the end."""
    monkeypatch.setattr(loop, "SECONDS", 1e9)  # blocks of 1, 2 and 1 epochs, whatever the time
    checkpointer = Memory()
    with pytest.raises(KeyboardInterrupt):
        fit(of_images, listener=Cut(1), checkpointer=checkpointer, **CONV)
    result = fit(of_images, checkpointer=Memory(checkpointer.kept), **CONV)
    assert set(whole.tree.children) == set(result.tree.children)
    for group in whole.tree.children:
        assert whole.tree[group].to_dataset().identical(result.tree[group].to_dataset())


@pytest.mark.slow
def test_the_temperature_is_the_best_for_the_validation_rows(whole: Result, of_images: Problem) -> None:
    """No other is better; and without it the loss is that of the learning curves."""
    temperature = float(whole.tree["training"]["temperature"])
    held = np.asarray(validation_rows(training(**CONV), 40, jax.random.split(KEY)[0]))
    x, y = (of_images.data[name].to_numpy() for name in ("x", "y"))
    network = {str(name): values.to_numpy()[0] for name, values in whole.tree["network"].data_vars.items()}

    def loss(sharper: float) -> float:
        """The mean over members, each on its own validation rows."""
        total = 0.0
        for member, own in enumerate(held):
            weights = {name: values[member : member + 1] for name, values in network.items()}
            p = probabilities(Predictive(of_images.model, weights), x[own])  # type: ignore[arg-type]
            logits = np.log(p) * sharper
            total -= (logits[np.arange(len(own)), y[own]] - np.logaddexp.reduce(logits, 1)).mean()
        return total / len(held)

    assert loss(1.0) <= min(loss(one) for one in np.exp(np.linspace(-1, 1, 41))) + 1e-7
    assert loss(temperature) == pytest.approx(whole.tree["training"]["validation"].min("epoch").mean().item(), abs=1e-5)
    assert loss(1.0) < loss(temperature) - 1e-3


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"validation": 0.0}, r"^training\.temperature: validation rows choose it, but training\.validation is 0; set"),
        ({"family": "gaussian"}, r"^training\.temperature: only classifiers have one, but got model=mdn"),
    ],
)
def test_a_temperature_that_cannot_be_is_refused(settings: dict[str, Any], sentence: str, fit: Fit) -> None:
    rows = overlapping()
    family = settings.pop("family", "categorical")
    problem = Problem(model(family=family).fitted(rows), rows)
    with pytest.raises(ConfigError, match=sentence):
        fit(problem, temperature=True, batch_size=16, **settings)


@pytest.mark.slow
def test_an_ensemble_is_less_sure_of_rows_unlike_its_own_than_one_network(quiet: Listener) -> None:
    """Two separate classes, and rows far to their side: the mean entropy there. The seeds are fixed."""
    random = np.random.default_rng(5)
    y = np.arange(200) % 2
    x = random.normal(size=(200, 2)) * [0.5, 0.5] + np.stack([4.0 * y - 2, 0 * y], 1)
    rows = xr.Dataset({"y": ("row", y), "x": (("row", "feature"), x)})
    problem = Problem(model(hidden=[16, 16], activation="relu").fitted(rows), rows)
    settings = training(epochs=40, batch_size=32, learning_rate=0.01, validation=0.1)
    network = jax.tree.map(np.asarray, alone(settings.modes(problem, KEY, 5, quiet)))
    away = np.stack([np.linspace(-1, 1, 50), np.full(50, 12.0)], 1)

    def entropy(weights: dict[str, np.ndarray], x: np.ndarray) -> float:
        p = probabilities(Predictive(problem.model, weights), x)  # type: ignore[arg-type]
        return float(-(p * np.log(np.maximum(p, 1e-30))).sum(1).mean())

    every = [entropy({n: v[member : member + 1] for n, v in network.items()}, away) for member in range(5)]
    assert entropy(network, away) > 1.5 * np.mean(every)
    assert entropy(network, away) > 2 * entropy(network, x)


@pytest.mark.slow
def test_chains_begin_at_trained_classifiers_and_agree(infer: Callable[..., Result]) -> None:
    """The mean probabilities of NUTS are the same from two seeds; their Monte Carlo errors are below 0.005."""
    rows = overlapping(40)
    problem = Problem(model(hidden=[], dtype="float64").fitted(rows), rows)
    problem = replace(problem, training=training(epochs=20, batch_size=16))
    found = [
        add_predictive(problem, infer(problem, "nuts", seed=seed, draws=1000, warmup=500, chains=2), KEY)
        for seed in (0, 1)
    ]
    first, second = (one.tree["classes"]["probability"].to_numpy() for one in found)
    assert np.abs(first - second).max() < 0.02
