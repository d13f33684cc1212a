"""Handwritten digits by an ensemble of convolutional networks; writes `digits.md` and `digits.png` beside this file.

    make benchmark NAME=digits

`experiment=digits`, with seeds 0 to 4 of the split, of the first weights and of the order of the rows: 20 % of the rows
are held out. Learning rate, widths, epochs and members were chosen by the validation losses of the training rows
(`--choose` prints them), without a look at held-out ones. The figure is the reliability diagram of all held-out rows.
"""

import argparse
import importlib.metadata
import os
import sys
import time
from datetime import UTC, datetime
from typing import Any

import jax
import pandas as pd
import xarray as xr
from posteriors import HERE, Quiet
from uci import composed

from credo.diagnostics.class_scores import class_scores
from credo.experiment import device
from credo.experiment.parts import build
from credo.inference.base import NO_CHECKPOINTER
from credo.models.mdn_derived import add_predictive
from credo.report.drawing.image import png
from credo.report.plots import reliability
from credo.report.view import Evidence

SEEDS = range(5)
SCORES = ("accuracy_test", "cross_entropy_test", "cross_entropy_bits_test", "brier_test", "ece_test")
BAR = {"accuracy_test": 0.98, "cross_entropy_test": 0.08, "seconds": 300.0}
CHOICES = (
    (),
    ("training.learning_rate=0.001",),
    ("training.learning_rate=0.01",),
    ("model.channels=[8,16]",),
    ("model.channels=[32,64]",),
    ("model.encoder=mlp",),
)
CHOSEN_BY = ("training.members=2", "training.validation=0.2")


def main() -> None:
    """Train, score, print and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--choose", action="store_true")
    asked = parser.parse_args()
    device.start("cpu", "float32", None, None)
    if asked.choose:
        for words in CHOICES:
            result, seconds = trained(0, *CHOSEN_BY, *words)
            losses = result.tree["training"]["validation"].min("epoch").values.round(4)
            print(" ".join(words) or "as it stands", losses, f"{seconds:.0f} s")  # noqa: T201 - a script's output
        return
    runs = [trained(seed) for seed in SEEDS]
    rows = [class_scores(result.tree["classes"].to_dataset()) | {"seconds": seconds} for result, seconds in runs]
    table = pd.DataFrame(rows, index=pd.Index(SEEDS, name="seed"))
    every = xr.concat([result.tree["classes"].to_dataset() for result, _ in runs], "row", combine_attrs="override")
    draw(runs[0][0], every)
    text = page(table)
    (HERE / "digits.md").write_text(text)
    print(text)  # noqa: T201 - a script's output
    sys.exit("NO" in text)


def trained(seed: int, *words: str) -> tuple[Any, float]:
    """The result of a seed with its classes, and the seconds of all, compilation included."""
    began = time.perf_counter()
    parts = build(composed("experiment=digits", f"seed={seed}", f"data.split_seed={seed}", *words))
    problem, _ = parts.problem(seed)
    key = jax.random.PRNGKey(seed)
    result = parts.inference.run(problem, key, Quiet(), NO_CHECKPOINTER)
    return add_predictive(problem, result, key), time.perf_counter() - began


def draw(result: Any, every: xr.Dataset) -> None:
    """The reliability diagram of all held-out rows."""
    result.tree["classes"] = xr.DataTree(every)
    drawing = reliability.draw(Evidence(result, pd.DataFrame(), 10, {}))
    assert drawing.figure is not None  # noqa: S101 - a script
    (HERE / "digits.png").write_bytes(png(drawing.figure, 160))


def page(table: pd.DataFrame) -> str:
    """The table of seeds, and whether the means are as good as is asked for."""
    means = table.mean()
    good = {
        "accuracy_test": means["accuracy_test"] >= BAR["accuracy_test"],
        "cross_entropy_test": means["cross_entropy_test"] <= BAR["cross_entropy_test"],
        "seconds": table["seconds"].max() <= BAR["seconds"],
    }
    head = "| seed | accuracy | cross-entropy (nats) | in bits | Brier | ECE | seconds |"
    lines = [
        f"| {seed} | {row.accuracy_test:.2%} | {row.cross_entropy_test:.4f} | {row.cross_entropy_bits_test:.4f} "
        f"| {row.brier_test:.4f} | {row.ece_test:.4f} | {row.seconds:.0f} |"
        for seed, row in [*table.iterrows(), ("mean", means)]
    ]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("jax", "numpyro"))
    when = datetime.now(UTC).date()
    cores = os.process_cpu_count()
    return "\n".join(
        [
            "# Handwritten digits by convolutions",
            "",
            "`make benchmark NAME=digits`: 1,437 images for training, 360 held out, five networks.",
            f"{when}, {cores} cores, {versions}. Seconds are those of training and scores, and of the first seed of",
            "compilation, too.",
            "",
            head,
            "|---" * 7 + "|",
            *lines,
            "",
            *(f"- {name} as asked for (bar {BAR[name]:g}): {'yes' if ok else 'NO'}" for name, ok in good.items()),
            "",
            "![Reliability of the probabilities of all held-out rows](digits.png)",
            "",
        ]
    )


if __name__ == "__main__":
    main()
