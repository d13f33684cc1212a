"""What a run says in the terminal."""

import dataclasses
import io
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from rich.console import Console

from credo.diagnostics.base import Check, Verdict
from credo.inference.kind import Kind
from credo.inference.result import Cost, Result, Status
from credo.report.terminal import progress as progress_module
from credo.report.terminal.progress import Progress, making, news
from credo.report.terminal.run import show_answer, show_places
from credo.runs.record import RunRecord

PLACE = "http://127.0.0.1:5000/#/experiments/1/runs/0123456789abcdef0123456789abcdef?workflowType=machine_learning"


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    return RunRecord("eight_schools nuts", {}, {}, (), tmp_path / "outputs" / "run", tmp_path, {}, {}, xr.Dataset())


@pytest.fixture
def verdict() -> Verdict:
    return Verdict(
        "failed",
        (
            Check("chains", "passed", 4, 4, "4 chains started from different points."),
            Check("r_hat", "failed", 1.0432, 1.01, f"The chains disagree about tau. {'Draw more. ' * 9}"),
            Check("loo", "not checked", None, None, "Pareto k could not be computed."),
            Check("prior", "note", 0.12, 0.05, "The answer leans on the prior."),
        ),
    )


def summary(rows: int) -> pd.DataFrame:
    names = [f"theta[{'a very long name of a school ' * (i == 3)}{i}]" for i in range(rows)]
    numbers = {"mean": 4.4, "sd": 3.2, "q5": -1, "q50": 4.4, "q95": 9.7, "mcse_mean": 0.05}
    mixing = {"ess_bulk": 1234.0, "ess_tail": 2000.0, "r_hat": 1.0432}
    return pd.DataFrame([{"variable": name} | numbers | mixing for name in names])


def result(kind: Kind = Kind.CHAINS, status: Status = Status.DONE) -> Result:
    return Result(xr.DataTree(), status, Cost({"compile": 1.0, "sampling": 0.5}), "nuts", kind, ())


def shown(
    record, verdict, rows=3, kind=Kind.CHAINS, status=Status.DONE, page=None, tracked=None, commands=(), **settings
) -> str:
    console = Console(file=io.StringIO(), width=80, **settings)
    show_answer(record, result(kind, status), summary(rows), verdict, console=console)
    show_places(record, {"report": page}, {"MLflow": tracked}, commands, console=console)
    return console.file.getvalue()


def test_columns_that_are_left_out_are_told(record, verdict):
    asked = {**record.description, "data": {"left_out": "sex, hospital (text)"}}
    assert "\nleft out: sex, hospital (text)\n" in shown(replace(record, description=asked), verdict)
    assert "left out" not in shown(record, verdict)


def test_it_says_which_of_two_classes_counts(record, verdict):
    asked = {**record.description, "data": {"classes": ["fail", "pass"]}}
    assert "\nthe target: pass is 1, fail is 0\n" in shown(replace(record, description=asked), verdict)
    assert "the target" not in shown(record, verdict)


def test_the_time_is_the_one_that_was_waited(record, verdict):
    late = dataclasses.replace(record, began=time.monotonic() - 125)
    assert "eight_schools nuts in 2 min 5 s\n" in shown(late, verdict)


def test_end_of_a_run_in_plain_words(record, verdict):
    page = record.folder / "report.html"
    text = shown(record, verdict, page=page, tracked=PLACE, commands=["credo inference.draws=4000"])
    assert "\x1b" not in text
    assert "FAILED This answer failed its checks" in text
    assert "1 failed, 1 not checked, 1 passed, 1 note" in text
    assert "r_hat 1.043 (threshold 1.01)" in text
    for reason in (
        "The chains disagree about tau.",
        "Pareto k could not be computed.",
        "The answer leans on the prior.",
    ):
        assert reason in text
    assert "4 chains started" not in text
    assert "outputs/run/report.html" in text
    assert str(record.start_folder) not in text
    assert PLACE in text
    assert text.rstrip().endswith("Next:\n  credo inference.draws=4000")


def test_only_addresses_are_wider_than_80_columns(record, verdict):
    lines = shown(record, verdict, tracked=f"{PLACE}\nall runs").splitlines()
    assert [line for line in lines if len(line.rstrip()) > 80] == [f"MLflow  {PLACE}"]
    assert "        all runs" in lines


def test_table_is_capped_and_says_so(record, verdict):
    text = shown(record, verdict, rows=50)
    assert text.count("theta[") == 20
    assert "and 30 more rows in summary.csv" in text
    assert "1.043" in text
    assert "1.04320" not in text


def test_point_estimate_has_errors_and_no_r_hat(record, verdict):
    text = shown(record, verdict, kind=Kind.POINT, status=Status.NOT_CONVERGED)
    table = text[: text.index("FAILED")]
    assert "std error" in table
    assert "R-hat" not in table
    assert "The optimiser stopped before it converged." in text


def test_the_median_is_shown_where_there_is_no_mean(record, verdict):
    numbers = summary(1)
    console = Console(file=io.StringIO(), width=80)
    show_answer(record, result(), numbers, verdict, console)
    assert "median" not in console.file.getvalue()
    console = Console(file=io.StringIO(), width=80)
    show_answer(record, result(), numbers.assign(mean=np.nan, sd=np.nan), verdict, console)
    header, row = (
        line.split() for line in console.file.getvalue().splitlines()[1:4] if "median" in line or "–" in line
    )
    assert header[:5] == ["mean", "sd", "5", "%", "median"]
    assert row[1:5] == ["–", "–", "-1.00", "4.40"]


