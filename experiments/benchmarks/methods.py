"""Every way to the posterior on posteriors whose answers are known; writes `methods.md` beside this file.

    make benchmark NAME=methods
    python experiments/benchmarks/methods.py --only nes_logit --methods laplace nuts

Each method has the settings of its YAML, and all standard checks judge it. The reference is that of
`benchmarks/posteriors.py`: 10,000 draws of posteriordb, or exact answers by quadrature. A verdict is wrong, and the
exit code 1, where it is "passed" though a mean is off by more than 0.3 posterior standard deviations or a standard
deviation by more than 30 %, or the log evidence by more than 0.05 nats and three of its stated errors.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import math
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hydra
import jax
import numpy as np
import pandas as pd
from hydra.utils import instantiate
from omegaconf import OmegaConf

from credo.config import schema, sources
from credo.diagnostics.answer import Answer, answer
from credo.errors import CredoError
from credo.experiment import device
from credo.experiment.parts import make_inference
from credo.models.problem import Problem
from credo.models.program import Program

HERE = Path(__file__).parent


def _references() -> Any:
    """The benchmark `posteriors.py`, by another name than that of its programs."""
    spec = importlib.util.spec_from_file_location("references", HERE / "posteriors.py")
    assert spec is not None  # noqa: S101 - the file is beside this one
    module = importlib.util.module_from_spec(spec)
    sys.modules["references"] = module
    assert spec.loader is not None  # noqa: S101
    spec.loader.exec_module(module)
    return module


references = _references()
CONF = references.ROOT / "conf"
EXACT = json.loads((references.REFERENCE / "closed_forms.json").read_text())
CENTRED, NONCENTRED = "eight_schools_centred", "eight_schools_noncentered"
EVIDENCE = {
    CENTRED: EXACT["eight_schools"]["log_evidence_normalised_half_cauchy"],
    NONCENTRED: EXACT["eight_schools"]["log_evidence_normalised_half_cauchy"],
    "nes_logit": EXACT["nes_logit"]["log_evidence"],
    "sblrc_blr": EXACT["sblrc_blr_log_evidence"],
}
"""Log p(data), with all constants, where it is known."""

POSTERIORS = (CENTRED, *references.FOLDERS, *references.HARD)
METHODS = ("laplace", "pathfinder", "vi", "smc", "tempering", "mams", "chees", "ensemble", "auto", "nuts")
"""Those of the table; any other of `conf/inference` can be named."""


@dataclass(frozen=True)
class Line:
    """One line of the table; what a method does not have is NaN."""

    posterior: str
    method: str
    verdict: str
    why: str = ""
    worst_z: float = math.nan
    worst_mean: float = math.nan
    sd_ratio: tuple[float, float] = (math.nan, math.nan)
    pareto_k: float = math.nan
    log_evidence: float = math.nan
    error: float = math.nan
    raw: float = math.nan
    gradients: float = math.nan
    seconds: float = math.nan

    @property
    def evidence_is_wrong(self) -> bool:
        """Whether it is beyond 0.05 nats and three stated errors."""
        exact = EVIDENCE.get(self.posterior, math.nan)
        return abs(self.log_evidence - exact) > max(0.05, 3 * self.error)

    @property
    def passes_wrongly(self) -> bool:
        """Whether the verdict is a false pass."""
        low, high = self.sd_ratio
        off = not (self.worst_mean <= 0.3 and low >= 0.7 and high <= 1.3)
        return self.verdict == "passed" and (off or self.evidence_is_wrong)


def main() -> None:
    """Run what was asked for, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="*", default=[*POSTERIORS], choices=POSTERIORS)
    parser.add_argument("--methods", nargs="*", default=[*METHODS])
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    sys.path.insert(0, str(HERE.parent))
    device.start("cpu", "float64", None, "~/.cache/credo")
    lines = []
    for name in asked.only:
        for word in asked.methods:
            lines.append(judge(name, word, asked.seed))
            print(lines[-1], flush=True)  # noqa: T201 - a script's output
    if asked.only == [*POSTERIORS]:
        (HERE / "methods.md").write_text(page(lines, asked.methods))
    sys.exit(any(line.passes_wrongly for line in lines))


