"""An energy of images of digits beside a restricted Boltzmann machine; writes `ebm_digits.md` beside this file.

    python experiments/benchmarks/ebm_digits.py [--seeds 0 1 2]

`experiment=ebm_digits` and `experiment=rbm` train on the same rows of the 8 x 8 digits, with the same seeds, and their
numbers of epochs take about the same time. Of the rows that are held out the negative log likelihood is a mean; its
interval is that of log Z, by annealed importance sampling from both sides, and the standard error is over rows.

Passed: every training under five minutes, log Z between bounds that are less than 0.2 nats apart, chains from both
sides agreed, and the difference in favour of the image energy in every seed more than both intervals can explain.
"""

import argparse
import importlib.metadata
import os
import sys
import time
from datetime import UTC, datetime
from typing import NamedTuple

import jax
import numpy as np
from posteriors import HERE, Quiet
from uci import composed

from credo.diagnostics.summary import summarise
from credo.diagnostics.verdict import judge
from credo.experiment import device
from credo.experiment.parts import build
from credo.inference.base import NO_CHECKPOINTER
from credo.models.ebm_derived import add_energy

PLANS = {"image": "experiment=ebm_digits", "rbm": "experiment=rbm"}
SEEDS = (0, 1, 2)
LONGEST = 300.0


class Found(NamedTuple):
    """Of one training: the negative log likelihoods [row] in nats, how far log Z may be off, checks, and seconds."""

    train: float
    nll: np.ndarray
    lower: float
    higher: float
    checks: dict[str, str]
    seconds: float
    after: float


def main() -> None:
    """Train all, print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    parser.add_argument("--words", nargs="*", default=[], help="overrides of all; the table is not written")
    asked = parser.parse_args()
    device.start("cpu", "float32", None, "~/.cache/credo")
    lines, differences, passed = [], [], True
    for seed in asked.seeds:
        found = {name: trained((words, f"data.split_seed={seed}", *asked.words), seed) for name, words in PLANS.items()}
        lines += [line(seed, name, one) for name, one in found.items()]
        good, difference = compared(found["image"], found["rbm"])
        differences.append(f"| {seed} | {difference} |")
        passed = passed and good
        print(*lines[-2:], differences[-1], sep="\n", flush=True)  # noqa: T201 - a script's output
    if not asked.words and asked.seeds == list(SEEDS):
        (HERE / "ebm_digits.md").write_text(page(lines, differences))
    sys.exit(not passed)


def trained(words: tuple[str, ...], seed: int) -> Found:
    """Train an energy and judge it on the held-out rows."""
    parts = build(composed(*words, f"seed={seed}"))
    problem, _ = parts.problem(seed)
    parts.inference.check(problem)
    run_key, energy_key = jax.random.split(jax.random.PRNGKey(seed))
    begun = time.perf_counter()
    result = parts.inference.run(problem, run_key, Quiet(), NO_CHECKPOINTER)
    seconds = time.perf_counter() - begun
    result = add_energy(problem, result, energy_key)
    after = time.perf_counter() - begun - seconds
    verdict = judge(parts.diagnostics, result, summarise(result))
    log_z = result.tree["normaliser"].to_dataset().isel(member=0)
    value, low, high = (float(log_z[name]) for name in ("value", "low", "high"))
    train, test = (-result.tree[name]["y"].values[0, 0] for name in ("log_likelihood", "log_likelihood_test"))
    checks = {check.name: check.status for check in verdict.checks if check.name in ("normaliser", "samples")}
    return Found(float(train.mean()), test, low - value, high - value, checks, seconds, after)


def compared(image: Found, rbm: Found) -> tuple[bool, str]:
    """Whether the image energy passes, and what a line says of the difference."""
    each = rbm.nll - image.nll
    mean, error = float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))
    least, most = mean + rbm.lower - image.higher, mean + rbm.higher - image.lower
    sound = {status for one in (image, rbm) for status in one.checks.values()} == {"passed"}
    good = least > 0 and sound and max(image.seconds, rbm.seconds) < LONGEST
    winner = "image" if least > 0 else "rbm" if most < 0 else "undecided"
    numbers = f"{mean:+.3f} ± {error:.3f} | {least:+.3f} to {most:+.3f} | {(each > 0).mean():.0%}"
    return good, f"{numbers} | {winner} | {'yes' if good else 'NO'}"


def line(seed: int, name: str, found: Found) -> str:
    """A line of the first table."""
    mean, error = found.nll.mean(), found.nll.std(ddof=1) / np.sqrt(len(found.nll))
    interval = f"{mean + found.lower:.3f} to {mean + found.higher:.3f} | {found.higher - found.lower:.3f}"
    checks = ", ".join(f"{check} {status}" for check, status in found.checks.items())
    numbers = f"{found.train:.3f} | {mean:.3f} ± {error:.3f} | {interval}"
    return f"| {seed} | {name} | {numbers} | {found.seconds:.0f} + {found.after:.0f} | {checks} |"


def page(lines: list[str], differences: list[str]) -> str:
    """The tables in markdown."""
    names = ("credo", "numpyro", "jax", "equinox", "optax")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    words = (
        "Nats per image. NLL: of the training rows, and of the rows held out, 359 of 1,797, ± its standard error over "
        "rows; between: where it lies by the bounds of log Z, which annealed importance sampling finds from both "
        f"sides, and their distance. Seconds: of the training, with its compilation, and of log Z and samples after "
        f"it, on {os.cpu_count()} cores that other programs used, too. Checks: those of the run."
    )
    more = (
        "How much lower the NLL of the image energy is, row by row, ± the standard error of the mean; what the bounds "
        "of both log Z make of it at least and at most; the share of rows of which it is lower. Passed: it is lower "
        f"whatever log Z is within its bounds, all checks passed, and no training took {LONGEST:.0f} seconds."
    )
    head = "| seed | energy | NLL train | NLL held out | between | distance | seconds | checks |"
    second = "| seed | lower by | bounds | of rows | lower is | passed |"
    begin = f"# Energies of digits\n\n{datetime.now(UTC):%Y-%m-%d}; {versions}; "
    begin += "`python experiments/benchmarks/ebm_digits.py`; " + ", ".join(f"{n}: `{w}`" for n, w in PLANS.items())
    begin += "; `seed` and `data.split_seed` are those of the line."
    first = [head, "| --- " * 8 + "|", *lines]
    return "\n".join([begin, "", words, "", *first, "", more, "", second, "| --- " * 6 + "|", *differences, ""])


if __name__ == "__main__":
    main()
