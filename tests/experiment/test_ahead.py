import sys
import time
from importlib import import_module

from credo.experiment import ahead
from credo.report.run.html import HtmlReport


def test_what_is_missing_is_loaded_while_a_long_inference_goes_on(tmp_path, monkeypatch):
    (tmp_path / "slow_to_load.py").write_text("ANSWER = 42\n")
    (tmp_path / "broken_to_load.py").write_text("raise RuntimeError('no')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(ahead, "LONG", 0.01)
    with ahead.loading(["broken_to_load", "slow_to_load"]):
        until = time.monotonic() + 20
        while "slow_to_load" not in sys.modules and time.monotonic() < until:
            time.sleep(0.01)
        assert "slow_to_load" in sys.modules
    assert import_module("slow_to_load").ANSWER == 42  # waits where it is still being loaded
    del sys.modules["slow_to_load"]


def test_a_short_inference_shares_the_interpreter_with_nothing(tmp_path, monkeypatch):
    (tmp_path / "later_to_load.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(ahead, "LONG", 0.2)
    with ahead.loading(["later_to_load"]):
        pass
    time.sleep(0.5)
    assert "later_to_load" not in sys.modules


def test_a_report_names_what_it_loads_and_no_code_of_a_user():
    report = HtmlReport(["trace", "posterior"], 20, 100)
    assert {"credo.report.plots.trace", "credo.report.run.page"} <= set(report.loads)
    for name in report.loads:
        __import__(name)
