"""The numbers of a run, by the names under which MLflow sorts them."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from credo.diagnostics import information
from credo.diagnostics.loo import loo_metrics
from credo.diagnostics.metrics import without_compilation
from credo.diagnostics.scores import scores
from credo.inference.evidence import table as evidence
from credo.inference.kind import Kind
from credo.inference.result import Result


def collect(result: Result, summary: pd.DataFrame) -> dict[str, float]:
    """All numbers worth comparing between runs.

    `posterior/mean|sd|.../SCALAR` per scalar (at most 100 scalars, without those of a network at some rows); `draws` of
    all chains, `r_hat_max`, `ess_bulk_min`, `ess_tail_min`, `divergences`, `acceptance_rate`, `elpd_loo`, `nll_test`
    (mean negative log predictive density, or mass, per held-out row), and more of conditional models
    (`diagnostics.predictive.scores`); `log_density` of a point estimate;
    `information/SCALAR`, KL(posterior || prior) in nats;
    `nll_validation` and `epochs` of trained networks, means over members; `seconds/PHASE`, `gradients`, `programs`,
    `ess_per_second`. What a method does not have is not there.
    """
    return {name: value for part in PARTS.values() for name, value in part(result, summary).items()}


def _of_kind(result: Result, summary: pd.DataFrame) -> dict[str, float]:
    match result.kind:
        case Kind.CHAINS:
            return _chains(result, summary)
        case Kind.TRAINED:
            return _training(result)
        case Kind.INDEPENDENT:
            return _approximation(result)
        case Kind.WEIGHTED:
            sizes = result.tree["posterior"].sizes
            return {"draws": float(sizes["chain"] * sizes["draw"]), "repeats": float(sizes["chain"])}
    return _mode(result)


def _training(result: Result) -> dict[str, float]:
    curves = result.tree["training"].to_dataset()
    numbers = {"epochs": float(curves["best"].mean())}
    numbers |= {"temperature": float(curves["temperature"])} if "temperature" in curves else {}
    validation = curves["validation"].to_numpy()
    if np.isfinite(validation).any():
        name = curves.attrs.get("measure", "nll")
        numbers[f"{name}_validation"] = float(np.nanmin(validation, axis=1).mean())
    return numbers


def _log_z(result: Result) -> dict[str, float]:
    """Log Z of an energy-based model and its interval; with it the held-out rows' interval."""
    if "normaliser" not in result.tree.children:
        return {}
    found = result.tree["normaliser"].to_dataset()
    ends = {"": "value", "_low": "low", "_high": "high"}
    numbers = {f"log_z{end}": float(found[name].mean()) for end, name in ends.items()}
    numbers |= {
        f"nll_test{e}": v + numbers[f"log_z{e}"] - numbers["log_z"] for e in ("_low", "_high") for v in _nll(result)
    }
    return {name: value for name, value in numbers.items() if not math.isnan(value)}


def _information(result: Result) -> dict[str, float]:
    """The mutual information that a critic found, its standard error, the most that it could be, and the true one."""
    if "information" not in result.tree.children:
        return {}
    found = result.tree["information"].to_dataset()
    names = {"": "value", "_error": "error", "_bound": "bound", "_truth": "truth"}
    numbers = {f"mutual_information{end}": float(found[n].mean()) for end, n in names.items() if n in found}
    return {name: value for name, value in numbers.items() if not math.isnan(value)}


def _gain(result: Result) -> dict[str, float]:
    """KL(posterior || prior) of each scalar that was looked at."""
    if information.GROUP not in result.tree.children:
        return {}
    found = result.tree[information.GROUP].to_dataset()
    names, values = found["scalar"].values.tolist(), found["value"].values.tolist()
    return {f"information/{name}": value for name, value in zip(names, values, strict=True)}


def _nll(result: Result) -> list[float]:
    return list(_held_out(result).values())


def _cost(result: Result) -> dict[str, float]:
    cost = result.cost
    seconds = {f"seconds/{phase}": float(value) for phase, value in cost.seconds.items()}
    counts = {"gradients": cost.gradients, "density_evaluations": cost.density_evaluations, "programs": cost.programs}
    seconds["seconds/total"] = sum(seconds.values())
    return seconds | without_compilation(seconds) | {name: float(value) for name, value in counts.items()}


