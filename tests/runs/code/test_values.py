"""What functions read: the same digests in every process, others for other values, none where nothing can be known."""

import json
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from credo.runs.code.values import Values

COMMON = """
import collections, dataclasses, datetime, enum, functools, logging, os, pathlib, re
import equinox as eqx, jax, jax.numpy as jnp, numpy as np, numpyro, numpyro.distributions as dist, pandas as pd
import scipy.special as special, xarray as xr
from numpyro import handlers
from numpyro.distributions import constraints
from numpyro.infer.reparam import LocScaleReparam
from scipy.stats import norm

log = logging.getLogger(__name__)
LOC = float(os.environ.get("LOC", "0"))
ARRAY, KEY, NEW_KEY = jnp.arange(3.0), jax.random.PRNGKey(0), jax.random.key(1)
PRIOR = dist.MixtureSameFamily(dist.Categorical(jnp.ones(2) / 2), dist.Normal(jnp.zeros(2), np.ones(2)))
SETS, DEFAULT = {"a", "b", "c", "d"}, collections.defaultdict(list, {1: [2]})
PATTERN, DAY, PLACE = re.compile("a+"), datetime.date(2020, 1, 1), pathlib.Path("x")
FRAME, DATA = pd.DataFrame({"x": [1.0, 2.0], "s": ["a", "b"]}), xr.Dataset({"y": ("obs", [1.0, 2.0])})
Pair = collections.namedtuple("Pair", "a b")

class Colour(enum.Enum):
    RED = 1

@dataclasses.dataclass(frozen=True)
class Options:
    scale: float = 2.0
    names: list = dataclasses.field(default_factory=list)

class Net(eqx.Module):
    w: jax.Array
    activation: object = eqx.field(static=True)

    def __call__(self, x):
        return self.activation(self.w @ x) + ARRAY

MLP = eqx.nn.MLP(2, 1, 4, 1, key=KEY)
fast, mapped = jax.jit(lambda x: x + ARRAY), jax.vmap(lambda x: 2 * x)

@jax.custom_jvp
def custom(x):
    return x

custom.defjvp(lambda primals, tangents: (primals[0], tangents[0]))

@functools.lru_cache
def cached(n):
    return n

def make(scale):
    def model(y):
        log.info("called")
        numpyro.sample("mu", PRIOR)
        return (ARRAY, KEY, NEW_KEY, SETS, DEFAULT, PATTERN, DAY, PLACE, FRAME, DATA, Pair, Colour.RED, Options(), NETS,
                fast, mapped, custom, cached, partial, special.gammaln, norm, norm.logpdf, jnp.add, np.add, np.float32,
                constraints.positive, LOC, scale)
    return model

NETS = {"mine": Net(jnp.ones((2, 2)), jax.nn.relu), "mlp": MLP}
partial = functools.partial(make, Pair(1, 2))
closure = make(3.0)
handled = handlers.condition(handlers.reparam(closure, config={"mu": LocScaleReparam(0)}), data={"mu": ARRAY})
"""

DIGESTS = """
import json, sys
import program
from credo.runs.code.values import Values
found = Values(lambda name: name == "program", str)
for name in ("closure", "handled", "Net"):
    found.read(f"program.{name}", getattr(program, name))
print(json.dumps([found.digests, sorted(found.unknown)]))
"""


