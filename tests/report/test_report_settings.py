"""The YAMLs of `conf/report` name the same keys as the classes."""

import dataclasses
import importlib
from pathlib import Path

import pytest
import yaml

from credo.report.base import Report
from credo.report.plots import words

CONF = Path(__file__).parents[2] / "conf" / "report"
OPTIONS = sorted(file.stem for file in CONF.glob("*.yaml"))


@pytest.mark.parametrize("option", OPTIONS)
def test_yaml_and_class_agree(option):
    text = (CONF / f"{option}.yaml").read_text()
    settings = yaml.safe_load(text)
    assert text.startswith(f"# credo report={option}")
    module, _, name = settings.pop("_target_").rpartition(".")
    part = getattr(importlib.import_module(module), name)
    keys = {field.name for field in dataclasses.fields(part)}
    assert keys == set(settings)
    assert isinstance(part(**settings), Report)


def test_every_plot_is_in_the_preset():
    assert set(yaml.safe_load((CONF / "html.yaml").read_text())["plots"]) == set(words())


def test_no_report_writes_nothing(record, schools, summary, verdict):
    from credo.report.run.none import NoReport

    assert NoReport().write(record, schools, summary(schools), verdict, {}) is None
    assert not list(record.folder.iterdir())
