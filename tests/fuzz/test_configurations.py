"""Broken configurations: each is refused by one sentence that leaves nothing behind, or it can be run.

The keys come from the composed configurations themselves: all that a base has, and those of the groups it has not. A
value is broken by type, range or spelling, a key by spelling or place. `make fuzz` tries thousands and runs what is
accepted; `make test` some, and stops what is accepted where its inference would begin.

What is legal and merely takes long (ten million draws) is accepted and not run. `device.compilation_cache` is left out:
JAX keeps the first folder for the life of the process.
"""

import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import hydra
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from promise import files, require_kept

from console import Said, credo
from credo.config import paths, schema, sources
from credo.errors import CredoError
from credo.experiment import steps
from registry import few

EXAMPLES = int(os.environ.get("CREDO_FUZZ", "8"))
RUNS = "CREDO_FUZZ" in os.environ
CONF = paths.built_in() / "conf"

COIN = ("data=coin_flips", "model=bernoulli")
SMALL = ("training.epochs=1", "training.batch_size=8", "data.rows=24")
ENERGY = ("data=two_moons", "model=ebm", "inference=mle", *SMALL)
QUIET = ("tracking=none", "report=none")
LATTICE = ("data=synthetic", "data.rows=3", "data.groups=null", "model=ebm", "energy=ising")
DIGITS = ("data=digits", "data.rows=24", "data.scale=binary", "model=ebm", "energy=rbm", "inference=mle")
PAIRS = ("data=correlated_gaussians", "model=ebm", "energy=critic", "inference=mle", "training=infonce")
BASES: tuple[tuple[str, ...], ...] = (
    *((*COIN, f"inference={word}", *few(word), *QUIET) for word in ("nuts", "hmc", "mh", "map", "mle")),
    (*COIN, "inference=map", *few("map"), "tracking=none", "report=html", "diagnostics=strict"),
    (*COIN, "inference=map", *few("map"), "tracking=mlflow", "report=none"),
    (*COIN, "inference=mh", *few("mh"), *QUIET, "inference.stop.ess_bulk=5", "inference.stop.least=5"),
    ("data=eight_schools", "model=hierarchical", "inference=mh", *few("mh"), *QUIET),
    ("data=synthetic", "data.rows=20", "model=gaussian", "inference=mh", *few("mh"), *QUIET),
    ("data=synthetic", "data.rows=20", "model=normal_inverse_gamma", "inference=mh", *few("mh"), *QUIET),
    ("data=synthetic", "data.rows=20", "model=regression", "inference=mh", *few("mh"), *QUIET),
    (
        "data=synthetic",
        "data.rows=3",
        "data.groups=null",
        "model=ebm",
        "energy=ising",
        "inference=exchange",
        *few("exchange"),
        *QUIET,
    ),
    ("data=branches", "model=mdn", "inference=map", "model.hidden=[4]", *SMALL, *QUIET),
    *(
        (*ENERGY, f"training={word}", "energy=neural", "energy.hidden=[4]", *QUIET)
        for word in ("nce", "score_matching")
    ),
    (*ENERGY, "training=pcd", "energy=quadratic", "sampler=hmc", *QUIET),
    (*ENERGY, "training=langevin", "energy=neural", "energy.hidden=[4]", "sampler=tempering", *QUIET),
    (
        "data=digits",
        "data.rows=24",
        "data.scale=binary",
        "model=ebm",
        "energy=rbm",
        "inference=mle",
        "training=cd",
        *SMALL[:2],
        *QUIET,
    ),
    (
        "data=correlated_gaussians",
        "model=ebm",
        "energy=critic",
        "inference=mle",
        "training=infonce",
        *SMALL,
        "training.validation=0",
        *QUIET,
    ),
)
NUMBERS = (
    *("nan", ".nan", "inf", "-inf", ".inf", "1e400", "-0.0", "0", "-1", "-0.5", "3.7", "1e-320"),
    *("1", "2", "3", "5", "20", "0.1", "0.5", "0.9", "2.0"),
    *("1e-300", "1e20", "1e300", "1e308", "-1e308", "1000000000", "2147483648", "9223372036854775807"),
    *("9223372036854775808", "-9223372036854775809", "100000000000000000000"),
)
OTHERS = (
    *("null", "true", "false", "[]", "{}", "[nan]", "[1,inf]", "[[1]]", "{a:1}", "{a:nan}", "[null]", "[a,b]", "word"),
    *("''", "'nan'", "'a b'", '"quo\'te"', "ünïcødé", "../x", "${nope}", "${seed}", "???", "x" * 300),
)
LEFT_OUT = ("device.compilation_cache",)
COUNTS: Counter[str] = Counter()


