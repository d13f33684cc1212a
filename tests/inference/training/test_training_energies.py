"""Trainings of energies: explosions, interruptions, and what is refused before anything compiles."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr

from credo.energies.ising import IsingModel
from credo.energies.model import EnergyModel
from credo.energies.neural import ConditionalModel, NeuralModel
from credo.energies.polynomial import PolynomialModel
from credo.energies.rbm import RbmModel
from credo.energies.samplers.auto import Auto
from credo.energies.samplers.base import Sampler
from credo.energies.samplers.gibbs import Gibbs
from credo.energies.samplers.mala import Mala
from credo.errors import ConfigError, RunError
from credo.inference.base import NO_CHECKPOINTER, Checkpointer, Inference, Listener
from credo.inference.result import Result, Status
from credo.inference.state import packed, unpacked
from credo.inference.training import epoch, loop
from credo.inference.training.cd import Cd
from credo.inference.training.descent import Descent
from credo.inference.training.langevin import Langevin
from credo.inference.training.likelihood import Exact, Likelihood
from credo.inference.training.nce import Nce
from credo.inference.training.pcd import Pcd
from credo.inference.training.score_matching import ScoreMatching
from credo.models.ebm import Ebm
from credo.models.mdn import Mdn
from credo.models.problem import Problem
from interruptions import Cut, Memory
from registry import values

CONF = Path(__file__).parents[3] / "conf"
ROWS = 48
NORMAL = dist.Normal(0.0, 1.0)
LATENTS = ("weight", "bias", "theta", "fields", "weights", "visible_bias", "hidden_bias")
PRIOR = dict.fromkeys(LATENTS, NORMAL) | {name: dist.HalfNormal(1.0) for name in ("leading", "inverse_temperature")}


def settings_of(path: str) -> dict[str, Any]:
    known: dict[str, Any] = values(CONF / path)
    return known


FEW = {"validation": 0.0, "batch_size": 16, "chains": 32, "steps": 2, "samples": 8, "centers": 8, "epochs": 6}


def training(cls: type[Descent], **settings: Any) -> Descent:
    """With the settings of its YAML, of little work."""
    known = settings_of(f"training/{cls.name}.yaml")
    return cls(**(known | {name: value for name, value in FEW.items() if name in known} | settings))


def neural(cls: type[NeuralModel] = NeuralModel, **settings: Any) -> NeuralModel:
    known = settings_of("energy/conditional.yaml" if cls is ConditionalModel else "energy/neural.yaml")
    return cls(**(known | {"hidden": (4,)} | settings))


def ising(**settings: Any) -> IsingModel:
    return IsingModel(**(settings_of("energy/ising.yaml") | {"shape": (2, 2)} | settings))


RANDOM = np.random.default_rng(0)
REAL = RANDOM.normal(size=(ROWS, 2))
SPINS = RANDOM.choice([-1.0, 1.0], (ROWS, 4))


def problem(
    energy: EnergyModel, how: Any, y: np.ndarray = REAL, sampler: Sampler | None = None, normaliser: str = "auto"
) -> Problem:
    variables = {"y": (("obs", "target")[: y.ndim], y), "x": (("obs", "feature"), REAL)}
    data = xr.Dataset(variables if energy.conditional else {"y": variables["y"]})
    prior = {name: PRIOR[name] for name in energy.supports if name in PRIOR}
    model = Ebm(prior, energy, Auto(2, 0.1) if sampler is None else sampler, normaliser)
    return Problem(model.fitted(data), data, training=how)


# ---------------------------------------------------------------------------------------------------- explosions

Fit = Callable[..., Result]


@pytest.fixture(scope="module")
def fit(method: Callable[..., Inference], quiet: Listener) -> Fit:
    """Check and train: `fit(problem)`."""

    def run(of: Problem, listener: Listener = quiet, checkpointer: Checkpointer = NO_CHECKPOINTER) -> Result:
        chosen = method("mle")
        chosen.check(of)
        return chosen.run(of, jax.random.PRNGKey(0), listener, checkpointer)

    return run


class Diary(Memory):
    """A checkpointer to which every block is told, and which has them all."""

    def __init__(self) -> None:
        super().__init__(due=True)
        self.pages: list[Any] = []

    def save(self, kept: Any) -> None:
        super().save(kept)
        self.pages.append(self.kept)


def member(kept: Any, of: Problem) -> epoch.Member:
    """What is kept of a training."""
    keys = jax.random.split(jax.random.PRNGKey(0), 1)
    shape = jax.eval_shape(lambda: epoch.begin(of.training, of.bound, keys))
    return unpacked(kept.arrays, shape)  # type: ignore[no-any-return]


PLAIN = {"clip": None, "schedule": "constant", "epochs": 24}
EXPLOSIVE = [pytest.param(Pcd, 100.0, marks=pytest.mark.slow), (Langevin, 10.0)]
"""Rates at which the energies of data and samples part by 1e5 nats, after a few epochs."""


@pytest.mark.parametrize(("cls", "rate"), EXPLOSIVE)
def test_an_explosion_ends_the_run_and_keeps_the_last_good_weights(
    cls: type[Descent], rate: float, fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SECONDS", 0.0)  # blocks of one epoch
    of = problem(neural(), training(cls, **PLAIN, learning_rate=rate), normaliser="none")
    diary = Diary()
    sentence = (
        rf"^training={cls.name}: the energy_gap exploded in epoch \d+; the last good weights are in the run's folder "
        r"checkpoint; lower training\.learning_rate, set training\.clip, or regularise$"
    )
    with pytest.raises(RunError, match=sentence) as refused:
        fit(of, checkpointer=diary)
    *_, good, bad, last = (member(kept, of) for kept in diary.pages)  # the last one twice: when it was bad, at the end
    epoch = int(bad.epoch[0])
    assert 1 < epoch < 24
    assert f"in epoch {epoch};" in str(refused.value)
    assert (int(good.epoch[0]), bool(good.finite), bool(bad.finite)) == (epoch - 1, True, False)
    for name in ("z", "best", "average", "optimiser", "memory"):
        before, *after = (jax.tree.leaves(getattr(one, name)) for one in (good, bad, last))
        assert all(np.isfinite(leaf).all() for leaf in before)
        for leaves in after:
            assert all(np.array_equal(one, other) for one, other in zip(before, leaves, strict=True))
    with pytest.raises(RunError, match=f"in epoch {epoch};"):
        fit(of, checkpointer=Memory(diary.kept))  # it is not tried again


def same(one: Result, other: Result) -> bool:
    groups = set(one.tree.children)
    return groups == set(other.tree.children) and all(
        one.tree[group].to_dataset().identical(other.tree[group].to_dataset()) for group in groups
    )


@pytest.mark.parametrize("cls", [Pcd, Langevin])
def test_training_taken_up_again_has_the_same_bits(
    cls: type[Descent], fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the chains, or the buffer, where they were; without them it goes elsewhere."""
    monkeypatch.setattr(loop, "SECONDS", 1e9)  # blocks of 1, 2, 4, 8 and 9 epochs
    of = problem(neural(), training(cls, **PLAIN), normaliser="none")
    whole = fit(of)
    assert whole.status is Status.DONE
    cut = Memory()
    with pytest.raises(KeyboardInterrupt):
        fit(of, listener=Cut(5), checkpointer=cut)
    now = member(cut.kept, of)
    assert 0 < int(now.epoch[0]) < 24
    assert now.memory.walkers.x.shape == (1, 32, 2)
    assert same(fit(of, checkpointer=Memory(cut.kept)), whole)
    lost = now._replace(memory=jax.tree.map(np.zeros_like, now.memory))
    forgetful = Memory(replace(cut.kept, arrays=packed(lost)))  # type: ignore[type-var]
    assert not same(fit(of, checkpointer=forgetful), whole)


