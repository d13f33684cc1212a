"""What the record of a sweep says of its runs: links to them, and a run of means and deviations over seeds."""

import re
from collections.abc import Iterator, Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from credo.escape import markdown
from credo.tracking.mlflow import entities

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

REPEATS = ("seed", "data.fold")
"""Params in which runs of one configuration differ."""

MOST_LINKS = 60
KIND = {"credo.kind": "seeds"}
"""The tag of a run that is no run of its own, but the summary of several."""

LEFT_OUT = ("warmup/", "progress/")


def of(client: "MlflowClient", experiment: str, parent: str) -> "tuple[list[Run], list[Run]]":
    """The runs of a sweep, the first first, and what summarises them."""
    mine = f"tags.`{entities.PARENT}` = '{parent}'"
    found = list(client.search_runs([experiment], mine, max_results=1000, order_by=["attributes.start_time ASC"]))
    summarises = [run.data.tags.get("credo.kind") == KIND["credo.kind"] for run in found]
    return (
        [run for run, is_summary in zip(found, summarises, strict=True) if not is_summary],
        [run for run, is_summary in zip(found, summarises, strict=True) if is_summary],
    )


def links(runs: "Sequence[Run]") -> str:
    """A line of markdown for each run: its name, which leads to its page, and its verdict."""
    lines = [
        f"- [{markdown(run.info.run_name)}](#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}) "
        f"{run.data.tags.get('verdict', run.info.status.lower())}"
        for run in runs[:MOST_LINKS]
    ]
    more = [f"- and {len(runs) - MOST_LINKS} more"] if len(runs) > MOST_LINKS else []
    return "\n".join([*lines, *more])


def summarise(client: "MlflowClient", experiment: str, parent: str, runs: "Sequence[Run]") -> None:
    """Record the mean and the standard deviation of each metric over the seeds of a configuration, as a run."""
    for group in _groups([run for run in runs if run.info.status == "FINISHED"]):
        shared = [name for name in group[0].data.metrics if all(name in run.data.metrics for run in group)]
        values = {name: [run.data.metrics[name] for run in group] for name in shared if not name.startswith(LEFT_OUT)}
        numbers = {name: fmean(own) for name, own in values.items()}
        numbers |= {f"sd/{name}": stdev(own) for name, own in values.items()}
        verdicts = [run.data.tags.get("verdict", "") for run in group]
        tags = {
            **KIND,
            entities.PARENT: parent,
            "verdict": f"{verdicts.count('passed')}/{len(group)} passed",
            "mlflow.note.content": f"Means and standard deviations (sd/) over {len(group)} runs:\n\n{links(group)}",
        }
        name = f"mean of {len(group)}: {_name(group[0]) or 'all'}"
        made = client.create_run(experiment, tags=tags, run_name=name)
        params = entities.params({key: word for key, word in group[0].data.params.items() if key not in REPEATS})
        client.log_batch(made.info.run_id, metrics=entities.metrics(numbers, 0)[:800], params=params[:100])
        client.set_terminated(made.info.run_id)


def _groups(runs: "Sequence[Run]") -> "Iterator[list[Run]]":
    """The runs that differ in their seed or fold alone, where there are several."""
    alike: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    for run in runs:
        alike.setdefault(tuple(sorted((k, v) for k, v in run.data.params.items() if k not in REPEATS)), []).append(run)
    return (group for group in alike.values() if len(group) > 1)


def _name(run: "Run") -> str:
    """What distinguishes the group, by the name of one of its runs."""
    return " ".join(re.sub(r"(?<!\S)(?:seed|data\.fold|fold)=\S+", "", run.info.run_name).split())
