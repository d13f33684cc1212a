"""The files of a run by what they hold: the one place where they are read back, each in its shape.

All functions raise `DamagedError`: one sentence that names the file, says what is wrong with it, and what still works.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict, cast

import numpy as np
from omegaconf import DictConfig, OmegaConf

from credo.diagnostics.base import Check, Verdict
from credo.diagnostics.metrics import without_compilation
from credo.errors import ConfigError
from credo.models.names import SITE
from credo.runs import files, renamed, signature

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from credo.diagnostics.completed import LogMeans

CONFIG = Path(".hydra", "config.yaml")
HYDRA = Path(".hydra", "hydra.yaml")
PROVENANCE, METRICS, VERDICT, SUMMARY = "provenance.json", "metrics.json", "verdict.json", "summary.csv"
DRAWS, LEFT_OUT = "posterior.nc", "loo.csv"
MODEL = signature.MODEL

TABLE = "table.parquet"
"""In the folder of a model with a formula, the columns of the table that it needs."""

AGAIN = "its other files can still be read, and credo reproduce computes all of them again"
AGAIN_WITHOUT = "the files of its answer can still be read; begin a new run of the same"
ANEW = "the other files of the run can still be read; begin a new run of the same"
BESIDES = "compare the other runs without it, or credo reproduce this one and compare that"


class _Sections(TypedDict):
    """What all configurations have; each part judges its own settings."""

    name: str | None
    seed: int


class _OfData(TypedDict):
    data: NotRequired[dict[str, Any] | None]


class _Diagnostics(TypedDict):
    gate: str
    checks: dict[str, Any]


class _Composed(_Sections):
    objective: NotRequired[Any]
    sweep: dict[str, Any]
    data: dict[str, Any]
    model: dict[str, Any]
    inference: dict[str, Any]
    training: NotRequired[dict[str, Any] | None]
    energy: NotRequired[dict[str, Any] | None]
    sampler: NotRequired[dict[str, Any] | None]
    device: dict[str, Any]
    diagnostics: _Diagnostics
    tracking: dict[str, Any]
    report: dict[str, Any]


class _Runtime(TypedDict):
    choices: dict[str, str | None]


class _Overrides(TypedDict):
    task: list[str]


class _HydraPart(TypedDict):
    runtime: _Runtime


class _HydraFile(TypedDict):
    hydra: _HydraPart


class _Choices(TypedDict):
    data: str
    model: str
    inference: str


class _RuntimeWhole(TypedDict):
    choices: _Choices
    cwd: str


class _HydraPartWhole(TypedDict):
    runtime: _RuntimeWhole
    overrides: _Overrides


class _HydraWhole(TypedDict):
    hydra: _HydraPartWhole


class _Code(TypedDict):
    files: dict[str, str]
    packages: dict[str, str]
    values: dict[str, str]
    unknown: list[str]
    hash: str | None


class _Observed(TypedDict):
    hash: NotRequired[str]
    measure: NotRequired[str | None]


class Provenance(TypedDict):
    """Where an answer comes from, as far as it is read again (see `credo.runs.provenance`)."""

    seed: int
    data_hash: str
    code: NotRequired[_Code | None]
    observed: NotRequired[dict[str, _Observed]]
    draws_hash: NotRequired[str]
    fingerprint: NotRequired[str]
    prior_from: NotRequired[dict[str, Any]]
    reweighted: NotRequired[dict[str, Any]]
    warm_start: NotRequired[dict[str, Any]]


class _Check(TypedDict):
    name: str
    status: Literal["passed", "failed", "not checked", "note"]
    value: float | None
    threshold: float | None
    advice: str


class _Verdict(TypedDict):
    status: Literal["passed", "failed", "not checked"]
    checks: list[_Check]


class _Model(TypedDict):
    model: dict[str, Any]


class _Columns(TypedDict):
    features: list[str]
    contexts: list[str]
    targets: list[str]
    classes: NotRequired[list[str]]
    inputs: NotRequired[dict[str, list[str]]]
    scaler: NotRequired[dict[str, dict[str, Any]]]


class _Refused(TypedDict):
    refused: NotRequired[str]


COLUMNS = tuple(name for name in _Columns.__annotations__ if name in _Columns.__required_keys__)


def exists(run: Path) -> bool:
    """Whether a run began in a folder."""
    return (run / CONFIG).exists()


def require(run: Path) -> None:
    """Refuse what is no folder of a run.

    Raises:
        ConfigError: there is no such folder, or no run in it.
    """
    if not run.is_dir():
        raise ConfigError(f"there is no run {run}; give the folder of a run, or its MLflow id; credo list shows them")
    if not exists(run):
        raise ConfigError(f"{run} is no folder of a run: it has no {CONFIG}; credo list {run} shows the runs in it")


def configuration(run: Path) -> DictConfig:
    """The composed configuration, with its interpolations, as far as all runs have it."""
    return _configuration(run / CONFIG, _Sections, AGAIN_WITHOUT)


def plain(run: Path) -> dict[str, Any]:
    """`configuration` in plain containers."""
    return _plain(run / CONFIG, _Sections, AGAIN_WITHOUT)


def _configuration(file: Path, shape: Any, works: str) -> DictConfig:
    content = _plain(file, shape, works)
    with files.reading(file, works):
        return OmegaConf.create(content)


def _plain(file: Path, shape: Any, works: str) -> dict[str, Any]:
    """A configuration, with the present names of credo's parts."""
    content: dict[str, Any] = renamed.present(files.plain_yaml(file, shape, works))
    return content