def judge(name: str, word: str, seed: int) -> Line:
    """Put a posterior to a method, and compare it."""
    data = references.folder(NONCENTRED if name == CENTRED else name) / "data.json"
    model = Program(f"posteriors:{name}", {})
    problem = Problem(model, references.read(data).load(model, 0))
    begin = time.perf_counter()
    try:
        found = answer(problem, method(word), checks(), jax.random.PRNGKey(seed), references.Quiet())
    except CredoError as error:
        return Line(name, word, "refused", str(error), seconds=time.perf_counter() - begin)
    return compare(name, word, found, time.perf_counter() - begin)


def method(word: str) -> Any:
    """A method with the settings of its YAML."""
    schema.register()
    sources.register()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return make_inference(hydra.compose("config", [f"inference={word}"]))


def checks() -> dict[str, Any]:
    """All standard checks."""
    files = sorted((CONF / "diagnostics" / "check").glob("*.yaml"))
    return {file.stem: instantiate(OmegaConf.load(file), _convert_="all") for file in files}


def answers(name: str) -> pd.DataFrame:
    """The reference by scalar."""
    return references.answers(NONCENTRED if name == CENTRED else name)


def compare(name: str, word: str, found: Answer, seconds: float) -> Line:
    """Hold an answer against the reference."""
    ours, theirs = found.summary.set_index("variable"), answers(name)
    ours.index = pd.Index([references.stan(label) for label in ours.index])
    ours = ours.reindex([scalar for scalar in theirs.index if scalar in ours.index])
    theirs = theirs.loc[ours.index]
    off = (ours["mean"] - theirs["mean"]).abs()
    ratio = ours["sd"] / theirs["sd"]
    numbers = found.metrics
    failed = [check.name for check in found.verdict.checks if check.decides and check.status == found.verdict.status]
    return Line(
        posterior=name,
        method=word,
        verdict=found.verdict.status,
        why="" if found.verdict.status == "passed" else ", ".join(failed),
        worst_z=float((off / np.hypot(ours["mcse_mean"], theirs["mcse_mean"])).max()),
        worst_mean=float((off / theirs["sd"]).max(skipna=False)),
        sd_ratio=(float(ratio.min(skipna=False)), float(ratio.max(skipna=False))),
        pareto_k=numbers.get("pareto_k", math.nan),
        log_evidence=numbers.get("log_evidence", math.nan),
        error=numbers.get("log_evidence_error", math.nan),
        raw=numbers.get("log_evidence_laplace", math.nan),
        gradients=numbers.get("gradients", math.nan),
        seconds=seconds,
    )


def page(lines: list[Line], methods: list[str]) -> str:
    """The table in markdown, with date, versions and command."""
    names = ("credo", "numpyro", "jax", "arviz-stats")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    head = (
        "posterior | method | verdict | worst z of means | mean off by, in sd | sd ratio | Pareto k | log evidence | "
        "without correction | exact | gradients | seconds"
    )
    return "\n".join(
        [
            "# Every way to the posterior",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}; {versions}; `make benchmark NAME=methods`, with {', '.join(methods)}.",
            "Seconds are wall-clock on a shared machine, with compilation. NaN is what a method does not have.",
            "",
            f"| {head} |",
            "| " + "--- | " * 12,
            *(row(line) for line in lines),
            "",
        ]
    )


def row(line: Line) -> str:
    """A line of the table."""
    low, high = line.sd_ratio
    exact = EVIDENCE.get(line.posterior, math.nan)
    verdict = f"{line.verdict}{f': {line.why}' if line.why else ''}{' (WRONG)' if line.passes_wrongly else ''}"
    return (
        f"| {line.posterior} | {line.method} | {verdict} | {line.worst_z:.2f} | {line.worst_mean:.3f} | "
        f"{low:.2f} to {high:.2f} | {line.pareto_k:.2f} | {line.log_evidence:.4f} ± {line.error:.4f} | "
        f"{line.raw:.4f} | {exact:.4f} | {line.gradients:,.0f} | {line.seconds:.1f} |"
    )


if __name__ == "__main__":
    main()
