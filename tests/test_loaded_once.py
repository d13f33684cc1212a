"""What tests load once is what users load, whatever was composed before."""

import pytest
from hydra._internal.config_repository import ConfigRepository

import loaded_once
from registry import _composed

TYPED = (
    (),
    ("model=ebm", "energy.hidden=[7]", "sampler.steps=7", "objective=elpd_loo"),
    ("experiment=eight_schools", "model.prior.mu.scale=7", "inference.draws=70"),
    ("model=mdn", "inference=mle", "training.epochs=7", "diagnostics.checks.r_hat.threshold=7"),
    ("inference=auto", "inference.rungs.nuts.draws=70", "model=bernoulli", "model.prior.p.concentration1=7"),
)


def test_a_configuration_knows_nothing_of_those_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    compose = _composed.__wrapped__
    for typed in TYPED:
        compose(*typed)
    again = [compose(*(one for one in typed if "." not in one)) for typed in TYPED]
    monkeypatch.setattr(ConfigRepository, "load_config", loaded_once._load)
    assert again == [compose(*(one for one in typed if "." not in one)) for typed in TYPED]
