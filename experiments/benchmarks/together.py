"""Many runs by one program beside the same runs one after another; writes `together.md` beside this file.

    python experiments/benchmarks/together.py

Only the inference is measured, the second time that it is made, when all programs are compiled. It says where a sweep
by `hydra/launcher=compiled` gains by running jobs together on a CPU (`gains_by_batching` of the methods).
"""

import importlib.metadata
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hydra
import numpy as np

from credo.config import paths, schema, sources
from credo.experiment import device

HERE = Path(__file__).parent
SCHOOLS = ("data=eight_schools", "model=hierarchical")
STEPS = ("inference=mh", "inference.warmup=1000", "inference.draws=500", "inference.thinning=10")
CASES = {
    "mh, eight schools": (16, (*SCHOOLS, *STEPS)),
    "mh, breast cancer": (16, ("experiment=breast_cancer", *STEPS)),
    "nuts vectorized, eight schools": (16, (*SCHOOLS, "inference=nuts", "inference.chain_method=vectorized")),
    "map by adam, breast cancer": (16, ("experiment=breast_cancer", "inference=map", "inference.optimiser=adam")),
    "map by lbfgs, breast cancer": (16, ("experiment=breast_cancer", "inference=map")),
    "map by lbfgs, coin flips": (16, ("data=coin_flips", "model=bernoulli", "inference=map")),
    "map, network of 20 epochs": (8, ("data=diabetes", "model=mdn", "inference=map", "training.epochs=20")),
}


class Quiet:
    """Says nothing."""

    def progress(self, *_: Any) -> None:
        """Nothing."""


def main() -> None:
    """Measure, print and write the table."""
    device.start("cpu", "float64", None, None)
    schema.register()
    sources.register()
    lines = []
    for name, (jobs, words) in CASES.items():
        lines.append(f"| {name} | {jobs} | " + " | ".join(measured(jobs, words)) + " |")
        print(lines[-1], flush=True)  # noqa: T201 - a script's output
    names = ("credo", "numpyro", "jax")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    begin = f"# Runs together\n\n{datetime.now(UTC):%Y-%m-%d}; {versions}; {os.cpu_count()} cores; "
    begin += "`python experiments/benchmarks/together.py`"
    words = (
        "Inference of several seeds, one after another and by one program over all, programs compiled before. The last "
        "column: the largest difference of a mean or standard deviation of a latent, relative to the standard "
        "deviation, or to the mean where there is none."
    )
    head = "| what | runs | alone, wall | alone, CPU | together, wall | together, CPU | difference |"
    (HERE / "together.md").write_text("\n".join([begin, "", words, "", head, "| --- " * 7 + "|", *lines, ""]))


def measured(jobs: int, words: tuple[str, ...]) -> list[str]:
    """Seconds alone and together, and how far the answers differ."""
    import jax

    from credo.experiment.parts import build
    from credo.inference.base import NO_CHECKPOINTER
    from credo.inference.calls import batched

    asked: list[Any] = []
    with hydra.initialize_config_dir(str(paths.built_in() / "conf"), version_base="1.3"):
        for seed in range(jobs):
            parts = build(hydra.compose("config", [*words, f"seed={seed}"]))
            problem, _ = parts.problem(0)
            parts.inference.check(problem)
            asked.append((parts.inference, (problem, jax.random.PRNGKey(seed), Quiet(), NO_CHECKPOINTER)))
    for _ in range(2):
        begun = time.perf_counter(), time.process_time()
        alone = [method.run(*rest) for method, rest in asked]
        between = time.perf_counter(), time.process_time()
        found = batched([method.calls(*rest) for method, rest in asked])
        ended = time.perf_counter(), time.process_time()
    difference = max(apart(one, other) for one, other in zip(alone, found, strict=True))
    times = [between[0] - begun[0], between[1] - begun[1], ended[0] - between[0], ended[1] - between[1]]
    return [*(f"{one:.2f}" for one in times), f"{difference:.2g}"]


def apart(one: Any, other: Any) -> float:
    """The largest relative difference of moments."""
    largest = 0.0
    for name in one.sampled:
        first, second = (run.tree["posterior"][name].to_numpy() for run in (one, other))
        sd = first.std((0, 1))
        scale = np.where(sd > 0, sd, np.abs(first.mean((0, 1))))
        for moment in (np.mean, np.std):
            largest = max(largest, float(np.max(np.abs(moment(first, (0, 1)) - moment(second, (0, 1))) / scale)))
    return largest


if __name__ == "__main__":
    main()
