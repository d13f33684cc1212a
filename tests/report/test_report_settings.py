"""The YAMLs of `conf/report` and their schemas name the same keys as the classes."""

import dataclasses
import importlib
from pathlib import Path

import pytest
import yaml

from credo.config.schema.report import OPTIONS
from credo.report.base import Report
from credo.report.plots import words

CONF = Path(__file__).parents[2] / "conf" / "report"


@pytest.mark.parametrize("option", OPTIONS)
def test_yaml_schema_and_class_agree(option):
    text = (CONF / f"{option}.yaml").read_text()
    settings = yaml.safe_load(text)
    assert text.startswith(f"# credo report={option}")
    assert settings.pop("defaults") == [f"/schema/report/{option}@_here_", "_self_"]
    target = OPTIONS[option]._target_
    module, _, name = target.rpartition(".")
    part = getattr(importlib.import_module(module), name)
    keys = {field.name for field in dataclasses.fields(part)}
    assert keys == set(settings) == {f.name for f in dataclasses.fields(OPTIONS[option])} - {"_target_"}
    assert isinstance(part(**settings), Report)


def test_every_plot_is_in_the_preset():
    assert set(yaml.safe_load((CONF / "html.yaml").read_text())["plots"]) == set(words())


def test_no_report_writes_nothing(record, schools, summary, verdict):
    from credo.report.run.none import NoReport

    assert NoReport().write(record, schools, summary(schools), verdict, {}) is None
    assert not list(record.folder.iterdir())
