"""Small problems on which software of this kind failed, each by its own commands; writes `cases.md`.

    make cases
    python experiments/benchmarks/cases.py 02 33   (some of them, without writing the table)

A case is a folder of `tests/cases`: `cmd.txt` (what a user types), its data and program, and `expect.json`: for every
call of `credo`, in order, the outcomes that are right, of which one must be met. An outcome may name

    exit      the exit codes
    verdict   the verdicts of the run
    values    by scalar its `mean`, `sd` and quantiles; those of chains agree within four Monte Carlo standard errors
    within    the relative error that is allowed instead (point estimates); `sd_within` that of standard errors
    unknown   scalars without a mean and a standard deviation, or else the verdict must not be `passed`
    checks    single checks and their status
    says      regular expressions in what credo wrote; `never`: those that must not be there
    files, rows, runs, recorded, same_as, of
              what the run leaves, rows of loo.csv, how many runs end, whether MLflow has it, the number of a call that
              writes the same, and the method of the run that is meant where there are several

No call may show a traceback, and one that is refused says exactly one sentence. The numbers are computed by
`tests/cases/answers.py`, without credo.
"""

import csv
import importlib.metadata
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CASES = HERE.parents[1] / "tests" / "cases"
BIN = Path(sys.executable).parent
SECONDS = 600
ERRORS = 4
"""Monte Carlo standard errors: a right sampler is further off once in 16,000 comparisons."""

SHIM = """#!/usr/bin/env bash
# Calls credo, and keeps what it said and the runs that it left.
call="$CASE_LOG/$(ls "$CASE_LOG" | wc -l)"
mkdir "$call"
touch "$call/begun"
timeout {seconds} "{credo}" "$@" > "$call/out" 2> "$call/err"
code=$?
echo $code > "$call/code"
find "$CASE_FOLDER" -name verdict.json -not -path '*/mlartifacts/*' -newer "$call/begun" | while read -r file; do
  run="$call/run-$(ls "$call" | wc -l)"
  cp -r "$(dirname "$file")" "$run"
done
cat "$call/out"
cat "$call/err" >&2
exit $code
"""


@dataclass(frozen=True)
class Run:
    """A run that a call left."""

    folder: Path

    @property
    def verdict(self) -> dict[str, Any]:
        """Its verdict."""
        return dict(json.loads((self.folder / "verdict.json").read_text()))

    @property
    def method(self) -> str:
        """The word of its inference."""
        text = (self.folder / ".hydra" / "hydra.yaml").read_text()
        found = re.search(r"^ {6}inference: (\w+)$", text, re.MULTILINE)
        return found[1] if found else ""

    def summary(self) -> dict[str, dict[str, float]]:
        """Its summary by scalar; a number that is missing is NaN."""
        with (self.folder / "summary.csv").open() as file:
            rows = list(csv.DictReader(file))
        return {
            row["variable"]: {name: float(text or "nan") for name, text in row.items() if name != "variable"}
            for row in rows
        }


@dataclass(frozen=True)
class Call:
    """What came of a call of credo."""

    folder: Path

    @property
    def code(self) -> int:
        """The exit code."""
        return int((self.folder / "code").read_text())

    @property
    def out(self) -> str:
        """What it wrote to its standard output."""
        return (self.folder / "out").read_text(errors="replace")

    @property
    def err(self) -> str:
        """What it wrote to its standard error."""
        return (self.folder / "err").read_text(errors="replace")

    def runs(self) -> list[Run]:
        """The runs that it left, by time."""
        found = [Run(folder) for folder in self.folder.glob("run-*")]
        return sorted(found, key=lambda run: run.folder.name)

    def told(self) -> str:
        """Exit code, verdict and the sentence of a refusal, for the table."""
        verdicts = ", ".join(run.verdict["status"] for run in self.runs())
        sentence = " ".join(self.err.strip().splitlines()[-1:]) if self.code else ""
        return f"exit {self.code}{f' ({verdicts})' if verdicts else ''}{f': {sentence}' if sentence else ''}"


def main(chosen: list[str]) -> None:
    """Run the cases and print the table; exit with 1 where one is wrong."""
    cases = [case for case in sorted(CASES.iterdir()) if (case / "cmd.txt").exists()]
    cases = [case for case in cases if not chosen or case.name.split("-")[0] in chosen]
    lines = ["| case | calls | as it should be | seconds | what came |", "| --- | --- | --- | --- | --- |"]
    wrong = 0
    for case in cases:
        begun = time.monotonic()
        told, faults = judge(case)
        wrong += bool(faults)
        came = "; ".join(faults or told)
        lines.append(
            f"| {case.name} | {len(told)} | {'no' if faults else 'yes'} | {time.monotonic() - begun:.0f} "
            f"| {came.replace('|', '/')} |"
        )
        print(lines[-1], flush=True)  # noqa: T201 - a script's output
    print(f"{len(cases) - wrong} of {len(cases)} cases are as they should be")  # noqa: T201
    if not chosen:
        versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("credo", "numpyro", "jax"))
        head = f"# Cases\n\n{datetime.now(UTC):%Y-%m-%d}; {versions}; `make cases`.\n\n"
        (HERE / "cases.md").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    sys.exit(1 if wrong else 0)


