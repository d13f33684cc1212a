"""The files that a run leaves of its answer, each complete or not there."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from credo import writing
from credo.diagnostics import loo
from credo.diagnostics import verdict as verdicts
from credo.diagnostics.answer import Failures
from credo.diagnostics.base import Verdict
from credo.inference.kind import Kind
from credo.inference.result import Result
from credo.runs import provenance
from credo.runs.folder import remove
from credo.runs.record import RunRecord


@contextmanager
def making(failures: Failures, part: str, *files: Path) -> Iterator[None]:
    """Make files of a run; where that fails, none of them is left, not even of the run when it was shorter."""
    with failures(part):
        yield
    if part in failures.reasons:
        for file in files:
            remove(file)


def write_draws(folder: Path, result: Result) -> None:
    """Write `posterior.nc`, without what is in `loo.csv`."""
    from credo.runs import netcdf  # takes time to load

    netcdf.write(result.tree.filter(lambda node: node.name != loo.GROUP), folder / "posterior.nc")


def write_verdict(folder: Path, summary: pd.DataFrame, verdict: Verdict) -> None:
    """Write `summary.csv` and `verdict.json`."""
    writing.write(folder / "summary.csv", summary.to_csv(index=False))
    writing.write(folder / "verdict.json", json.dumps(verdicts.to_json(verdict), indent=2) + "\n")


def write_numbers(record: RunRecord, result: Result, numbers: Mapping[str, float], failures: Failures) -> None:
    """Write `loo.csv`, `metrics.json` and `provenance.json`."""
    from credo.runs import netcdf  # takes time to load

    folder = record.folder
    with making(failures, "loo.csv", folder / "loo.csv"):
        if result.kind is Kind.CHAINS and not (left_out := loo.leave_one_out(result)).empty:
            writing.write(folder / "loo.csv", left_out.to_csv())
    plain = {name: value if value == value else None for name, value in numbers.items()}
    writing.write(folder / "metrics.json", json.dumps(plain, indent=2) + "\n")
    measures = {site["name"]: {"measure": site["measure"]} for site in record.description["observed"]}
    observed = {site: seen | measures.get(site, {}) for site, seen in netcdf.observations(result.tree).items()}
    found = {**record.provenance, "draws_hash": netcdf.draws_hash(result.tree), "observed": observed}
    provenance.write(found, folder / "provenance.json")