def data(run: Path) -> dict[str, Any]:
    """The settings of the data, as far as there are any."""
    content = files.plain_yaml(run / CONFIG, _OfData, AGAIN_WITHOUT)
    return dict(content.get("data") or {})


def composed(run: Path) -> tuple[DictConfig, DictConfig]:
    """The whole configuration of a run, with which it can go on, and what Hydra said of it.

    Raises:
        ConfigError: there is no run.
    """
    require(run)
    config = _configuration(run / CONFIG, _Composed, AGAIN_WITHOUT)
    hydra = files.plain_yaml(run / HYDRA, _HydraWhole, AGAIN_WITHOUT)
    for group, word in _words(hydra).items():
        if ".." in Path(word).parts or Path(word).is_absolute():
            raise files.DamagedError(run / HYDRA, f"is damaged (hydra.runtime.choices.{group}={word})", AGAIN_WITHOUT)
    with files.reading(run / HYDRA, AGAIN_WITHOUT):
        return config, cast("DictConfig", OmegaConf.create(hydra))


def choices(run: Path) -> dict[str, str]:
    """The words chosen per group; none where a copy of the run's folder lacks them."""
    return _words(files.plain_yaml(run / HYDRA, _HydraFile, AGAIN_WITHOUT)) if (run / HYDRA).exists() else {}


def _words(hydra: Mapping[str, Any]) -> dict[str, str]:
    return {str(group): str(word) for group, word in hydra["hydra"]["runtime"]["choices"].items()}


def provenance(run: Path, works: str = AGAIN) -> Provenance:
    """Where the answer comes from."""
    content: Provenance = files.plain_json(run / PROVENANCE, Provenance, works)
    return content


def metrics(run: Path, works: str = AGAIN) -> dict[str, float]:
    """The numbers of the answer; JSON has null where one is NaN."""
    content = _whole_json(run, METRICS, dict[str, float | None], works)
    numbers = {name: math.nan if value is None else float(value) for name, value in content.items()}
    return without_compilation(numbers) | numbers  # which earlier versions did not write


def verdict(run: Path, works: str = AGAIN) -> Verdict:
    """Whether the answer may be believed."""
    content: _Verdict = _whole_json(run, VERDICT, _Verdict, works)
    return Verdict(content["status"], tuple(Check(**{key: one[key] for key in _CHECK}) for one in content["checks"]))  # type: ignore[literal-required]


_CHECK = tuple(_Check.__annotations__)


def _whole_json(run: Path, name: str, shape: Any, works: str) -> Any:
    content = files.plain_json(run / name, shape, works)
    signature.require_whole(run / name, run, works)
    return content


def summary(run: Path, works: str = AGAIN) -> "pd.DataFrame":
    """One row per scalar of the posterior, by its name."""
    signature.require_whole(run / SUMMARY, run, works)
    return files.table(run / SUMMARY, ("mean", "sd", "q5", "q95"), works, index="variable")


