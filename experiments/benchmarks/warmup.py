"""What a warm-up of its own choice costs and whether it is right, on posteriors that are known; writes `warmup.md`.

    make benchmark NAME=warmup
    python experiments/benchmarks/warmup.py --only garch11 --seeds 3             (without writing the table)
    python experiments/benchmarks/warmup.py --only garch11 --first 5 --seeds 25 --settings '1000 draws' auto --add
                                                                             (adds these lines to the table)

NUTS with `inference.warmup=1000`, with `auto`, and with `auto` for `inference.target_accept` as well; all else by
default. ESS is the smallest bulk effective sample size over the latents in unconstrained space. Passed and honest mean
what they mean in `posteriors.md`. A warm-up has ended too early where it made fewer draws than the fixed one, and the
run has less than 0.8 of the ESS per gradient of the sampling that fixed ones have on average, or is wrong without a
word where the fixed one of the same seed is not.
"""

import argparse
import csv
import importlib.metadata
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

import jax
import numpy as np
import pandas as pd
from posteriors import FOLDERS, HARD, HERE, ROOT, Quiet, answers, compare, folder, read, sampler, stan

from credo.diagnostics.summary import summarise
from credo.experiment import device
from credo.inference.convergence import running
from credo.models.problem import Problem
from credo.models.program import Program

SETTINGS: dict[str, dict[str, Any]] = {
    "1000 draws": {"warmup": 1000},
    "auto": {"warmup": "auto"},
    "auto, target auto": {"warmup": "auto", "target_accept": "auto"},
}
FIXED, LONGEST = "1000 draws", 1000
LEAST = 0.8
"""ESS per gradient of the sampling, as part of that of a fixed warm-up, below which the rule has ended it too early."""


@dataclass(frozen=True)
class Line:
    """One run."""

    posterior: str
    setting: str
    seed: int
    draws: int
    target: float
    warmup: int
    sampling: int
    ess: float
    divergences: int
    worst_z: float
    least_sd: float
    largest_sd: float
    passed: bool
    honest: bool
    why: str

    @property
    def per_sampling(self) -> float:
        """ESS per 1,000 gradients of the sampling."""
        return 1000 * self.ess / self.sampling


def main() -> None:
    """Run what was asked for, and write the table."""
    every = [*FOLDERS, *HARD]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="*", default=every, choices=every)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--settings", nargs="*", default=[*SETTINGS], choices=SETTINGS)
    parser.add_argument("--add", action="store_true")
    asked = parser.parse_args()
    sys.path.append(str(ROOT))
    device.start("cpu", "float64", None, "~/.cache/credo")
    lines: list[Line] = []
    for name in asked.only:
        model = Program(f"experiments.posteriors:{name}", {})
        problem = Problem(model, read(folder(name) / "data.json").load(model, 0))
        for setting in asked.settings:
            for seed in range(asked.first, asked.first + asked.seeds):
                lines.append(one(problem, name, setting, seed))
                print(lines[-1], flush=True)  # noqa: T201 - a script's output
        jax.clear_caches()  # a process can map only so many programs into its memory
    if asked.add or asked.only == every:
        write([*known(), *lines] if asked.add else lines)
    sys.exit(any(false_alarms(lines, setting) for setting in asked.settings))


