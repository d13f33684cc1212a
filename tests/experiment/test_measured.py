"""The hint of a small model on a GPU, as far as a CPU can show it."""

from typing import Any

import jax
import numpyro.distributions as dist
import xarray as xr

from credo.experiment import measured
from credo.experiment.measured import Seconds
from credo.models.bernoulli import Bernoulli
from credo.models.problem import Problem

PROBLEM = Problem(Bernoulli({"p": dist.Beta(1.0, 1.0)}), xr.Dataset({"y": ("flip", [1, 1, 0])}))


def test_a_gradient_is_measured_on_both() -> None:
    found = measured.gradients(PROBLEM, 3)
    assert found is not None
    assert found.chains == 3
    assert 0 < found.gpu < 1
    assert 0 < found.cpu < 1


def test_nothing_is_measured_without_a_cpu_or_a_gradient(monkeypatch: Any) -> None:
    monkeypatch.setattr(measured, "_cpus", list)
    assert measured.gradients(PROBLEM, 3) is None
    monkeypatch.undo()
    discrete = Problem(Bernoulli({"p": dist.Beta(1.0, 1.0)}), PROBLEM.data)
    monkeypatch.setattr(measured, "_seconds", lambda *_: 1 / 0)
    assert measured.gradients(discrete, 3) is None


def test_the_hint_has_the_numbers() -> None:
    four, one = Seconds(2e-3, 5e-5, 4), Seconds(4e-4, 5e-5, 1)
    times = "the gradient of 4 chains in step takes 2.0 ms on the GPU and 50 µs on the CPU"
    assert measured.told(four, "auto") == f"device=auto takes the CPU: {times}"
    times = "the gradient of one chain takes 400 µs on the GPU and 50 µs on the CPU"
    assert measured.told(one, "gpu") == f"device=gpu: {times}, so that device=cpu is faster for this model"
    assert measured.told(Seconds(5e-5, 4e-4, 1), "gpu") is None


def test_the_measurement_is_recorded_with_the_choice() -> None:
    used = {"platform": "gpu", "devices": 1, "precision": "float32"}
    found = measured.recorded(used, Seconds(2e-3, 5e-5, 4), "cpu")
    assert found["platform"] == "cpu"
    assert found["gradient_seconds"] == {"gpu": 2e-3, "cpu": 5e-5}
    assert jax.default_backend() == "cpu"
