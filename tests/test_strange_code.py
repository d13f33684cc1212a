"""A user's own code that leaves the process, or whose log density is no number: a sentence, never a success."""

import re
import sqlite3
from contextlib import closing
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


@pytest.mark.parametrize("method", ["mh", pytest.param("nuts", marks=pytest.mark.slow)])
def test_a_log_density_without_end_fails(method: str, tmp_path: Path) -> None:
    said = run("strange_code:endless", method, tmp_path)
    assert said.code == 0, said.err
    assert "FAILED" in said.out
    assert "The log density is inf" in said.out


MIDWAY = """
import equinox as eqx
import jax
import numpyro
import numpyro.distributions as dist

CALLS = [0]

class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")

def late(x):
    CALLS[0] += 1
    if CALLS[0] > 300:
        raise RuntimeError("no such dose\\nand more\\nof it")
    return x

def leaves(x):
    raise SystemExit(0)

def sample(y, change):
    a = numpyro.sample("a", dist.Normal(0.0, 1.0))
    loc = a + 0 * change(jax.lax.stop_gradient(a))
    numpyro.sample("y", dist.Normal(loc, 1.0), obs=y)

def called_back(x, function):
    return jax.pure_callback(function, jax.ShapeDtypeStruct((), x.dtype), x, vmap_method="sequential")

def callback(y=None):
    sample(y, lambda x: called_back(x, late))

def leaving(y=None):
    sample(y, lambda x: called_back(x, leaves))

def printing(y=None):
    sample(y, lambda x: (jax.debug.callback(late, x), x)[1])

def asserting(y=None):
    sample(y, lambda x: eqx.error_if(x, x > -9, "a is too large"))

def later(y=None):
    CALLS[0] += 60  # the traces of the sampler are more than five
    late(0)
    sample(y, lambda x: x)

def mute(y=None):
    raise Mute
"""


def place(words: str) -> str:
    """The place of the line that begins with these words, as a sentence has it."""
    lines = [number for number, line in enumerate(MIDWAY.splitlines(), 1) if line.strip().startswith(words)]
    return f"midway.py, line {lines[0]}"


@pytest.mark.parametrize(
    ("function", "method", "said"),
    [
        ("callback", "nuts", f"RuntimeError: no such dose ({place('raise RuntimeError("no such')})"),
        ("leaving", "map", f"SystemExit: 0 ({place('raise SystemExit')})"),
        ("leaving", "mh", f"SystemExit: 0 ({place('raise SystemExit')})"),
        ("printing", "mh", f"RuntimeError: no such dose ({place('raise RuntimeError("no such')})"),
        ("asserting", "mh", "EquinoxRuntimeError: a is too large"),
        ("later", "mh", f"RuntimeError: no such dose ({place('raise RuntimeError("no such')})"),
    ],
)
def test_code_that_raises_in_the_middle_of_a_run_fails_in_one_sentence(
    function: str, method: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "midway.py").write_text(MIDWAY)
    (tmp_path / "y.json").write_text('{"y": [1.0, 2.0, 3.0, 2.5]}')
    words = ("model=program", f"model.function=midway:{function}", "data=json", "data.path=y.json")
    settings = (*few(method), "report=none", "device.compilation_cache=null", "tracking.uri=sqlite:///r.db")
    came = credo(*words, f"inference={method}", *settings, cwd=tmp_path)
    sentence = f"credo: the run ended early, since code that it called raised {said}; correct it, and run it again\n"
    assert came.err.splitlines(keepends=True)[-1] == sentence
    assert "Traceback" not in came.err
    assert came.code == 1
    with closing(sqlite3.connect(tmp_path / "r.db")) as store:
        (status,) = store.execute("select status from runs").fetchone()
        (reason,) = store.execute("select value from tags where key = 'error'").fetchone()
    assert status == "FAILED"
    assert said in reason
    assert "\n" not in reason


def test_an_exception_that_cannot_be_put_into_words_is_named(tmp_path: Path) -> None:
    (tmp_path / "midway.py").write_text(MIDWAY)
    (tmp_path / "y.json").write_text('{"y": [1.0]}')
    words = ("model=program", "model.function=midway:mute", "data=json", "data.path=y.json")
    said = credo(*words, *QUIET, cwd=tmp_path)
    assert said.err == f"credo: model.function: running the model raised Mute ({place('raise Mute')})\n"
    assert said.code == 2


@pytest.mark.parametrize("function", ["nan_likelihood", "endless"])
@pytest.mark.parametrize(
    "method",
    [
        ("map",),
        pytest.param(("mle",), marks=pytest.mark.slow),
        ("map", "inference.optimiser=adam", "inference.steps=300"),
    ],
)
def test_an_optimiser_that_meets_what_is_no_number_fails(
    function: str, method: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "strange_code.py").write_text(CODE)
    (tmp_path / "y.json").write_text('{"y": [1.0, 2.0, 3.0, 2.5]}')
    words = ("model=program", f"model.function=strange_code:{function}", "data=json", "data.path=y.json")
    said = credo(*words, f"inference={method[0]}", *method[1:], *QUIET, cwd=tmp_path)
    assert said.code == 0, said.err
    assert "FAILED" in said.out
    assert re.search(r"failed +converged", said.out)


ENERGY = ("data=two_moons", "data.rows=24", "model=ebm", "inference=mle", "training.epochs=5", "training.batch_size=8")


@pytest.mark.parametrize(
    "training",
    ["cd", *(pytest.param(word, marks=pytest.mark.slow) for word in ("score_matching", "exact", "nce", "pcd"))],
)
def test_a_training_that_explodes_fails(training: str, tmp_path: Path) -> None:
    """Either the run fails, or its answer does."""
    words = (*ENERGY, "energy=quadratic", f"training={training}", "training.learning_rate=1e30")
    said = credo(*words, *QUIET, cwd=tmp_path)
    reason = "exploded in epoch" if said.code else "The log density became NaN or infinite."
    assert reason in said.out + said.err
    assert "FAILED" in said.out or said.code == 1
    assert "Traceback" not in said.err


@pytest.mark.parametrize("count", ["9000000000000000000", "1000000000000"])
def test_epochs_whose_curves_no_memory_holds_are_refused(count: str, tmp_path: Path) -> None:
    said = credo(*ENERGY, "energy=quadratic", "training=exact", *QUIET, f"training.epochs={count}", cwd=tmp_path)
    assert said.code == 2
    assert f"training.epochs={count}: this takes about" in said.err
