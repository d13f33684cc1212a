"""Every way to the posterior on posteriors whose answers are known; writes `methods.md` beside this file.

    make methods
    python experiments/benchmarks/methods.py --only nes_logit --methods laplace nuts

Each method has the settings of its YAML, and all standard checks judge it. The reference is that of
`benchmarks/posteriors.py` (10,000 draws of posteriordb, or exact answers by quadrature) and of `benchmarks/sbibm.py`
(10,000 draws of sbibm). Accurate means what it means there: every mean within four standard errors of both sides and
0.1 posterior standard deviations, standard deviations within 10 %, the 5 % and 95 % quantiles within 0.15 standard
deviations. A verdict is wrong, and the exit code 1, where it is "passed" though a mean is off by more than 0.3
posterior standard deviations or a standard deviation by more than 30 %, or the log evidence by more than 0.05 nats and
three of its stated errors. Every line has a process of its own, which is stopped after `--limit` seconds. The lines are
kept in `methods.csv`, so that a method may be run by itself; `--missing` runs only those that are not in it.

C2ST is that of `benchmarks/sbibm.py`, for the two tasks of several modes.
"""

import argparse
import importlib.metadata
import json
import math
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

import jax
import numpy as np
import pandas as pd
import posteriors as references  # the benchmark beside this one
import sbibm  # and this one
from hydra.utils import instantiate
from omegaconf import OmegaConf

from credo.diagnostics.answer import Answer, answer
from credo.errors import CredoError
from credo.experiment import device
from credo.models.problem import Problem
from credo.models.program import Program

HERE = references.HERE
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

POSTERIORS = (CENTRED, *references.FOLDERS, *references.HARD, *sbibm.TASKS)
METHODS = (
    "laplace",
    "pathfinder",
    "vi",
    "flow",
    "smc",
    "nested",
    "tempering",
    "mams",
    "chees",
    "ensemble",
    "auto",
    "nuts",
)
"""Those of the table; any other of `conf/inference` can be named."""

SETTINGS = {"flow": ["inference=vi", "inference.family=flow"]}
"""The words of a method that is another with a setting."""


@dataclass(frozen=True)
class Line:
    """One line of the table; what a method does not have is NaN."""

    posterior: str
    method: str
    verdict: str
    why: str = ""
    accurate: bool = False
    worst_z: float = math.nan
    worst_mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    c2st: float = math.nan
    pareto_k: float = math.nan
    log_evidence: float = math.nan
    error: float = math.nan
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
        off = not (self.worst_mean <= 0.3 and self.low >= 0.7 and self.high <= 1.3)
        return self.verdict == "passed" and (off or self.evidence_is_wrong)


