"""What a sentence says of a mistake: what was expected, what came, and what to type."""

import shlex
from pathlib import Path

import pytest

from console import QUIET, credo
from credo.report.terminal import progress

CODE = """
import numpyro
import numpyro.distributions as dist

async def waits(y=None):
    pass

def counts(y=None):
    p = numpyro.sample("p", dist.Dirichlet(dist.util.jnp.ones(4)))
    numpyro.sample("y", dist.Multinomial(10, p), obs=y)
"""
PROGRAM = "model=program data=json data.path=y.json model.function="
SAID = {
    f"{PROGRAM}sentences.py:counts": (
        "model.function: expected a module, but sentences.py is the name of its file; type sentences:counts"
    ),
    f"{PROGRAM}sentences:waits": (
        "model.function: expected a function, but sentences:waits is a coroutine; define it without async"
    ),
    f"{PROGRAM}sentences:counts": (
        "model=program: every y must be counts that add up to 10, but got (1, 5, 9, 2); choose another model or other "
        "data"
    ),
    "hydra.run.dir=[a]": "hydra.run.dir: expected one word, but got ['a']",
    "device.compilation_cache=[]": "device.compilation_cache: expected one word, but got []",
    "inference.draws='${nope}'": (
        "inference.draws: interpolation key 'nope' not found; type another in ${...}, or a value"
    ),
    "inference.draws='${inference.draws}'": (
        "inference.draws: expected a value, but its ${...} leads back to itself; type a value"
    ),
    "inference.draws='${nope:1}'": (
        "inference.draws: expected ${KEY} or ${oc.env:NAME}, but got ${nope:...}; type a value"
    ),
    "seed=": "seed: expected a whole number, but got nothing",
    "inference.target_accept=nan": "inference.target_accept: expected a finite number, but got nan",
    "diagnostics.checks.loo=null": (
        "diagnostics.checks.loo: expected a _target_ that names its class, a credo.diagnostics.base.Diagnostic, but "
        "got null; '~diagnostics.checks.loo' leaves it out"
    ),
    "data=json data.path=list.json model=gaussian": (
        "list.json to hold an object of columns or a list of records, but it holds a list of "
        """which some items are no objects; name the values, as in {"y": [1, 2]}"""
    ),
    "data=inline data.values=[100000000000000000000000000001] model=gaussian": "at most 64 bits",
}
VERBS = {
    "init ''": "init: '' is no name for a folder; name a new folder, as in credo init my_experiments",
    "extend x --draws nan": "--draws 1000, but got x --draws nan",
    "extend x": "--draws 1000, but got x",
    "resume x --tust": "as in credo resume outputs/2026-01-31/12-00-00, but got x --tust",
    "reproduce x --tust": "as in credo reproduce outputs/2026-01-31/12-00, but got x --tust",
    "predict a b c": "new.csv > out.csv, or a run and --grid, --contrast or --slope, but got a b c",
    "export x": "as in credo export RUN my_model, but got x",
    "sync --all": "as in credo sync outputs/2026-01-31/12-00-00, but got --all",
    "compare --all": "--out FOLDER, but got --all",
}


@pytest.mark.parametrize("words", SAID)
def test_a_mistake_is_told_with_what_to_type(words: str, tmp_path: Path) -> None:
    (tmp_path / "sentences.py").write_text(CODE)
    (tmp_path / "y.json").write_text('{"y": [1, 5, 9, 2]}')
    (tmp_path / "list.json").write_text("[{}, 1]")
    said = credo(*("data=coin_flips", "model=bernoulli"), *QUIET, *shlex.split(words), cwd=tmp_path)
    assert said.code == 2
    assert SAID[words] in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("words", VERBS)
def test_a_command_says_what_came(words: str, tmp_path: Path) -> None:
    said = credo(*shlex.split(words), cwd=tmp_path)
    assert said.code == 2
    assert said.err.startswith(f"credo: {words.split()[0]}: ")
    assert said.err.endswith(f"{VERBS[words]}\n")


def test_a_huge_number_has_an_exponent_between_two_blocks() -> None:
    assert progress.news("sampling", {"r_hat_max": 5563131995680814.0}) == "R-hat 5.6e15"
    assert progress.news("sampling", {"r_hat_max": 1.0123}) == "R-hat 1.012"
