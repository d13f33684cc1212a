"""Passwords and tokens are in nothing that is written, and a run finds its store again without them."""

import logging

import pytest
from omegaconf import OmegaConf

from credo.config import paths
from credo.errors import ConfigError
from credo.secrets import Formatter, masked, restored


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:hush@host:5000/x", "http://***@host:5000/x"),
        ("http://hush@host", "http://***@host"),
        ("http://me:hu/sh@host", "http://***@host"),
        ("http://me:hu@sh@host", "http://***@host"),
        ("http://me:hu@s/h@host/path", "http://***@host/path"),
        ("http://me:hu#s?h@host", "http://***@host"),
        ("http://me:hu sh'\"@host", "http://***@host"),
        ("tracking.uri=http://me:hu sh@host", "tracking.uri=http://***@host"),
        ("+tracking.uri='http://me:hush@host'", "+tracking.uri='http://***@host'"),
        ("postgresql+psycopg2://me:hu%2Fsh@host/db?sslmode=on", "postgresql+psycopg2://***@host/db?sslmode=on"),
        ("postgresql://host/db?user=me&password=hush", "postgresql://host/db?user=me&password=***"),
        ("http://host/?token=hush&x=1", "http://host/?token=***&x=1"),
        ("http://host/?a=1&access_token=hush", "http://host/?a=1&access_token=***"),
        ("https://host/c?sv=1&sig=hush%3D", "https://host/c?sv=1&sig=***"),
        ("https://host/?X-Amz-Signature=hush&X-Amz-Credential=hush", None),
        ("cannot reach 'http://me:hush@host/x' (is it up?)", "cannot reach 'http://***@host/x' (is it up?)"),
        ("retries exceeded with url: /api/2.0/x?token=hush (Caused by y)", None),
        ("${oc.env:X,http://me:hush@host}", "${oc.env:X,http://***@host}"),
        ("hydra.job.env_set.MLFLOW_TRACKING_PASSWORD=hush", "hydra.job.env_set.MLFLOW_TRACKING_PASSWORD=***"),
        ("Authorization: Bearer hush12345678", "Authorization: Bearer ***"),
    ],
)
def test_hides_secrets(text, shown):
    assert "hush" not in masked(text)
    assert "hu" not in masked(text).replace("http", "")
    if shown is not None:
        assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:5000/#/experiments/1/runs/2?viewStateShareKey=credo&workflowType=machine_learning",
        "sqlite:////home/me@work/mlflow.db",
        "tracking.uri=sqlite:///x@y.db?timeout=5",
        "https://host/a@b",
        "see https://host:5000/x or write to me@host",
        "prior@model.prior.loc=gaussian",
        "tracking.uri=http://***@[bad: type it as 'tracking.uri=\"http://***@[bad\"'; see me@host",
        "model.keys=3",
        "inference=map,nuts",
        "",
    ],
)
def test_leaves_alone_what_is_no_secret(text):
    assert masked(text) == text


def test_goes_through_containers():
    config = {"tracking": {"uri": "http://me:hush@host", "tags": {"a": 1}}, "seeds": [1, None, 2.5, True]}
    hydra = {"job": {"env_set": {"MLFLOW_TRACKING_TOKEN": "hush", "OMP_NUM_THREADS": "2"}}}
    assert masked(config | hydra) == {
        "tracking": {"uri": "http://***@host", "tags": {"a": 1}},
        "seeds": [1, None, 2.5, True],
        "job": {"env_set": {"MLFLOW_TRACKING_TOKEN": "***", "OMP_NUM_THREADS": "2"}},
    }
    assert masked(("http://me:hush@host", "seed=1")) == ("http://***@host", "seed=1")


def test_masking_twice_is_masking_once():
    once = masked("http://me:hu/s@h@host/?token=hush")
    assert masked(once) == once


def test_a_line_of_a_log():
    record = logging.LogRecord("hydra", logging.INFO, "", 0, "\t#0 : name=%s", ("\x1b[31m http://me:hush@host",), None)
    assert Formatter("%(message)s").format(record) == "\t#0 : name=\\x1b[31m http://***@host"


def test_both_logs_have_it():
    for name in ("hydra_logging", "job_logging"):
        known = OmegaConf.load(paths.built_in() / "conf" / "hydra" / name / "credo.yaml")
        assert known.formatters.plain["()"] == "credo.secrets.Formatter"


@pytest.fixture
def environment(monkeypatch):
    for name in ("URI", "USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    return monkeypatch


def test_the_environment_has_the_secret(environment):
    assert restored("http://host") == "http://host"
    environment.setenv("MLFLOW_TRACKING_URI", "postgresql://me:hu/sh@host/db")
    assert restored("postgresql://***@host/db") == "postgresql://me:hu/sh@host/db"
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_URI"):
        restored("postgresql://***@other/db")
    environment.setenv("MLFLOW_TRACKING_USERNAME", "me")
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_PASSWORD"):
        restored("http://***@host")
    environment.setenv("MLFLOW_TRACKING_PASSWORD", "hush")
    assert restored("http://***@host/x") == "http://host/x"
    with pytest.raises(ConfigError, match=r"tracking\.uri=http://host/\?token=\*\*\*"):
        restored("http://host/?token=***")