def _chains(result: Result, summary: pd.DataFrame) -> dict[str, float]:
    ess = float(summary["ess_bulk"].min())
    numbers = {
        "r_hat_max": float(summary["r_hat"].max()),
        "ess_bulk_min": ess,
        "ess_tail_min": float(summary["ess_tail"].min()),
    }
    stats = result.tree["sample_stats"]
    sizes = {**stats.sizes, **result.tree["posterior"].sizes}
    numbers["draws"] = float(sizes["chain"] * sizes["draw"])
    if "warmup" in stats.attrs:
        numbers["warmup_draws"] = float(stats.attrs["warmup"])
    if "diverging" in stats:
        numbers["divergences"] = float(stats["diverging"].sum())
    if "acceptance_rate" in stats:
        numbers["acceptance_rate"] = float(stats["acceptance_rate"].mean())
    if "reweighted" in result.tree.children:
        numbers["pareto_k"] = float(result.tree["reweighted"].attrs["pareto_k"])
    seconds = result.cost.seconds.get("sampling", 0.0)
    return {**numbers, **({"ess_per_second": ess / seconds} if seconds > 0 else {})}


def _approximation(result: Result) -> dict[str, float]:
    """How many draws there are and what they are worth; what is not known is not there."""
    numbers = {"draws": float(result.tree["posterior"].sizes["draw"])}
    if "importance" in result.tree.children:
        attributes = result.tree["importance"].attrs
        names = {"pareto_k": "pareto_k", "ess_importance": "effective", "log_evidence_laplace": "log_evidence_laplace"}
        found = {name: float(attributes[of]) for name, of in names.items() if of in attributes}
        numbers |= {name: value for name, value in found.items() if not math.isnan(value)}
    if "approximations" in result.tree.children:
        numbers["elbo"] = float(np.nanmax(result.tree["approximations"]["elbo"]))
    return {**numbers, **(_mode(result) if "optimisation" in result.tree.children else {})}


def _evidence(result: Result) -> dict[str, float]:
    """Log p(data) by the way with the smallest error; and by each way, where there are several."""
    ways = evidence.found(result.tree)
    if not ways:
        return {}
    value, error = next(iter(ways.values()))
    each = {f"log_evidence/{way}": number for way, (number, _) in ways.items()} if len(ways) > 1 else {}
    return {"log_evidence": value, "log_evidence_error": error, **each}


def _mode(result: Result) -> dict[str, float]:
    starts = result.tree["optimisation"].to_dataset()
    best = int(starts.attrs["best"])
    return {
        "log_density": float(starts["objective"][best]),
        "gradient_norm": float(starts["gradient_norm"][best]),
        "starts_converged": float(starts["converged"].sum()),
    }


def _held_out(result: Result) -> dict[str, float]:
    if "log_likelihood_test" not in result.tree.children:
        return {}
    rows = [_log_predictive(values) for values in result.tree["log_likelihood_test"].data_vars.values()]
    return {"nll_test": float(-np.mean(np.concatenate(rows)))}


def _log_predictive(log_likelihood: xr.DataArray) -> Float[np.ndarray, "row"]:
    """Log of the mean over draws of p(y_i | draw), per row."""
    flat = log_likelihood.to_numpy().reshape(log_likelihood.sizes["chain"] * log_likelihood.sizes["draw"], -1)
    highest = flat.max(axis=0)
    return highest + np.log(np.mean(np.exp(flat - highest), axis=0))


def _posterior(result: Result, summary: pd.DataFrame) -> dict[str, float]:
    """The first scalars; not those that only show at some rows what a network gives."""
    variables = result.tree["posterior"].data_vars.values() if "posterior" in result.tree.children else ()
    probes = tuple(f"{variable.name}[" for variable in variables if "probe" in variable.dims)
    summary = summary[~summary["variable"].str.startswith(probes)] if probes else summary
    columns = ("mean", "sd", "q5", "q50", "q95")
    return {
        f"posterior/{column}/{row['variable']}": float(row[column])
        for _, row in summary.head(100).iterrows()
        for column in columns
        if not math.isnan(row[column])
    }


PARTS: Mapping[str, Callable[[Result, pd.DataFrame], dict[str, float]]] = {
    "the inference": _of_kind,
    "the evidence": lambda result, _: _evidence(result),
    "leave-one-out": lambda result, _: loo_metrics(result),
    "the held-out rows": lambda result, _: _held_out(result),
    "the normaliser": lambda result, _: _log_z(result),
    "the information": lambda result, _: _information(result),
    "the information gained": lambda result, _: _gain(result),
    "the scores": lambda result, _: scores(result),
    "the cost": lambda result, _: _cost(result),
    "the posterior": _posterior,
}
"""All metrics, part by part."""