class Accepted(CredoError):
    """A configuration that may run."""

    exit_code = 0


@cache
def composed(base: tuple[str, ...]) -> dict[str, Any]:
    """All keys of a configuration that have a value, and the value."""
    schema.register()
    sources.register()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose("config", list(base))
    return {key: value for key, value in _flat(OmegaConf.to_container(config)) if key not in LEFT_OUT}


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    if key:
        yield key, value


@cache
def words() -> dict[str, list[str]]:
    """Every group and its words."""
    return {group: sorted(file.stem for file in (CONF / group).glob("*.yaml")) for group in schema.GROUPS}


def misspelt(word: str, place: int) -> str:
    """With a letter dropped or doubled."""
    at = place % len(word)
    return word[:at] + word[at + 1 :] if place % 2 else word[: at + 1] + word[at:]


@st.composite
def changes(draw: st.DrawFn) -> tuple[tuple[str, ...], str]:
    """A base, and what is typed further."""
    base = draw(st.sampled_from(BASES))
    keys = composed(base)
    key = draw(st.sampled_from(sorted(keys)))
    value = draw(st.sampled_from(NUMBERS if draw(st.integers(0, 2)) else OTHERS))
    group = draw(st.sampled_from(sorted(words())))
    word = draw(st.sampled_from(words()[group]))
    elsewhere = draw(st.sampled_from(sorted(composed(draw(st.sampled_from(BASES))))))
    place = draw(st.integers(0, 40))
    typed = {
        "value": f"{key}={value}",
        "key": f"{misspelt(key, place)}={keys[key]}".split("\n")[0],
        "word": f"{group}={misspelt(word, place)}",
        "group": f"{group}={word}",
        "delete": f"~{key}",
        "add": f"+{elsewhere}={value}",
        "force": f"++{elsewhere}={value}",
        "elsewhere": f"{elsewhere}={value}",
    }
    return base, typed[draw(st.sampled_from(["value"] * 8 + sorted(typed)))]


def typed_in(folder: Path, base: tuple[str, ...], word: str) -> tuple[Said, list[Any]]:
    """What came of it, and the configurations that were accepted."""
    accepted: list[Any] = []
    infer = steps.infer

    def begin(*arguments: Any) -> Any:
        accepted.append(arguments[0].checkpointer)
        if not RUNS or _is_long(word):
            raise Accepted("accepted")
        return infer(*arguments)

    with mock.patch.object(steps, "infer", begin):
        return credo(*base, word, "device.compilation_cache=null", cwd=folder), accepted


def _is_long(word: str) -> bool:
    """Whether it sets a number that is legal where it stands, and takes long."""
    try:
        return abs(float(word.partition("=")[2])) > 100
    except ValueError:
        return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("configurations")
    print(f"\nconfigurations: {sum(COUNTS.values())}, {dict(COUNTS)}")  # noqa: T201 - the count that was asked for


@settings(
    max_examples=EXAMPLES,
    derandomize=not RUNS,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate] if RUNS else list(Phase),
)
@given(changes())
def test_a_broken_configuration_is_refused_or_runs(folder: Path, change: tuple[tuple[str, ...], str]) -> None:
    base, word = change
    before = files(folder)
    said, accepted = typed_in(folder, base, word)
    COUNTS["accepted" if accepted else f"exit code {said.code}"] += 1
    require_kept(said, folder, before)
    is_answered = said.code == 0 and said.out.startswith("not run: ")  # by an earlier run that asked the same
    assert said.code == 2 or accepted or is_answered, (word, said)
    for checkpointer in accepted:
        numbers = [value for _, value in _flat(checkpointer.identity["config"]) if isinstance(value, float)]
        assert all(map(math.isfinite, numbers)), word


@pytest.mark.parametrize("base", BASES, ids=lambda base: " ".join(base[:4]))
def test_what_is_broken_is_whole_before(folder: Path, base: tuple[str, ...]) -> None:
    said, accepted = typed_in(folder, base, "seed=1")
    assert accepted, said.err