def main() -> None:
    """Run what was asked for, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="*", default=[*POSTERIORS], choices=POSTERIORS)
    parser.add_argument("--methods", nargs="*", default=[*METHODS])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=900, help="seconds of one line")
    parser.add_argument("--processes", type=int, default=1, help="side by side")
    parser.add_argument("--missing", action="store_true", help="only lines that are not in methods.csv")
    parser.add_argument("--line", action="store_true", help="print one line as JSON, in this process")
    asked = parser.parse_args()
    if asked.line:
        print(json.dumps(asdict(judge(asked.only[0], asked.methods[0], asked.seed))))  # noqa: T201 - a script's output
        return
    kept = {} if asked.seed else read()
    pairs = [(name, word) for word in asked.methods for name in asked.only]
    pairs = [pair for pair in pairs if not (asked.missing and pair in kept)]
    with ThreadPoolExecutor(asked.processes) as pool:
        for line in pool.map(lambda pair: apart(*pair, asked.seed, asked.limit), pairs):
            kept[line.posterior, line.method] = line
            print(line, flush=True)  # noqa: T201 - a script's output
            if not asked.seed:
                write(kept)
    sys.exit(any(kept[pair].passes_wrongly for pair in pairs))


def apart(name: str, word: str, seed: int, limit: float) -> Line:
    """The line of a posterior and a method, by a process of its own that is stopped after `limit` seconds."""
    words = [sys.executable, __file__, "--line", "--only", name, "--methods", word, "--seed", str(seed)]
    try:
        found = subprocess.run(words, capture_output=True, text=True, timeout=limit, check=True)  # noqa: S603 - our own script
    except subprocess.TimeoutExpired:
        return Line(name, word, "stopped", f"after {limit:g} s", seconds=limit)
    except subprocess.CalledProcessError as error:
        return Line(name, word, "crashed", error.stderr.strip().splitlines()[-1])
    return Line(**json.loads(found.stdout.splitlines()[-1]))


def judge(name: str, word: str, seed: int) -> Line:
    """Put a posterior to a method, and compare it."""
    sys.path.append(str(references.ROOT))
    device.start("cpu", "float64", None, "~/.cache/credo")
    problem = problem_of(name)
    begin = time.perf_counter()
    try:
        found = answer(problem, method(word), checks(), jax.random.PRNGKey(seed), references.Quiet())
    except CredoError as error:
        return Line(name, word, "refused", str(error), seconds=time.perf_counter() - begin)
    return compare(name, word, found, time.perf_counter() - begin)


def problem_of(name: str) -> Problem:
    """A posterior by its name."""
    if name in sbibm.TASKS:
        return sbibm.problem(name)
    data = references.folder(NONCENTRED if name == CENTRED else name) / "data.json"
    model = Program(f"experiments.posteriors:{name}", {})
    return Problem(model, references.read(data).load(model, 0))


def method(word: str) -> Any:
    """A method of the table."""
    return sbibm.composed(SETTINGS.get(word, [f"inference={word}"]))


def checks() -> dict[str, Any]:
    """All standard checks."""
    files = sorted((CONF / "diagnostics" / "check").glob("*.yaml"))
    return {file.stem: instantiate(OmegaConf.load(file), _convert_="all") for file in files}


def answers(name: str) -> pd.DataFrame:
    """The reference by scalar."""
    return sbibm.answers(name) if name in sbibm.TASKS else references.answers(NONCENTRED if name == CENTRED else name)


def compare(name: str, word: str, found: Answer, seconds: float) -> Line:
    """Hold an answer against the reference."""
    ours, theirs = found.summary.set_index("variable"), answers(name)
    if name not in sbibm.TASKS:
        ours.index = pd.Index([references.stan(label) for label in ours.index])
    ours = ours.reindex([scalar for scalar in theirs.index if scalar in ours.index])
    theirs = theirs.loc[ours.index]
    off, ratio = (ours["mean"] - theirs["mean"]).abs(), ours["sd"] / theirs["sd"]
    numbers, status = found.metrics, found.verdict.status
    failed = [check.name for check in found.verdict.checks if check.decides and check.status == status]
    return Line(
        posterior=name,
        method=word,
        verdict=status,
        why="" if status == "passed" else ", ".join(failed),
        accurate=not references.wrong(ours, theirs),
        worst_z=float((off / np.hypot(ours["mcse_mean"], theirs["mcse_mean"])).max()),
        worst_mean=float((off / theirs["sd"]).max(skipna=False)),
        low=float(ratio.min(skipna=False)),
        high=float(ratio.max(skipna=False)),
        c2st=sbibm.told_apart(name, found.result) if name in sbibm.MOONS else math.nan,
        pareto_k=numbers.get("pareto_k", math.nan),
        log_evidence=numbers.get("log_evidence", math.nan),
        error=numbers.get("log_evidence_error", math.nan),
        gradients=numbers.get("gradients", math.nan),
        seconds=seconds,
    )


def read() -> dict[tuple[str, str], Line]:
    """The lines of earlier runs."""
    file = HERE / "methods.csv"
    if not file.exists():
        return {}
    types = {field.name: field.type for field in fields(Line)}
    missing = {name: ["nan"] for name, one in types.items() if one is float}
    table = pd.read_csv(file, keep_default_na=False, na_values=missing, dtype=types)
    return {(row["posterior"], row["method"]): Line(**row) for row in table.to_dict("records")}


def write(kept: dict[tuple[str, str], Line]) -> None:
    """Keep the lines, and write the table of them."""
    words = [*dict.fromkeys([*METHODS, *(word for _, word in kept)])]
    lines = [kept[name, word] for name in POSTERIORS for word in words if (name, word) in kept]
    pd.DataFrame([asdict(line) for line in lines]).to_csv(HERE / "methods.csv", index=False, na_rep="nan")
    (HERE / "methods.md").write_text(page(lines, words))


def page(lines: list[Line], words: list[str]) -> str:
    """The table in markdown, with date, versions and command."""
    names = ("credo", "numpyro", "jax", "arviz-stats")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    head = (
        "posterior | method | verdict | accurate | worst z of means | mean off by, in sd | sd ratio | C2ST | "
        "Pareto k | log evidence | exact | gradients | seconds"
    )
    return "\n".join(
        [
            "# Every way to the posterior",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}; {versions}; `make methods`; seed 0.",
            "Seconds are wall-clock on a shared machine, with compilation. NaN is what a method does not have.",
            "",
            *summary(lines, words),
            "",
            f"| {head} |",
            "| " + "--- | " * 13,
            *(row(line) for line in lines),
            "",
        ]
    )


def summary(lines: list[Line], words: list[str]) -> list[str]:
    """What the table comes to, by method, and of `auto` against NUTS."""
    head = "method | posteriors | passed | passed wrongly | accurate | accurate of those passed"
    table = [f"| {head} |", "| " + "--- | " * 6]
    for word in words:
        own = [line for line in lines if line.method == word]
        passed = [line for line in own if line.verdict == "passed"]
        wrong, accurate = sum(line.passes_wrongly for line in own), sum(line.accurate for line in own)
        both = sum(line.accurate for line in passed)
        table.append(f"| {word} | {len(own)} | {len(passed)} | {wrong} | {accurate} | {both} |")
    return [*table, "", *climb(lines)]


def climb(lines: list[Line]) -> list[str]:
    """How `auto` compares with NUTS where both were run."""
    auto, nuts = ({line.posterior: line for line in lines if line.method == word} for word in ("auto", "nuts"))
    both = [name for name in auto if name in nuts and auto[name].gradients > 0 < nuts[name].gradients]
    if not both:
        return []
    ratio = float(np.median([auto[name].gradients / nuts[name].gradients for name in both]))
    short = [name for name in both if nuts[name].accurate and not auto[name].accurate]
    far = [name for name in both if auto[name].verdict == "passed" and auto[name].worst_z > 4]
    gained = f"Of {len(both)} posteriors, the median of auto's gradients over NUTS's is {ratio:.3f}."
    missed = f"NUTS is accurate and auto is not on: {', '.join(short) or 'none'}."
    return [gained, missed, f"auto passes with |z| > 4 on: {', '.join(far) or 'none'}."]


def row(line: Line) -> str:
    """A line of the table."""
    exact = EVIDENCE.get(line.posterior, math.nan)
    verdict = f"{line.verdict}{f': {line.why}' if line.why else ''}{' (WRONG)' if line.passes_wrongly else ''}"
    return (
        f"| {line.posterior} | {line.method} | {verdict} | {'yes' if line.accurate else 'no'} | {line.worst_z:.2f} | "
        f"{line.worst_mean:.3f} | {line.low:.2f} to {line.high:.2f} | {line.c2st:.3f} | {line.pareto_k:.2f} | "
        f"{line.log_evidence:.4f} ± {line.error:.4f} | {exact:.4f} | {line.gradients:,.0f} | {line.seconds:.1f} |"
    )


if __name__ == "__main__":
    main()
