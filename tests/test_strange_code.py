"""A user's own code that leaves the process, or whose log density is no number: a sentence, never a success."""

from pathlib import Path

import pytest

from console import QUIET, Said, credo
from registry import few

CODE = """
import sys
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

def leaves(y=None):
    sys.exit(0)

def nan_likelihood(y=None):
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    numpyro.factor("part", jnp.where(a > 0.8, jnp.nan, 0.0))
    numpyro.sample("y", dist.Normal(a, 1.0), obs=y)

def endless(y=None):
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    numpyro.factor("part", jnp.where(a > 0.3, jnp.inf, 0.0))
    numpyro.sample("y", dist.Normal(a, 1.0), obs=y)
"""


def run(function: str, method: str, folder: Path) -> Said:
    (folder / "strange_code.py").write_text(CODE)
    (folder / "leaves_at_once.py").write_text("raise SystemExit(0)\n")
    (folder / "y.json").write_text('{"y": [1.0, 2.0, 3.0, 2.5]}')
    words = ("model=program", f"model.function={function}", "data=json", "data.path=y.json", f"inference={method}")
    return credo(*words, *few(method), *QUIET, "inference.draws=100", "inference.warmup=100", cwd=folder)


@pytest.mark.parametrize("function", ["strange_code:leaves", "leaves_at_once:any"])
def test_code_that_leaves_the_process_is_refused(function: str, tmp_path: Path) -> None:
    said = run(function, "mh", tmp_path)
    assert said.code == 2
    assert said.err.startswith("credo: model.function: ")
    assert "SystemExit: 0" in said.err


def test_a_likelihood_that_is_nan_fails(tmp_path: Path) -> None:
    said = run("strange_code:nan_likelihood", "mh", tmp_path)
    assert "FAILED" in said.out
    assert "The log density is NaN at" in said.out


@pytest.mark.parametrize("method", ["mh", "nuts"])
def test_a_log_density_without_end_fails(method: str, tmp_path: Path) -> None:
    said = run("strange_code:endless", method, tmp_path)
    assert said.code == 0, said.err
    assert "FAILED" in said.out
    assert "The log density is inf" in said.out