def parametrisations(run: Path, works: str = AGAIN) -> dict[str, str]:
    """The scalars that are only a parametrisation, each with its variable; none where there are no draws."""
    if not (run / DRAWS).exists():
        return {}
    from credo.diagnostics import summary as summaries  # takes time to load

    with files.tree(run / DRAWS, works, "posterior") as tree:
        return summaries.parametrisations(tree["posterior"].to_dataset()) if "posterior" in tree.children else {}


def left_out(run: Path, works: str = AGAIN) -> "pd.DataFrame":
    """What `loo.csv` has of every observation."""
    signature.require_whole(run / LEFT_OUT, run, works)
    rows = files.table(run / LEFT_OUT, ("elpd", "p", "pareto_k"), works)
    if "site" not in rows:
        raise files.DamagedError(run / LEFT_OUT, "is damaged (it has no column site)", works)
    return rows


def log_means(run: Path, works: str = AGAIN) -> "dict[str, LogMeans]":
    """The mean likelihood of each observation, by site, where some stand for all."""
    if not (run / DRAWS).exists():
        return {}
    from credo.diagnostics.completed import log_means as of  # takes time to load
    from credo.inference.pointwise import GROUP

    with files.tree(run / DRAWS, works, GROUP, "log_likelihood") as tree:
        return of(tree)


def require_draws(run: Path, works: str = AGAIN) -> None:
    """Refuse draws that are not those that the run made, by the checksum of their file, or by theirs."""
    file = run / DRAWS
    if signature.require_whole(file, run, works):
        return
    expected = provenance(run, works).get("draws_hash")
    with files.tree(file, works) as tree:
        from credo.runs import netcdf  # takes time to load

        if "posterior" not in tree.children:
            raise files.DamagedError(file, "is damaged (it has no draws)", works)
        if expected is not None and netcdf.draws_hash(tree) != expected:
            raise files.DamagedError(file, "is damaged (its draws are not those that the run made)", works)


def draws(run: Path, works: str = AGAIN) -> dict[str, np.ndarray]:
    """The draws of a finished run as one block: `GROUP/SITE` [chain, draw, ...], and moments over all as one draw."""
    require_draws(run, works)
    with files.tree(run / DRAWS, works) as tree:
        return {
            f"{group}/{array.attrs.get(SITE, name)}": array.to_numpy()[() if array.dims[0] == "chain" else (None, None)]
            for group, part in tree.children.items()
            for name, array in part.data_vars.items()
            if array.dims[:2] == ("chain", "draw") or array.dims[:1] == ("moment",)
        }


def observed(run: Path, site: str) -> np.ndarray | None:
    """What a site observed, NaN where nothing was; `None` where that is not kept."""
    with files.tree(run / DRAWS, AGAIN, "observed_data") as tree:
        kept = tree["observed_data"].to_dataset() if "observed_data" in tree.children else {}
        return kept[site].to_numpy() if site in kept else None


def rows(run: Path) -> "xr.Dataset":
    """What a run has observed, and the constants beside it."""
    import xarray as xr

    with files.tree(run / DRAWS, AGAIN, "observed_data", "constant_data") as tree:
        return xr.merge([part.to_dataset() for part in tree.children.values()]).load()


def model(place: Path) -> DictConfig:
    """The settings of a model that can predict, from its folder."""
    return _configuration(place / "model.yaml", _Model, ANEW)


def require_not_refused(place: Path) -> None:
    """Raise `ConfigError` where a run left in place of a model why it has none."""
    if (place / "columns.json").exists() and not (place / "weights.npz").exists():
        told: Mapping[str, Any] = files.plain_json(place / "columns.json", _Refused, ANEW)
        if "refused" in told:
            raise ConfigError(told["refused"])


def network(place: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], Mapping[str, Any]]:
    """What else a model that can predict is made of: draws of its weights, what it learned, and its columns."""
    for name in ("model.yaml", "weights.npz", "learned.npz", "columns.json"):
        signature.require_whole(place / name, place.parent, ANEW)
    weights, learned = (files.arrays(place / f"{name}.npz", ANEW) for name in ("weights", "learned"))
    columns: Mapping[str, Any] = files.plain_json(place / "columns.json", _Columns, ANEW)
    return weights, learned, columns