# ------------------------------------------------------------------------------------------------------ refusals


def tractable(how: Any) -> Problem:
    return problem(PolynomialModel((2, 4)), how, REAL[:, 0])


def mdn(how: Any) -> Problem:
    data = xr.Dataset({"y": ("obs", REAL[:, 0]), "x": (("obs", "feature"), REAL)})
    known = settings_of("model/mdn.yaml") | {"hidden": [2], "components": 1}
    return Problem(Mdn(dict.fromkeys(("weight", "bias"), NORMAL), **known).fitted(data), data, training=how)


BOUNDED = {"bounds": ((-5.0, 5.0),)}
INTRACTABLE = (
    "needs the likelihood, but Z of this energy is intractable: it depends on theta and cannot be computed; use "
    "inference=exchange for the posterior, or inference=mle with training=pcd, nce or score_matching for an estimate"
)
REFUSED: dict[str, tuple[Callable[[], Problem], str]] = {
    **{
        f"{cls.name} of no energy": (
            lambda cls=cls: mdn(training(cls)),
            f"training={cls.name} trains energies, but model=mdn has none; use training=likelihood, or model=ebm",
        )
        for cls in (Cd, Pcd, Langevin, ScoreMatching, Nce)
    },
    "score_matching of units": (
        lambda: problem(ising(), training(ScoreMatching), SPINS),
        "training=score_matching needs real states, but these are discrete; use training=pcd",
    ),
    "score_matching within bounds": (
        lambda: problem(neural(**BOUNDED), training(ScoreMatching)),
        (
            "training=score_matching needs a density without bounds, as it sees nothing of a jump at them; set "
            "energy.bounds=null and energy.tail=2, or use training=nce"
        ),
    ),
    "exact": (lambda: problem(neural(), training(Exact), normaliser="none"), f"training=exact {INTRACTABLE}"),
    "exact of three dimensions": (
        lambda: problem(neural(), training(Exact), RANDOM.normal(size=(ROWS, 3))),
        f"training=exact {INTRACTABLE}",
    ),
    "likelihood": (
        lambda: problem(neural(), training(Likelihood), normaliser="none"),
        f"training=likelihood {INTRACTABLE}",
    ),
    "no training": (
        lambda: problem(neural(), None, normaliser="none"),
        f"inference=mle without a training {INTRACTABLE}",
    ),
    "pcd by gibbs": (
        lambda: problem(neural(), training(Pcd), sampler=Gibbs(1)),
        (
            "sampler: gibbs knows the conditional laws of ising, potts and rbm, but not of Neural; choose mh for "
            "discrete units, mala for real numbers, or auto"
        ),
    ),
    "cd by mala": (
        lambda: problem(ising(), training(Cd), SPINS, sampler=Mala(1, 0.1)),
        "sampler: mala moves real numbers, but the units of Ising are discrete; choose gibbs, mh or auto",
    ),
    "langevin of units": (
        lambda: problem(ising(), training(Langevin), SPINS),
        "training=langevin moves real numbers, but these states are discrete; use training=pcd",
    ),
    "binary without networks": (
        lambda: tractable(training(Nce, form="binary")),
        (
            "training.form: binary learns log Z as the last bias of a network, but this energy has none; use "
            "training.form=ranking"
        ),
    ),
    "kde of units": (
        lambda: problem(ising(), training(Nce), SPINS),
        "training.noise: discrete states need base, but got kde; set training.noise=base",
    ),
    "local without x": (
        lambda: tractable(training(Nce, noise="local")),
        "training.noise: local is for training.form=ranking of a conditional energy; use kde",
    ),
    "local and binary": (
        lambda: problem(neural(ConditionalModel), training(Nce, noise="local", form="binary"), REAL[:, 0]),
        "training.noise: local is for training.form=ranking of a conditional energy; use kde",
    ),
    "uniform without bounds": (
        lambda: problem(neural(), training(Nce, noise="uniform")),
        "training.noise: uniform needs energy.bounds, but there are none; use kde",
    ),
    "batch": (
        lambda: problem(neural(), training(Pcd, batch_size=49)),
        "training.batch_size: expected at most the 48 rows that are trained on, but got 49; use a smaller one",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_training_cannot_do_is_refused(case: str, method: Callable[..., Inference]) -> None:
    make, sentence = REFUSED[case]
    with pytest.raises(ConfigError) as refused:
        method("mle").check(make())
    assert str(refused.value) == sentence


@pytest.mark.parametrize("word", ["nuts", "hmc", "mh"])
def test_chains_need_z_and_name_exchange(word: str, method: Callable[..., Inference]) -> None:
    with pytest.raises(ConfigError) as refused:
        method(word).check(problem(PolynomialModel((2, 4)), None, REAL[:, 0], normaliser="none"))
    assert str(refused.value) == f"inference={word} {INTRACTABLE}"
    method(word).check(tractable(None))


TAKEN: dict[str, Callable[[], Problem]] = {
    "cd": lambda: problem(RbmModel("bernoulli", 2, None), training(Cd), (SPINS + 1) / 2),
    "pcd": lambda: problem(ising(), training(Pcd), SPINS),
    "langevin": lambda: problem(neural(**BOUNDED), training(Langevin)),
    "score_matching": lambda: problem(neural(), training(ScoreMatching)),
    "exact": lambda: problem(neural(), training(Exact)),
    "uniform": lambda: problem(neural(**BOUNDED), training(Nce, noise="uniform", form="binary")),
    "base": lambda: problem(ising(), training(Nce, noise="base"), SPINS),
    "local": lambda: problem(neural(ConditionalModel), training(Nce, noise="local"), REAL[:, 0]),
}


@pytest.mark.parametrize("word", TAKEN)
def test_what_a_training_can_do_is_taken(word: str, method: Callable[..., Inference]) -> None:
    method("mle").check(TAKEN[word]())


@pytest.mark.parametrize(
    ("cls", "settings", "sentence"),
    [
        (ScoreMatching, {"form": "x"}, "form: expected one of exact, sliced, denoising, but got 'x'"),
        (Nce, {"form": "x"}, "form: expected one of binary, ranking, but got 'x'"),
        (Nce, {"noise": "x"}, "noise: expected one of kde, gaussian, uniform, base, local, but got 'x'"),
        (Nce, {"widths": ()}, "widths: expected at least one, but got none; training.widths=[1.0], say"),
    ],
)
def test_settings_out_of_range_are_refused(cls: type[Descent], settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        training(cls, **settings)
    assert str(refused.value) == sentence
