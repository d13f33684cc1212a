"""`model.prior_from=RUN`: the posterior of an earlier run is the prior of this one. None of its code is run."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from omegaconf import DictConfig, OmegaConf

from credo.errors import ConfigError
from credo.experiment import resume
from credo.experiment.parts import Parts
from credo.experiment.same_rows import again
from credo.runs import saved

if TYPE_CHECKING:
    import xarray as xr

    from credo.models.problem import Problem

KEY = "model.prior_from"

FEWEST = 20
"""Draws per latent scalar, and a hundred at least."""


def problem_of(parts: Parts, config: DictConfig, free: Collection[str] = ()) -> "tuple[Problem, xr.Dataset]":
    """As `Parts.problem`, with the prior that the configuration asks for.

    Raises:
        ConfigError: the data cannot be had or does not fit, or the earlier run gives no prior.
    """
    from credo.data.dataset import fingerprint

    problem, data = parts.problem(config.seed, free)
    if (word := config.model.get("prior_from")) is None:
        return problem, data
    _require_one_meaning(problem, config, word)
    problem = given(problem, fingerprint(data), word, failed=bool(config.model.get("prior_from_failed")))
    if count := again(saved.rows(resume.folder(word)), data):
        raise ConfigError(
            f"{KEY}={word}: {count} rows of the data of that run are in this data, too, and would count twice; leave "
            "them out"
        )
    return problem, data


def _require_one_meaning(problem: "Problem", config: DictConfig, word: str) -> None:
    """Raise `ConfigError` where a latent is another thing for other data, or a prior is typed that would not count."""
    own = [f"data.{key}" for key in ("standardise", "standardise_target") if config.data.get(key)]
    if problem.model.rows is not None:
        own = ["model.formula"]
    if own:
        raise ConfigError(
            f"{KEY}={word}: {own[0]} centres or scales each table by itself, so that a latent of that run is another "
            f"than one of this; {'write the model as a program' if problem.model.rows else f'set {own[0]}=false'}"
        )
    place = resume.folder(word)
    theirs = saved.configuration(place).get("model") if saved.exists(place) else None
    if theirs is None or theirs.get("_target_") != config.model.get("_target_"):
        return
    ours, before = config.model.get("prior") or {}, theirs.get("prior") or {}
    for latent in ours:
        if latent in before and _plain(ours[latent]) != _plain(before[latent]):
            raise ConfigError(
                f"{KEY}={word}: model.prior.{latent} is another than in that run, whose posterior takes the place of "
                "all priors; leave it out"
            )


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(OmegaConf.create(node), resolve=False, enum_to_str=True)


def given(problem: "Problem", data_hash: str, word: str, *, failed: bool) -> "Problem":
    """The problem with the posterior of a run as its prior.

    Args:
        problem: with its own priors, which only say where the latents are.
        data_hash: of the data set.
        word: what was typed for the run: its folder, or its id with a tracker.
        failed: whether a run whose verdict failed is taken, too.

    Raises:
        ConfigError: there is no such run, it cannot be believed, has other latents or the same data, or too few draws.
    """
    place = resume.folder(word)
    if not saved.exists(place) or not (place / saved.DRAWS).exists():
        raise ConfigError(f"{KEY}={word}: expected the folder of a finished run, but it has no {saved.DRAWS}")
    if not failed and saved.verdict(place).status == "failed":
        raise ConfigError(
            f"{KEY}={word}: the verdict of that run failed; mend it, or take it all the same by {KEY}_failed=true"
        )
    _require_suitable(problem, word)
    provenance, draws = saved.provenance(place), saved.draws(place)
    if provenance["data_hash"] == data_hash:
        raise ConfigError(f"{KEY}={word}: that run has seen the same data, which would count twice; use other data")
    _require_same_latents(problem, word, draws)
    return replace(problem, earlier=_earlier(problem, place, word, draws, provenance.get("draws_hash")))


def _require_suitable(problem: "Problem", word: str) -> None:
    bad = [one.name for one in problem.latents if one.discrete or one.imputed]
    if problem.training is not None or bad:
        what = f"{', '.join(bad)} are discrete or imputed" if bad else "networks are trained"
        raise ConfigError(f"{KEY}={word}: expected a model of continuous latents alone, but {what}; set {KEY}=null")


def _require_same_latents(problem: "Problem", word: str, draws: Mapping[str, np.ndarray]) -> None:
    theirs = {
        name.removeprefix("posterior/"): a.shape[2:] for name, a in draws.items() if name.startswith("posterior/")
    }
    for site in problem.latents:
        if site.name not in theirs:
            raise ConfigError(
                f"{KEY}={word}: expected a run with all latents of this model, but it has no draws of {site.name}; it "
                f"has {', '.join(theirs)}"
            )
        if theirs[site.name] != tuple(site.shape):
            raise ConfigError(
                f"{KEY}={word}: expected {site.name} of the shape {list(site.shape)}, as in this model, but that run "
                f"has {list(theirs[site.name])}; latents of single rows cannot be carried to other rows"
            )


def _earlier(problem: "Problem", place: Path, word: str, draws: Mapping[str, np.ndarray], draws_hash: Any) -> Any:
    """The approximation of the posterior, and how near it is."""
    from credo.inference import mixture_fit
    from credo.models.earlier import Earlier, Mixture

    parts = _unconstrained(problem, draws)
    z = np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts.values()], axis=1)
    least = max(100, FEWEST * z.shape[1])
    if len(z) < least or not np.isfinite(z).all():
        what = f"has {len(z)}" if len(z) < least else "has some on the boundary of their space"
        raise ConfigError(f"{KEY}={word}: expected {least} draws or more, all of them finite, but that run {what}")
    found = mixture_fit.fit(z)
    lp = next((draws[name] for name in ("sample_stats/lp", "sample_stats/log_p") if name in draws), None)
    log_q = mixture_fit.log_density(found, z)
    near = mixture_fit.nearness(log_q, None if lp is None else lp.ravel().astype(float))
    about = {"folder": str(place), "draws_hash": draws_hash, **near}
    sites = tuple((name, int(part.shape[-1])) for name, part in parts.items())
    log_weights, means, scales = map(_array, found)
    return Earlier(Mixture(log_weights, means, scales, sites), about)


def _array(numbers: np.ndarray) -> Any:
    import jax.numpy as jnp

    return jnp.asarray(numbers, float)


def _unconstrained(
    problem: "Problem", draws: Mapping[str, np.ndarray]
) -> dict[str, Float[np.ndarray, "chain draw size"]]:
    """The draws in unconstrained space by site, in the program's order."""
    from credo.inference.unconstrained import by_site

    own = {site.name: draws[f"posterior/{site.name}"] for site in problem.latents}
    z = by_site(problem.bound, own)
    return {name: np.asarray(z[name], float).reshape(*own[name].shape[:2], -1) for name in own}