def digests(folder: Path, **environment: str) -> Any:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", DIGESTS],
        cwd=folder,
        env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_they_are_the_same_in_every_process(tmp_path: Path) -> None:
    """Whatever the order of sets and the addresses of objects; and what is common in models can be compared."""
    (tmp_path / "program.py").write_text(COMMON)
    one, unknown = digests(tmp_path, PYTHONHASHSEED="1")
    other, _ = digests(tmp_path, PYTHONHASHSEED="2", LOC="1")
    assert unknown == []
    assert {"program.LOC", "program.PRIOR", "program.closure", "program.handled", "program.Net"} <= one.keys()
    assert one.keys() == other.keys()
    assert {name for name in one if one[name] != other[name]} == {"program.LOC"}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The values that `model` reads, which a source defines."""

    def values(source: str) -> Values:
        module = types.ModuleType("program")
        monkeypatch.setitem(sys.modules, "program", module)
        exec(compile(source, "program.py", "exec"), vars(module))  # noqa: S102
        found = Values(lambda name: name in ("program", "helper"), str)
        found.read("program.model", vars(module)["model"])
        return found

    return values


CLOSURE = "def make(x):\n    return lambda y: x\n\nmodel = make({})\n"
SETTER = "class P:\n    scale = {}\n    def __call__(self, y): return self.scale\n\nmodel = P()\n"
OBJECT = "class P:\n    def __init__(self, s): self.s = s\n    def __call__(self, y): return self.s\n\nmodel = P({})\n"
SLOTS = "class P:\n    __slots__ = ('s',)\n    def __init__(self, s): self.s = s\n    def __call__(self, y): ...\n"
WRAPPED = "import numpyro\n\ndef f(y): ...\n\nmodel = numpyro.handlers.condition(f, data=dict(mu={}))\n"


@pytest.mark.parametrize(
    "source",
    [
        CLOSURE,
        SETTER,
        OBJECT,
        f"{SLOTS}\nmodel = P({{}})\n",
        WRAPPED,
        "LOC = {}\ndef model(y): return LOC\n",
        "LOC = {}\ndef inner(y): return LOC\ndef model(y): return [f for f in [lambda: inner(y)]]\n",
        "def model(y, *, scale={}): ...\n",
        "import functools\ndef f(x, y): ...\nmodel = functools.partial(f, {})\n",
        "import jax\nLOC = {}\nmodel = jax.jit(lambda y: LOC)\n",
        "import numpy as np\nA = np.array([1.0, {}])\ndef model(y): return A\n",
        "import jax.numpy as jnp\nA = (jnp.array([1.0, {}]),)\ndef model(y): return A\n",
        "import numpyro.distributions as dist\nP = [dist.Normal(0, {})]\ndef model(y): return P\n",
        "A = {{'a': {{{}}}}}\ndef model(y): return A\n",
        "f = (lambda y: y + 1) if {} > 1 else (lambda y: y - 1)\ndef model(y): return f(y)\n",
    ],
)
def test_another_value_has_another_digest(source: str, read: Any) -> None:
    one, same, other = (read(source.format(number)) for number in ("1.5", "1.5", "0.5"))
    assert not one.unknown
    assert one.digests == same.digests
    assert one.digests != other.digests


def test_what_a_module_of_ones_own_has_is_read_through_it(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = types.ModuleType("helper")
    vars(helper).update(LOC=1.0, OTHER=object)
    monkeypatch.setitem(sys.modules, "helper", helper)
    source = "import helper\ndef model(y): return helper.LOC\n"
    first = read(source)
    assert first.modules == {"program", "helper"}
    assert set(first.digests) == {"program.model", "helper.LOC"}
    vars(helper)["LOC"] = 2.0
    assert read(source).digests["helper.LOC"] != first.digests["helper.LOC"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "import sys\nF = sys.__stdout__\ndef model(y): return F\n",
            "program.F is or holds a TextIOWrapper, whose state ",
        ),
        ("import threading\nL = [threading.Lock()]\ndef model(y): return L\n", "program.L is or holds a lock, whose "),
        ("G = (i for i in 'ab')\ndef model(y): return G\n", "program.G is or holds a generator, whose state cannot "),
        (
            CLOSURE.format("__import__('sys').__stdout__"),
            "program.model is or holds a TextIOWrapper, whose state cannot ",
        ),
    ],
)
def test_what_cannot_be_compared_is_named(source: str, said: str, read: Any) -> None:
    (reason,) = read(source).unknown
    assert reason.startswith(said)


def test_a_circle_ends(read: Any) -> None:
    source = (
        "A = []\nA.append(A)\ndef even(n): return odd(n)\ndef odd(n): return even(n)\ndef model(y): return A, even\n"
    )
    assert read(source).digests == read(source).digests
    assert not read(source).unknown
