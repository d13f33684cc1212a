"""Where the trainings of energies lead: exact gradients, those by samples of the model, and optima at the truth.

Everything is in float64 and of fixed seeds. What is random is compared at 4.5 standard errors, which a right mean
misses with probability 7e-6; each test says how many comparisons it makes.
"""

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from jax.random import PRNGKey, split

from credo.energies.model import EnergyModel
from credo.energies.neural import ConditionalModel, NeuralModel
from credo.energies.polynomial import Polynomial as PolynomialEnergy
from credo.energies.polynomial import PolynomialModel
from credo.energies.quadratic import Quadratic as QuadraticEnergy
from credo.energies.quadratic import QuadraticModel
from credo.energies.rbm import RbmModel
from credo.energies.samplers.auto import Auto
from credo.inference.point.mle import Mle
from credo.inference.training.cd import Cd
from credo.inference.training.contrastive import states_of
from credo.inference.training.descent import Batch
from credo.inference.training.likelihood import Exact
from credo.inference.training.nce import Nce
from credo.inference.training.pcd import Pcd
from credo.inference.training.score_matching import ScoreMatching
from credo.models.binding import BoundModel
from credo.models.ebm import Ebm
from credo.models.energy_distribution import EnergyDistribution
from credo.models.problem import Problem
from registry import values

pytestmark = pytest.mark.slow  # `make proofs` runs them

CONF = Path(__file__).parents[3] / "conf"
ROWS = 20_000
NORMAL = dist.Normal(0.0, 1.0)

# E(x) = t1 x^2 / 2 + t2 x^4: E[x^2 / 2] and E[x^4] from ../shared/reference/closed_forms.json, by quadrature
MOMENTS = {
    (-1.0, 0.5): (0.32261613580729614, 0.8226161358088127),
    (1.0, 0.1): (0.3077635928664711, 0.9611820356676414),
    (-4.0, 1.0): (0.4163727435641901, 1.0827454871283801),
}
THETAS = tuple(MOMENTS)


def settings_of(path: str) -> dict[str, Any]:
    known: dict[str, Any] = values(CONF / path)
    return known


def training(cls: Any, **settings: Any) -> Any:
    """With the settings of its YAML."""
    known = settings_of(f"training/{cls.name}.yaml") | {"validation": 0.0, "batch_size": 1}
    return cls(**(known | settings))


def mle() -> Mle:
    return Mle(**{key: value for key, value in settings_of("inference/mle.yaml").items() if key != "checkpoint"})


def problem(energy: EnergyModel, y: Any, steps: int = 10, **variables: Any) -> Problem:
    """A model of that energy, fitted to the rows y [obs] or [obs, target]."""
    data = xr.Dataset({"y": (("obs", "target")[: np.ndim(y)], np.asarray(y, float)), **variables})
    prior = {name: NORMAL if name != "leading" else dist.Gamma(2.0, 1.0) for name in energy.supports}
    return Problem(Ebm(prior, energy, Auto(steps, 0.1), "auto").fitted(data), data)


def batch(of: Problem) -> Batch:
    """All rows."""
    arrays = jax.tree.map(jnp.asarray, of.bound.arrays)
    rows = of.data.sizes["obs"]
    return Batch(BoundModel(of.bound.model, arrays, of.bound.sizes), jnp.arange(rows), rows)


def gradient(how: Any, of: Batch, z: Any, memory: Any, key: jax.Array) -> dict[str, jax.Array]:
    """Of the training's loss, by site, unconstrained."""
    return jax.grad(how.loss, argnums=2, has_aux=True)(mle(), of, z, memory, key)[0]  # type: ignore[no-any-return]


def flat(tree: dict[str, Any]) -> np.ndarray:
    return np.concatenate([np.ravel(tree[name]) for name in sorted(tree)])


# ---------------------------------------------------------------------------------------------- exact gradients


STATES = np.array(list(product([0.0, 1.0], repeat=6)))


def seeded(seed: int) -> dict[str, np.ndarray]:
    """The machine of 6 x 4 units of closed_forms.json, for seed 0; sites in the order in which it draws them."""
    rng = np.random.default_rng(seed)
    sizes = {"weights": (6, 4), "visible_bias": 6, "hidden_bias": 4}
    return {name: rng.normal(0, 0.5, size) for name, size in sizes.items()}


