"""Training by InfoNCE: what is known of the bound, a mutual information that is learned, and what is refused."""

from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.data.correlated_gaussians import CorrelatedGaussians
from credo.data.dataset import split
from credo.diagnostics.base import Check, put
from credo.diagnostics.ceiling import Ceiling
from credo.diagnostics.collect import collect
from credo.diagnostics.summary import summarise
from credo.energies.critic import CriticModel
from credo.energies.model import EnergyModel
from credo.energies.neural import ConditionalModel, NeuralModel
from credo.energies.samplers.auto import Auto
from credo.errors import ConfigError
from credo.inference.base import NO_CHECKPOINTER
from credo.inference.point.mle import Mle
from credo.inference.result import Result
from credo.inference.training.contrastive import states_of
from credo.inference.training.descent import Batch
from credo.inference.training.infonce import Infonce, add_information, scores
from credo.information.mutual_information import infonce
from credo.models.binding import BoundModel
from credo.models.ebm import Ebm
from credo.models.ebm_derived import add_energy
from credo.models.problem import Problem
from credo.report.run.scores import rows as scores_of
from credo.report.run.scores import title
from registry import values

pytestmark = pytest.mark.slow  # `make proofs` runs them

CONF = Path(__file__).parents[3] / "conf"
K = 32
MI = 1.0


class Quiet:
    def progress(self, *_: Any) -> None:
        pass


def settings_of(path: str) -> dict[str, Any]:
    known: dict[str, Any] = values(CONF / path)
    return known


def training(**settings: Any) -> Infonce:
    return Infonce(**(settings_of("training/infonce.yaml") | {"batch_size": K, "validation": 0.0} | settings))


def critic(**settings: Any) -> CriticModel:
    return CriticModel(**(settings_of("energy/critic.yaml") | {"hidden": (32,), "embedding": 16} | settings))


def conditional(cls: type[NeuralModel] = ConditionalModel) -> NeuralModel:
    known = settings_of("energy/conditional.yaml" if cls is ConditionalModel else "energy/neural.yaml")
    return cls(**(known | {"hidden": (8,)}))


def problem(energy: EnergyModel, how: Any, rows: int = 256, held_out: float = 0.0) -> Problem:
    train, test = split(CorrelatedGaussians(2, MI, rows=rows, test_fraction=held_out, split_seed=0).load(None, 0))  # type: ignore[arg-type]
    normal = {name: dist.Normal(0.0, 1.0) for name in ("weight", "bias")}
    return Problem(Ebm(normal, energy, Auto(10, 0.1), "auto").fitted(train), train, test, how)


def mle() -> Mle:
    return Mle(**{key: value for key, value in settings_of("inference/mle.yaml").items() if key != "checkpoint"})


def run(of: Problem) -> Result:
    return mle().run(of, jax.random.PRNGKey(0), Quiet(), NO_CHECKPOINTER)


def batch(of: Problem, rows: Any) -> Batch:
    program = BoundModel(of.bound.model, jax.tree.map(jnp.asarray, of.bound.arrays), of.bound.sizes)
    return Batch(program.of_rows(rows, of.by_row), rows, of.data.sizes["obs"])


def begun(of: Problem) -> dict[str, Any]:
    """The weights at which training begins, which are unconstrained as they stand."""
    return of.model.start(jax.random.PRNGKey(1))  # type: ignore[return-value, attr-defined]


ENERGIES = {
    "separable": critic,
    "cosine": lambda: critic(similarity="cosine"),
    "bilinear": lambda: critic(similarity="bilinear", temperature=0.5),
    "joint": lambda: critic(kind="joint", temperature=0.5),
    "conditional": conditional,
}


