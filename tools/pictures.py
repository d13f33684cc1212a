"""Make the pictures of the README and the site anew, in docs/: real runs in a scratch folder, taken by Chromium.

.venv/bin/python tools/pictures.py
"""

import asyncio
import base64
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from PIL import Image

from credo.tracking.mlflow import view

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
RUNS = (
    "-m data=coin_flips model=bernoulli inference=mle,map,nuts,mh",
    "experiment=eight_schools hydra.run.dir=passed",
    "experiment=eight_schools_centred hydra.run.dir=failed",
    (
        "data=branches model=mdn inference=map model.components=2 training.epochs=1000 training.batch_size=32 "
        "training.learning_rate=0.01 training.patience=200 training.members=5 hydra.run.dir=network tracking=none"
    ),
    "-m data=eight_schools model=hierarchical inference=nuts model.prior.tau.scale=1,5,25 seed=0,1",
    "experiment=ebm_moons hydra.run.dir=energy tracking=none",
    "experiment=ebm_digits hydra.run.dir=digits tracking=none",
)
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

PAPER = "#f5f6f8"
"""The background of a report."""

TIDY = "for (const name of ['Close', 'Hide banner']) document.querySelector(`button[aria-label='${name}']`)?.click()"
"""Shuts what MLflow opens by itself on a first visit."""

UNFOLD = "document.querySelector('.ag-pinned-left-cols-container .ag-row button, .ag-row button').click()"
"""Shows the runs of the sweep that is on top of MLflow's run table."""

BOX = """selectors => {
    const boxes = selectors.map(selector => document.querySelector(selector).getBoundingClientRect())
    const x = Math.min(...boxes.map(box => box.left)), y = Math.min(...boxes.map(box => box.top))
    const width = Math.max(...boxes.map(box => box.right)) - x, height = Math.max(...boxes.map(box => box.bottom)) - y
    return {x: x + scrollX, y: y + scrollY, width, height, scale: 1}
}"""


def main() -> None:
    """Run, photograph, and save."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for words in RUNS:
            subprocess.run([BIN / "credo", *words.split()], cwd=folder, check=True)  # noqa: S603 - fixed words
        asyncio.run(take(folder))


async def take(folder: Path) -> None:
    """Take the pictures of the runs in a folder."""
    names = ("passed", "failed", "network", "energy", "digits")
    passed, failed, network, energy, digits = (f"file://{folder / name / 'report.html'}" for name in names)
    with chromium(folder / "profile") as port, mlflow(folder) as server:
        async with aiohttp.ClientSession() as session:
            page = await Page.open(session, port)
            await page.show(passed, width=1000, wait=2)
            figures = [figure("Posterior"), figure("Observations against predictions")]
            save("report.png", [await page.shoot("header", "#verdict"), *[await page.shoot(one) for one in figures]])
            await page.show(failed, width=1000, wait=2)
            save("verdict.png", [await page.shoot("#verdict")])
            await page.show(network, width=1000, wait=2)
            answers = ["#answer .card", figure("Predicted distribution along an input"), figure("Learning curves")]
            save("mdn.png", [await page.shoot(one) for one in answers])
            await page.show(energy, width=1000, wait=2)
            answers = ["#answer .card", figure("Density of the model"), figure("Learning curves")]
            save("ebm.png", [await page.shoot(one) for one in answers])
            await page.show(digits, width=1000, wait=2)
            save("digits.png", [await page.shoot(one) for one in ("#answer .card", figure("Samples of the model"))])
            await page.show(view.table(server, "1"), width=1460, wait=15)
            await page.run(TIDY, wait=3)
            await page.run(UNFOLD, wait=5)
            save("mlflow.png", [await page.shoot(".ag-header", ".ag-pinned-left-cols-container .ag-row:last-child")])
            charts = view.table(server, "1").replace("?", "?compareRunsMode=CHART&")
            await page.show(charts, width=1460, wait=20)
            await page.run(TIDY, wait=3)
            await page.run(UNFOLD, wait=15)
            save("charts.png", [await page.shoot("body")])


def figure(title: str) -> str:
    """The selector of the figure of this title."""
    return f"figure:has(img[alt='{title}'])"


class Page:
    """A tab of Chromium, driven by its DevTools protocol."""

    def __init__(self, line: aiohttp.ClientWebSocketResponse) -> None:
        """Talk to a tab."""
        self._line, self._calls = line, 0

    @classmethod
    async def open(cls, session: aiohttp.ClientSession, port: int) -> "Page":
        """Take the tab that a fresh Chromium has."""
        async with session.get(f"http://127.0.0.1:{port}/json") as answer:
            tab = next(tab for tab in await answer.json() if tab["type"] == "page")
        return cls(await session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0))

    async def show(self, address: str, width: int, wait: float) -> None:
        """Load a page and give its scripts time."""
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        await self._call("Emulation.setDeviceMetricsOverride", **size)
        await self._call("Page.navigate", url=address)
        await asyncio.sleep(wait)

    async def run(self, script: str, wait: float = 0) -> Any:
        """Run a script in the page; returns its value."""
        answer = await self._call("Runtime.evaluate", expression=script, returnByValue=True)
        await asyncio.sleep(wait)
        return answer["result"].get("value")

    async def shoot(self, *selectors: str) -> Image.Image:
        """Photograph the box around the first element of each selector."""
        clip = await self.run(f"({BOX})({json.dumps(selectors)})")
        answer = await self._call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return Image.open(io.BytesIO(base64.b64decode(answer["data"]))).convert("RGB")

    async def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._calls += 1
        await self._line.send_json({"id": self._calls, "method": method, "params": params})
        while True:
            answer = await self._line.receive_json()
            if answer.get("id") == self._calls:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result


def save(name: str, parts: list[Image.Image], gap: int = 12) -> None:
    """Put parts of a page under each other and write a PNG."""
    height = sum(part.height + gap for part in parts) + gap
    whole = Image.new("RGB", (max(part.width for part in parts) + 2 * gap, height), PAPER)
    top = gap
    for part in parts:
        whole.paste(part, (gap, top))
        top += part.height + gap
    path = ROOT / "docs" / name
    whole.save(path, optimize=True)
    sys.stdout.write(f"{path.relative_to(ROOT)}: {whole.width} x {whole.height}, {path.stat().st_size / 1000:.0f} kB\n")


@contextmanager
def chromium(profile: Path) -> Iterator[int]:
    """A Chromium without a window; yields the port of its DevTools."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.exit("pictures: Chromium is needed")
    flags = "--headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --disable-background-networking"
    command = [program, *flags.split(), "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
    with running(command):
        ready = profile / "DevToolsActivePort"
        while not ready.exists() or not ready.read_text().strip():
            time.sleep(0.2)
        time.sleep(1)
        yield int(ready.read_text().split()[0])


@contextmanager
def mlflow(folder: Path) -> Iterator[str]:
    """MLflow's server with the runs in a folder; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = f"server --backend-store-uri sqlite:///mlflow.db --host 127.0.0.1 --port {port} --workers 1"
    with running([str(BIN / "mlflow"), *words.split()], cwd=folder, env=os.environ | QUIET):
        for _ in range(120):
            time.sleep(1)
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            except OSError:
                continue
            break
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[None]:
    """A program that ends with the block."""
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)  # noqa: S603
    try:
        yield
    finally:
        program.terminate()
        program.wait()


if __name__ == "__main__":
    main()
