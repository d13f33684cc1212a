"""What a run leaves in its folder, file by file: for the reference, and for programs that look for them."""

from collections.abc import Mapping

FILES: Mapping[str, str] = {
    "report.html": "the page of the run, self-contained",
    "plots": "its figures, one PNG each",
    "posterior.nc": "draws, sampler statistics, log likelihood, predictions, what was observed, and data, in ArviZ's "
    "schema: `xarray.open_datatree` opens it; a site `left/mu` is `left.mu` there, with its name as the attribute "
    "`site`",
    "summary.csv": "per scalar: mean, sd, 5, 50 and 95 % quantiles, MCSE, ESS, R-hat, Pareto k of the tails",
    "verdict.json": "the verdict, and the checks with their numbers, thresholds and advice",
    "metrics.json": "the numbers that MLflow has",
    "loo.csv": "per observation, left out: expected log predictive density, effective parameters, Pareto k, and "
    "whether moment matching or a refit answered it",
    "provenance.json": "seed, versions, git commit and diff, hashes of the data, of what was observed and of your "
    "code, device",
    "code": "your own modules that the run used, as they were",
    "model": "of a model that can predict: its settings, weights or draws, and the columns of its table, for "
    "`credo predict` and `credo export`",
    "export": "the model in the form that `export` names",
    "ranks.csv": "of a calibration, the rank of each true value among the draws",
    "calibration.csv": "of a calibration, what its ranks say of each scalar",
    "tracking.jsonl": "records that the tracker did not take yet, for `credo sync`",
    "job.json": "of a job of a sweep: its overrides, and how it ended",
    "checkpoint": "while it runs: draws and state, for `credo resume`; then the last state, for `credo extend`",
    ".hydra": "the composed configuration without passwords, and a signature of what the run left",
    ".lock": "which process has the folder; it may stay",
}
"""What a run may leave in its folder, by name, those first that are read most; `credo` writes nothing else there."""
