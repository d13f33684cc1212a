"""Faults that are planted in a right inference, each of which 500 replications must find.

The model is y_i ~ Normal(slope x_i, sigma), slope ~ Normal(0, 1), sigma ~ LogNormal(0, 1/2); its posterior is known on
a grid of slope and log sigma, from which draws are exact. Every fault moves a posterior mean by at least 0.3 standard
deviations, or changes a standard deviation by at least 20 %, in the root mean square over replications.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from credo.diagnostics.sbc.ranks import rank
from credo.diagnostics.sbc.verdict import verdict

pytestmark = pytest.mark.slow

X = np.linspace(0.5, 2.0, 6)
SLOPES, LOGS = np.linspace(-4.5, 4.5, 161), np.linspace(-2, 2, 61)
SLOPE, LOG = np.meshgrid(SLOPES, LOGS, indexing="ij")
DRAWS, REPLICATIONS = 100, 500


def log_posterior(
    y: Any, loc: float = 0.0, scale: float = 1.0, jacobian: float = 1.0, power: float = 1.0, width: Any = np.exp
) -> Any:
    """On the grid of slope and log sigma, up to a constant."""
    squares = y @ y - 2 * (X @ y) * SLOPE + (X @ X) * SLOPE**2
    likelihood = -squares / (2 * width(LOG) ** 2) - len(X) * np.log(width(LOG))
    return -((SLOPE - loc) ** 2) / (2 * scale**2) - 2 * LOG**2 - LOG + jacobian * LOG + power * likelihood


def sample(log_p: Any, generator: np.random.Generator) -> Any:
    """Draws of slope and sigma, evenly spread within their cells."""
    p = np.exp(log_p - log_p.max()).ravel()
    cells = np.unravel_index(generator.choice(p.size, DRAWS, p=p / p.sum()), SLOPE.shape)
    jitter = generator.uniform(-0.5, 0.5, (2, DRAWS))
    slope = SLOPES[cells[0]] + jitter[0] * (SLOPES[1] - SLOPES[0])
    return np.stack([slope, np.exp(LOGS[cells[1]] + jitter[1] * (LOGS[1] - LOGS[0]))])


def right(y: Any, generator: np.random.Generator) -> Any:
    return sample(log_posterior(y), generator)


def density(**fault: Any) -> Callable[..., Any]:
    return lambda y, generator: sample(log_posterior(y, **fault), generator)


def drawn(fault: Callable[[Any], Any]) -> Callable[..., Any]:
    """A fault of the draws of each scalar [scalar, draw]."""
    return lambda y, generator: fault(right(y, generator))


def data(fault: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda y, generator: right(fault(y), generator)


def wider(draws: Any, factor: float) -> Any:
    centre = draws.mean(axis=1, keepdims=True)
    return centre + factor * (draws - centre)


def too_short(y: Any, generator: np.random.Generator) -> Any:
    """A random walk that begins far away and has ten steps before its draws."""
    log_p, place = log_posterior(y), np.array([150, 50])
    path = []
    for step in range(10 + DRAWS):
        other = place + generator.integers(-2, 3, 2)
        inside = (other >= 0).all() and (other < SLOPE.shape).all()
        if inside and np.log(generator.uniform()) < log_p[tuple(other)] - log_p[tuple(place)]:
            place = other
        if step >= 10:
            path.append([SLOPES[place[0]], np.exp(LOGS[place[1]])])
    return np.array(path).T


FAULTS: dict[str, Callable[..., Any]] = {
    "the prior of the slope has another location": density(loc=2.0),
    "the prior of the slope has another scale": density(scale=0.2),
    "a variance is taken for a standard deviation": density(width=lambda log: np.exp(log / 2)),
    "the Jacobian of log sigma has the wrong sign": density(jacobian=-1.0),
    "the Jacobian has the power of another transformation": density(jacobian=3.0),
    "the likelihood counts twice": density(power=2.0),
    "the likelihood counts half": density(power=0.5),
    "observations stand one row too low": data(lambda y: np.roll(y, 1)),
    "an observation has lost its sign": data(lambda y: np.concatenate([y[:-1], -y[-1:]])),
    "steps are biased": drawn(lambda draws: draws + 0.4 * draws.std(axis=1, keepdims=True)),
    "steps are too large and nothing is rejected": drawn(lambda draws: wider(draws, 1.3)),
    "an approximation is too narrow": drawn(lambda draws: wider(draws, 0.75)),
    "the chain is too short": too_short,
}


def replications(method: Callable[..., Any], seed: int, count: int = REPLICATIONS) -> tuple[Any, Any]:
    """Ranks and errors, and how far the fault moves means and standard deviations."""
    generator = np.random.default_rng(seed)
    u, z, moved = [], [], []
    for _ in range(count):
        truth = np.array([generator.normal(), np.exp(generator.normal() / 2)])
        y = X * truth[0] + truth[1] * generator.normal(size=len(X))
        draws, exact = method(y, generator), right(y, generator)
        found = rank(truth, draws[:, None], generator)
        u.append(found.u)
        z.append(found.z)
        sd = exact.std(axis=1)
        moved.append([(draws.mean(axis=1) - exact.mean(axis=1)) / sd, np.log(draws.std(axis=1) / sd)])
    size = np.sqrt(np.mean(np.square(moved), axis=0))
    return verdict(["slope", "sigma"], np.array(u), np.array(z), 0), size


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str) -> None:
    found, size = replications(FAULTS[name], seed=1)
    assert size[0].max() >= 0.3 or size[1].max() >= np.log(1.2)
    assert found.status == "not calibrated", found.sentence


def test_twenty_right_inferences_raise_no_alarm() -> None:
    # Each alarms with a chance of 1 % at most; two of twenty would do so with a chance of 1.7 %.
    found = [replications(right, seed, 300)[0].status for seed in range(20)]
    assert found.count("not calibrated") == 0
