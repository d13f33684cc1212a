"""The console command as a process: what it says, what it costs, its exit codes, and what it leaves."""

import contextlib
import os
import re
import resource
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from console import PYTHON, QUIET, Said, credo, credo_process, start
from registry import few

HEAVY = ("jax", "numpyro", "numpy", "pandas", "xarray", "arviz_base", "arviz_stats", "mlflow", "matplotlib", "sklearn")
COINS = ("data=coin_flips", "model=bernoulli", *QUIET)


@pytest.fixture
def programs(pytestconfig: pytest.Config) -> str:
    """The override that lets a process of its own use the programs that are compiled already."""
    cache: Any = pytestconfig.cache
    return f"device.compilation_cache={cache.mkdir('programs')}"


def light(*words: str, cwd: Path, **environment: str) -> Said:
    """Run the command in a process that says at its end which heavy packages it has imported."""
    code = (
        "import sys; from credo.cli.main import command\n"
        "try: code = command(sys.argv[1:])\n"
        "except SystemExit as end: code = end.code or 0\n"
        f"print('imported', [name for name in {HEAVY} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code, *words],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--help",), "credo experiment=coin_flips model.prior.p.concentration1=2"),
        (("--help",), "eight_schools_centred"),
        (("--version",), "credo 0."),
        (("--cfg", "job", "model=gaussian"), "_target_: credo.models.gaussian.Gaussian"),
        (("--info",), "Config search path"),
        (("-sc", "install=bash"), "hydra_bash_completion"),
        (("init", "mine"), "credo experiment=my_experiment"),
    ],
)
def test_what_needs_no_inference_is_quick(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = light(*words, cwd=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (said.code, said.err) == (0, "imported []\n")
    assert told in said.out
    # About 0.6 CPU seconds on the machine where this was written; importing JAX alone would add 1.5.
    assert after.ru_utime - before.ru_utime < 3


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("credo inference=", {"inference=map", "inference=mh", "inference=mle", "inference=nuts"}),
        ("credo experiment=eight", {"experiment=eight_schools", "experiment=eight_schools_centred"}),
        ("credo model=gaussian model.si", {"model.sigma="}),
        ("credo inference=mh model.prior.mu.", {"model.prior.mu.loc=", "model.prior.mu.scale="}),
    ],
)
def test_tab_completes_words_and_keys(line: str, expected: set[str], tmp_path: Path) -> None:
    said = light("-sc", "query=bash", cwd=tmp_path, COMP_LINE=line, COMP_POINT=str(len(line)))
    assert (said.code, said.err) == (0, "imported []\n")
    assert expected <= set(said.out.split())
    assert all(word.startswith(line.split()[-1]) for word in said.out.split())


