"""Exported programs on the disk: a wrong one is never found, and a broken one is none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from credo.experiment import shelf
from credo.experiment.shelf import Shelf
from credo.inference.program import Use
from credo.runs.code.plain import only_computes
from credo.runs.code.record import Code

PLACE = "a" * 64


def test_what_is_written_is_read(tmp_path: Path) -> None:
    kept = Shelf(tmp_path / "new" / "programs", "")
    assert kept.read(PLACE) is None
    kept.write(PLACE, b"program")
    assert kept.read(PLACE) == b"program"
    assert [one.name for one in kept.folder.iterdir()] == [PLACE]


@pytest.mark.parametrize("how", [lambda content: content[:-1], lambda content: b"", lambda content: content + b"\n"])
def test_a_broken_file_is_none(how: object, tmp_path: Path) -> None:
    kept = Shelf(tmp_path, "")
    kept.write(PLACE, b"program")
    (tmp_path / PLACE).write_bytes(how((tmp_path / PLACE).read_bytes()))  # type: ignore[operator]
    assert kept.read(PLACE) is None


def test_a_folder_that_cannot_be_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = Shelf(tmp_path / "file" / "programs", "")
    kept.write(PLACE, b"program")
    assert kept.read(PLACE) is None


def test_those_that_were_used_last_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "MOST", 3)
    kept = Shelf(tmp_path, "")
    for number in range(3):
        kept.write(str(number), b"program")
        os.utime(tmp_path / str(number), (number, number))
    assert kept.read("0") is not None  # which uses it
    kept.write("3", b"program")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["0", "2", "3"]


USE = Use("advance", PLACE, (None, (), (True, False)))


def test_the_next_run_of_a_like_one_knows_what_it_used(tmp_path: Path) -> None:
    config = OmegaConf.create({"seed": 0, "data": {"n": 3}, "device": {"compilation_cache": str(tmp_path)}})
    kept = Shelf(tmp_path / "programs", "", shelf._like(config))
    assert list(shelf._known(kept)) == []
    kept.use(USE)
    kept.use(USE)
    kept.close()
    Shelf(tmp_path / "programs", "", kept.like).close()  # of a run that used none
    config.seed = 1
    assert list(shelf._known(Shelf(tmp_path / "programs", "", shelf._like(config)))) == [USE]
    config.data.n = 4
    assert list(shelf._known(Shelf(tmp_path / "programs", "", shelf._like(config)))) == []
    (tmp_path / "programs" / kept.like).write_bytes(b"no longer whole")
    assert list(shelf._known(kept)) == []
    shelf.ahead(config)  # which knows of nothing


def plus(offset: float) -> object:
    """A function that closes over a number."""

    def function(x: float) -> float:
        return x + offset

    return function


def test_a_place_is_of_all_that_a_program_came_from(tmp_path: Path) -> None:
    one, other = Shelf(tmp_path, "a"), Shelf(tmp_path, "b")
    whats = [plus(1.0), plus(2.0), (plus(1.0), 3), (plus(1.0), "3")]
    places = [one.place("f", what) for what in whats]
    assert len({*places, one.place("g", whats[0]), other.place("f", whats[0])}) == 6
    assert places == [Shelf(tmp_path, "a").place("f", what) for what in [plus(1.0), plus(2.0), *whats[2:]]]
    assert None not in places


def test_what_cannot_be_compared_has_no_place(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as file:
        assert Shelf(tmp_path, "").place("f", file) is None


PLAIN = """
import functools
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import random
from helpers.shapes import length

def model(x, y=None):
    key = numpyro.prng_key()
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    noise = 0.0 if key is None else jax.random.normal(key)
    numpyro.sample("y", dist.Normal(mu * x, length(1.0)), obs=y)
"""


def code(source: str, **more: object) -> Code:
    return Code(sources={"mine.py": source.encode(), "helpers/shapes.py": b"def length(x): return x"}, **more)  # type: ignore[arg-type]


def test_code_that_computes_may_be_kept() -> None:
    assert only_computes(Code())
    assert only_computes(code(PLAIN))


@pytest.mark.parametrize(
    "more",
    [
        "import os",
        "import time",
        "import pandas as pd",
        "import random",
        "from pathlib import Path",
        "import credo",
        "import scipy.io",
        "from numpy.random import normal",
        "from numpy import random as r",
        "from numpy import loadtxt as read",
        "import numpy as jax",
        "X = np.load('x.npy')",
        "X = np.random.normal(size=3)",
        "X = np.genfromtxt('x.csv')",
        "X = open('x.csv').read()",
        "X = getattr(np, 'lo' + 'ad')('x.npy')",
        "N = jax.device_count()",
        "def seen():\n    global COUNT\n    COUNT += 1",
    ],
)
def test_code_that_may_read_something_else_is_not(more: str) -> None:
    assert not only_computes(code(f"{PLAIN}\n{more}\n"))


def test_code_of_which_not_all_is_known_is_not() -> None:
    assert not only_computes(code(PLAIN, unknown=("mine.X is a lock",)))
    assert not only_computes(code(PLAIN, packages={"astropy": "7"}))
    assert not only_computes(Code(sources={"mine.so": b""}))


RUN = """
import sys
import jax.monitoring
traced = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, _, fun_name="", **__: traced.append(fun_name) if event.endswith("jaxpr_trace_duration") else None
)
from credo.cli.main import command
code = command(sys.argv[1:])
print("exported:", traced.count("flat"))
raise SystemExit(code)
"""

MODEL = """
import numpyro
import numpyro.distributions as dist

LOC = 0.0

def model(y=None):
    mu = numpyro.sample("mu", dist.Normal(LOC, 1.0))
    with numpyro.plate("rows", 3):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)
"""


@pytest.mark.slow
def test_a_second_process_traces_nothing_and_edited_code_is_traced_anew(tmp_path: Path) -> None:
    def run(name: str) -> tuple[str, str]:
        words = (
            "data=inline data.values=[1.0,2.0,4.0] model=program model.function=mine:model inference=mh device=cpu "
            "inference.chains=2 inference.warmup=20 inference.draws=10 tracking=none report=none diagnostics=none "
            f"device.compilation_cache=cache hydra.run.dir={name}"
        )
        command = [sys.executable, "-c", RUN, *words.split()]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - our own words
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.splitlines()[-1], json.loads((tmp_path / name / "provenance.json").read_text())["draws_hash"]

    (tmp_path / "mine.py").write_text(MODEL)
    exported, draws = run("first")
    assert exported == "exported: 5"  # keys_of, start, first_points, advance, batch
    assert run("second") == ("exported: 0", draws)
    (tmp_path / "mine.py").write_text(MODEL.replace("LOC = 0.0", "LOC = 5.0"))
    exported, other = run("edited")
    assert exported == "exported: 5"
    assert other != draws