def probabilities(machine: dict[str, np.ndarray]) -> np.ndarray:
    """Of all 64 states, by the sums over hidden units."""
    drive = machine["hidden_bias"] + STATES @ machine["weights"]
    p = np.exp(STATES @ machine["visible_bias"] + np.log1p(np.exp(drive)).sum(1))
    return p / p.sum()


def slopes(machine: dict[str, np.ndarray]) -> np.ndarray:
    """dE/dtheta [state, parameter] by hand: -v h', -v and -h with h = E[h | v]; sites in alphabetical order."""
    h = 1 / (1 + np.exp(-machine["hidden_bias"] - STATES @ machine["weights"]))
    products = (STATES[:, :, None] * h[:, None, :]).reshape(len(STATES), -1)
    return -np.concatenate([h, STATES, products], 1)


def drawn(machine: dict[str, np.ndarray], rows: int, seed: int) -> np.ndarray:
    return STATES[np.random.default_rng(seed).choice(64, rows, p=probabilities(machine))]


def exact_gradient(machine: dict[str, np.ndarray], y: np.ndarray) -> np.ndarray:
    """dE/dtheta at the data, minus its expectation over the model."""
    seen = np.bincount((y @ 2 ** np.arange(5, -1, -1)).astype(int), minlength=64) / len(y)
    return (seen - probabilities(machine)) @ slopes(machine)


MACHINE = seeded(0)
Y = drawn(seeded(7), ROWS, 1)
"""Rows of another machine."""


def test_the_gradient_of_the_likelihood_of_a_machine_is_the_exact_one() -> None:
    of = problem(RbmModel("bernoulli", 4, None), Y)
    found = jax.jit(partial(gradient, training(Exact)))(batch(of), MACHINE, (), PRNGKey(0))
    known = exact_gradient(MACHINE, Y)
    np.testing.assert_allclose(flat(found), known, rtol=1e-9, atol=1e-12)
    assert np.linalg.norm(known) > 0.3


@pytest.mark.parametrize("theta", THETAS)
def test_the_gradient_of_the_likelihood_of_a_polynomial_is_the_exact_one(theta: tuple[float, float]) -> None:
    """Mean of x^k minus E[x^k]; the leading coefficient is trained as a logarithm."""
    y = np.random.default_rng(0).normal(0.3, 0.8, 200)
    of = problem(PolynomialModel((2, 4)), y)
    z = {"theta": jnp.array([theta[0] / 2]), "leading": jnp.log(theta[1])}
    found = EXACT(batch(of), z)
    second, fourth = MOMENTS[theta]
    np.testing.assert_allclose(found["theta"], [(y**2).mean() - 2 * second], rtol=1e-9)
    np.testing.assert_allclose(found["leading"], theta[1] * ((y**4).mean() - fourth), rtol=1e-9)


@jax.jit
def EXACT(of: Batch, z: Any) -> dict[str, jax.Array]:
    return gradient(training(Exact), of, z, (), PRNGKey(0))


# ------------------------------------------------------------------------------------------ gradients by samples


def near(machine: dict[str, np.ndarray], found: np.ndarray, known: np.ndarray) -> tuple[float, float]:
    """The cosine of two gradients, and their largest difference in standard errors of a mean over as many states."""
    p, slope = probabilities(machine), slopes(machine)
    error = np.sqrt((p @ slope**2 - (p @ slope) ** 2) / ROWS)
    cosine = found @ known / np.linalg.norm(found) / np.linalg.norm(known)
    return float(cosine), float(np.max(np.abs(found - known) / error))


@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_persistent_chains_make_the_exact_gradient(factor: float) -> None:
    """20,000 chains after five steps of ten sweeps, of the machine and of one with four times its weights.

    34 comparisons each, false alarms 5e-4 together; 0.99 is far from the cosine of so many independent states, 0.9998.
    """
    machine = {name: factor * value for name, value in MACHINE.items()}
    found = flat(PERSISTENT(batch(problem(RbmModel("bernoulli", 4, None), Y)), machine, PRNGKey(2)))
    cosine, off = near(machine, found, exact_gradient(machine, Y))
    assert cosine > 0.99
    assert off < 4.5


