"""What a person sees first in MLflow: the columns of its run table, and the addresses of its pages.

By itself the run table shows neither params nor metrics, and its addresses open a mode for language models. So
experiments carry a shared view, which MLflow keeps as JSON in an experiment tag, and addresses name it.
"""

import json
import re
import shlex
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from credo.secrets import masked

KEY = "credo"
HOST, PORT = "127.0.0.1", 5000
"""Where `credo ui` serves a local store."""

TAG = f"mlflow.sharedViewState.{KEY}"

COLUMNS = {
    "tags.`verdict`": 100,
    "tags.`overrides`": 250,
    "metrics.`r_hat_max`": 85,
    "metrics.`ess_bulk_min`": 105,
    "metrics.`divergences`": 95,
    "metrics.`elpd_loo`": 85,
    "metrics.`seconds/total`": 105,
    "params.`data`": 105,
    "params.`model`": 105,
    "params.`inference`": 85,
}
"""Column of the run table -> its width in pixels, in order."""


def content() -> str:
    """Return the view as MLflow stores it."""
    return json.dumps({"selectedColumns": list(COLUMNS), "columnOrder": list(COLUMNS), "columnWidths": COLUMNS})


def table(server: str, experiment: str) -> str:
    """Return the address of the run table of an experiment, with the columns above."""
    return f"{server}/#/experiments/{experiment}/runs?viewStateShareKey={KEY}&workflowType=machine_learning"


def page(server: str, experiment: str, run: str) -> str:
    """Return the address of the page of a run."""
    return f"{server}/#/experiments/{experiment}/runs/{run}?workflowType=machine_learning"


def _server(uri: str) -> str:
    """The command that serves a local store."""
    if (found := re.fullmatch(r"sqlite:///(.+)/mlflow\.db", uri)) is not None:
        return "credo ui" if Path(found[1]) == Path.cwd() else f"credo ui {shlex.quote(found[1])}"
    return f"MLFLOW_DISABLE_TELEMETRY=true mlflow ui --backend-store-uri {shlex.quote(uri)} --host 127.0.0.1"


def place(uri: str, is_server: bool, experiment: str, run: str) -> str:
    """Say where a run is found; for a local store also how to look into it."""
    uri = masked(uri)
    server = uri.rstrip("/") if is_server else f"http://{HOST}:{PORT}"
    lines = [page(server, experiment, run), f"all runs: {table(server, experiment)}"]
    if not is_server and not _serves(run):
        lines.insert(1, f"after: {_server(uri)}")
    return "\n".join(lines)


def _serves(run: str) -> bool:
    """Whether what listens at the local address, if anything does, is MLflow with this run."""
    line = HTTPConnection(HOST, PORT, timeout=1)
    try:
        line.request("GET", f"/api/2.0/mlflow/runs/get?run_id={run}")
        return line.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        line.close()
