"""The launcher of Ray, as far as nothing of Ray runs; `test_proofs` and `test_launchers` run jobs by it."""

import sys
from pathlib import Path
from typing import Any

import pytest

from console import QUIET, credo

COINS = ("-m", "hydra/launcher=ray", "data=coin_flips", "model=bernoulli", "inference=map", *QUIET, "seed=0,1")


def test_a_sentence_where_ray_is_not_installed(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    said = credo(*COINS, cwd=tmp_path)
    assert said.code == 2
    assert "hydra/launcher=ray is not installed; pip install -e" in said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("hydra.launcher.n_jobs=0",), "hydra.launcher.n_jobs"),
        (("hydra.launcher.cpus=-1",), "hydra.launcher.cpus: expected a number of at least 0, but got -1"),
        (
            ("hydra.launcher.address=head:6379", "hydra.launcher.n_jobs=2"),
            "hydra.launcher.n_jobs: the cluster at head:6379 says how many run; leave it out",
        ),
    ],
)
def test_what_ray_cannot_do_is_refused(words: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "ray", object())
    said = credo(*COINS, *words, cwd=tmp_path)
    assert said.code == 2
    assert sentence in said.err