def test_help_shows_the_configuration_as_it_stands(tmp_path: Path) -> None:
    said = credo("--help", "model=gaussian", "prior@model.prior.loc=uniform", "model.prior.loc.low=-2", cwd=tmp_path)
    assert said.code == 0
    assert "low: -2.0" in said.out
    assert "hypotheses:" in said.out


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    with start("--info", cwd=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 0


@pytest.mark.slow
def test_a_run_outlives_the_reader_of_its_answer(tmp_path: Path, programs: str) -> None:
    with start("data=coin_flips", "model=bernoulli", "inference=map", programs, cwd=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.communicate()
    assert process.returncode == 0
    assert len(list(tmp_path.glob("outputs/*/*/report.html"))) == 1
    assert recorded(tmp_path) == [("FINISHED", None)]


@pytest.mark.parametrize(
    ("words", "others"),
    [
        (("experiment=coin_flips", "seed=3"), ["map,mh"]),
        pytest.param(
            ("model=gaussian", "model.sigma=1.5", "data=inline", "data.values=[1, 2]"),
            ["map,mh"],
            marks=pytest.mark.slow,
        ),
        (("experiment=gaussian_mixture", "inference.thinning=1"), ["nuts"]),  # map has no inference.chains
        (("model=gaussian", "prior@model.prior.loc=bernoulli", "model.sigma=1", "data=coin_flips"), []),
    ],
)
def test_the_next_command_asks_the_same_question(words: tuple[str, ...], others: list[str], tmp_path: Path) -> None:
    method = "nuts" if others == ["map,mh"] else "mh"
    said = credo(*words, f"inference={method}", *few(method), *QUIET, cwd=tmp_path)
    assert said.code == 0, said
    commands = [shlex.split(line) for line in said.out.splitlines() if line.startswith("  credo ")]
    suggested = [command for command in commands if command[-1].startswith("inference=")]
    kept = [word for word in words if not word.startswith("inference")]
    several = [["-m"] if "," in other else [] for other in others]
    expected = [["credo", *m, *kept, *QUIET, f"inference={other}"] for m, other in zip(several, others, strict=True)]
    assert suggested == expected


def test_the_real_command_answers_the_same(tmp_path: Path, programs: str) -> None:
    """The other tests may run in one process: what they see is what a process of its own says."""
    words = ("data=coin_flips", "model=bernoulli", "inference=map", *few("map"), "tracking=none", "report=none")
    real, here = credo_process(*words, programs, cwd=tmp_path), credo(*words, QUIET[-1], cwd=tmp_path)
    assert real.code == here.code == 0
    typed = str(PYTHON.parent / "credo")  # no shell finds it by its name
    assert _timeless(real.out.replace(typed, "credo")) == _timeless(here.out)
    assert "PASSED" in real.out
    assert len(list(tmp_path.glob("outputs/*/*/posterior.nc"))) == 2


def _timeless(text: str) -> list[str]:
    """The lines without seconds and folders, which are another's."""
    changing = r"in [\d.]+ \w+|outputs/\S+|\S+compilation_cache=\S+"
    return [re.sub(changing, "", line).rstrip() for line in text.splitlines()]


def test_a_failed_verdict_is_an_error_only_where_asked(tmp_path: Path) -> None:
    words = (*COINS, "inference=nuts", *few("nuts"))
    assert credo(*words, cwd=tmp_path).code == 0
    said = credo(*words, "diagnostics.gate=error", cwd=tmp_path)
    assert said.code == 3
    assert "FAILED" in said.out


def test_an_objective_is_a_metric_of_the_run(tmp_path: Path) -> None:
    words = (*COINS, "inference=map", *few("map"))
    assert credo(*words, "objective=log_density", cwd=tmp_path).code == 0
    said = credo(*words, "objective=log_desity", cwd=tmp_path)
    assert said.code == 2
    assert said.err == "credo: objective: this run will have no metric 'log_desity'; did you mean 'log_density'?\n"


def test_a_failed_inference_is_told_and_recorded(tmp_path: Path) -> None:
    (tmp_path / "impossible.py").write_text(
        "import jax.numpy as jnp\nimport numpyro\nimport numpyro.distributions as dist\n\n\n"
        "def model(y):\n"
        '    mu = numpyro.sample("mu", dist.Normal(0.0, 1.0))\n'
        '    numpyro.factor("never", -jnp.inf * (1 + mu**2 + y[0] ** 2))\n'
    )
    words = ("model=program", "model.function=impossible:model", "data=coin_flips", "report=none", QUIET[-1])
    said = credo(*words, *few("nuts"), cwd=tmp_path)
    assert said.code == 1
    assert re.fullmatch(r"credo: no starting point with a finite log density [^\n]+\n", said.err)
    assert recorded(tmp_path) == [("FAILED", "RunError: " + said.err.removeprefix("credo: ").strip())]


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_stopped_run_is_killed(number: signal.Signals, tmp_path: Path, programs: str) -> None:
    words = ("data=coin_flips", "model=bernoulli", "inference.draws=100000000", "report=none", programs)
    with start(*words, cwd=tmp_path) as process:
        assert process.stderr is not None
        assert "warm-up" in process.stderr.readline()
        time.sleep(0.5)
        process.send_signal(number)
        try:
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    (said,) = [line for line in err.splitlines() if line.startswith("credo: ")]
    assert re.fullmatch(rf"credo: {_words(number)}; .*outputs/\S+ (has no checkpoint|continues it).*", said)
    assert recorded(tmp_path) == [("KILLED", _words(number))]


def _words(number: signal.Signals) -> str:
    return "stopped by SIGTERM" if number is signal.SIGTERM else "interrupted"


def recorded(folder: Path) -> list[tuple[str, str]]:
    """Status and reason of every run in the folder's MLflow store."""
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as store:
        return store.execute(
            "SELECT status, value FROM runs LEFT JOIN tags ON tags.run_uuid = runs.run_uuid AND key = 'error'"
        ).fetchall()


def test_several_runs_by_one_command(tmp_path: Path) -> None:
    said = credo("-m", *COINS, "inference=map,mle", cwd=tmp_path)
    assert said.code == 0
    assert sorted(path.parent.name for path in tmp_path.glob("multirun/*/*/*/verdict.json")) == ["0", "1"]
    answers = [line.split()[:2] for line in said.out.splitlines() if line.startswith("passed")]
    assert answers == [["passed", "inference=map"], ["passed", "inference=mle"]]
    assert "Launching 2 jobs" in said.err
    assert "HYDRA" not in said.out


def test_words_may_come_after_flags(tmp_path: Path) -> None:
    said = credo(*COINS, "-m", "inference=map", *few("map"), "seed=1,2", cwd=tmp_path)
    assert said.code == 0, said
    assert len(list(tmp_path.glob("multirun/*/*/*/verdict.json"))) == 2


def test_a_run_that_fails_lets_the_others_finish(tmp_path: Path) -> None:
    words = ("inference=map", *few("map"))
    said = credo("-m", *QUIET, "data=coin_flips", "model=regression,bernoulli", *words, cwd=tmp_path)
    assert said.code == 1
    assert said.err.count("credo: data: the model 'regression' needs the variable 'x'") == 1
    assert "Traceback" not in said.err
    assert [path.parent.name for path in tmp_path.glob("multirun/*/*/*/verdict.json")] == ["1"]


def test_a_sweep_with_a_misspelt_word_runs_nothing(tmp_path: Path) -> None:
    said = credo("-m", *COINS, "inference=map,nust", cwd=tmp_path)
    assert said.code == 2
    assert "credo: inference=nust: there is no such option; did you mean 'nuts' or 'nested'?\n" in said.err
    assert not list(tmp_path.glob("multirun/*/*/*/verdict.json"))


def test_lists_and_values_of_the_chains_are_typed(tmp_path: Path) -> None:
    words = ("inference.start=values", "+inference.start_values={mu: 4, tau: 2}", "inference.metric=low_rank")
    more = ("inference.keep=[mu,tau]", "inference.moments=true", "inference.stop.r_hat=1.5")
    judged = "inference.stop.variables=[tau]"
    said = credo("experiment=eight_schools", *words, *more, judged, *few("nuts"), *QUIET, cwd=tmp_path)
    assert said.code == 0, said
    assert "tau" in said.out
