"""MLflow's pages in a real browser (Chromium without a window): what a person finds there, and pictures of it.

The pictures are kept in the folder that `CREDO_PICTURES` names, else in pytest's own.
"""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tools"))

from pictures import BIN, TIDY, UNFOLD, Page, chromium, mlflow  # noqa: E402 - found by the line above

from credo.tracking.mlflow import view  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed (apt-get install chromium)"),
]

SWEEP = (
    "-m", "data=eight_schools", "model=hierarchical", "inference=nuts", "inference.warmup=300", "inference.draws=300",
    "model.prior.tau.scale=1,5,25", "seed=0,1",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a sweep of six."""
    place = tmp_path_factory.mktemp("browser")
    subprocess.run([BIN / "credo", *SWEEP], cwd=place, check=True, capture_output=True)  # noqa: S603 - our own command
    return place


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    with mlflow(folder) as address:
        yield address


def known(folder: Path) -> tuple[str, list[str]]:
    """The ids of the sweep's run and of its children."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as store:
        children = store.execute(
            "SELECT run_uuid, value FROM tags WHERE key = 'mlflow.parentRunId' ORDER BY run_uuid"
        ).fetchall()
    return children[0][1], [child for child, _ in children]


def seen(address: str, name: str, folder: Path, wait: float = 15, script: str = "") -> str:
    """The words of a page, of which a picture is kept."""

    async def look() -> str:
        with chromium(folder / f"profile-{name}") as port:
            async with aiohttp.ClientSession() as session:
                page = await Page.open(session, port)
                await page.show(address, width=1460, wait=wait)
                await page.run(TIDY, wait=2)
                if script:
                    await page.run(script, wait=6)
                picture = await page.shoot("body")
                place = Path(os.environ.get("CREDO_PICTURES", folder))
                place.mkdir(parents=True, exist_ok=True)
                picture.save(place / f"{name}.png")
                colours = picture.getcolors(maxcolors=1_000_000)
                assert colours is None or len(colours) > 100, "the picture is empty"
                words: Any = await page.run("document.body.innerText")
                return str(words)

    return asyncio.run(look())


def test_the_run_table_shows_what_matters(server: str, folder: Path) -> None:
    words = seen(view.table(server, "1"), "table", folder)
    for title in ("verdict", "elpd_loo", "r_hat_max", "divergences"):
        assert title in words
    assert "tau.scale=1,5,25 seed=0,1" in words
    assert "/6 passed" in words


def test_a_sweep_unfolds_to_its_runs(server: str, folder: Path) -> None:
    words = seen(view.table(server, "1"), "unfolded", folder, script=UNFOLD)
    assert "tau.scale=25 seed=1" in words
    assert {"passed", "failed"} & set(words.split("\n"))


def test_the_page_of_a_run_has_its_account(server: str, folder: Path) -> None:
    _, children = known(folder)
    words = seen(view.page(server, "1", children[0]), "run", folder)
    for part in ("elpd_loo", "data_hash", "theta", "verdict"):
        assert part in words


def test_the_page_of_a_sweep_has_its_table(server: str, folder: Path) -> None:
    parent, _ = known(folder)
    words = seen(view.page(server, "1", parent), "sweep", folder)
    for part in ("tau.scale", "finished", "6 finished"):
        assert part in words


def test_charts_are_drawn(server: str, folder: Path) -> None:
    words = seen(f"{view.table(server, '1')}&compareRunsMode=CHART", "charts", folder, wait=20, script=UNFOLD)
    for part in ("posterior/mean/tau", "tau.scale=25 seed=1"):
        assert part in words


def test_runs_are_compared(server: str, folder: Path) -> None:
    _, children = known(folder)
    runs, experiments = json.dumps(children), json.dumps(["1"])
    address = f"{server}/#/compare-runs?runs={runs}&experiments={experiments}&workflowType=machine_learning"
    words = seen(address, "compared", folder, wait=15)
    assert "Parallel Coordinates Plot" in words
    assert "model.prior.tau.scale" in words
