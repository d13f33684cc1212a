"""What has no effect in a model is refused where it is typed, and is no param in MLflow."""

from pathlib import Path

import pytest

from console import QUIET, credo
from credo.config import messages
from credo.experiment.parts import build
from registry import compose

SERIES = {"prior.sigma_level", "prior.sigma_slope", "prior.sigma_seasonal", "prior.sigma_ar", "prior.partial"}
EXACT = {"basis", "boundary"}
BMI = "data=diabetes data.features=[bmi] model=gaussian_process"


@pytest.mark.parametrize(
    ("words", "unread"),
    [
        ("data=inline data.values=[1.0,2.0] model=gaussian", {"prior.sigma", "hypotheses"}),
        ("data=inline data.values=[1.0,2.0] model=gaussian model.sigma=null", {"hypotheses"}),
        ("data=inline data.values=[1.0,2.0] model=gaussian prior@model.prior.loc=bernoulli", {"prior.sigma"}),
        ("data=eight_schools model=hierarchical", {"prior.sigma"}),
        ("data=synthetic data.sigma=null model=hierarchical", set()),
        (BMI, {"prior.period", *EXACT}),
        (f"{BMI} model.kernel=periodic", EXACT),
        (f"{BMI} model.kernel=linear", {"prior.period", "prior.lengthscale", *EXACT}),
        (f"{BMI} model.approximation=hsgp", {"prior.period"}),
        ("data=nile model=time_series", SERIES - {"prior.sigma_level"}),
        ("data=nile model=time_series model.level=trend", SERIES - {"prior.sigma_level", "prior.sigma_slope"}),
        ("data=nile model=time_series model.level=none model.ar=1", SERIES - {"prior.sigma_ar", "prior.partial"}),
        ("data=nile model=time_series model.period=4", SERIES - {"prior.sigma_level", "prior.sigma_seasonal"}),
    ],
)
def test_the_model_says_what_it_does_not_read(words: str, unread: set[str]) -> None:
    config = compose(*words.split())
    messages.refuse(config)
    problem, _ = build(config).problem(0)
    assert set(problem.model.unread) == unread


def test_it_is_refused_where_it_is_typed(tmp_path: Path) -> None:
    said = credo("experiment=eight_schools", "model.prior.sigma.scale=3", *QUIET, cwd=tmp_path)
    assert (said.code, said.err) == (
        2,
        "credo: model.prior.sigma.scale: the data has known standard errors; leave it out\n",
    )
