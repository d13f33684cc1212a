"""A classifier is a network with a softmax: known answers of a linear one, images, and what is refused."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import xarray as xr
from sklearn.linear_model import LogisticRegression

from credo.errors import ConfigError
from credo.models import mdn as mdn_module
from credo.models.mdn import Mdn
from credo.models.mdn_derived import add_predictive
from credo.models.problem import Problem
from registry import values

CONF = Path(__file__).parents[2] / "conf" / "model" / "mdn.yaml"
KEY = jax.random.PRNGKey(0)
PRIOR = {name: dist.Normal(0.0, 1.0) for name in ("weight", "bias")}


def classifier(**settings: Any) -> Mdn:
    """With the other settings of its YAML."""
    known: dict[str, Any] = values(CONF)
    return Mdn(prior=PRIOR, **(known | {"family": "categorical", "hidden": [4], "channels": [2, 3]} | settings))


def table(rows: int = 60, levels: int = 3) -> xr.Dataset:
    """Three classes that overlap, of two inputs."""
    random = np.random.default_rng(0)
    y = np.arange(rows) % levels
    x = random.normal(size=(rows, 2)) + np.stack([y, -y], 1)
    names = {"class": ["low", "middle", "high"][:levels]}
    return xr.Dataset({"y": ("row", y), "x": (("row", "feature"), x)}, names)


def images(rows: int = 12, shape: tuple[int, int, int] = (6, 5, 2), context: bool = False) -> xr.Dataset:
    """Images of two channels."""
    random = np.random.default_rng(1)
    x = random.normal([3, -20], [1, 30], (rows, *shape))
    variables: dict[str, Any] = {"y": ("row", np.arange(rows) % 3), "x": (("row", "height", "width", "channel"), x)}
    if context:
        variables["context"] = (("row", "context_feature"), random.normal(size=(rows, 1)))
    return xr.Dataset(variables)


@jax.jit
def log_p(model: Mdn, weights: dict[str, Any], x: Any, context: Any = None) -> Any:
    return model.conditional(weights, x, context).parameters["log_p"][:, 0, 0]


def test_a_linear_classifier_is_logistic_regression() -> None:
    """At the coefficients that scikit-learn finds, in units of the standardised inputs, the likelihood has no slope."""
    rows = table()
    x, y = rows["x"].to_numpy(), rows["y"].to_numpy()
    model = classifier(hidden=[], dtype="float64").fitted(rows)
    other = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000).fit(x, y)
    bias = other.intercept_ + other.coef_ @ x.mean(0)
    weights = {"head_weight": np.vstack([np.zeros(2), other.coef_ * x.std(0)]), "head_bias": np.append(0.0, bias)}
    slopes = jax.grad(lambda w: log_p(model, w, x)[np.arange(60), y].mean())(weights)
    assert all(jnp.abs(slope).max() < 1e-4 for slope in slopes.values())
    network = xr.Dataset({name: (("chain", "draw", *"ab"[: w.ndim]), w[None, None]) for name, w in weights.items()})
    result: Any = SimpleNamespace(tree=xr.DataTree.from_dict({"network": network}))
    found = add_predictive(Problem(model, rows), result, KEY).tree["classes"]
    expected = other.predict_proba(x)
    assert np.allclose(found["probability"], expected, atol=1e-9)
    assert np.allclose(found["nll"], -np.log(expected[np.arange(60), y]), atol=1e-9)
    assert found["class"].values.tolist() == ["low", "middle", "high"]
    assert (found.attrs["rows"], found["y"].values.tolist()) == ("train", y.tolist())


def test_a_classifier_is_judged_by_the_probability_of_what_was_observed() -> None:
    assert Problem(classifier().fitted(table()), table()).judged == ("log_density",)


def test_what_was_learned_makes_the_same_classifier() -> None:
    """Also of pixels that stand in one row."""
    rows = images()
    model = classifier(encoder="conv", channels=[2]).fitted(rows)
    again = classifier(encoder="conv", channels=[2]).restored(model.exported())
    weights, x = model.start(KEY), rows["x"].to_numpy()
    first = log_p(model, weights, x)
    assert jnp.array_equal(first, log_p(again, weights, x))
    assert jnp.allclose(first, log_p(again, weights, x.reshape(12, -1)), atol=1e-6)
    assert jnp.allclose(jnp.exp(first).sum(1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("encoder", "film"),
    [
        ("mlp", False),
        ("conv", False),
        *(pytest.param(one, True, marks=pytest.mark.slow) for one in ("conv", "unet")),
    ],
)
def test_every_encoder_sees_images(encoder: str, film: bool) -> None:
    """By channels of mean 0 and deviation 1; a context modulates every block, once its network is no longer 0."""
    rows = images(context=film)
    model = classifier(encoder=encoder, context="film" if film else "concat", context_hidden=[3]).fitted(rows)
    weights = {name: value + 0.3 for name, value in model.start(KEY).items()}
    x, context = rows["x"].to_numpy(), rows["context"].to_numpy() if film else None
    found = log_p(model, weights, x, context)
    assert found.shape == (12, 3)
    assert jnp.isfinite(found).all()
    assert {site.name for site in Problem(model, rows).latents} == set(weights)
    if film:
        assert (found != log_p(model, weights, x, context + 1)).any(1).all()


def test_images_in_parts_are_images_together(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = images()
    model = classifier(encoder="conv", channels=[2], dtype="float64").fitted(rows)
    weights, x = model.start(KEY), rows["x"].to_numpy()
    together = log_p(model, weights, x)
    monkeypatch.setattr(mdn_module, "_IMAGES_AT_ONCE", 5)
    jax.clear_caches()
    assert np.allclose(together, log_p(model, weights, x), atol=1e-12)


def test_a_sharper_classifier_has_larger_logits() -> None:
    rows = table()
    model = classifier(dtype="float64").fitted(rows)
    weights, x = model.start(KEY), rows["x"].to_numpy()
    plain, sharp = (log_p(model, one, x) for one in (weights, model.sharpened(weights, jnp.array(2.0))))
    assert np.allclose(sharp, jax.nn.log_softmax(2 * plain), atol=1e-12)


def test_a_context_of_images_is_by_film() -> None:
    with pytest.raises(ConfigError, match=r"^model\.context=concat: a context cannot be further pixels .* use model"):
        classifier(encoder="conv").fitted(images(context=True))


REFUSED: dict[str, tuple[dict[str, Any], xr.Dataset, str]] = {
    "a table": ({"encoder": "conv"}, table(), r"^model\.encoder=conv: expected images .* use model\.encoder=mlp"),
    "small images": ({"encoder": "conv", "channels": [2, 2, 2, 2]}, images(), r"^model\.encoder=conv: .* fewer layers"),
    "groups": ({"encoder": "unet", "groups": 2}, images(), r"^model\.encoder=unet: .* divided into 2 equal groups"),
    "one class": ({}, table().assign(y=("row", np.zeros(60))), r"^data\.target: the target is constant"),
    "no classes": ({}, table().assign(y=("row", np.arange(60) / 2)), r"^model\.family=categorical: .* but got 0\.5"),
    "two targets": ({}, table().assign(y=(("row", "t"), np.eye(60)[:, :2])), r"^data\.target: .* takes one target"),
    "rows of rows": ({}, table().assign(x=(("row", "a", "b"), np.ones((60, 2, 2)))), r"^data: .* has 3 dimensions"),
}


@pytest.mark.parametrize(("settings", "rows", "sentence"), REFUSED.values(), ids=REFUSED)
def test_data_that_does_not_fit_is_named(settings: dict[str, Any], rows: xr.Dataset, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        classifier(**settings).fitted(rows)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"encoder": "cnn"}, r"^encoder: expected one of mlp, conv, unet, but got 'cnn'$"),
        ({"encoder": "conv", "norm": "layer"}, r"^norm: the blocks of encoder=conv have group norms of their own"),
        ({"encoder": "unet", "residual": True}, r"^residual: the blocks of encoder=unet"),
        ({"scale": "constant"}, r"^model\.scale: categorical has no scale that could be constant"),
    ],
)
def test_impossible_settings_are_named(settings: dict[str, Any], sentence: str) -> None:
    def sites() -> Any:
        rows = images() if settings.get("encoder") else table()
        return Problem(classifier(**settings).fitted(rows), rows).sites

    with pytest.raises(ConfigError, match=sentence):
        sites()


@pytest.mark.parametrize("encoder", ["conv"])
def test_an_even_kernel_is_refused(encoder: str) -> None:
    with pytest.raises(ConfigError, match=r"^model\.encoder=conv: kernel: expected an odd size"):
        classifier(encoder=encoder, kernel=2).fitted(images())


@pytest.mark.parametrize("encoder", ["conv", "unet"])
def test_biases_of_convolutions_have_the_prior_of_biases(encoder: str) -> None:
    prior = {"weight": dist.Normal(0.0, 1.0), "bias": dist.Laplace(0.0, 3.0)}
    model = dataclasses.replace(classifier(encoder=encoder).fitted(images()), prior=prior)
    for site in Problem(model, images()).latents:
        own = site.distribution
        assert ("Laplace" in own) == (site.name.endswith("bias") or "norm" in site.name), (site.name, own)
