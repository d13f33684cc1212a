"""Held-out scores of mixture density networks on five UCI sets; writes `uci.md` beside this file.

    make benchmark NAME=uci                                  all sets, splits 0 to 9
    python experiments/benchmarks/uci.py --only yacht --splits 2

Every set has the same configuration, that of `experiment=mdn_concrete`: its numbers were chosen by the validation loss
of splits 0 and 1 of four sets. Deep Ensembles' NLL are those of Lakshminarayanan et al. (2017), as the reference
folder's README lists them.
"""

import argparse
import importlib.metadata
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import hydra
import jax
import numpy as np
from omegaconf import DictConfig
from posteriors import HERE, REFERENCE, ROOT, Quiet

from credo.config import schema, sources
from credo.diagnostics.scores import scores
from credo.experiment import device
from credo.experiment.parts import build
from credo.inference.base import NO_CHECKPOINTER
from credo.models.mdn_derived import add_predictive

DEEP_ENSEMBLES = {"concrete": 3.06, "energy": 1.38, "yacht": 1.18, "power-plant": 2.79, "bostonHousing": 2.41}
SCORES = ("nll_test", "crps_test", "rmse_test", "coverage_50_test", "coverage_90_test")
JUDGED_COVERAGE = ("concrete", "power-plant")


def main() -> None:
    """Train, score, print and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=DEEP_ENSEMBLES, nargs="+", default=list(DEEP_ENSEMBLES))
    parser.add_argument("--splits", type=int, default=10)
    asked = parser.parse_args()
    device.start("cpu", "float32", None, "~/.cache/credo")
    lines = [line(name, *measured(name, asked.splits)) for name in asked.only]
    text = page(lines, asked.splits)
    print(text)  # noqa: T201 - a script's output
    if asked.only == list(DEEP_ENSEMBLES) and asked.splits == 10:
        (HERE / "uci.md").write_text(text)
    sys.exit(sum("NO" in one for one in lines) > 1)


def measured(name: str, splits: int) -> tuple[np.ndarray, float]:
    """The scores [split, score] of a set, and the seconds per split."""
    began = time.perf_counter()
    found = [one(REFERENCE / "uci" / name, split) for split in range(splits)]
    return np.array(found), (time.perf_counter() - began) / splits


def one(folder: Path, split: int) -> list[float]:
    """The scores of one split."""
    words = ("experiment=mdn_concrete", f"data.path={folder}", f"data.split={split}", f"seed={split}")
    parts = build(composed(*words))
    problem, _ = parts.problem(split)
    key = jax.random.PRNGKey(split)
    result = parts.inference.run(problem, key, Quiet(), NO_CHECKPOINTER)
    known = scores(add_predictive(problem, result, jax.random.fold_in(key, 1)))
    return [known[name] for name in SCORES]


def composed(*words: str) -> DictConfig:
    """The configuration that these words choose."""
    schema.register()
    sources.register()
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return hydra.compose("config", list(words))


def line(name: str, found: np.ndarray, seconds: float) -> str:
    """A line of the table: means over splits, the NLL with its standard error."""
    nll, crps, rmse, half, most = found.mean(0)
    error = found[:, 0].std(ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.nan
    good = "yes" if nll <= DEEP_ENSEMBLES[name] else "NO"
    fits = "" if name not in JUDGED_COVERAGE else ", yes" if 0.87 <= most <= 0.93 else ", NO"
    numbers = f"{crps:.3f} | {rmse:.3f} | {half:.3f} | {most:.3f}{fits} | {seconds:.0f}"
    return f"| {name} | {nll:.3f} ± {error:.3f} | {DEEP_ENSEMBLES[name]:.2f} | {good} | {numbers} |"


def page(lines: list[str], splits: int) -> str:
    """The table in markdown."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("credo", "numpyro", "jax", "optax"))
    words = (
        f"Splits 0 to {splits - 1}, means over splits (± standard error); one configuration for all sets, "
        "`experiment=mdn_concrete`: five networks of 2 x 64 units and three Gaussian components, maximum likelihood, "
        "the weights of the best epoch by 10 % of the training rows. Scores are of the test rows in the target's units."
    )
    head = "| set | NLL | Deep Ensembles | at or below | CRPS | RMSE | 50 % holds | 90 % holds | seconds per split |"
    begin = f"# Mixture density networks on UCI sets\n\n{datetime.now(UTC):%Y-%m-%d}; {versions}; "
    begin += "`make benchmark NAME=uci`."
    return "\n".join([begin, "", words, "", head, "| --- " * 9 + "|", *lines, ""])


if __name__ == "__main__":
    main()
