"""Is each family and each ready model calibrated, by the command line? Writes `families_calibration.md` beside it.

    make benchmark NAME=families_calibration
    python experiments/benchmarks/families_calibration.py mixture beta   (some of them, whose rows are made anew)

The lines are those of `tests/calibration/ready_models.py`; the table has them as far as they are done.
"""

import importlib.metadata
import json
import os
import runpy
import sys
import tempfile
import time
from contextlib import chdir
from datetime import UTC, datetime
from pathlib import Path

from credo.cli.main import command

HERE = Path(__file__).parent
PAGE = HERE / "families_calibration.md"
READY = runpy.run_path(str(HERE.parents[1] / "tests" / "calibration" / "ready_models.py"))
QUIET = ("tracking=none", "report=none", "device=cpu")
INTERRUPTED = 130
HEAD = (
    "| model | verdict | scalars | smallest p | alarm over all | replications | failed | needed | CPU s |\n"
    + "| --- " * 9
    + "|"
)


def main(*names: str) -> None:
    """Measure, print and write the table."""
    rows = known() if names else {}
    for name in names or READY["LINES"]:
        rows[name] = calibrated(name)
        print(rows[name], flush=True)  # noqa: T201 - a script's output
        write(rows)


def known() -> dict[str, str]:
    """The rows of the table that is there."""
    lines = PAGE.read_text().splitlines() if PAGE.exists() else []
    found = {line.split(" | ")[0].removeprefix("| "): line for line in lines if line.startswith("| ")}
    return {name: line for name, line in found.items() if name in READY["LINES"]}


def calibrated(name: str) -> str:
    """The row of one line."""
    with tempfile.TemporaryDirectory() as scratch, chdir(scratch):
        READY["write_table"](Path())
        began = time.process_time()
        code = command(["calibrate", *READY["words"](name), *QUIET, "hydra.run.dir=run"])
        spent = time.process_time() - began
        if code == INTERRUPTED:
            sys.exit(code)
        if not Path("run", "verdict.json").exists():
            return f"| {name} | exit code {code} | | | | | | | {spent:.0f} |"
        told = json.loads(Path("run", "verdict.json").read_text())
        smallest, scalars = READY["smallest"](Path("run"))
    verdict = told["sentence"] if told["status"] == "not calibrated" else told["status"]
    over_all = "yes" if READY["alarms"](smallest, scalars) else "no"
    numbers = f"{told['replications']} | {told['failed']} | {told['replications_needed']} | {spent:.0f}"
    return f"| {name} | {verdict} | {scalars} | {smallest:.2g} | {over_all} | {numbers} |"


def write(rows: dict[str, str]) -> None:
    """Write the table as it stands, and which of the lines it lacks."""
    names = ("credo", "numpyro", "jax")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    begin = f"# Calibration of families and ready models\n\n{datetime.now(UTC):%Y-%m-%d}; {versions}; "
    begin += f"{os.cpu_count()} cores; `make benchmark NAME=families_calibration`"
    words = (
        "Each model has `credo calibrate` of NUTS, by the words of `tests/calibration/ready_models.py`. A verdict "
        "looks at three p-values of each scalar; by Holm's correction the chance of any false alarm of a model is 1 %, "
        "and the smallest p-value alarms below 0.01 / (3 x scalars). So one verdict in a hundred alarms by chance; the "
        "column for all lines has a chance of 1 % of any false alarm among them (Bonferroni). CPU seconds have "
        "compilation included, but for programs that the compilation cache has from an earlier run. `calibration.md` "
        "has the models whose posteriors are conjugate, and eight schools. `credo calibrate` refuses censored targets, "
        "as it does not know when it would have censored the rows that it draws, weighted rows, and models with "
        "networks. Each row has a seed of its own, which follows from its name."
    )
    done = [rows[name] for name in READY["LINES"] if name in rows]
    lacking = [name for name in READY["LINES"] if name not in rows]
    parts = [begin, words, "\n".join([HEAD, *done]), *([f"Not run yet: {', '.join(lacking)}."] if lacking else [])]
    PAGE.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