@jax.jit
def PERSISTENT(of: Batch, z: Any, key: jax.Array) -> dict[str, jax.Array]:
    """The gradient of `Pcd.loss` after steps at fixed latents, from its own beginning."""
    how = training(Pcd, chains=ROWS)
    begin_key, step_key, key = split(key, 3)

    def one(memory: Any, key: jax.Array) -> Any:
        return how.loss(mle(), of, z, memory, key)[1][1], None

    memory, _ = jax.lax.scan(one, how.begin(of.program, begin_key), split(step_key, 5))
    return gradient(how, of, z, memory, key)


@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_contrastive_divergence_makes_the_exact_gradient_if_k_is_large_enough(factor: float) -> None:
    """k = 10, the sweeps of `conf/sampler/gibbs.yaml`, of 20,000 rows; as above, 34 comparisons each.

    These machines forget quickly. Even so k = 1 can be told from the truth: of the larger weights it is off by more
    than 50 standard errors, though not in direction (its cosine is 0.998).
    """
    machine = {name: factor * value for name, value in MACHINE.items()}
    known = exact_gradient(machine, Y)
    cosine, off = near(machine, CD[10](machine), known)
    assert cosine > 0.99
    assert off < 4.5
    assert near(machine, CD[1](machine), known)[1] > (50 if factor > 1 else 4.5)


def contrastive(k: int) -> Callable[[Any], np.ndarray]:
    """The gradient of CD-k at a machine."""
    how, found = (
        training(Cd),
        jax.jit(lambda of, z, key: gradient(training(Cd), of, z, how.begin(of.program, key), key)),
    )
    return lambda machine: flat(found(batch(problem(RbmModel("bernoulli", 4, None), Y, steps=k)), machine, PRNGKey(3)))


CD = {k: contrastive(k) for k in (1, 10)}


# ------------------------------------------------------------------------------------------------ score matching


SD = 0.7
"""Of the rows that a family was fitted to: score matching works in units of it."""
FAMILY = PolynomialModel((2, 4), mean=(0.0,), sd=(SD,))
NODES, LOG_WEIGHTS = FAMILY.normaliser.nodes


def coefficients(theta: tuple[float, float]) -> jax.Array:
    """Of x^2 and x^4."""
    return jnp.array([theta[0] / 2, theta[1]])


def density(theta: Any) -> np.ndarray:
    """The probabilities of the nodes."""
    log_p = LOG_WEIGHTS - NODES[:, 0] ** 2 * float(theta[0]) - NODES[:, 0] ** 4 * float(theta[1])
    p = np.exp(log_p - log_p.max())
    return p / p.sum()


@partial(jax.jit, static_argnums=(0, 1))
def objective(form: str, sigma: float, theta: jax.Array, p: jax.Array, keys: jax.Array) -> Any:
    """Gradients [key, 2] and Hessian [2, 2] by the coefficients of what is descended, the data being the nodes."""
    how = training(ScoreMatching, form=form, sigma=sigma)

    def value(theta: jax.Array, key: jax.Array) -> jax.Array:
        states = EnergyDistribution(PolynomialEnergy(theta, (2, 4)), FAMILY, Auto(1, 0.1), None, len(p), scalar=False)
        return p @ how.divergence(states, jnp.asarray(NODES), key)

    return jax.vmap(jax.grad(value), (None, 0))(theta, keys), jax.hessian(value)(theta, keys[0])


def off(gradients: Any) -> np.ndarray:
    """The mean of gradients [repeat, ...] in its standard errors."""
    values = np.asarray(gradients)
    error = values.std(0) / np.sqrt(len(values))
    return np.abs(values.mean(0)) / np.maximum(error, 1e-12)


@pytest.mark.parametrize("theta", THETAS)
def test_exact_score_matching_is_least_at_the_truth(theta: tuple[float, float]) -> None:
    """The expectation by quadrature; E is linear in theta, so that a positive Hessian makes it the only minimum."""
    true = coefficients(theta)
    (slope,), hessian = objective("exact", 0.1, true, density(true), split(PRNGKey(0), 1))
    np.testing.assert_allclose(slope, 0.0, atol=1e-8)
    assert np.linalg.eigvalsh(hessian).min() > 0.01


@pytest.mark.parametrize("theta", THETAS)
def test_sliced_score_matching_is_least_at_the_truth(theta: tuple[float, float]) -> None:
    """Of 1,000 sets of random directions; two comparisons each, and twice the truth is told from it."""
    true, keys = coefficients(theta), split(PRNGKey(1), 1000)
    slopes, hessian = objective("sliced", 0.1, true, density(true), keys)
    assert off(slopes).max() < 4.5
    assert np.linalg.eigvalsh(hessian).min() > 0.01
    assert off(objective("sliced", 0.1, 2 * true, density(true), keys)[0]).max() > 20


