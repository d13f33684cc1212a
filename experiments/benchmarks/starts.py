"""Where the chains of NUTS should begin, on posteriors whose answers are known; writes `starts.md` beside this file.

    make benchmark NAME=starts
    python experiments/benchmarks/starts.py --only garch11 --seeds 5

Each beginning of `inference.start` has the other settings of `conf/inference/nuts.yaml`, and all standard checks judge
it. Accurate and passed wrongly mean what they mean in `benchmarks/methods.py`; gradients are medians over seeds.
"""

import argparse
import importlib.metadata
import sys
from datetime import UTC, datetime

import jax
import methods as judged  # the benchmark beside this one
import numpy as np

from credo.diagnostics.answer import answer
from credo.errors import CredoError
from credo.experiment import device

STARTS = ("jitter", "prior", "auto", "pathfinder")
HEAD = "posterior | start | passed | passed wrongly | accurate | gradients of the warm-up | of the draws"


def main() -> None:
    """Run what was asked for, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="*", default=[*judged.POSTERIORS], choices=judged.POSTERIORS)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    sys.path.append(str(judged.references.ROOT))
    device.start("cpu", "float64", None, "~/.cache/credo")
    rows, sums = [], dict.fromkeys(STARTS, (0, 0, 0))
    for name in asked.only:
        for start in STARTS:
            lines, warmup, draws = zip(*(one(name, start, seed) for seed in range(asked.seeds)), strict=True)
            counts = (
                sum(line.verdict == "passed" for line in lines),
                sum(line.passes_wrongly for line in lines),
                sum(line.accurate for line in lines),
            )
            sums[start] = tuple(np.add(sums[start], counts))
            gradients = f"{np.nanmedian(warmup):,.0f} | {np.nanmedian(draws):,.0f}"
            rows.append(f"| {name} | {start} | {' | '.join(map(str, counts))} | {gradients} |")
            print(rows[-1], flush=True)  # noqa: T201 - a script's output
    total = [f"| all | {start} | {' | '.join(map(str, counts))} | | |" for start, counts in sums.items()]
    if asked.only == [*judged.POSTERIORS]:
        (judged.HERE / "starts.md").write_text(page([*total, *rows], asked.seeds))
    sys.exit(any(wrong for _, wrong, _ in sums.values()))


def one(name: str, start: str, seed: int) -> tuple[judged.Line, float, float]:
    """One run of NUTS: its line, and the gradients of warm-up and draws."""
    words = ["inference=nuts", f"inference.start={start}"]
    problem, method = judged.problem_of(name), judged.sbibm.composed(words)
    try:
        method.check(problem)
        found = answer(problem, method, judged.checks(), jax.random.PRNGKey(seed), judged.references.Quiet())
    except CredoError as error:
        return judged.Line(name, start, "refused", str(error)), np.nan, np.nan
    steps = float(found.result.tree["sample_stats"]["n_steps"].sum())
    line = judged.compare(name, start, found, np.nan)
    return line, found.result.cost.gradients - steps, steps


def page(rows: list[str], seeds: int) -> str:
    """The table in markdown, with date, versions and command."""
    names = ("credo", "numpyro", "jax", "arviz-stats")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    return "\n".join(
        [
            "# Where the chains of NUTS begin",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}; {versions}; `make benchmark NAME=starts`; of {seeds} seeds.",
            "A path of Pathfinder costs gradients of its own, about a hundred for each chain, which are not counted.",
            "",
            f"| {HEAD} |",
            "| " + "--- | " * 7,
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
