"""What MLflow has of a sweep: links to its runs, summaries over seeds, and images that it compares."""

import re
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from PIL import Image

from console import credo
from credo.tracking.mlflow import entities

COINS = ("data=coin_flips", "model=bernoulli", "inference.starts=2", "inference.steps=20")
PLOT = ("report.plots=[posterior]", "report.dpi=40")


def test_a_sweep_links_its_runs_and_summarises_its_seeds(tmp_path: Path) -> None:
    swept = ("inference=map,mle", "seed=1,2", "hydra.sweep.dir=s", "sweep.compare=false")
    assert credo("-m", *COINS[:2], *PLOT, *swept, cwd=tmp_path).code == 0
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs(["1"], order_by=["attributes.start_time ASC"])
    parent = next(run for run in runs if entities.PARENT not in run.data.tags)
    children = [run for run in runs if "folder" in run.data.tags and run is not parent]
    note = parent.data.tags["mlflow.note.content"]
    assert note.startswith("**Verdict: 4/4 passed.** Jobs: 4 finished.\n\n| job | state |")
    found = re.findall(r"^- \[(.+)\]\(#/experiments/1/runs/(\w+)\) passed$", note, re.MULTILINE)
    assert {run for _, run in found} == {run.info.run_id for run in children}
    assert "inference=map seed=1" in {name.replace("\\", "") for name, _ in found}

    means = {run.info.run_name: run for run in runs if run.data.tags.get("credo.kind") == "seeds"}
    assert set(means) == {"mean of 2: inference=map", "mean of 2: inference=mle"}
    one = means["mean of 2: inference=map"]
    own = [run.data.metrics["log_density"] for run in children if run.data.params["inference"] == "map"]
    assert one.data.metrics["log_density"] == pytest.approx(sum(own) / 2)
    assert one.data.metrics["sd/log_density"] == pytest.approx(abs(own[0] - own[1]) / 2**0.5, abs=1e-12)
    assert (one.data.tags["verdict"], one.info.status) == ("2/2 passed", "FINISHED")
    assert "seed" not in one.data.params

    images = [file.path for file in client.list_artifacts(children[0].info.run_id, "images")]
    assert any("posterior" in name and name.endswith(".png") for name in images)
    for name in images:
        kept = Path(client.download_artifacts(children[0].info.run_id, name, str(tmp_path)))
        with Image.open(kept) as image:
            assert image.format == ("PNG" if name.endswith(".png") else "WEBP")
            assert max(image.size) <= 256 or name.endswith(".png")
        if name.endswith(".png"):  # as it was drawn
            assert kept.read_bytes() == (Path(children[0].data.tags["folder"]) / "plots/posterior.png").read_bytes()


def test_a_sweep_that_is_resumed_has_one_summary_per_configuration(tmp_path: Path) -> None:
    words = (*COINS, "inference=map", "report=none", "sweep.compare=false")
    assert credo("-m", *words, "seed=1,2", "hydra.sweep.dir=s", cwd=tmp_path).code == 0
    assert credo("-m", *words, "seed=3", "sweep.resume=s", cwd=tmp_path).code == 0
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs(["1"], "tags.`credo.kind` = 'seeds'")
    assert [run.info.run_name for run in runs] == ["mean of 3: all"]


def test_metrics_are_cut_and_that_is_told(tmp_path: Path) -> None:
    assert credo(*COINS, "inference=map", "report=none", "tracking.most_metrics=3", cwd=tmp_path).code == 0
    (run,) = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(["1"])
    finals = [name for name in run.data.metrics if not name.startswith(("progress/", "warmup/"))]
    assert len(finals) == 3
    assert "log_density" in finals
    assert re.fullmatch(r"\d+ of the posterior, which metrics\.json has", run.data.tags["metrics_left_out"])
