"""What all tests share: JAX on one CPU in double precision, settings as `conf` has them, and known answers."""

import gc
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, cast

import jaxtyping
import numpy as np
import pytest
from hydra.utils import get_class, instantiate

import loaded_once  # noqa: F401 - before a configuration is composed
import shapes  # noqa: F401 - before credo is imported
from arviz_arrays import array_stats
from credo.config import schema
from credo.experiment import device
from credo.inference.base import Inference, Listener
from credo.inference.result import Result
from credo.models.problem import Problem

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT.parent / "shared" / "reference"
MOST_BLOCKS = 40_000
TESTS = count()
BEING_WRITTEN = "Error reading persistent compilation cache"

Infer = Callable[..., Result]
Z = Callable[..., np.ndarray]


@pytest.fixture(scope="session", autouse=True)
def cpu(pytestconfig: pytest.Config) -> Iterator[None]:
    """JAX in double precision, with the programs that earlier test runs and other processes compiled."""
    cache: Any = pytestconfig.cache
    programs = str(cache.mkdir("programs"))
    device.start("cpu", "float64", None, programs)
    kept = {
        "JAX_COMPILATION_CACHE_DIR": programs,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "PYTHONWARNINGS": f"ignore:{BEING_WRITTEN}",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in kept.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session", autouse=True)
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Runs are signed by a key of the tests, not by the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("key")))
        yield


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs of all kinds, to be copied and not to be touched."""
    from folders import all_kinds

    return all_kinds(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def runs(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs of all kinds, of one module of tests."""
    from folders import copied

    return copied(made, tmp_path_factory.mktemp("runs") / "here")


def pytest_collection_finish() -> None:
    """What is there before the first test stays, and need not be looked through for garbage again and again."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """A cached program that another process is just writing is compiled again, and is nobody's fault."""
    config.addinivalue_line("filterwarnings", f"ignore:{BEING_WRITTEN}")


@pytest.fixture(autouse=True)
def room() -> Iterator[None]:
    """Every compiled program holds blocks of memory, and the kernel lets a process have 65,530 of them."""
    yield
    blocks = Path("/proc/self/maps")
    if next(TESTS) % 20:  # to read the list of so many blocks takes tens of milliseconds
        return
    if blocks.exists() and blocks.read_bytes().count(b"\n") > MOST_BLOCKS:
        import jax

        jax.clear_caches()


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the annotations do not allow comes to credo's own checks, as it does outside of the tests."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


class Quiet:
    """A listener that says nothing."""

    def progress(self, phase: str, done: int, total: int, numbers: Mapping[str, float]) -> None:
        """Nothing."""


@pytest.fixture(scope="session")
def quiet() -> Listener:
    return Quiet()


@pytest.fixture(scope="session")
def method() -> Callable[..., Inference]:
    """An inference method with the settings of its YAML: `method("nuts", draws=500)`."""
    from registry import compose

    def make(name: str, **settings: Any) -> Inference:
        chosen = compose(f"inference={name}").inference
        own = {key: value for key, value in chosen.items() if key not in {"_target_", *schema.BESIDE["inference"]}}
        part = get_class(chosen._target_)
        made = getattr(part, "assemble", part)  # a kernel with the chains around it
        return cast("Inference", made(**(instantiate(own, _convert_="all") | settings)))

    return make


@pytest.fixture(scope="session")
def infer(method: Callable[..., Inference], quiet: Listener) -> Infer:
    """Run a method after its own check: `infer(problem, "nuts", seed=1, draws=500)`."""
    import jax

    def run(problem: Problem, word: str, seed: int = 0, **settings: Any) -> Result:
        chosen = method(word, **settings)
        chosen.check(problem)
        return chosen.run(problem, jax.random.PRNGKey(seed), quiet)

    return run


@pytest.fixture(scope="session")
def reference() -> Callable[[str], Any]:
    """A JSON file of the reference answers: `reference("closed_forms.json")`."""

    def load(path: str) -> Any:
        if not REFERENCE.is_dir():
            pytest.skip(f"the reference answers are not at {REFERENCE}")
        return json.loads((REFERENCE / path).read_text())

    return load


@pytest.fixture(scope="session")
def z_score() -> Z:
    """How many Monte Carlo standard errors draws are away from an exact value.

    `z_score(draws, exact)` compares the mean of `draws` [chain, draw, ...], `z_score(draws, exact, "sd")` the standard
    deviation and `z_score(draws, exact, "quantile", prob=0.05)` a quantile.

    The tests ask for less than 4, which a right sampler misses once in 16,000 comparisons if the error is Gaussian. The
    seeds are fixed, so a test that passes goes on passing until draws or their law change.
    """

    def score(draws: Any, exact: Any, statistic: str = "mean", prob: float | None = None) -> np.ndarray:
        values = np.asarray(draws, float)
        values = np.moveaxis(values.reshape(*values.shape[:2], -1), 2, 0)
        flat = values.reshape(len(values), -1)
        estimate = {
            "mean": lambda: flat.mean(-1),
            "sd": lambda: flat.std(-1, ddof=1),
            "quantile": lambda: np.quantile(flat, prob, axis=-1),
        }[statistic]()
        return (estimate - np.ravel(exact)) / array_stats.mcse(values, method=statistic, prob=prob)

    return score


PROOFS = ("references", "normaliser", "samplers")
"""Folders of references and statistical laws, which `make proofs` runs."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in these folders as slow."""
    for item in items:
        if item.path.parent.name in PROOFS:
            item.add_marker(pytest.mark.slow)
