"""Folders of runs for tests: finished ones, and one that was cut off with two checkpoints."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd

from console import QUIET, Said, credo
from credo.experiment import signals

COINS = ("data=coin_flips", "model=bernoulli", "inference=mh", "inference.chains=2", "inference.warmup=20")
SHORT = (*COINS, "inference.draws=60", "inference.block=10", *QUIET)
POINT = ("data=coin_flips", "model=bernoulli", "inference=map", "inference.starts=2", "inference.steps=10", *QUIET)
NETWORK = (
    *("data=csv", "data.path=rows.csv", "data.target=[y]", "model=mdn", "inference=mle", "model.hidden=[4]"),
    *("model.components=2", "training.epochs=3", "training.members=1", "training.batch_size=16", *QUIET),
)


@contextmanager
def interrupted(blocks: int) -> Iterator[None]:
    """Stop a run in this process after so many blocks, as Ctrl-C does."""
    heard = 0

    def check() -> None:
        nonlocal heard
        heard += 1
        if heard > blocks:
            raise KeyboardInterrupt

    with mock.patch.object(signals, "check", check):
        yield


def cut(folder: Path, name: str = "cut", blocks: int = 6) -> Said:
    """Leave a run that was interrupted and has two checkpoints."""
    with interrupted(blocks):
        said = credo(*SHORT, "inference.checkpoint.every=1e-9", f"hydra.run.dir={name}", cwd=folder)
    assert said.code == 130, said
    return said


def rows(folder: Path) -> Path:
    """Leave a table for a network."""
    random = np.random.default_rng(0)
    a = random.normal(size=60)
    pd.DataFrame({"a": a, "y": 2 * a + random.normal(size=60)}).to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


def finished(folder: Path, name: str, words: tuple[str, ...]) -> Path:
    """Leave a finished run."""
    said = credo(*words, f"hydra.run.dir={name}", cwd=folder)
    assert said.code == 0, said
    return folder / name


def all_kinds(folder: Path) -> Path:
    """Leave `point`, `draws`, `network`, `cut` and a `sweep` of two."""
    rows(folder)
    finished(folder, "point", POINT)
    finished(folder, "draws", SHORT)
    finished(folder, "network", NETWORK)
    cut(folder)
    said = credo("-m", *POINT, "seed=0,1", "hydra.sweep.dir=sweep", "sweep.compare=false", cwd=folder)
    assert said.code == 0, said
    return folder


def copied(folder: Path, to: Path) -> Path:
    """Copy runs, as if they had been started from the folder of the copy."""
    shutil.copytree(folder, to)
    for file in to.glob("*/.hydra/hydra.yaml"):
        file.write_text(file.read_text().replace(str(folder), str(to)))
    return to
