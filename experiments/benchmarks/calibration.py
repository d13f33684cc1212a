"""Are credo's models and methods calibrated, and are planted faults found? Writes `calibration.md` beside this file.

    python experiments/benchmarks/calibration.py [PAIRS]

Right pairs of a model and an exact method must raise no alarm; `PAIRS` says how many of them are run. The faults are
those of `tests/calibration/test_planted_faults.py`.
"""

import importlib.metadata
import json
import os
import runpy
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from credo.cli.main import command

HERE = Path(__file__).parent
PLANTED = runpy.run_path(str(HERE.parents[1] / "tests" / "calibration" / "test_planted_faults.py"))
REPLICATIONS = 500
QUIET = ("tracking=none", "report=none", "device=cpu")
MODELS = {
    "coin": ("data=coin_flips", "model=bernoulli"),
    "gaussian": ("data=inline", "data.values=[1.2,0.7,-0.3]", "model=gaussian", "model.sigma=null"),
    "conjugate": ("data=inline", "data.values=[1.2,0.7,-0.3]", "model=normal_inverse_gamma"),
    "uniform": ("data=inline", "data.values=[0.3,1.1,0.7]", "model=uniform", "prior@model.prior.theta=gamma"),
    "eight schools": ("experiment=eight_schools",),
}
CHAINS = ("inference.chains=2", "inference.warmup=250", "inference.draws=250")
STEPS = ("inference.chains=2", "inference.warmup=500", "inference.draws=250", "inference.thinning=10")
METHODS = {
    "nuts": CHAINS,
    "hmc": CHAINS,
    "mams": CHAINS,
    "barker": STEPS,
    "mh": STEPS,
    "smc": ("inference.repeats=2", "inference.particles=128"),
    "tempering": ("inference.chains=2", "inference.warmup=250", "inference.draws=250"),
}
PAIRS = (
    ("coin", "nuts"),
    ("gaussian", "barker"),
    ("conjugate", "mams"),
    ("eight schools", "nuts"),
    ("uniform", "nuts"),
    ("coin", "mh"),
    ("gaussian", "hmc"),
    ("coin", "smc"),
    ("conjugate", "nuts"),
    ("coin", "tempering"),
    ("gaussian", "nuts"),
    ("uniform", "mh"),
    ("conjugate", "hmc"),
    ("coin", "barker"),
    ("gaussian", "mams"),
    ("uniform", "barker"),
    ("eight schools", "hmc"),
    ("conjugate", "barker"),
    ("eight schools", "mams"),
    ("coin", "hmc"),
)


def main() -> None:
    """Measure, print and write the tables."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else len(PAIRS)
    faults = [found(name, fault) for name, fault in PLANTED["FAULTS"].items()]
    pairs: list[str] = []
    for model, method in PAIRS[:count]:
        pairs.append(calibrated(model, method))
        print(pairs[-1], flush=True)  # noqa: T201 - a script's output
        write(pairs, faults)


def found(name: str, fault: Any) -> str:
    """The line of a fault."""
    verdict, _ = PLANTED["replications"](fault, seed=1, count=REPLICATIONS)
    print(name, verdict.status, flush=True)  # noqa: T201 - a script's output
    return f"| {name} | {verdict.status} | {verdict.sentence.removesuffix(' The chance of any false alarm is 1%.')} |"


def calibrated(model: str, method: str) -> str:
    """The line of a pair."""
    with tempfile.TemporaryDirectory() as scratch:
        began, words = time.process_time(), (*MODELS[model], f"inference={method}", *METHODS[method], *QUIET)
        place = f"{scratch}/run"
        number = f"calibrate.replications={REPLICATIONS}"
        code = command(["calibrate", *words, number, f"hydra.run.dir={place}"])
        if code:
            return f"| {model} | {method} | exit code {code} | | | | |"
        spent, told = time.process_time() - began, json.loads(Path(place, "verdict.json").read_text())
        scalars = len(Path(place, "calibration.csv").read_text().splitlines()) - 1
    numbers = f"{told['replications']} | {told['failed']} | {told['replications_needed']} | {spent:.0f}"
    return f"| {model} | {method} | {told['status']} | {scalars} | {numbers} |"


def write(pairs: list[str], faults: list[str]) -> None:
    """Write the tables as they stand."""
    names = ("credo", "numpyro", "jax")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    begin = f"# Calibration\n\n{datetime.now(UTC):%Y-%m-%d}; {versions}; {os.cpu_count()} cores; "
    begin += f"`python experiments/benchmarks/calibration.py {len(pairs)}`"
    words = (
        f"Right pairs: {REPLICATIONS} replications of each; the chance of any false alarm of a pair is 1 %. CPU "
        "seconds have compilation included."
    )
    head = "| model | method | verdict | scalars | replications | failed | needed | CPU s |\n" + "| --- " * 8 + "|"
    planted_head = "| planted fault | verdict | sentence |\n" + "| --- " * 3 + "|"
    parts = [begin, words, "\n".join([head, *pairs]), "## Planted faults", "\n".join([planted_head, *faults])]
    (HERE / "calibration.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
