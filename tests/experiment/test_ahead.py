import sys

from credo.experiment import ahead
from credo.report.run.html import HtmlReport


def test_what_is_missing_is_loaded_by_a_thread(tmp_path, monkeypatch):
    (tmp_path / "slow_to_load.py").write_text("ANSWER = 42\n")
    (tmp_path / "broken_to_load.py").write_text("raise RuntimeError('no')\n")
    monkeypatch.syspath_prepend(tmp_path)
    thread = ahead.load(["broken_to_load", "slow_to_load"])
    assert thread is not None
    thread.join()
    assert sys.modules.pop("slow_to_load").ANSWER == 42
    assert ahead.load(["sys"]) is None


def test_a_report_names_what_it_loads_and_no_code_of_a_user():
    report = HtmlReport(["trace", "posterior"], 20, 100)
    assert ahead.load(["sys", *()]) is None
    assert {"credo.report.plots.trace", "credo.report.run.page"} <= set(report.loads)
    for name in report.loads:
        __import__(name)