def of_noisy_data(theta: Any, sigma: float) -> np.ndarray:
    """The coefficients whose score is nearest to that of the density with noise, by quadrature.

    The score is linear in the coefficients, -theta.phi with phi = (2 x, 4 x^3), so that they solve
    E[phi phi'] theta = E[dphi/dx], the expectations being those of the noisy data (Hyvarinen 2005).
    """
    n, weights = np.polynomial.hermite_e.hermegauss(20)
    x = NODES + sigma * SD * n
    p = density(theta)[:, None] * weights / weights.sum()
    phi, bend = np.array([2 * x, 4 * x**3]), np.array([2 + 0 * x, 12 * x**2])
    kept = p > 0
    return np.linalg.solve((phi * p)[:, kept] @ phi[:, kept].T, bend[:, kept] @ p[kept])


@pytest.mark.parametrize("theta", THETAS)
def test_denoising_score_matching_is_least_at_the_truth_of_noisy_data(theta: tuple[float, float]) -> None:
    """With much noise, sigma = 0.5: not at theta itself. Of 4,000 sets of noise; two comparisons each.

    The noisy density is not exp(-E) of any theta. What is found is the theta whose score is nearest to its score
    (Vincent 2011), which tends to the truth as sigma^2: half the noise is a quarter of the error.
    """
    true, keys = coefficients(theta), split(PRNGKey(2), 4000)
    best = of_noisy_data(true, 0.5)
    slopes, hessian = objective("denoising", 0.5, jnp.asarray(best), density(true), keys)
    assert off(slopes).max() < 4.5
    assert np.linalg.eigvalsh(hessian).min() > 0
    assert off(objective("denoising", 0.5, true, density(true), keys)[0]).max() > 20
    errors = [np.linalg.norm(of_noisy_data(true, sigma) - true) for sigma in (0.02, 0.01)]
    assert errors[0] / errors[1] == pytest.approx(4.0, abs=0.05)
    assert errors[1] < 0.01 * np.linalg.norm(true)


MU, P = np.array([0.5, -1.0]), np.array([[2.0, 0.6], [0.6, 1.0]])
UNIT = (1.0, 3.0)


def plane(mu: Any, precision: Any) -> EnergyDistribution:
    family = QuadraticModel(mean=(0.0, 0.0), sd=UNIT)
    return EnergyDistribution(QuadraticEnergy(mu, precision), family, Auto(1, 0.1), None, 50, scalar=False)


def test_in_several_dimensions_the_trace_is_the_gaussians() -> None:
    """-tr(S P S) + |S P (y - mu)|^2 / 2 in units S; sliced in the mean over directions. 50 comparisons."""
    y = np.random.default_rng(4).normal(size=(50, 2))
    exact, sliced = (training(ScoreMatching, form=form).divergence for form in ("exact", "sliced"))
    keys = split(PRNGKey(3), 2000)
    both = jax.jit(lambda s: (exact(s, y, keys[0]), jax.vmap(lambda key: sliced(s, y, key))(keys)))
    one, many = both(plane(MU, P))
    known = -np.trace(P * np.outer(UNIT, UNIT)) + 0.5 * np.square((y - MU) @ P * UNIT).sum(1)
    np.testing.assert_allclose(one, known, rtol=1e-12)
    assert off(np.asarray(many) - known).max() < 4.5


def test_of_a_gaussian_it_finds_the_moments() -> None:
    y = np.random.default_rng(5).normal(size=(50, 2)) @ np.array([[1.0, 0.4], [0.0, 0.6]])
    how, key = training(ScoreMatching, form="exact"), PRNGKey(0)
    slopes = jax.jit(jax.grad(lambda *theta: how.divergence(plane(*theta), y, key).mean(), (0, 1)))
    at_mean, at_precision = slopes(jnp.asarray(y.mean(0)), jnp.asarray(np.linalg.inv(np.cov(y.T, bias=True))))
    np.testing.assert_allclose(at_mean, 0.0, atol=1e-10)
    np.testing.assert_allclose(at_precision + at_precision.T, 0.0, atol=1e-10)
    assert np.abs(slopes(jnp.asarray(y.mean(0) + 0.1), jnp.asarray(P))[0]).max() > 0.1