def known() -> list[Line]:
    """The lines of the table so far."""
    with (HERE / "warmup.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    kinds = {field.name: field.type for field in fields(Line)}
    read: dict[Any, Callable[[str], Any]] = {bool: lambda word: word == "True"}
    return [Line(**{name: read.get(kinds[name], kinds[name])(word) for name, word in one.items()}) for one in rows]


def write(lines: Sequence[Line]) -> None:
    """Write the table and the page."""
    with (HERE / "warmup.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Line)])
        writer.writeheader()
        writer.writerows(map(asdict, lines))
    (HERE / "warmup.md").write_text(page(lines))


def one(problem: Problem, name: str, setting: str, seed: int) -> Line:
    """Run one posterior and compare it."""
    result = sampler("nuts", "", **SETTINGS[setting]).run(problem, jax.random.PRNGKey(seed), Quiet())
    tree, sampling = result.tree, int(result.tree["sample_stats"]["n_steps"].sum())
    latents = {site.name: tree["posterior"][site.name].to_numpy() for site in problem.latents}
    summary, reference = summarise(result).set_index("variable"), answers(name)
    summary.index = pd.Index([stan(label) for label in summary.index])
    ours = summary.loc[reference.index]
    line = compare(name, seed, result, ours, reference, 0.0)
    ratio = ours["sd"] / reference["sd"]
    made = tree["sample_stats"].attrs
    return Line(
        posterior=name,
        setting=setting,
        seed=seed,
        draws=int(made["warmup"]),
        target=float(made["target_accept"]),
        warmup=result.cost.gradients - sampling,
        sampling=sampling,
        ess=running([latents], None)["ess_bulk_min"],
        divergences=line.divergences,
        worst_z=line.worst_z,
        least_sd=float(ratio.min()),
        largest_sd=float(ratio.max()),
        passed=line.passed,
        honest=line.honest,
        why=line.why,
    )


def false_alarms(lines: Sequence[Line], setting: str) -> list[Line]:
    """The runs of a setting that ended their warm-up too early."""
    found = []
    for line in lines:
        fixed = [one for one in lines if (one.posterior, one.setting) == (line.posterior, FIXED)]
        if line.setting != setting or setting == FIXED or line.draws >= LONGEST:
            continue
        beside = next(one for one in fixed if one.seed == line.seed)
        slow = line.per_sampling < LEAST * np.mean([one.per_sampling for one in fixed])
        if slow or (beside.honest and not line.honest):
            found.append(line)
    return found


def row(name: str, setting: str, lines: Sequence[Line]) -> str:
    """A line of the table: means over seeds."""
    draws, warmup, sampling, ess = (
        float(np.mean([getattr(line, field) for line in lines])) for field in ("draws", "warmup", "sampling", "ess")
    )
    targets = ", ".join(f"{target:g}" for target in sorted({line.target for line in lines}))
    passed, honest = (sum(getattr(line, word) for line in lines) for word in ("passed", "honest"))
    return (
        f"| {name} | {setting} | {draws:,.0f} | {targets} | {warmup:,.0f} | {sampling:,.0f} | {ess:,.0f} | "
        f"{1000 * ess / (warmup + sampling):.3g} | {1000 * ess / sampling:.3g} | "
        f"{sum(line.divergences for line in lines)} | {max(line.worst_z for line in lines):.2f} | "
        f"{min(line.least_sd for line in lines):.2f} to {max(line.largest_sd for line in lines):.2f} | "
        f"{passed}/{len(lines)} | {honest}/{len(lines)} |"
    )


def page(lines: Sequence[Line]) -> str:
    """The table in markdown, with date, versions and command."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("credo", "numpyro", "jax"))
    total = []
    for setting in SETTINGS:
        own = [line for line in lines if line.setting == setting]
        early = [line for line in own if line.draws < LONGEST]
        gradients = sum(line.warmup + line.sampling for line in own)
        total.append(
            f"| {setting} | {gradients:,} | {sum(line.passed for line in own)}/{len(own)} | "
            f"{sum(line.honest for line in own)}/{len(own)} | {len(early)} | {len(false_alarms(lines, setting))} |"
        )
    rows = []
    for name in dict.fromkeys(line.posterior for line in lines):
        for setting in SETTINGS:
            own = [line for line in lines if (line.posterior, line.setting) == (name, setting)]
            rows += [row(name, setting, own)] if own else []
    wrong = [line for setting in SETTINGS for line in false_alarms(lines, setting)]
    told = [
        f"- {line.posterior}, {line.setting}, seed {line.seed}: {line.draws} draws, "
        f"{line.per_sampling:.3g} per 1,000 gradients of the sampling{'; ' + line.why if line.why else ''}"
        for line in wrong
    ]
    about = (
        f"{datetime.now(UTC):%Y-%m-%d}; {versions}; `make benchmark NAME=warmup`, and further seeds by "
        "`--add`; 4 chains of 1,000 draws, `inference.target_accept=0.95` unless it is auto; single runs in "
        "`warmup.csv`."
    )
    early = (
        f"Too early: ESS per gradient of the sampling below {LEAST} of the mean of those with 1,000 draws, or wrong "
        "without a word where the same seed with 1,000 draws is not."
    )
    head = (
        "| posterior | warm-up | its draws | targets | its gradients | those of the sampling | smallest ESS | "
        "ESS per 1,000 gradients | of the sampling | divergences | worst z | sd ratio | passed | honest |"
    )
    return "\n".join(
        [
            "# Warm-ups",
            "",
            about,
            "",
            "| warm-up | all gradients | passed | honest | ended early | of these too early |",
            "| --- " * 6 + "|",
            *total,
            "",
            early,
            *(["", *told] if told else []),
            "",
            "Means over seeds; z is the worst of all means, sd the least and largest ratio to the reference.",
            "",
            head,
            "| --- " * 14 + "|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
