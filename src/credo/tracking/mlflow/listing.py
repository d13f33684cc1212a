"""The newest runs of an MLflow store, whoever recorded them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from credo.tracking.mlflow import store

MOST_OF_ALL = 1000


def runs(uri: str, most: int | None, scores: Sequence[str]) -> list[dict[str, Any]]:
    """The newest runs of all experiments.

    Args:
        uri: of the store, as `tracking.uri` has it.
        most: how many, and one more where there are others; `None` for all, up to a thousand.
        scores: metrics, of which the first that a run has is its score.

    Returns:
        Of each run `when` (seconds since 1970), `verdict` (or how it stands), `name`, `score`, and `place`, its folder
        or its id.

    Raises:
        ConfigError: the store cannot be opened.
    """
    where = store.locate(uri, Path.cwd())
    store.require_place(where)
    with store.explained(where):
        client = store.connect(where)
        experiments = [one.experiment_id for one in client.search_experiments()]
        found = client.search_runs(
            experiments,
            max_results=MOST_OF_ALL if most is None else most + 1,
            order_by=["attributes.start_time DESC"],
        )
    return [_line(run, scores) for run in found]


def _line(run: Any, scores: Sequence[str]) -> dict[str, Any]:
    numbers, tags = run.data.metrics, run.data.tags
    status = run.info.status.lower()
    return {
        "when": run.info.start_time / 1000,
        "verdict": tags.get("verdict", "not finished" if status == "running" else status),
        "name": run.info.run_name,
        "score": next((f"{name} {numbers[name]:.4g}" for name in scores if name in numbers), ""),
        "place": tags.get("folder", run.info.run_id),
    }