# --------------------------------------------------------------------------------- noise contrastive estimation


def neural(cls: type[NeuralModel] = NeuralModel) -> NeuralModel:
    known = settings_of("energy/conditional.yaml" if cls is ConditionalModel else "energy/neural.yaml")
    return cls(**(known | {"hidden": (3,), "activation": "tanh", "dtype": "float64"}))


@jax.jit
def weights(program: BoundModel) -> dict[str, jax.Array]:
    """Larger ones than networks begin with: densities that are no Gaussians; with the last bias that makes Z = 1."""
    z = {name: 3.0 * value for name, value in program.model.start(PRNGKey(5)).items()}
    states, _ = states_of(program, z)
    assert states.normaliser is not None
    if states.model.conditional:
        return z
    return z | {"head_bias": z["head_bias"] + states.normaliser.log_z(states.energy)}


def quartic(_: BoundModel) -> dict[str, jax.Array]:
    return {"theta": jnp.array([-0.5]), "leading": jnp.log(0.5)}


ROW = np.random.default_rng(6).normal(0.3, 0.9, 40)
X = {"x": (("obs", "feature"), np.linspace(-1, 1, 40)[:, None])}

NCE: dict[str, tuple[Callable[[], Problem], Callable[[BoundModel], Any], dict[str, Any]]] = {
    "ranking": (lambda: problem(PolynomialModel((2, 4)), ROW), quartic, {"noise": "gaussian", "samples": 32}),
    "ranking, kde": (lambda: problem(PolynomialModel((2, 4)), ROW), quartic, {"noise": "kde", "samples": 32}),
    "ranking, units": (
        lambda: problem(RbmModel("bernoulli", 4, None), Y[:40]),
        lambda _: {name: jnp.asarray(value) for name, value in MACHINE.items()},
        {"noise": "base", "samples": 32},
    ),
    "binary": (lambda: problem(neural(), ROW), weights, {"form": "binary", "noise": "gaussian", "samples": 3}),
    "conditional": (lambda: problem(neural(ConditionalModel), ROW, **X), weights, {"noise": "gaussian", "samples": 8}),
    "local": (
        lambda: problem(neural(ConditionalModel), ROW, **X),
        weights,
        {"noise": "local", "widths": (2.0,), "samples": 64},
    ),
}


def nce_gradients(of: Problem, how: Nce, true: Any, shifts: tuple[float, ...]) -> list[np.ndarray]:
    """Gradients [repeat, scalar] at the truth and shifts of it, of 500 data sets that are drawn exactly."""

    @jax.jit
    def gradients(of: Batch, true: Any, z: Any, keys: jax.Array) -> dict[str, jax.Array]:
        memory = how.begin(of.program, PRNGKey(9))

        def one(key: jax.Array) -> dict[str, jax.Array]:
            draw_key, key = split(key)
            y = states_of(of.program, true)[0].sample(draw_key)
            program = BoundModel(of.program.model, {**of.program.arrays, "y": y}, of.program.sizes)
            return gradient(how, Batch(program, of.rows, of.total), z, memory, key)

        return jax.vmap(one)(keys)

    keys = split(PRNGKey(4), 500)
    found = [gradients(batch(of), true, {k: v + shift for k, v in true.items()}, keys) for shift in shifts]
    return [np.concatenate([np.reshape(value, (500, -1)) for value in one.values()], 1) for one in found]


SLOW = ("ranking, kde", "ranking, units")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in NCE])
def test_noise_contrastive_estimation_is_least_at_the_truth(name: str) -> None:
    """About 70 comparisons together, false alarms 5e-4; and other latents are told from the truth.

    `local` noise is about the observed y, so that its densities tell which it is: the truth is the optimum only for
    many samples that reach as far as the density (see below).
    """
    make, latents, settings = NCE[name]
    of = make()
    here, there = nce_gradients(of, training(Nce, **settings), latents(of.bound), (0.0, 0.3))
    assert off(here).max() < 4.5
    assert off(there).max() > 10


@pytest.mark.slow
def test_few_samples_of_local_noise_are_biased() -> None:
    """As an estimate of log Z by importance sampling is: 4 samples are off where 64 were not."""
    make, latents, settings = NCE["local"]
    of = make()
    (few,) = nce_gradients(of, training(Nce, **settings | {"samples": 4}), latents(of.bound), (0.0,))
    assert off(few).max() > 6