@pytest.mark.parametrize("word", ENERGIES)
def test_scores_are_minus_the_energies_of_all_pairs(word: str) -> None:
    of = problem(ENERGIES[word](), training())
    shifts = (0, 1, 3)

    @jax.jit
    def both() -> Any:
        states, y = states_of(batch(of, jnp.arange(5)).program, begun(of))
        return scores(states, y), [states.energy.batch(jnp.roll(y, -shift, 0)) for shift in shifts]

    all_pairs, energies = both()
    assert all_pairs.shape == (5, 5)
    for shift, of_shifted in zip(shifts, energies, strict=True):  # x_i with y_(i + shift)
        at = (np.arange(5), (np.arange(5) + shift) % 5)
        np.testing.assert_allclose(all_pairs[at], -of_shifted, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_loss_is_at_least_minus_ln_k_and_knows_no_order(symmetric: bool) -> None:
    how = training(symmetric=symmetric)
    of, method = problem(critic(), how), mle()
    rows, key = jnp.arange(K), jax.random.PRNGKey(2)

    @jax.jit
    def loss(chosen: Any, factor: float) -> Any:
        z = jax.tree.map(lambda a: factor * a, begun(of))
        return how.loss(method, batch(of, chosen), z, (), key)

    for factor in (1.0, 3.0, 30.0):
        value, (bound, _) = loss(rows, factor)
        assert value >= -log(K) - 1e-5
        np.testing.assert_allclose(bound, -value, rtol=1e-6)
        permuted, _ = loss(jax.random.permutation(key, rows), factor)
        np.testing.assert_allclose(permuted, value, rtol=1e-4)


def test_it_is_judged_by_groups_of_as_many_rows_as_a_batch_has() -> None:
    how = training(batch_size=4)
    of = problem(critic(), how)

    @jax.jit
    def both() -> Any:
        z = begun(of)
        judged = how.judge(mle(), batch(of, jnp.arange(11)), z, jax.random.PRNGKey(0))
        return judged, [infonce(scores(*states_of(batch(of, jnp.arange(i, i + 4)).program, z))) for i in (0, 4)]

    judged, groups = both()
    np.testing.assert_allclose(judged, -np.mean(groups), atol=1e-6)


def test_a_temperature_is_unknown_only_where_it_is_learned() -> None:
    free, fixed = (problem(critic(temperature=value), training()) for value in (None, 0.5))
    names = [{site.name for site in one.latents} for one in (free, fixed)]
    assert names[0] - names[1] == {"log_temperature"}
    assert set(begun(free)) == names[0]
    temperature = jax.jit(lambda: states_of(fixed.bound, begun(fixed))[0].energy.energy.critic.temperature)
    np.testing.assert_allclose(temperature(), 0.5, rtol=1e-6)


@pytest.fixture(scope="module")
def learned() -> tuple[Problem, Result]:
    of = problem(critic(), training(epochs=6, learning_rate=0.003), rows=8000, held_out=0.4)
    return of, run(of)


def test_the_mutual_information_of_gaussians_is_learned(learned: tuple[Problem, Result]) -> None:
    information = add_information(*learned).tree["information"].to_dataset()
    value, error = float(information["value"][0]), float(information["error"][0])
    assert 0.8 * MI < value < MI + 3 * error
    assert error < 0.05
    assert information["group"].sizes == {"member": 1, "batch": 3200 // K}
    assert float(information["bound"]) == log(K)
    assert float(information["group"].max()) <= log(K)


def test_the_learning_curve_shows_the_bound(learned: tuple[Problem, Result]) -> None:
    curves = learned[1].tree["training"].to_dataset()
    assert curves.attrs["curve"] == "mi_bound"
    assert 0.7 * MI < float(curves["train"][0, -1]) < log(K)
    assert "log_likelihood" not in learned[1].tree.children  # Z is unknown


def without_information(result: Result) -> Result:
    return replace(result, tree=result.tree.filter(lambda node: node.name != "information"))


def ceiling(result: Result) -> Check:
    answer = Ceiling(0.7)(result, summarise(result))
    assert answer is not None
    return answer


def test_information_is_of_infonce_alone(learned: tuple[Problem, Result]) -> None:
    of, result = learned
    other = add_information(replace(of, training=None), without_information(result))
    assert "information" not in other.tree.children
    assert put(Ceiling(0.7), other, summarise(other)) is None


@pytest.mark.parametrize("rows", [0, K - 1])
def test_without_enough_held_out_rows_the_information_is_unknown(rows: int, learned: tuple[Problem, Result]) -> None:
    of, result = learned
    assert of.test is not None
    test = of.test.isel(obs=slice(rows)) if rows else None
    few = add_information(replace(of, test=test), without_information(result))
    answer = ceiling(few)
    assert (answer.status, answer.value) == ("not checked", None)
    assert f"training.batch_size={K} held-out rows, and there are {rows}." in answer.advice
    assert set(collect(few, summarise(few))) & {"mutual_information", "mutual_information_bound"} == {
        "mutual_information_bound"
    }


def test_the_information_its_ceiling_and_the_truth_are_told(learned: tuple[Problem, Result]) -> None:
    """On the screen, in the report and in MLflow, which has nothing of single rows; and there is no Z."""
    of, trained = learned
    result = add_energy(of, add_information(of, without_information(trained)), jax.random.PRNGKey(0))
    assert not {"normaliser", "samples", "density"} & set(result.tree.children)
    answer = ceiling(result)
    assert (answer.status, answer.threshold) == ("passed", 0.7)
    numbers = collect(result, summarise(result))
    assert answer.value == pytest.approx(log(K) - numbers["mutual_information"])
    assert numbers["mutual_information_bound"] == log(K)
    assert numbers["mutual_information_truth"] == MI
    assert 0 < numbers["mutual_information_error"] < 0.05
    assert not [name for name in numbers if name.startswith("posterior/")]
    told = scores_of(result)
    assert [name for name, _, _ in told] == ["mutual information", "its ceiling", "the truth"]
    assert told[0][1].startswith(f"{numbers['mutual_information']:.4g} ± ")
    assert title(result) == "What x tells of y in 3,200 held-out rows"


def test_a_saturated_bound_never_passes(learned: tuple[Problem, Result]) -> None:
    """Whatever the truth is: 8 nats, say, of which the bound shows at most ln K = 3.47."""
    result = add_information(learned[0], without_information(learned[1]))
    near = result.tree["information"].to_dataset()
    for value, status in ((log(K) - 0.71, "passed"), (log(K) - 0.69, "not checked"), (log(K), "not checked")):
        result.tree["information"] = xr.DataTree(near.assign(value=("member", [value])))
        answer = ceiling(result)
        assert answer.status == status
        assert ("It is saturated" in answer.advice) == (status != "passed")


def test_what_it_cannot_train_is_refused() -> None:
    refused = {
        "an energy of y alone; use": problem(conditional(NeuralModel), training()),
        "at least 2 rows": problem(critic(), training(batch_size=1)),
        "only 13 are kept back": problem(critic(), training(validation=0.05)),
    }
    for words, of in refused.items():
        with pytest.raises(ConfigError, match=words):
            of.training.check(of)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "both"}, "kind: expected one of separable, joint"),
        ({"similarity": "l2"}, "similarity: expected one of"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        critic(**settings)


def test_a_critic_needs_x() -> None:
    with pytest.raises(ConfigError, match="needs the variable 'x'"):
        Ebm({}, critic(), Auto(10, 0.1), "auto").fitted(xr.Dataset({"y": ("obs", np.arange(4.0))}))


@pytest.mark.parametrize(("rows", "size"), [(2000, 128), (500, 50), (20, 2), (12, 2)])
def test_a_batch_that_nobody_chose_is_no_larger_than_what_it_is_judged_by(rows: int, size: int) -> None:
    how = training(batch_size=128, validation=0.1)
    assert how.fitted(rows, ("batch_size",)).batch_size == size
    assert how.fitted(rows, ()).batch_size == 128