def judge(case: Path) -> tuple[list[str], list[str]]:
    """Type a case's commands in a copy of its folder; returns what came of each call of credo, and what is wrong."""
    with tempfile.TemporaryDirectory() as name:
        folder, log, bin_folder = Path(name) / "case", Path(name) / "log", Path(name) / "bin"
        shutil.copytree(case, folder, ignore=shutil.ignore_patterns("cmd.txt", "expect.json", "__pycache__"))
        log.mkdir()
        bin_folder.mkdir()
        shim = bin_folder / "credo"
        shim.write_text(SHIM.format(credo=BIN / "credo", seconds=SECONDS))
        shim.chmod(0o755)
        environment = os.environ | {
            "PATH": f"{bin_folder}:{BIN}:{os.environ['PATH']}",
            "CASE_LOG": str(log),
            "CASE_FOLDER": str(folder),
            "COLUMNS": "80",
        }
        subprocess.run(  # noqa: S603 - our own commands
            ["/bin/bash", str(case / "cmd.txt")],
            cwd=folder,
            env=environment,
            capture_output=True,
            check=False,
        )
        calls = [Call(one) for one in sorted(log.iterdir(), key=lambda one: int(one.name))]
        expected = json.loads((case / "expect.json").read_text())["calls"]
        faults = [] if len(calls) == len(expected) else [f"{len(calls)} calls instead of {len(expected)}"]
        for number, (call, outcomes) in enumerate(zip(calls, expected, strict=False)):
            faults += [f"call {number}: {fault}" for fault in faults_of(call, outcomes, calls, folder)]
        there = f"{folder}/"
        return [call.told().replace(there, "") for call in calls], [fault.replace(there, "") for fault in faults]


def faults_of(call: Call, outcomes: list[dict[str, Any]], calls: list[Call], folder: Path) -> list[str]:
    """What is wrong with a call, held against the outcome that it is nearest to."""
    said = call.out + call.err
    if "Traceback (most recent call last)" in said:
        return [f"traceback, {said.strip().splitlines()[-1]}"]
    if call.code == 2 and len(call.err.strip().splitlines()) != 1:
        return [f"refused by {len(call.err.strip().splitlines())} lines"]
    found = [list(held(call, outcome, calls, folder)) for outcome in outcomes]
    return min(found, key=len)


def held(call: Call, outcome: dict[str, Any], calls: list[Call], folder: Path) -> Any:  # noqa: C901 - one line a word
    """What is not as an outcome has it."""
    runs = [run for run in call.runs() if "of" not in outcome or run.method == outcome["of"]]
    said = call.out + call.err
    if call.code not in outcome["exit"]:
        yield f"exit code {call.code} ({said.strip()[-160:]!r})"
    if "runs" in outcome and len(call.runs()) != outcome["runs"]:
        yield f"{len(call.runs())} runs instead of {outcome['runs']}"
    for pattern in outcome.get("says", ()):
        if not re.search(pattern, said, re.IGNORECASE):
            yield f"it does not say {pattern!r} but {said.strip()[-160:]!r}"
    for pattern in outcome.get("never", ()):
        if re.search(pattern, said):
            yield f"it says {pattern!r}"
    if "same_as" in outcome and numbers(call.out) != numbers(calls[outcome["same_as"]].out):
        yield f"it says other numbers than call {outcome['same_as']}"
    if outcome.get("recorded") and not (folder / "mlflow.db").exists():
        yield "MLflow has no run"
    if not {"verdict", "values", "checks", "files", "rows"} & set(outcome):
        return
    if not runs:
        yield "there is no run"
        return
    yield from held_by_run(runs[-1], outcome)


def held_by_run(run: Run, outcome: dict[str, Any]) -> Any:
    """What of a run is not as an outcome has it."""
    status = run.verdict["status"]
    if status not in outcome["verdict"]:
        checks = [check for check in run.verdict["checks"] if check["status"] != "passed"]
        failed = [f"{check['name']}: {check['advice']}" for check in checks]
        yield f"the verdict is {status} ({' '.join(failed)[:300]})"
    checks = {check["name"]: check["status"] for check in run.verdict["checks"]}
    for name, wanted in outcome.get("checks", {}).items():
        if checks.get(name) != wanted:
            yield f"{name} is {checks.get(name)}"
    for name in outcome.get("files", ()):
        if not (run.folder / name).exists():
            yield f"there is no {name}"
    if "rows" in outcome:
        with (run.folder / "loo.csv").open() as file:
            rows = len(list(csv.reader(file))) - 1
        if rows != outcome["rows"]:
            yield f"loo.csv has {rows} rows"
    yield from held_by_summary(run.summary(), status, outcome)


def held_by_summary(summary: dict[str, dict[str, float]], status: str, outcome: dict[str, Any]) -> Any:
    """What of a run's numbers is not as an outcome has it."""
    for scalar in outcome.get("unknown", ()):
        row = summary[scalar]
        if status == "passed" and not (math.isnan(row["mean"]) and math.isnan(row["sd"])):
            yield f"{scalar} is {row['mean']:.3g} +- {row['sd']:.3g}"
    for scalar, values in outcome.get("values", {}).items():
        if scalar not in summary:
            yield f"there is no {scalar} among {', '.join(summary)}"
            continue
        for name, value in values.items():
            seen, allowed = summary[scalar][name], room(summary[scalar], scalar, name, value, outcome)
            if not abs(seen - value) <= allowed:
                yield f"{name} of {scalar} is {seen:.6g} instead of {value:.6g} +- {allowed:.2g}"


def room(row: dict[str, float], scalar: str, name: str, value: float, outcome: dict[str, Any]) -> float:
    """By how much a number may be off."""
    if name == "sd" and "sd_within" in outcome:
        return float(outcome["sd_within"] * abs(value))
    if "within" in outcome:
        return float(outcome["within"] * abs(value)) * (10 if name == "sd" else 1)
    if name.startswith("q"):
        return float(outcome["quantile_within"][scalar][name])
    error = row["mcse_mean"] if name == "mean" else value / math.sqrt(2 * row["ess_bulk"])
    return ERRORS * error


def numbers(text: str) -> list[str]:
    """The numbers of a text."""
    return re.findall(r"-?\d+\.\d+", text)


if __name__ == "__main__":
    main(sys.argv[1:])