def test_passed_verdict_only_counts(record, verdict):
    passed = dataclasses.replace(verdict, status="passed", checks=verdict.checks[:1])
    text = shown(record, passed)
    assert "PASSED" in text
    assert "1 passed" in text
    assert "chains" not in text


def test_names_are_never_markup(record):
    evil = Verdict("failed", (Check("[red]x", "failed", None, None, "[bold]do[/] this"),))
    text = shown(dataclasses.replace(record, name="[blink]run"), evil, commands=["credo data.features=[a,b]"])
    for words in ("[blink]run", "[red]x", "[bold]do[/] this", "credo data.features=[a,b]"):
        assert words in text


def test_colour_on_a_terminal_but_not_with_no_color(record, verdict, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1;31mFAILED" in shown(record, verdict, force_terminal=True, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;31m" not in shown(record, verdict, force_terminal=True, color_system="standard")


def test_progress_without_a_terminal_prints_few_plain_lines():
    console = Console(file=io.StringIO(), width=80)
    with Progress(console) as progress:
        for done in range(1, 101):
            progress.progress("warmup", done, 100, {"step_size": 0.41234})
        for done in range(1, 101):
            progress.progress("sampling", done, 100, {"divergences": 3, "r_hat_max": 1.0123, "ess_bulk_min": 812.3})
    lines = console.file.getvalue().splitlines()
    assert "\x1b" not in console.file.getvalue()
    assert len(lines) == 4  # first and last of each phase: the others come sooner than LINE_SECONDS
    assert lines[1].startswith("warm-up 100/100, step 0.41, after")
    assert lines[3].startswith("sampling 100/100, 3 divergent, R-hat 1.012, ESS 812, after")


def test_progress_on_a_terminal_shows_every_phase_and_ends_clean():
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    with Progress(console) as progress:
        progress.progress("warmup", 500, 500, {"step_size": 0.4})
        progress.progress("sampling", 250, 1000, {"divergences": 0, "r_hat_max": np.nan})
    text = console.file.getvalue()
    assert "500/500" in text
    assert "250/1,000" in text
    assert "nan" not in text
    assert text.rstrip("\n").split("\r")[-1].count("compiling") == 0
    assert "\x1b[?25h" in text  # the cursor is given back


def test_the_bar_and_the_times_have_room_in_80_columns():
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    with Progress(console) as progress:
        progress.progress("warmup", 1000, 1000, {"step_size": 0.34})
        numbers = {"divergences": 12, "r_hat_max": 1.001, "ess_bulk_min": 11931.0, "step_size": 0.34}
        progress.progress("sampling", 5000, 5000, numbers)
    last = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue()).rstrip())[-1]
    assert re.fullmatch(r"sampling +\S+ 5,000/5,000 12 divergent, R-hat 1.001, ESS 11,931.* \d\d:\d\d", last)
    assert len(last) == 80


def test_what_is_made_after_the_inference_is_told_where_it_takes_long(monkeypatch, capfd):
    monkeypatch.setattr(progress_module, "LINE_SECONDS", 0.02)
    told = making(time.monotonic())
    with told("leave-one-out"):
        pass
    with told("log Z"):
        time.sleep(0.03)
    out, err = capfd.readouterr()
    assert out == ""
    assert re.fullmatch(r"log Z in 0\.0\d s, after 0\.\d+ s\n", err)


def test_divergences_of_the_warm_up_are_no_news():
    assert news("warmup", {"divergences": 5, "step_size": 0.5}) == "step 0.5"
    assert news("sampling", {"divergences": 5, "step_size": 0.5}) == "5 divergent, step 0.5"
    assert news("optimisation", {"objective": -1234.567}) == "log density -1,234.57"


def test_progress_goes_to_stderr_and_the_end_to_stdout(capfd, record, verdict):
    with Progress() as progress:
        progress.progress("sampling", 1, 1, {})
    out, err = capfd.readouterr()
    assert out == ""
    assert "sampling 1/1" in err
    show_answer(record, result(), summary(1), verdict)
    out, err = capfd.readouterr()
    assert "FAILED" in out
    assert err == ""


def test_import_is_light():
    heavy = ["jax", "numpyro", "arviz_base", "arviz_stats", "mlflow", "matplotlib", "jinja2"]
    loaded = f"','.join(m for m in {heavy} if m in sys.modules)"
    code = f"import sys; from credo.report.terminal import progress, run; sys.exit({loaded} or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")


def test_a_parametrisation_folds_away_and_effects_stay(record, verdict):
    """What the model marks decides, not the name: `z[0]` is an effect, and `theta` is only a parametrisation."""
    one = ("chain", "draw", "school"), np.zeros((1, 1, 3))
    posterior = xr.Dataset({"theta": (*one, {"effect": "z"}), "z": (*one, {"effect": "z"})})
    found = replace(result(), tree=xr.DataTree.from_dict({"posterior": posterior}))
    numbers = summary(3).assign(variable=[f"theta[{i}]" for i in range(3)])
    console = Console(file=io.StringIO(), width=80)
    numbers = pd.concat([numbers, numbers.assign(variable=[f"z[{i}]" for i in range(3)])])
    show_answer(record, found, numbers, verdict, console)
    text = console.file.getvalue()
    assert "z[2]" in text
    assert "theta[2]" not in text
    assert "and 3 of the parametrisation (theta) in summary.csv" in text
